"""Stages: their transitions, retries, rollbacks; and the approvals that wait in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.api.shared import (
    action_arn,
    find_execution,
    find_pipeline,
    is_same_stage,
    named_stage,
    stage_arn,
)
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import (
    FAILED,
    IN_PROGRESS,
    STOPPED,
    SUCCEEDED,
    ActionRecord,
    CodePipelineModel,
    ExecutionRecord,
    GateRecord,
    counted,
    is_over,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t


class StagesApi:
    """https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_RetryStageExecution.html and its siblings."""

    def __init__(self, model: CodePipelineModel, lifecycle: ExecutionLifecycle, clock: Clock) -> None:
        self.model = model
        self._lifecycle = lifecycle
        self._clock = clock

    @operation(resource=stage_arn)
    async def enable_stage_transition(
        self, context: Context, request: t.EnableStageTransitionInputTypeDef
    ) -> Mapping[str, Any]:
        """Let executions into a stage, or out of it, again."""
        self._turn(context, request, {"enabled": True, "by": context.principal.arn, "at": self._clock.now()})
        return {}

    @operation(resource=stage_arn)
    async def disable_stage_transition(
        self, context: Context, request: t.DisableStageTransitionInputTypeDef
    ) -> Mapping[str, Any]:
        """Hold executions before a stage, or after it."""
        gate: GateRecord = {
            "enabled": False,
            "by": context.principal.arn,
            "at": self._clock.now(),
            "reason": request["reason"],
        }
        self._turn(context, request, gate)
        return {}

    @operation(resource=stage_arn)
    async def retry_stage_execution(
        self, context: Context, request: t.RetryStageExecutionInputTypeDef
    ) -> Mapping[str, Any]:
        """Run what failed in a stage again, or all of it, in the same execution."""
        name, stage = request["pipelineName"], request["stageName"]
        record = find_pipeline(self.model, context, name)
        named_stage(record["pipeline"], stage)
        identity = request["pipelineExecutionId"]
        execution = find_execution(self.model, context, name, identity, code="NotLatestPipelineExecutionException")
        run = execution["stages"].get(stage)
        if run is None or execution["at"] != stage:
            raise _not_retryable(f"The execution {identity} did not end in the stage {stage}")
        if not is_over(execution):
            raise ServiceError(
                "ConflictException", f"The execution {identity} is {execution['status']} in the stage {stage}"
            )
        if run["status"] not in (FAILED, STOPPED):
            raise _not_retryable(f"The stage {stage} is {run['status']} in the execution {identity}")
        if execution["mode"] != "PARALLEL" and record["entered"].get(stage) != identity:
            raise ServiceError(
                "NotLatestPipelineExecutionException",
                f"The execution {identity} is not the latest one that entered the stage {stage}",
            )
        if not is_same_stage(self.model, context, record, execution, stage):
            raise _not_retryable(f"The stage {stage} was changed since the execution {execution['id']}")
        run["manual"] += 1
        run["retried_by"] = "ManualStageRetry"
        with self.model.store.transaction():
            everything = request["retryMode"] == "ALL_ACTIONS"
            self._lifecycle.retry(context.region, name, execution, stage, everything=everything)
            self.model.put_execution(context.region, name, execution)
        return {"pipelineExecutionId": identity}

    @operation(resource=stage_arn)
    async def rollback_stage(self, context: Context, request: t.RollbackStageInputTypeDef) -> Mapping[str, Any]:
        """Run a stage with what an earlier execution, which succeeded there, brought to it."""
        name, stage, identity = request["pipelineName"], request["stageName"], request["targetPipelineExecutionId"]
        record = find_pipeline(self.model, context, name)
        pipeline = record["pipeline"]
        named_stage(pipeline, stage)
        target = find_execution(self.model, context, name, identity)
        if pipeline["pipelineType"] == "V1" or pipeline["executionMode"] == "PARALLEL":
            raise _cannot_roll_back("Rollback is for pipelines of type V2 that are not in the execution mode PARALLEL")
        if stage == pipeline["stages"][0]["name"]:
            raise _cannot_roll_back(f"The stage {stage} is the source stage, which cannot be rolled back")
        if target["version"] != pipeline["version"]:
            raise ServiceError(
                "PipelineExecutionOutdatedException",
                f"The execution {identity} was started by version {target['version']} of the pipeline, "
                f"which is at version {pipeline['version']}",
            )
        if "rollback_of" in target:
            raise _cannot_roll_back(f"The execution {identity} is a rollback itself")
        run = target["stages"].get(stage)
        if run is None or run["status"] != SUCCEEDED:
            raise _cannot_roll_back(f"The execution {identity} did not succeed in the stage {stage}")
        trigger: t.ExecutionTriggerTypeDef = {
            "triggerType": "ManualRollback",
            "triggerDetail": context.principal.arn,
        }
        execution = self._lifecycle.roll_back(context.region, record, stage, target, trigger)
        return {"pipelineExecutionId": execution["id"]}

    @operation(resource=action_arn)
    async def put_approval_result(
        self, context: Context, request: t.PutApprovalResultInputTypeDef
    ) -> Mapping[str, Any]:
        """Approve or reject what waits for it, told by its token."""
        name, stage = request["pipelineName"], request["stageName"]
        pipeline = find_pipeline(self.model, context, name)["pipeline"]
        declared = [each["name"] for each in named_stage(pipeline, stage)["actions"]]
        if request["actionName"] not in declared:
            raise ServiceError(
                "ActionNotFoundException",
                f"Stage '{stage}' of pipeline '{name}' does not have an action with name '{request['actionName']}'",
            )
        execution, action = self._approval(context, request)
        result = request["result"]
        action["updated_by"] = context.principal.arn
        with self.model.store.transaction():
            if result["status"] == "Approved":
                summary = result["summary"] or None
                self._lifecycle.succeed(context.region, name, execution, action, summary=summary)
            else:
                if result["summary"]:
                    action["summary"] = result["summary"]
                message = f"Rejected by {context.principal.arn}: {result['summary'] or 'no reason was given'}"
                self._lifecycle.fail(context.region, name, execution, action, "JobFailed", message)
            self.model.put_execution(context.region, name, execution)
        return {"approvedAt": action["updated"]}

    def _approval(
        self, context: Context, request: t.PutApprovalResultInputTypeDef
    ) -> tuple[ExecutionRecord, ActionRecord]:
        """Return the approval that waits for this token, and its execution."""
        for execution in self.model.open_executions(context.region, request["pipelineName"]):
            action = counted(execution, request["stageName"], request["actionName"])
            if action is None or action["progress"].get("token") != request["token"]:
                continue
            if action["status"] != IN_PROGRESS:
                break
            return execution, action
        for execution in self.model.history(context.region, request["pipelineName"]):
            for each in execution["actions"]:
                if each["progress"].get("token") == request["token"]:
                    raise ServiceError(
                        "ApprovalAlreadyCompletedException",
                        f"The approval action {each['name']} is {each['status']}: it was completed already",
                    )
        raise ServiceError(
            "InvalidApprovalTokenException", "The approval token is not that of an approval that is waited for"
        )

    def _turn(self, context: Context, request: Mapping[str, Any], gate: GateRecord) -> None:
        name, stage = request["pipelineName"], request["stageName"]
        record = find_pipeline(self.model, context, name)
        named_stage(record["pipeline"], stage)
        record["gates"][f"{request['transitionType']}/{stage}"] = gate
        self.model.pipelines.put((context.region, name), record)


def _not_retryable(why: str) -> ServiceError:
    return ServiceError("StageNotRetryableException", f"Unable to retry: {why}")


def _cannot_roll_back(why: str) -> ServiceError:
    return ServiceError("UnableToRollbackStageException", f"Unable to roll back: {why}")
