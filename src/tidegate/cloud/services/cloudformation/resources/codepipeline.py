"""CodePipeline: pipelines."""

from __future__ import annotations

from typing import Any

from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    tag_changes,
    without,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries, lowered

_LONGEST_NAME = 100
_OTHERS = ("ArtifactStores", "DisableInboundStageTransitions", "RestartExecutionOnUpdate", "Tags")


class Pipeline(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codepipeline-pipeline.html."""

    type = "AWS::CodePipeline::Pipeline"
    missing = frozenset({"PipelineNotFoundException"})

    async def create(self, step: Step) -> str:
        """Create the pipeline, whose first execution begins at once, and close the ways into stages."""
        name = step.name("Name", _LONGEST_NAME)
        tags, _ = tag_changes({}, step.properties)
        request = {"Pipeline": _declaration(step.properties, name), **({"Tags": lowered(tags)} if tags else {})}
        await step.send("codepipeline", "create_pipeline", request)
        step.made(name)
        await self._turn(step, name, {})
        return name

    async def find(self, step: Step) -> str | None:
        """Return the pipeline of that name if it is this resource's; its stages may not be closed yet."""
        name = step.name("Name", _LONGEST_NAME)
        try:
            found = await step.call("codepipeline", "get_pipeline", name=name)
        except ServiceError as error:
            if self.is_missing(error):
                return None
            raise
        arn = found["metadata"]["pipelineArn"]
        if not carries(step, (await step.call("codepipeline", "list_tags_for_resource", resourceArn=arn))["tags"]):
            return None
        await self._turn(step, name, {})
        return name

    async def read(self, step: Step) -> Attributes:
        """Return `Arn` and `Version`."""
        found = await step.call("codepipeline", "get_pipeline", name=step.physical_id)
        return {"Arn": found["metadata"]["pipelineArn"], "Version": str(found["pipeline"]["version"])}

    async def update(self, step: Step, before: Properties) -> None:
        """Give the pipeline its next version, and run it where that is wanted."""
        after, name = step.properties, step.physical_id
        declaration = _declaration(after, name)
        if declaration != _declaration(before, name):
            await step.send("codepipeline", "update_pipeline", {"Pipeline": declaration})
        await self._turn(step, name, before)
        put, taken = tag_changes(before, after)
        arn = f"arn:aws:codepipeline:{step.region}:{step.account}:{name}"
        if put:
            await step.call("codepipeline", "tag_resource", resourceArn=arn, tags=lowered(put))
        if taken:
            await step.call("codepipeline", "untag_resource", resourceArn=arn, tagKeys=taken)
        if after.get("RestartExecutionOnUpdate"):
            token = {"name": name, "clientRequestToken": step.token}
            await step.send("codepipeline", "start_pipeline_execution", token)

    async def delete(self, step: Step) -> None:
        """Delete the pipeline with its history."""
        await step.call("codepipeline", "delete_pipeline", name=step.physical_id)

    async def _turn(self, step: Step, name: str, before: Properties) -> None:
        """Close the ways into stages that are to be closed, and open those that were."""
        closed = _closed(step.properties)
        stages = {stage["Name"] for stage in step.properties["Stages"]}
        for stage, reason in closed.items():
            if _closed(before).get(stage) == reason:
                continue
            request = {"pipelineName": name, "stageName": stage, "transitionType": "Inbound", "reason": reason}
            await step.send("codepipeline", "disable_stage_transition", request)
        for stage in _closed(before):
            if stage in stages and stage not in closed:
                request = {"pipelineName": name, "stageName": stage, "transitionType": "Inbound"}
                await step.send("codepipeline", "enable_stage_transition", request)


def _closed(properties: Properties) -> dict[str, str]:
    """Return the stages that nothing is to come into, and why."""
    return {each["StageName"]: each["Reason"] for each in properties.get("DisableInboundStageTransitions", ())}


def _declaration(properties: Properties, name: str) -> dict[str, Any]:
    """Return the declaration of a pipeline: stores by their regions, configurations that were text as what they say."""
    declaration = without(properties, *_OTHERS)
    if "ArtifactStores" in properties:
        stores = properties["ArtifactStores"]
        declaration["ArtifactStores"] = {each["Region"]: each["ArtifactStore"] for each in stores}
    declaration["Stages"] = [_stage(each) for each in properties["Stages"]]
    return {**declaration, "Name": name}


def _stage(stage: Properties) -> Properties:
    held = {
        name: {**stage[name], "Conditions": [_condition(each) for each in stage[name]["Conditions"]]}
        for name in ("BeforeEntry", "OnSuccess", "OnFailure")
        if "Conditions" in stage.get(name, {})
    }
    return {**stage, "Actions": [_configured(each, "action") for each in stage["Actions"]], **held}


def _condition(condition: Properties) -> Properties:
    return {**condition, "Rules": [_configured(each, "rule") for each in condition.get("Rules", [])]}


def _configured(declared: Properties, what: str) -> Properties:
    configuration = declared.get("Configuration")
    if not isinstance(configuration, str):
        return declared
    try:
        return {**declared, "Configuration": from_json(configuration)}
    except ValueError:
        why = f"The configuration of the {what} {declared['Name']} is not JSON: {configuration}"
        raise FailedError(why, "InvalidRequest") from None


HANDLERS: tuple[Handler, ...] = (Pipeline(),)
