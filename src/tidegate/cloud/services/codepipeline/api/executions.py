"""Executions: start, stop, get, list; the history of their actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.codepipeline.api.history import asked_for, newest_first
from tidegate.cloud.services.codepipeline.api.shared import (
    action_arn,
    find_execution,
    find_pipeline,
    named_stage,
    pipeline_arn,
)
from tidegate.cloud.services.codepipeline.custom import REVISION, is_custom
from tidegate.cloud.services.codepipeline.describe import (
    action_detail,
    execution_summary,
    pipeline_execution,
)
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import (
    STOPPING,
    SUCCEEDED,
    CodePipelineModel,
    ExecutionRecord,
    StopRecord,
    is_over,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_PAGE = 100
_REVISION_TYPES = {
    "CodeCommit": ("COMMIT_ID",),
    "CodeStarSourceConnection": ("COMMIT_ID",),
    "ECR": ("IMAGE_DIGEST",),
    "S3": ("S3_OBJECT_VERSION_ID", "S3_OBJECT_KEY"),
}


class ExecutionsApi:
    """https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_StartPipelineExecution.html and its siblings."""

    def __init__(self, model: CodePipelineModel, lifecycle: ExecutionLifecycle) -> None:
        self.model = model
        self._lifecycle = lifecycle

    @operation(resource=pipeline_arn)
    async def start_pipeline_execution(
        self, context: Context, request: t.StartPipelineExecutionInputTypeDef
    ) -> Mapping[str, Any]:
        """Start an execution; the same clientRequestToken starts it once."""
        record = find_pipeline(self.model, context, request["name"])
        token = request.get("clientRequestToken")
        if token is not None:
            for execution in self.model.history(context.region, request["name"]):
                if execution.get("token") == token:
                    return {"pipelineExecutionId": execution["id"]}
        source = context.principal.source or ""
        by_rule = source.startswith("arn:aws:events:")
        execution = self._lifecycle.begin(
            context.region,
            record,
            {
                "triggerType": "CloudWatchEvent" if by_rule else "StartPipelineExecution",
                "triggerDetail": source if by_rule else context.principal.arn,
            },
            variables={each["name"]: each["value"] for each in request.get("variables", [])},
            pinned=_pinned(record["pipeline"], request.get("sourceRevisions", [])),
            token=token,
        )
        return {"pipelineExecutionId": execution["id"]}

    @operation(resource=pipeline_arn)
    async def stop_pipeline_execution(
        self, context: Context, request: t.StopPipelineExecutionInputTypeDef
    ) -> Mapping[str, Any]:
        """Have an execution stopped: after its actions in progress, or at once, leaving them to themselves."""
        name, identity = request["pipelineName"], request["pipelineExecutionId"]
        execution = find_execution(self.model, context, name, identity, code="PipelineExecutionNotStoppableException")
        if is_over(execution):
            raise ServiceError(
                "PipelineExecutionNotStoppableException",
                f"The pipeline execution {identity} is {execution['status']} and cannot be stopped",
            )
        abandon = request.get("abandon", False)
        if execution["status"] == STOPPING and (execution["stop"]["abandon"] or not abandon):
            raise ServiceError(
                "DuplicatedStopRequestException", f"The pipeline execution {identity} is already being stopped"
            )
        stop: StopRecord = {"abandon": abandon}
        if "reason" in request:
            stop["reason"] = request["reason"]
        execution["stop"] = stop
        with self.model.store.transaction():
            if execution["status"] != STOPPING:
                self._lifecycle.request_stop(context.region, name, execution)
            self.model.put_execution(context.region, name, execution)
        return {"pipelineExecutionId": identity}

    @operation(resource=action_arn)
    async def put_action_revision(
        self, context: Context, request: t.PutActionRevisionInputTypeDef
    ) -> Mapping[str, Any]:
        """Start an execution with a revision of a source, unless it was run already."""
        name, stage, action = request["pipelineName"], request["stageName"], request["actionName"]
        record = find_pipeline(self.model, context, name)
        pipeline = record["pipeline"]
        declared = next((each for each in named_stage(pipeline, stage)["actions"] if each["name"] == action), None)
        if declared is None or declared["actionTypeId"]["category"] != "Source":
            raise ServiceError(
                "ActionNotFoundException",
                f"Stage '{stage}' of pipeline '{name}' does not have a source action with name '{action}'",
            )
        revision = request["actionRevision"]["revisionId"]
        known = next(
            (
                each["id"]
                for each in self.model.history(context.region, name)
                if revision in each["pinned"].get(action, {}).values()
                or (action in each["sources"] and each["sources"][action]["revisionId"] == revision)
            ),
            None,
        )
        if known is not None:
            return {"newRevision": False, "pipelineExecutionId": known}
        custom = is_custom(declared["actionTypeId"])
        kind = REVISION if custom else _REVISION_TYPES[declared["actionTypeId"]["provider"]][0]
        record["seen"][action] = revision
        trigger: t.ExecutionTriggerTypeDef = {
            "triggerType": "PutActionRevision",
            "triggerDetail": context.principal.arn,
        }
        execution = self._lifecycle.begin(context.region, record, trigger, pinned={action: {kind: revision}})
        return {"newRevision": True, "pipelineExecutionId": execution["id"]}

    @operation(resource=pipeline_arn)
    async def get_pipeline_execution(
        self, context: Context, request: t.GetPipelineExecutionInputTypeDef
    ) -> Mapping[str, Any]:
        """Return one execution."""
        name = request["pipelineName"]
        execution = find_execution(self.model, context, name, request["pipelineExecutionId"])
        return {"pipelineExecution": pipeline_execution(name, execution)}

    @operation(resource=pipeline_arn)
    async def list_pipeline_executions(
        self, context: Context, request: t.ListPipelineExecutionsInputTypeDef
    ) -> Mapping[str, Any]:
        """List a pipeline's executions, the newest first."""
        record = find_pipeline(self.model, context, request["pipelineName"])
        executions = self.model.history(context.region, request["pipelineName"])
        stage = request.get("filter", {}).get("succeededInStage", {}).get("stageName")
        if stage is not None:
            named_stage(record["pipeline"], stage)
            executions = [each for each in executions if _succeeded_in(each, stage)]
        chosen, token = page(
            executions,
            request.get("nextToken"),
            request.get("maxResults", _PAGE),
            key=lambda each: f"{10**9 - each['number']:010d}",
            invalid="InvalidNextTokenException",
        )
        return {
            "pipelineExecutionSummaries": [execution_summary(each) for each in chosen],
            **({"nextToken": token} if token else {}),
        }

    @operation(resource=pipeline_arn)
    async def list_action_executions(
        self, context: Context, request: t.ListActionExecutionsInputTypeDef
    ) -> Mapping[str, Any]:
        """List what the actions of a pipeline did, the newest first."""
        name = request["pipelineName"]
        find_pipeline(self.model, context, name)
        listed = [
            each
            for each in asked_for(self.model, context, name, request.get("filter", {}))
            if "condition" not in each.action
        ]
        chosen, token = page(
            sorted(listed, key=newest_first),
            request.get("nextToken"),
            request.get("maxResults", _PAGE),
            key=newest_first,
            invalid="InvalidNextTokenException",
        )
        return {
            "actionExecutionDetails": [action_detail(each.execution, each.action) for each in chosen],
            **({"nextToken": token} if token else {}),
        }


def _pinned(
    pipeline: t.PipelineDeclarationOutputTypeDef, overrides: Sequence[t.SourceRevisionOverrideTypeDef]
) -> dict[str, dict[str, str]]:
    """Return the revisions that source actions are to take: action -> revision type -> value."""
    sources = {action["name"]: action for action in pipeline["stages"][0]["actions"]}
    pinned: dict[str, dict[str, str]] = {}
    for each in overrides:
        action, kind = sources.get(each["actionName"]), each["revisionType"]
        if action is None:
            raise ServiceError(
                "ValidationException",
                f"Pipeline '{pipeline['name']}' does not have a source action with name '{each['actionName']}'",
            )
        provider = action["actionTypeId"]["provider"]
        if is_custom(action["actionTypeId"]) or kind not in _REVISION_TYPES[provider]:
            raise ServiceError(
                "ValidationException",
                f"The revision type {kind} cannot be used for the source action '{each['actionName']}' of the "
                f"provider {provider}",
            )
        if kind == "S3_OBJECT_KEY" and action["configuration"].get("AllowOverrideForS3ObjectKey", "") != "true":
            raise ServiceError(
                "ValidationException",
                f"The source action '{each['actionName']}' does not have AllowOverrideForS3ObjectKey set to true",
            )
        pinned.setdefault(each["actionName"], {})[kind] = each["revisionValue"]
    return pinned


def _succeeded_in(execution: ExecutionRecord, stage: str) -> bool:
    run = execution["stages"].get(stage)
    return run is not None and run["status"] == SUCCEEDED
