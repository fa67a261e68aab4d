"""The state of a pipeline: its stages with what is in them, what waits before them, what their actions did last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.services.codepipeline.api.shared import find_pipeline, pipeline_arn
from tidegate.cloud.services.codepipeline.conditions import conditions
from tidegate.cloud.services.codepipeline.custom import filled, is_custom
from tidegate.cloud.services.codepipeline.describe import (
    action_execution,
    condition_state,
    entity_url,
    stage_execution,
)
from tidegate.cloud.services.codepipeline.model import (
    INBOUND,
    STOPPING,
    CodePipelineModel,
    ExecutionRecord,
    PipelineRecord,
    StageRunRecord,
    counted,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t


class StateApi:
    """https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_GetPipelineState.html"""

    def __init__(self, model: CodePipelineModel) -> None:
        self.model = model

    @operation(resource=pipeline_arn)
    async def get_pipeline_state(self, context: Context, request: t.GetPipelineStateInputTypeDef) -> Mapping[str, Any]:
        """Return the state of a pipeline, stage by stage."""
        name = request["name"]
        record = find_pipeline(self.model, context, name)
        pipeline = record["pipeline"]
        waiting = [each for each in self.model.open_executions(context.region, name) if not each["inside"]]
        return {
            "pipelineName": name,
            "pipelineVersion": pipeline["version"],
            "stageStates": [self._stage(context.region, record, stage, waiting) for stage in pipeline["stages"]],
            "created": record["created"],
            "updated": record["updated"],
        }

    def _stage(
        self,
        region: str,
        record: PipelineRecord,
        stage: t.StageDeclarationOutputTypeDef,
        waiting: Sequence[ExecutionRecord],
    ) -> dict[str, Any]:
        name = stage["name"]
        identity = record["entered"].get(name)
        latest = None if identity is None else self.model.executions.get(region, record["pipeline"]["name"], identity)
        state: dict[str, Any] = {
            "stageName": name,
            "inboundExecutions": [_inbound(each) for each in waiting if each["at"] == name],
            "inboundTransitionState": _gate(record, name),
            "actionStates": [_action(each, name, latest, self._urls(region, each)) for each in stage["actions"]],
        }
        if state["inboundExecutions"]:
            state["inboundExecution"] = state["inboundExecutions"][-1]
        if latest is not None:
            run = latest["stages"][name]
            state["latestExecution"] = stage_execution(latest, run["status"])
            if "retried_by" in run:
                state["retryStageMetadata"] = _retries(run)
        for declared in conditions(stage):
            held = None if latest is None else latest["stages"][name].get("conditions", {}).get(declared.kind)
            state[f"{declared.member}ConditionState"] = condition_state(declared, latest, held)
        return state

    def _urls(self, region: str, declared: t.ActionDeclarationOutputTypeDef) -> dict[str, str]:
        """Return where what an action works with is to be seen."""
        if not is_custom(declared["actionTypeId"]):
            place = entity_url(declared, region)
            return {} if place is None else {"entityUrl": place}
        found = self.model.custom.find(region, declared["actionTypeId"])
        settings = {} if found is None else found["type"].get("settings", {})
        templates = {"entityUrl": "entityUrlTemplate", "revisionUrl": "revisionUrlTemplate"}
        return {
            member: filled(str(settings[name]), declared["configuration"])  # type: ignore[literal-required]
            for member, name in templates.items()
            if name in settings
        }


def _gate(record: PipelineRecord, stage: str) -> dict[str, Any]:
    gate = record["gates"].get(f"{INBOUND}/{stage}")
    if gate is None:
        return {"enabled": True}
    state = {"enabled": gate["enabled"], "lastChangedBy": gate["by"], "lastChangedAt": gate["at"]}
    return {**state, "disabledReason": gate["reason"]} if "reason" in gate else state


def _inbound(execution: ExecutionRecord) -> dict[str, Any]:
    return stage_execution(execution, STOPPING if execution["status"] == STOPPING else "InProgress")


def _retries(run: StageRunRecord) -> dict[str, Any]:
    attempts = {"autoStageRetryAttempt": run["automatic"], "manualStageRetryAttempt": run["manual"]}
    return {**{name: count for name, count in attempts.items() if count}, "latestRetryTrigger": run["retried_by"]}


def _action(
    declared: t.ActionDeclarationOutputTypeDef, stage: str, latest: ExecutionRecord | None, urls: Mapping[str, str]
) -> dict[str, Any]:
    state: dict[str, Any] = {"actionName": declared["name"], **urls}
    action = None if latest is None else counted(latest, stage, declared["name"])
    if action is None:
        return state
    state["latestExecution"] = action_execution(action)
    revision = action.get("revision")
    if revision is not None:
        state["currentRevision"] = {
            "revisionId": revision["revisionId"],
            "revisionChangeId": revision["revisionChangeIdentifier"],
            "created": revision["created"],
        }
        if "revisionUrl" in revision:
            state["revisionUrl"] = revision["revisionUrl"]
    return state
