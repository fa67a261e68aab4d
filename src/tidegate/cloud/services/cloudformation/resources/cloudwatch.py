"""CloudWatch: alarms on metrics, and alarms on alarms."""

from __future__ import annotations

from typing import Any, ClassVar

from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    tag_changes,
    without,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries

_LONGEST_NAME = 255


class _Alarm(Handler):
    """What both kinds of alarm have in common; putting one is creating and updating it."""

    missing = frozenset({"ResourceNotFound"})
    kind: ClassVar[str]
    operation: ClassVar[str]

    async def create(self, step: Step) -> str:
        """Put the alarm; it would be put in the place of one of that name."""
        name = step.name("AlarmName", _LONGEST_NAME)
        if await self._describe(step, name) is not None:
            raise FailedError(
                f"Resource of type '{self.type}' with identifier '{name}' already exists.", "AlreadyExists"
            )
        await step.send("cloudwatch", self.operation, {**step.properties, "AlarmName": name})
        return name

    async def find(self, step: Step) -> str | None:
        """Return the alarm of that name if it is this resource's."""
        name = step.name("AlarmName", _LONGEST_NAME)
        found = await self._describe(step, name)
        if found is None:
            return None
        there = await step.call("cloudwatch", "list_tags_for_resource", ResourceARN=found["AlarmArn"])
        return name if carries(step, there["Tags"]) else None

    async def read(self, step: Step) -> Attributes:
        """Return `Arn`."""
        found = await self._describe(step, step.physical_id)
        return {} if found is None else {"Arn": found["AlarmArn"]}

    async def update(self, step: Step, before: Properties) -> None:
        """Put the alarm in its own place, and change its tags."""
        name = step.physical_id
        await step.send("cloudwatch", self.operation, {**without(step.properties, "Tags"), "AlarmName": name})
        put, taken = tag_changes(before, step.properties)
        arn = f"arn:aws:cloudwatch:{step.region}:{step.account}:alarm:{name}"
        if put:
            await step.call("cloudwatch", "tag_resource", ResourceARN=arn, Tags=put)
        if taken:
            await step.call("cloudwatch", "untag_resource", ResourceARN=arn, TagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Delete the alarm; its history stays."""
        await step.call("cloudwatch", "delete_alarms", AlarmNames=[step.physical_id])

    async def _describe(self, step: Step, name: str) -> Any | None:
        answer = await step.call("cloudwatch", "describe_alarms", AlarmNames=[name], AlarmTypes=[self.kind])
        return next(iter(answer[f"{self.kind}s"]), None)


class Alarm(_Alarm):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html."""

    type = "AWS::CloudWatch::Alarm"
    kind = "MetricAlarm"
    operation = "put_metric_alarm"


class CompositeAlarm(_Alarm):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-compositealarm.html."""

    type = "AWS::CloudWatch::CompositeAlarm"
    kind = "CompositeAlarm"
    operation = "put_composite_alarm"


HANDLERS: tuple[Handler, ...] = (Alarm(), CompositeAlarm())
