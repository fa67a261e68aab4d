"""CloudWatch Logs: log groups."""

from __future__ import annotations

from typing import Any

from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    changed,
    tag_changes,
)

_LONGEST_NAME = 512


class LogGroup(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html."""

    type = "AWS::Logs::LogGroup"
    missing = frozenset({"ResourceNotFoundException"})

    async def create(self, step: Step) -> str:
        """Create the group, then set how long its events are kept."""
        name = step.name("LogGroupName", _LONGEST_NAME)
        request: dict[str, Any] = {"logGroupName": name}
        for property_name, member in (("KmsKeyId", "kmsKeyId"), ("LogGroupClass", "logGroupClass")):
            if property_name in step.properties:
                request[member] = step.properties[property_name]
        put, _ = tag_changes({}, step.properties)
        if put:
            request["tags"] = {tag["Key"]: tag["Value"] for tag in put}
        await step.call("logs", "create_log_group", **request)
        step.made(name)
        await self._keep(step, {})
        return name

    async def find(self, step: Step) -> str | None:
        """Return the group's name if it is there, and set how long its events are kept."""
        name = step.name("LogGroupName", _LONGEST_NAME)
        if await self._describe(step, name) is None:
            return None
        step.made(name)
        await self._keep(step, {})
        return name

    async def read(self, step: Step) -> Attributes:
        """Return `Arn`, which ends in `:*`."""
        group = await self._describe(step, step.physical_id)
        return {} if group is None else {"Arn": group["arn"]}

    async def update(self, step: Step, before: Properties) -> None:
        """Set how long events are kept, and the tags."""
        await self._keep(step, before)
        put, taken = tag_changes(before, step.properties)
        arn = f"arn:aws:logs:{step.region}:{step.account}:log-group:{step.physical_id}"
        if put:
            await step.call("logs", "tag_resource", resourceArn=arn, tags={tag["Key"]: tag["Value"] for tag in put})
        if taken:
            await step.call("logs", "untag_resource", resourceArn=arn, tagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Delete the group with all its events."""
        await step.call("logs", "delete_log_group", logGroupName=step.physical_id)

    async def _keep(self, step: Step, before: Properties) -> None:
        if not changed(before, step.properties, "RetentionInDays"):
            return
        days = step.properties.get("RetentionInDays")
        if days is None:
            await step.call("logs", "delete_retention_policy", logGroupName=step.physical_id)
        else:
            await step.call("logs", "put_retention_policy", logGroupName=step.physical_id, retentionInDays=days)

    async def _describe(self, step: Step, name: str) -> Any | None:
        answer = await step.call("logs", "describe_log_groups", logGroupNamePrefix=name)
        return next((group for group in answer["logGroups"] if group["logGroupName"] == name), None)


HANDLERS: tuple[Handler, ...] = (LogGroup(),)
