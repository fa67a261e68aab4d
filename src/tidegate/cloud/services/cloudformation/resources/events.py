"""EventBridge: rules and their targets."""

from __future__ import annotations

import json
from typing import Any

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    only,
    tag_changes,
    without,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries

_LONGEST_NAME = 64


class Rule(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html.

    There is only the default event bus here, so `Ref` is always the rule's name alone.
    """

    type = "AWS::Events::Rule"
    missing = frozenset({"ResourceNotFoundException"})

    async def create(self, step: Step) -> str:
        """Put the rule, then its targets; EventBridge would put it in the place of one of that name."""
        name = step.name("Name", _LONGEST_NAME)
        if await self._describe(step, name) is not None:
            raise FailedError(
                f"Resource of type '{self.type}' with identifier '{name}' already exists.", "AlreadyExists"
            )
        await step.send("events", "put_rule", {**_rule(step.properties), "Name": name})
        step.made(name)
        await self._put_targets(step, name, {})
        return name

    async def find(self, step: Step) -> str | None:
        """Return the rule of that name if it is this resource's; its targets may not be put yet."""
        name = step.name("Name", _LONGEST_NAME)
        found = await self._describe(step, name)
        if found is None:
            return None
        there = await step.call("events", "list_tags_for_resource", ResourceARN=found["Arn"])
        if not carries(step, there["Tags"]):
            return None
        await self._put_targets(step, name, {})
        return name

    async def read(self, step: Step) -> Attributes:
        """Return `Arn` and `RuleName`."""
        found = await self._describe(step, step.physical_id)
        return {} if found is None else {"Arn": found["Arn"], "RuleName": found["Name"]}

    async def update(self, step: Step, before: Properties) -> None:
        """Put the rule anew, its targets and its tags."""
        name = step.physical_id
        await step.send("events", "put_rule", {**without(_rule(step.properties), "Tags"), "Name": name})
        await self._put_targets(step, name, before)
        put, taken = tag_changes(before, step.properties)
        arn = f"arn:aws:events:{step.region}:{step.account}:rule/{name}"
        if put:
            await step.call("events", "tag_resource", ResourceARN=arn, Tags=put)
        if taken:
            await step.call("events", "untag_resource", ResourceARN=arn, TagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Remove the targets, whoever put them, and delete the rule."""
        rule = {"Rule": step.physical_id, **only(step.properties, "EventBusName")}
        ids = [each["Id"] for each in (await step.call("events", "list_targets_by_rule", **rule))["Targets"]]
        if ids:
            await step.call("events", "remove_targets", **rule, Ids=ids)
        await step.call("events", "delete_rule", Name=step.physical_id, **only(step.properties, "EventBusName"))

    async def _put_targets(self, step: Step, name: str, before: Properties) -> None:
        """Take targets away first: a rule has at most five."""
        old, new = before.get("Targets", []), step.properties.get("Targets", [])
        rule = {"Rule": name, **only(step.properties, "EventBusName")}
        taken = [each["Id"] for each in old if each["Id"] not in {target["Id"] for target in new}]
        put = [each for each in new if each not in old]
        failed: list[Any] = []
        if taken:
            await step.send("events", "remove_targets", {**rule, "Ids": taken})
        if put:
            failed = (await step.send("events", "put_targets", {**rule, "Targets": put}))["FailedEntries"]
        if failed:
            raise FailedError(f"The target {failed[0]['TargetId']} was not put: {failed[0]['ErrorMessage']}")

    async def _describe(self, step: Step, name: str) -> Any | None:
        try:
            return await step.call("events", "describe_rule", Name=name, **only(step.properties, "EventBusName"))
        except ServiceError as error:
            if self.is_missing(error):
                return None
            raise


def _rule(properties: Properties) -> dict[str, Any]:
    """Return the rule without its targets, the pattern as text."""
    rule = without(properties, "Targets")
    pattern = rule.get("EventPattern")
    if pattern is not None and not isinstance(pattern, str):
        rule["EventPattern"] = json.dumps(pattern)
    return rule


HANDLERS: tuple[Handler, ...] = (Rule(),)
