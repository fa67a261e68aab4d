"""The builds that a specification's `batch` asks for, a matrix multiplied out.

https://docs.aws.amazon.com/codebuild/latest/userguide/batch-build-buildspec.html
"""

from __future__ import annotations

import graphlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.cloud.services.codebuild.buildspec.fields import BuildspecError, flag, kind, load, mapping, scalar, texts

MOST_BUILDS = 100  # of one batch

_KINDS = ("build-list", "build-graph", "build-matrix")
_KEYS = frozenset({"fast-fail", "build-fanout", *_KINDS})
_ENV_KEYS = frozenset({"compute-type", "image", "privileged-mode", "type", "variables", "fleet"})
_TASK_KEYS = frozenset({"identifier", "buildspec", "debug-session", "env", "ignore-failure"})
_GRAPH_KEYS = _TASK_KEYS | {"depend-on"}
_STATIC_KEYS = frozenset({"env", "ignore-failure", "debug-session"})
_DYNAMIC_KEYS = frozenset({"buildspec", "env"})
_DYNAMIC_ENV_KEYS = frozenset({"compute-type", "image", "variables"})


@dataclass(frozen=True, slots=True)
class BatchBuild:
    """One build of a batch, and where it differs from the project's others; None: as the project has it."""

    identifier: str
    depends_on: Sequence[str] = ()
    ignore_failure: bool = False
    buildspec: str | None = None
    compute_type: str | None = None
    image: str | None = None
    environment_type: str | None = None
    privileged: bool | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """The builds of a batch in the order that they are written in. `fast_fail`: one that fails ends the others."""

    fast_fail: bool
    builds: Sequence[BatchBuild]


def parse_batch(text: str) -> BatchSpec:
    """Return what a whole specification has under `batch`; raise `BuildspecError`."""
    root = mapping(load(text), "the buildspec")
    if root.get("batch") is None:
        raise BuildspecError("the buildspec has no batch: it must have a build-list, a build-graph or a build-matrix")
    batch = mapping(root["batch"], "batch", _KEYS)
    if "build-fanout" in batch:
        raise BuildspecError("tidegate local does not offer batch/build-fanout yet: it offers " + ", ".join(_KINDS))
    given = [name for name in _KINDS if name in batch]
    if len(given) != 1:
        raise BuildspecError(f"batch must have one of {', '.join(_KINDS)}: found {' and '.join(given) or 'none'}")
    node = batch[given[0]]
    builds = _matrix(node) if given[0] == "build-matrix" else _tasks(node, f"batch/{given[0]}")
    if not builds:
        raise BuildspecError(f"batch/{given[0]} has no builds")
    _check_number(len(builds))
    _check_graph(builds)
    return BatchSpec(flag(batch.get("fast-fail"), "batch/fast-fail"), builds)


def _tasks(node: Any, path: str) -> Sequence[BatchBuild]:
    if not isinstance(node, list):
        raise BuildspecError(f"Expected {path} to be a list: found {kind(node)} instead")
    graph = path.endswith("graph")
    return tuple(_task(each, f"{path}[{number}]", number, graph=graph) for number, each in enumerate(node))


def _task(node: Any, path: str, number: int, *, graph: bool) -> BatchBuild:
    fields = mapping(node, path, _GRAPH_KEYS if graph else _TASK_KEYS)
    _refuse_debugging(fields, path)
    if graph and not fields.get("identifier"):
        raise BuildspecError(f"{path}/identifier is missing")
    return BatchBuild(
        identifier=scalar(fields.get("identifier") or f"build{number}", f"{path}/identifier"),
        depends_on=texts(fields.get("depend-on"), f"{path}/depend-on"),
        ignore_failure=flag(fields.get("ignore-failure"), f"{path}/ignore-failure"),
        buildspec=_optional(fields, "buildspec", path),
        **_environment(fields.get("env"), f"{path}/env"),
    )


def _matrix(node: Any) -> Sequence[BatchBuild]:
    path = "batch/build-matrix"
    fields = mapping(node, path, frozenset({"static", "dynamic"}))
    static = mapping(fields.get("static"), f"{path}/static", _STATIC_KEYS)
    _refuse_debugging(static, f"{path}/static")
    dynamic = mapping(fields.get("dynamic"), f"{path}/dynamic", _DYNAMIC_KEYS)
    changing = mapping(dynamic.get("env"), f"{path}/dynamic/env", _DYNAMIC_ENV_KEYS)
    variables = mapping(changing.get("variables"), f"{path}/dynamic/env/variables")
    common = _environment(static.get("env"), f"{path}/static/env")
    axes = {
        "buildspec": texts(dynamic.get("buildspec"), f"{path}/dynamic/buildspec"),
        "compute_type": texts(changing.get("compute-type"), f"{path}/dynamic/env/compute-type"),
        "image": texts(changing.get("image"), f"{path}/dynamic/env/image"),
    }
    axes = {name: values for name, values in axes.items() if values}
    changed = {name: texts(values, f"{path}/dynamic/env/variables/{name}") for name, values in variables.items()}
    _check_number(math.prod(len(values) for values in (*axes.values(), *changed.values())))
    ignored = flag(static.get("ignore-failure"), f"{path}/static/ignore-failure")
    builds = []
    for number, chosen in enumerate(itertools.product(*axes.values(), *changed.values())):
        settings: dict[str, Any] = {**common, **dict(zip(axes, chosen, strict=False))}
        own = dict(zip(changed, chosen[len(axes) :], strict=True))
        settings["variables"] = {**settings["variables"], **own}
        builds.append(BatchBuild(identifier=f"build{number}", ignore_failure=ignored, **settings))
    return tuple(builds)


def _environment(node: Any, path: str) -> dict[str, Any]:
    env = mapping(node, path, _ENV_KEYS)
    if env.get("fleet") is not None:
        raise BuildspecError(f"tidegate local does not offer {path}/fleet: builds run on this machine")
    variables = mapping(env.get("variables"), f"{path}/variables")
    privileged = env.get("privileged-mode")
    return {
        "compute_type": _optional(env, "compute-type", path),
        "image": _optional(env, "image", path),
        "environment_type": _optional(env, "type", path),
        "privileged": None if privileged is None else flag(privileged, f"{path}/privileged-mode"),
        "variables": {
            name: "" if value is None else scalar(value, f"{path}/variables/{name}")
            for name, value in variables.items()
        },
    }


def _refuse_debugging(fields: Mapping[str, Any], path: str) -> None:
    if flag(fields.get("debug-session"), f"{path}/debug-session"):
        raise BuildspecError(f"tidegate local does not offer {path}/debug-session")


def _check_number(count: int) -> None:
    if count > MOST_BUILDS:
        raise BuildspecError(f"{count} builds are more than the {MOST_BUILDS} of a batch")


def _check_graph(builds: Sequence[BatchBuild]) -> None:
    names = [build.identifier for build in builds]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BuildspecError(f"the identifier {twice} is that of more than one build of the batch")
    for build in builds:
        for name in build.depends_on:
            if name not in names:
                raise BuildspecError(f"{build.identifier} depends on {name}, which is no build of the batch")
    try:
        graphlib.TopologicalSorter({build.identifier: build.depends_on for build in builds}).prepare()
    except graphlib.CycleError as error:
        raise BuildspecError(f"builds of the batch depend on each other: {', '.join(error.args[1])}") from None


def _optional(fields: Mapping[str, Any], name: str, path: str) -> str | None:
    return None if fields.get(name) is None else scalar(fields[name], f"{path}/{name}")
