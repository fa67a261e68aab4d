"""What CodePipeline's operations have in common: finding things by name, and ARNs for IAM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.model import (
    CodePipelineModel,
    ExecutionRecord,
    PipelineRecord,
    find_stage,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t


def find_pipeline(model: CodePipelineModel, context: Context, name: str) -> PipelineRecord:
    """Return a pipeline or raise PipelineNotFoundException."""
    record = model.pipelines.get(context.region, name)
    if record is None:
        raise ServiceError(
            "PipelineNotFoundException", f"Account '{context.account}' does not have a pipeline with name '{name}'"
        )
    return record


def find_execution(
    model: CodePipelineModel, context: Context, pipeline: str, execution: str, code: str = ""
) -> ExecutionRecord:
    """Return an execution or raise PipelineExecutionNotFoundException, or another `code`."""
    find_pipeline(model, context, pipeline)
    record = model.executions.get(context.region, pipeline, execution)
    if record is None:
        raise ServiceError(
            code or "PipelineExecutionNotFoundException",
            f"Pipeline '{pipeline}' does not have an execution with ID '{execution}'",
        )
    return record


def named_stage(pipeline: t.PipelineDeclarationOutputTypeDef, name: str) -> t.StageDeclarationOutputTypeDef:
    """Return a stage of a pipeline or raise StageNotFoundException."""
    stage = find_stage(pipeline, name)
    if stage is None:
        raise ServiceError(
            "StageNotFoundException", f"Pipeline '{pipeline['name']}' does not have a stage with name '{name}'"
        )
    return stage


def is_same_stage(
    model: CodePipelineModel, context: Context, record: PipelineRecord, execution: ExecutionRecord, stage: str
) -> bool:
    """Return whether a stage is what it was when an execution began."""
    pipeline = record["pipeline"]
    if execution["version"] == pipeline["version"]:
        return True
    before = model.version(context.region, pipeline["name"], execution["version"])
    return before is not None and find_stage(before, stage) == find_stage(pipeline, stage)


def pipeline_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the pipeline that a request names."""
    return str(api.model.arn(context.region, request.get("pipelineName") or request["name"]))


def stage_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the stage that a request names."""
    return f"{pipeline_arn(api, context, request)}/{request['stageName']}"


def action_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the action that a request names."""
    return f"{stage_arn(api, context, request)}/{request['actionName']}"
