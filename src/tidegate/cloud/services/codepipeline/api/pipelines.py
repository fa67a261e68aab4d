"""Pipelines: create, get, update, delete, list."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.codepipeline.action_types import ActionType
from tidegate.cloud.services.codepipeline.api.shared import find_pipeline, pipeline_arn
from tidegate.cloud.services.codepipeline.api.tags import checked_tags
from tidegate.cloud.services.codepipeline.custom import as_action_type
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle, adapted
from tidegate.cloud.services.codepipeline.model import (
    CANCELLED,
    CodePipelineModel,
    PipelineRecord,
    stage_names,
    watched,
)
from tidegate.cloud.services.codepipeline.structure import check, completed
from tidegate.cloud.services.codepipeline.triggers import is_connection

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_SERVICE = "codepipeline.amazonaws.com"
_SESSION = "CodePipeline"  # of the role that is only tried
_MOST_PIPELINES = 1000


def _declared_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return str(api.model.arn(context.region, request["pipeline"]["name"]))


def _tag_keys(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
    tags = {each["key"]: each["value"] for each in request.get("tags", [])}
    return {**{f"aws:RequestTag/{key}": value for key, value in tags.items()}, "aws:TagKeys": list(tags)}


class PipelinesApi:
    """https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_CreatePipeline.html and its siblings."""

    def __init__(self, model: CodePipelineModel, lifecycle: ExecutionLifecycle, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._lifecycle = lifecycle
        self._calls = calls
        self._clock = clock

    @operation(resource=_declared_arn, conditions=_tag_keys)
    async def create_pipeline(self, context: Context, request: t.CreatePipelineInputTypeDef) -> Mapping[str, Any]:
        """Create a pipeline; its first execution begins at once."""
        pipeline, tags = completed(request["pipeline"]), checked_tags(context, request.get("tags", []))
        name = pipeline["name"]
        self._check_name(context, name)
        await self._check(context, pipeline)
        self._check_name(context, name)  # nothing is awaited from here on
        now = self._clock.now()
        record: PipelineRecord = {
            "pipeline": pipeline,
            "created": now,
            "updated": now,
            "tags": tags,
            "gates": {},
            "executions": 0,
            "entered": {},
            "seen": {},
        }
        with self.model.store.transaction():
            self.model.put_declaration(context.region, record)
            # a variable without a value can only be given one by StartPipelineExecution
            if all("defaultValue" in each for each in pipeline.get("variables", [])):
                trigger: t.ExecutionTriggerTypeDef = {
                    "triggerType": "CreatePipeline",
                    "triggerDetail": context.principal.arn,
                }
                self._lifecycle.begin(context.region, record, trigger)
        return {"pipeline": pipeline, "tags": tags}

    @operation(resource=pipeline_arn)
    async def get_pipeline(self, context: Context, request: t.GetPipelineInputTypeDef) -> Mapping[str, Any]:
        """Return a pipeline's declaration, the newest or another version."""
        record = find_pipeline(self.model, context, request["name"])
        pipeline: t.PipelineDeclarationOutputTypeDef | None = record["pipeline"]
        if "version" in request:
            pipeline = self.model.version(context.region, request["name"], request["version"])
        if pipeline is None:
            raise ServiceError(
                "PipelineVersionNotFoundException",
                f"Pipeline '{request['name']}' does not have a version {request['version']}",
            )
        return {
            "pipeline": pipeline,
            "metadata": {
                "pipelineArn": self.model.arn(context.region, request["name"]),
                "created": record["created"],
                "updated": record["updated"],
            },
        }

    @operation(resource=_declared_arn)
    async def update_pipeline(self, context: Context, request: t.UpdatePipelineInputTypeDef) -> Mapping[str, Any]:
        """Give a pipeline a new declaration and the next version.

        An execution that is at a stage that was changed is cancelled; the others go on through the new stages.
        """
        pipeline = completed(request["pipeline"])
        name = pipeline["name"]
        find_pipeline(self.model, context, name)
        await self._check(context, pipeline)
        record = find_pipeline(self.model, context, name)  # nothing is awaited from here on
        old = record["pipeline"]
        pipeline["version"] = old["version"] + 1
        record["pipeline"], record["updated"] = pipeline, self._clock.now()
        names, places = stage_names(pipeline), _places(old, context.region)
        record["entered"] = {stage: each for stage, each in record["entered"].items() if stage in names}
        record["gates"] = {gate: each for gate, each in record["gates"].items() if gate.partition("/")[2] in names}
        same = {each for each, place in _places(pipeline, context.region).items() if place == places.get(each)}
        record["seen"] = {action: revision for action, revision in record["seen"].items() if action in same}
        record["heads"] = {action: heads for action, heads in record.get("heads", {}).items() if action in same}
        with self.model.store.transaction():
            self.model.put_declaration(context.region, record)
            for execution in self.model.open_executions(context.region, name):
                if not adapted(execution, old, pipeline):
                    summary = (
                        f"The stage {execution['at']} was changed by version {pipeline['version']} of the pipeline"
                    )
                    self._lifecycle.end(context.region, name, execution, CANCELLED, summary)
                    self.model.put_execution(context.region, name, execution)
        return {"pipeline": pipeline}

    @operation(resource=pipeline_arn)
    async def delete_pipeline(self, context: Context, request: t.DeletePipelineInputTypeDef) -> Mapping[str, Any]:
        """Delete a pipeline with its history; one that does not exist is no error."""
        self.model.delete(context.region, request["name"])
        return {}

    @operation(resource=lambda api, context, request: api.model.arn(context.region, "*"))
    async def list_pipelines(self, context: Context, request: t.ListPipelinesInputTypeDef) -> Mapping[str, Any]:
        """List the pipelines of a region."""
        summaries = [
            {
                "name": record["pipeline"]["name"],
                "version": record["pipeline"]["version"],
                "pipelineType": record["pipeline"]["pipelineType"],
                "executionMode": record["pipeline"]["executionMode"],
                "created": record["created"],
                "updated": record["updated"],
            }
            for record in self.model.pipelines.values(context.region)
        ]
        chosen, token = page(
            summaries,
            request.get("nextToken"),
            request.get("maxResults", _MOST_PIPELINES),
            key=lambda each: str(each["name"]),
            invalid="InvalidNextTokenException",
        )
        return {"pipelines": chosen, **({"nextToken": token} if token else {})}

    def _custom_type(self, region: str, kind: Mapping[str, Any]) -> ActionType | None:
        found = self.model.custom.find(region, kind)
        return None if found is None else as_action_type(found)

    def _check_name(self, context: Context, name: str) -> None:
        if self.model.pipelines.get(context.region, name) is not None:
            raise ServiceError(
                "PipelineNameInUseException",
                f"A pipeline with the name '{name}' already exists in account '{context.account}'",
            )

    async def _check(self, context: Context, pipeline: t.PipelineDeclarationOutputTypeDef) -> None:
        """Raise where a declaration is wrong, or names a role that the caller may not pass or CodePipeline not have."""
        check(pipeline, context.region, partial(self._custom_type, context.region))
        role = pipeline["roleArn"]
        self._calls.authorize(context, "iam:PassRole", role, {"iam:PassedToService": _SERVICE})
        source = self.model.arn(context.region, pipeline["name"])
        for action in pipeline["stages"][0]["actions"]:
            if is_connection(action):
                arn = action["configuration"]["ConnectionArn"]
                prefix = arn.split(":")[2]
                passing = {f"{prefix}:PassedToService": _SERVICE}
                self._calls.authorize(context, f"{prefix}:PassConnection", arn, passing)
        try:
            await self._calls.as_role(role, _SERVICE, _SESSION, context.region, source=source)
        except ServiceError as error:
            raise ServiceError(
                "InvalidStructureException", f"CodePipeline is not authorized to perform AssumeRole on role {role}"
            ) from error


def _places(pipeline: t.PipelineDeclarationOutputTypeDef, region: str) -> dict[str, Any]:
    """Return what each source action takes its revisions from; the same one means that what was seen of it counts."""
    return {
        action["name"]: (
            watched(action, region),
            [action["configuration"].get(key) for key in ("ConnectionArn", "BranchName")],
            [each for each in pipeline.get("triggers") or [] if _names(each, action["name"])],
        )
        for action in pipeline["stages"][0]["actions"]
    }


def _names(trigger: t.PipelineTriggerDeclarationOutputTypeDef, action: str) -> bool:
    return trigger["gitConfiguration"]["sourceActionName"] == action
