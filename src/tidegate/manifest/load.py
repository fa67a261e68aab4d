"""Reads tidegate.yml: YAML, then the models, then what differs in an environment; faults get their path and line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from tidegate.manifest.checks import problems
from tidegate.manifest.checks_whole import problems_of_the_whole
from tidegate.manifest.errors import Fault, ManifestError
from tidegate.manifest.job import SCHEDULE, Job
from tidegate.manifest.model import FILE_NAME, Manifest
from tidegate.manifest.part import LONGEST_NAME, NAME
from tidegate.manifest.service import Service, count_of

Path_ = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

# what a pattern asks for, in words
_RULES = {
    "^/": "begin with /",
    NAME: "be a name: lower-case letters and digits, with single - between them, a letter first",
    SCHEDULE: "be a schedule: rate(1 hour), or cron(0 3 * * ? *) with minute, hour, day, month, weekday, year",
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
    """Return the manifest of a YAML text; raise `ManifestError` with all that is wrong in any environment."""
    try:
        document = yaml.safe_load(text)
        lines = dict(_lines(yaml.compose(text, Loader=yaml.SafeLoader)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or str(error)
        raise ManifestError([Fault("", f"not YAML: {why}", None if mark is None else mark.line + 1)]) from None
    except RecursionError:
        raise ManifestError([Fault("", "not YAML: it is nested too deeply")]) from None
    if not isinstance(document, dict):
        raise ManifestError([Fault("", "it is empty, or not a mapping of keys")])
    faults: list[Fault] = []
    manifest = _validated(Manifest, document, (), lines, faults)
    if manifest is None:
        raise ManifestError(faults)
    manifest = _with_overrides(manifest, document, lines, faults)
    _check(manifest, lines, faults)
    if faults:
        raise ManifestError(faults)
    if environment is None:
        return manifest
    if environment not in manifest.environment_names:
        known = ", ".join(manifest.environment_names)
        raise ManifestError([Fault("environments", f"there is no {environment!r}; there are {known}")])
    return manifest.at(environment)


def _with_overrides(
    manifest: Manifest, document: Mapping[str, Any], lines: Mapping[Path_, int], faults: list[Fault]
) -> Manifest:
    """Return the manifest that knows its services and jobs in every environment."""
    services: dict[str, dict[str, Service]] = {}
    jobs: dict[str, dict[str, Job]] = {}
    for name in manifest.environment_names:
        environment = manifest.environment(name)
        at: Path_ = ("environments", name)
        services[name] = dict(manifest.services)
        for each, override in environment.services.items():
            if each in manifest.services and override:
                whole = _merged(_spelled_out(document["services"][each] or {}), override)
                service = _validated(Service, whole, (*at, "services", each), lines, faults)
                services[name][each] = service or manifest.services[each]
        jobs[name] = {each: job for each, job in manifest.jobs.items() if environment.jobs.get(each, job) is not None}
        for each, override in environment.jobs.items():
            if each in manifest.jobs and override:
                job = _validated(Job, _merged(document["jobs"][each], override), (*at, "jobs", each), lines, faults)
                jobs[name][each] = job or manifest.jobs[each]
    return manifest.with_overrides(services, jobs)


def _check(manifest: Manifest, lines: Mapping[Path_, int], faults: list[Fault]) -> None:
    """Add what does not go together: as the manifest stands, and as an environment makes it."""
    told = list(problems(manifest))
    faults += [_told(path, why, lines) for path, why in told]
    for name, environment in manifest.environments.items():
        if environment.services or environment.jobs:
            for path, why in problems(manifest, name):
                if (path, why) not in told:
                    faults.append(_told(("environments", name, *path), why, lines))
    faults += [_told(path, why, lines) for path, why in problems_of_the_whole(manifest)]


def _told(path: Path_, why: str, lines: Mapping[Path_, int]) -> Fault:
    return Fault(".".join(map(str, path)), why, _line(path, lines))


def _validated(model: type[M], document: Any, at: Path_, lines: Mapping[Path_, int], faults: list[Fault]) -> M | None:
    """Return the model, or None after all that is wrong in it was added to the faults."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        wrong = [each["loc"] for each in errors]
        for each in errors:
            # a list is not too short because a part of it is wrong
            inside = any(len(loc) > len(each["loc"]) and loc[: len(each["loc"])] == each["loc"] for loc in wrong)
            if not (each["type"] == "too_short" and inside):
                faults.append(_fault(model, each, at, lines))
        return None


def _fault(model: type[BaseModel], error: Any, at: Path_, lines: Mapping[Path_, int]) -> Fault:
    path = (*at, *(part for part in error["loc"] if part != "[key]"))
    why = error["msg"][:1].lower() + error["msg"][1:]
    given = error["input"]
    if error["type"] == "value_error":
        why = error["msg"].removeprefix("Value error, ")
    elif error["type"] == "extra_forbidden":
        why = _unknown(str(path[-1]), _known_keys(model, error["loc"][:-1]))
    elif error["type"] == "missing":
        why = "it is missing"
    elif error["type"] == "too_short":
        why = "it is empty"
    elif error["type"] == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        why = f"{given!r} must {_RULES.get(pattern, f'match {pattern}')}"
    elif error["type"] == "string_too_long" and error["ctx"]["max_length"] == LONGEST_NAME:
        why = f"{given!r} is longer than a name may be: {LONGEST_NAME} characters"
    elif error["type"] in ("tuple_type", "list_type") and isinstance(given, str):
        why = f"{given!r} is no list: write [{given}]"
    elif error["type"] == "string_type" and given is not None:
        why = f"{given!r} is not text; put it in quotes"
    elif error["type"] == "literal_error":
        why = f"{given!r} is none of {error['ctx']['expected']}"
        near = _nearest(str(given), re.findall(r"'(.*?)'", error["ctx"]["expected"]))
        why += f"; did you mean {near}?" if near is not None else ""
    return Fault(".".join(map(str, path)), why, _line(path, lines))


def _unknown(key: str, known: list[str]) -> str:
    near = _nearest(key, known)
    if near is not None:
        return f"unknown key; did you mean {near}?"
    return f"unknown key; known here are {', '.join(known)}"


def _nearest(word: str, known: list[str]) -> str | None:
    """Return the word that was meant, if any is like it: two letters that changed places are the commonest mistake."""
    near = difflib.get_close_matches(word, known, 3, 0.6)
    return max(near, key=lambda each: (sorted(each) == sorted(word), -near.index(each)), default=None)


def _known_keys(model: type[BaseModel], path: Path_) -> list[str]:
    """Return the keys that a model knows at a path below it."""
    node: Any = model
    for part in path:
        if _is_model(node):
            node = _bare(node.model_fields[str(part)].annotation)
        else:  # dict[name, model] or tuple[model, ...]
            node = next((found for each in get_args(node) if _is_model(found := _bare(each))), None)
    return list(node.model_fields) if _is_model(node) else []


def _bare(annotation: Any) -> Any:
    """Return a type without what is said about it: Annotated[X, …] and X | None are X."""
    if hasattr(annotation, "__metadata__"):
        annotation = get_args(annotation)[0]
    options = [each for each in get_args(annotation) if _is_model(each)]
    return options[0] if type(None) in get_args(annotation) and options else annotation


def _is_model(node: Any) -> bool:
    return isinstance(node, type) and issubclass(node, BaseModel)


def _spelled_out(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a service with its count in full, so that an environment can change a part of it."""
    return {**service, "count": count_of(service["count"])} if "count" in service else dict(service)


def _merged(base: Any, over: Any) -> Any:
    """Return an override put over what was said: mappings key by key, anything else whole; null takes a key back."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(base.get(key), value)
    return merged


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
