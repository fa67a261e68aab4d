"""Stage conditions: the rules that there are, what they did, and conditions that somebody overrides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.codepipeline.api.history import asked_for, newest_first
from tidegate.cloud.services.codepipeline.api.shared import (
    find_execution,
    find_pipeline,
    is_same_stage,
    named_stage,
    pipeline_arn,
    stage_arn,
)
from tidegate.cloud.services.codepipeline.describe import rule_detail, type_of_rule
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import (
    FAILED,
    IN_PROGRESS,
    SUPERSEDED,
    CodePipelineModel,
    condition_status,
)
from tidegate.cloud.services.codepipeline.rule_types import RULES

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_PAGE = 100


class ConditionsApi:
    """https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_OverrideStageCondition.html and its siblings."""

    def __init__(self, model: CodePipelineModel, lifecycle: ExecutionLifecycle) -> None:
        self.model = model
        self._lifecycle = lifecycle

    @operation()
    async def list_rule_types(self, context: Context, request: t.ListRuleTypesInputTypeDef) -> Mapping[str, Any]:
        """List the rule types that are offered."""
        if request.get("regionFilter", context.region) != context.region:
            raise not_offered("codepipeline:ListRuleTypes regionFilter of another region")
        types = [type_of_rule(each) for _, each in sorted(RULES.items())]
        owner = request.get("ruleOwnerFilter", "AWS")
        return {"ruleTypes": [each for each in types if each["id"]["owner"] == owner]}

    @operation(resource=pipeline_arn)
    async def list_rule_executions(
        self, context: Context, request: t.ListRuleExecutionsInputTypeDef
    ) -> Mapping[str, Any]:
        """List what the rules of a pipeline's conditions did, the newest first."""
        name = request["pipelineName"]
        find_pipeline(self.model, context, name)
        listed = [
            each
            for each in asked_for(self.model, context, name, request.get("filter", {}))
            if "condition" in each.action
        ]
        chosen, token = page(
            sorted(listed, key=newest_first),
            request.get("nextToken"),
            request.get("maxResults", _PAGE),
            key=newest_first,
            invalid="InvalidNextTokenException",
        )
        return {
            "ruleExecutionDetails": [rule_detail(each.execution, each.action) for each in chosen],
            **({"nextToken": token} if token else {}),
        }

    @operation(resource=stage_arn)
    async def override_stage_condition(
        self, context: Context, request: t.OverrideStageConditionInputTypeDef
    ) -> Mapping[str, Any]:
        """Let an execution into a stage, or out of it, whatever the condition there says."""
        name, stage, kind = request["pipelineName"], request["stageName"], request["conditionType"]
        record = find_pipeline(self.model, context, name)
        named_stage(record["pipeline"], stage)
        identity = request["pipelineExecutionId"]
        execution = find_execution(self.model, context, name, identity, code="NotLatestPipelineExecutionException")
        run = execution["stages"].get(stage)
        held = None if run is None else run.get("conditions", {}).get(kind)
        if held is None:
            raise _not_overridable(f"the execution {identity} is not held by it in the stage {stage}")
        status = condition_status(execution, held)
        if status not in (IN_PROGRESS, FAILED):
            raise _not_overridable(f"it is {status} in the execution {identity}")
        if execution["at"] != stage or execution["status"] == SUPERSEDED:
            raise _not_overridable(f"the execution {identity} is not in the stage {stage} any more")
        if execution["mode"] != "PARALLEL" and record["entered"].get(stage) != identity:
            raise ServiceError(
                "NotLatestPipelineExecutionException",
                f"The execution {identity} is not the latest one that entered the stage {stage}",
            )
        if not is_same_stage(self.model, context, record, execution, stage):
            raise _not_overridable(f"the stage {stage} was changed since the execution {identity}")
        with self.model.store.transaction():
            self._lifecycle.override(context.region, name, execution, stage, kind, context.principal.arn)
            self.model.put_execution(context.region, name, execution)
        return {}


def _not_overridable(why: str) -> ServiceError:
    return ServiceError("ConditionNotOverridableException", f"Unable to override the condition: {why}")
