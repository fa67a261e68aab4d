"""Triggers: which pushes to a connection's repository start a pipeline. Pure.

A pipeline without a trigger for a source action is started by every push to the action's branch. A trigger takes the
place of that; its push filters are alternatives, and all that one filter says has to hold.

https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-triggers.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.codepipeline.action_types import TypeName
from tidegate.cloud.services.codepipeline.configuration import is_true

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

CONNECTION = TypeName("Source", "CodeStarSourceConnection")
BRANCHES, TAGS = "refs/heads/", "refs/tags/"

_COMBINATIONS = ({"tags"}, {"branches"}, {"branches", "filePaths"})


class Criteria(NamedTuple):
    """Patterns of names: some that have to fit (none: any does), and some that must not."""

    includes: Sequence[str]
    excludes: Sequence[str]

    def fit(self, name: str) -> bool:
        """Return whether a name fits; what is excluded does not, whatever includes it."""
        if any(matches(each, name) for each in self.excludes):
            return False
        return not self.includes or any(matches(each, name) for each in self.includes)


class Filter(NamedTuple):
    """One filter; None: what it does not look at."""

    branches: Criteria | None = None
    tags: Criteria | None = None
    paths: Criteria | None = None

    def takes(self, reference: str) -> bool:
        """Return whether a push to a reference fits, as far as its name goes."""
        if reference.startswith(BRANCHES):
            return self.branches is not None and self.branches.fit(reference.removeprefix(BRANCHES))
        return self.tags is not None and self.tags.fit(reference.removeprefix(TAGS))

    def takes_paths(self, paths: Iterable[str]) -> bool:
        """Return whether one of the files that a push changes fits."""
        return self.paths is None or any(self.paths.fit(each) for each in paths)


def check_triggers(pipeline: t.PipelineDeclarationOutputTypeDef) -> None:
    """Raise for a trigger that AWS would not accept, or that is not offered."""
    triggers = pipeline.get("triggers") or []
    if triggers and pipeline["pipelineType"] == "V1":
        raise ServiceError("InvalidStructureException", "Triggers require the pipeline type V2")
    sources = [each["name"] for each in pipeline["stages"][0]["actions"] if is_connection(each)]
    for trigger in triggers:
        git = trigger["gitConfiguration"]
        if git["sourceActionName"] not in sources:
            raise ServiceError(
                "InvalidStructureException",
                "Triggers for connection must reference a CodeStarSourceConnection action. Note that when you specify "
                "a trigger, you cant specify more than one trigger per source action.",
            )
        sources.remove(git["sourceActionName"])
        if git.get("pullRequest"):
            raise not_offered("codepipeline triggers gitConfiguration pullRequest (there are none in a local copy)")
        for each in git.get("push", []):
            if {name for name, value in each.items() if value} not in _COMBINATIONS:
                raise ServiceError(
                    "InvalidStructureException",
                    f"Trigger for action {git['sourceActionName']}: a push filter has tags, or branches, or branches "
                    "and filePaths",
                )


def is_connection(action: t.ActionDeclarationOutputTypeDef) -> bool:
    """Return whether an action takes its source through a connection."""
    kind = action["actionTypeId"]
    return TypeName(kind["category"], kind["provider"]) == CONNECTION


def connected_sources(pipeline: t.PipelineDeclarationOutputTypeDef) -> list[t.ActionDeclarationOutputTypeDef]:
    """Return the source actions whose repositories are reached through a connection, and that pushes start."""
    return [each for each in pipeline["stages"][0]["actions"] if is_connection(each) and filters(pipeline, each)]


def filters(pipeline: t.PipelineDeclarationOutputTypeDef, action: t.ActionDeclarationOutputTypeDef) -> list[Filter]:
    """Return which pushes start a pipeline for one of its source actions: any that one of these takes."""
    own = Filter(branches=Criteria([re.sub(r"([\\*?\[\]{}])", r"\\\1", action["configuration"]["BranchName"])], []))
    for trigger in pipeline.get("triggers") or []:
        git = trigger["gitConfiguration"]
        if git["sourceActionName"] == action["name"]:
            return [_filter(each) for each in git.get("push", [])] or [own]
    return [own] if is_true(action["configuration"], "DetectChanges", default=True) else []


def _filter(given: t.GitPushFilterOutputTypeDef) -> Filter:
    return Filter(_criteria(given.get("branches")), _criteria(given.get("tags")), _criteria(given.get("filePaths")))


def _criteria(given: Mapping[str, Any] | None) -> Criteria | None:
    return None if given is None else Criteria(given.get("includes", []), given.get("excludes", []))


def matches(pattern: str, name: str) -> bool:
    """Return whether a glob pattern fits a whole name.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/syntax-glob.html
    """
    return _compiled(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(_translated(pattern), re.DOTALL)
    except re.error:  # brackets that enclose nothing sensible: the pattern is the name
        return re.compile(re.escape(pattern))


def _translated(pattern: str) -> str:
    """Return a glob as a regular expression: `*` and `?` stay within a folder, `**` does not; `{a,b}`, `[a-z]`."""
    result, at, within = [], 0, 0
    while at < len(pattern):
        character, rest = pattern[at], pattern[at + 1 :]
        at += 1
        if character == "*":
            deep = rest.startswith("*")
            at += deep
            result.append(".*" if deep else "[^/]*")
        elif character == "?":
            result.append("[^/]")
        elif character == "\\" and rest:
            result.append(re.escape(rest[0]))
            at += 1
        elif character == "[" and "]" in rest[1:]:
            end = rest.index("]", 1)
            inner = rest[:end].replace("\\", r"\\")
            negated = inner.startswith("!")
            result.append(f"(?!/)[{'^' if negated else ''}{inner.removeprefix('!').replace('^', chr(92) + '^')}]")
            at += end + 1
        elif character == "{":
            within += 1
            result.append("(?:")
        elif character == "}" and within:
            within -= 1
            result.append(")")
        elif character == "," and within:
            result.append("|")
        else:
            result.append(re.escape(character))
    return "".join(result)
