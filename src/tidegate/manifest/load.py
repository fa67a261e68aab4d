"""Reads tidegate.yml: YAML, then the models, then what differs in an environment; faults get their path and line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from tidegate.manifest.errors import Fault, ManifestError
from tidegate.manifest.model import FILE_NAME, Environment, Manifest, Service

Path_ = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

# keys that the design knows and this version does not offer yet: better named than unknown
_NOT_YET = {
    "sidecars": "sidecars are not offered yet",
    "jobs": "scheduled jobs are not offered yet",
    "spot": "FARGATE_SPOT shares are not offered yet",
    "load_balancer": "only Application Load Balancers are offered; a Classic Load Balancer cannot serve Fargate",
    "domain": "domains and HTTPS are not offered yet",
    "trigger": "path filters are not offered yet",
    "strategy": "only rolling deployments are offered yet",
    "alarms": "alarms are not offered yet",
    "requests": "scaling by requests is not offered yet",
}


def load(path: Path, environment: str | None = None) -> Manifest:
    """Return the manifest in a file; raise `ManifestError`.

    With an environment, the services are as they are there: its overrides are put over them.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise ManifestError([Fault("", f"{FILE_NAME}: there is none in {path.parent}; run tidegate init")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError([Fault("", f"{FILE_NAME}: it cannot be read: {error}")]) from None
    return parse(text, environment)


def parse(text: str, environment: str | None = None) -> Manifest:
    """Return the manifest of a YAML text; raise `ManifestError`."""
    try:
        document = yaml.safe_load(text)
        lines = dict(_lines(yaml.compose(text, Loader=yaml.SafeLoader)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or str(error)
        raise ManifestError([Fault("", f"not YAML: {why}", None if mark is None else mark.line + 1)]) from None
    if not isinstance(document, dict):
        raise ManifestError([Fault("", "it is empty, or not a mapping of keys")])
    manifest = _validated(Manifest, document, (), lines)
    _check_names(manifest, lines)
    if environment is None:
        return manifest
    if environment not in manifest.environment_names:
        known = ", ".join(manifest.environment_names)
        raise ManifestError([Fault("environments", f"there is no {environment!r}; there are {known}")])
    overrides = manifest.environments.get(environment, Environment()).services
    services: dict[str, Service] = dict(manifest.services)
    for name, override in overrides.items():
        whole = _merged(manifest.services[name].model_dump(), override)
        services[name] = _validated(Service, whole, ("environments", environment, "services", name), lines)
    return manifest.model_copy(update={"services": services})


def _validated(model: type[M], document: Any, at: Path_, lines: Mapping[Path_, int]) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = [_fault(model, each, at, lines) for each in error.errors(include_url=False)]
        raise ManifestError(faults) from None


def _fault(model: type[BaseModel], error: Any, at: Path_, lines: Mapping[Path_, int]) -> Fault:
    path = (*at, *(part for part in error["loc"] if part != "[key]"))
    why = error["msg"][:1].lower() + error["msg"][1:]
    if error["type"] == "value_error":
        why = error["msg"].removeprefix("Value error, ")
    elif error["type"] == "extra_forbidden":
        key = str(path[-1])
        known = _known_keys(model, error["loc"][:-1])
        near = difflib.get_close_matches(key, known, 1, 0.6)
        if key in _NOT_YET:
            why = _NOT_YET[key]
        elif near:
            why = f"unknown key; did you mean {near[0]}?"
        else:
            why = f"unknown key; known here are {', '.join(known)}"
    elif error["type"] == "missing":
        why = "it is missing"
    elif error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] == r"^[a-z][a-z0-9-]{0,29}$":
        why = f"{error['input']!r} is not a name: lower-case letters, digits and -, a letter first, 30 at the most"
    elif error["type"] == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        rule = "begin with /" if pattern == "^/" else f"match {pattern}"
        why = f"{error['input']!r} must {rule}"
    elif error["type"] == "string_type" and error["input"] is not None:
        why = f"{error['input']!r} is not text; put it in quotes"
    elif error["type"] == "literal_error":
        why = f"{error['input']!r} is none of {error['ctx']['expected']}"
    return Fault(".".join(map(str, path)), why, _line(path, lines))


def _known_keys(model: type[BaseModel], path: Path_) -> list[str]:
    """Return the keys that a model knows at a path below it."""
    node: Any = model
    for part in path:
        if _is_model(node):
            node = node.model_fields[str(part)].annotation
        else:  # dict[name, model] or tuple[model, ...]
            node = next((each for each in get_args(node) if _is_model(each)), None)
    return list(node.model_fields) if _is_model(node) else []


def _is_model(node: Any) -> bool:
    return isinstance(node, type) and issubclass(node, BaseModel)


def _check_names(manifest: Manifest, lines: Mapping[Path_, int]) -> None:
    faults = []
    for name, environment in manifest.environments.items():
        for service in environment.services:
            if service not in manifest.services:
                path: Path_ = ("environments", name, "services", service)
                known = ", ".join(manifest.services)
                faults.append(
                    Fault(".".join(map(str, path)), f"there is no such service; there are {known}", _line(path, lines))
                )
    for number, stage in enumerate(manifest.pipeline.stages):
        if stage.environment not in manifest.environment_names:
            path = ("pipeline", "stages", number)
            known = ", ".join(manifest.environment_names)
            faults.append(
                Fault(
                    f"pipeline.stages.{number}",
                    f"there is no environment {stage.environment!r}; there are {known}",
                    _line(path, lines),
                )
            )
    if faults:
        raise ManifestError(faults)


def _merged(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: _merged(base.get(key), value) for key, value in over.items()}}
    return over


def _line(path: Path_, lines: Mapping[Path_, int]) -> int | None:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _lines(node: yaml.Node | None, path: Path_ = ()) -> Iterator[tuple[Path_, int]]:
    """Yield the line of every key."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = (*path, key.value)
            yield at, key.start_mark.line + 1
            yield from _lines(value, at)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            at = (*path, number)
            yield at, value.start_mark.line + 1
            yield from _lines(value, at)
