"""What the actions and rules of a pipeline did: what of it is asked for, and in which order it is listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.api.shared import find_execution
from tidegate.cloud.services.codepipeline.model import ActionRecord, CodePipelineModel, ExecutionRecord

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_FAR = 10**13  # milliseconds; more than any moment that is written here


class Listed(NamedTuple):
    """A run of an action or a rule, its execution, and its place among the runs of that."""

    execution: ExecutionRecord
    action: ActionRecord
    place: int


def asked_for(
    model: CodePipelineModel,
    context: Context,
    name: str,
    given: t.ActionExecutionFilterTypeDef | t.RuleExecutionFilterTypeDef,
) -> list[Listed]:
    """Return the runs of a pipeline's actions and rules that a filter lets through."""
    return [
        Listed(execution, action, place)
        for execution in _executions(model, context, name, given)
        for place, action in enumerate(execution["actions"])
        if _is_asked_for(execution, action, given)
    ]


def newest_first(listed: Listed) -> str:
    """Return what runs are ordered by."""
    started = _FAR - int(listed.action["started"].timestamp() * 1000)
    return f"{started:014d}/{10**9 - listed.execution['number']:010d}/{10**6 - listed.place:07d}"


def _executions(
    model: CodePipelineModel,
    context: Context,
    name: str,
    given: t.ActionExecutionFilterTypeDef | t.RuleExecutionFilterTypeDef,
) -> Sequence[ExecutionRecord]:
    latest = given.get("latestInPipelineExecution")
    if latest is not None and "pipelineExecutionId" in given:
        raise ServiceError(
            "ValidationException",
            "filter: pipelineExecutionId and latestInPipelineExecution cannot be given together",
        )
    identity = given.get("pipelineExecutionId") or (latest["pipelineExecutionId"] if latest else None)
    if identity is None:
        return model.history(context.region, name)
    return [find_execution(model, context, name, identity)]


def _is_asked_for(
    execution: ExecutionRecord,
    action: ActionRecord,
    given: t.ActionExecutionFilterTypeDef | t.RuleExecutionFilterTypeDef,
) -> bool:
    """Return whether a run is listed: of the latest runs alone, those that count in their stage."""
    latest = given.get("latestInPipelineExecution")
    if latest is None or latest["startTimeRange"] == "All":
        return True
    run = execution["stages"][action["stage"]]
    if "condition" not in action:
        return run["actions"].get(action["name"]) == action["id"]
    held = run.get("conditions", {}).get(action["condition"])
    return held is not None and held["rules"].get(action["name"]) == action["id"]
