"""Application Auto Scaling: scalable targets and scaling policies."""

from __future__ import annotations

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
from tidegate.cloud.services.cloudformation.resources.tags import as_map, carries

_SERVICE = "application-autoscaling"
_IDENTITY = ("ResourceId", "ScalableDimension", "ServiceNamespace")  # in the order of a target's physical id
_AWAKE = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


class ScalableTarget(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-applicationautoscaling-scalabletarget.html."""

    type = "AWS::ApplicationAutoScaling::ScalableTarget"
    missing = frozenset({"ObjectNotFoundException"})

    async def create(self, step: Step) -> str:
        """Register the target, then its scheduled actions; one that is there already would be changed by it."""
        if await self._describe(step) is not None:
            raise FailedError(
                f"Resource of type '{self.type}' with identifier '{_id(step.properties)}' already exists.",
                "AlreadyExists",
            )
        tags = {"Tags": as_map(step.properties)} if "Tags" in step.properties else {}
        await step.send(_SERVICE, "register_scalable_target", {**self._request(step), **tags})
        step.made(_id(step.properties))
        await self._schedule(step, {})
        return _id(step.properties)

    async def find(self, step: Step) -> str | None:
        """Return the target's id if it is registered, and schedule what may not be scheduled yet."""
        found = await self._describe(step)
        if found is None:
            return None
        answer = await step.call(_SERVICE, "list_tags_for_resource", ResourceARN=found["ScalableTargetARN"])
        tags = [{"Key": key, "Value": value} for key, value in answer["Tags"].items()]
        if not carries(step, tags):
            return None
        await self._schedule(step, {})
        return _id(step.properties)

    async def read(self, step: Step) -> Attributes:
        """Return `Id`."""
        return {"Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Change the bounds, what is suspended, the scheduled actions and the tags."""
        request = self._request(step)
        request["SuspendedState"] = {**_AWAKE, **step.properties.get("SuspendedState", {})}
        arn = (await step.send(_SERVICE, "register_scalable_target", request))["ScalableTargetARN"]
        await self._schedule(step, before)
        put, taken = tag_changes(before, step.properties)
        if put:
            tags = {tag["Key"]: tag["Value"] for tag in put}
            await step.call(_SERVICE, "tag_resource", ResourceARN=arn, Tags=tags)
        if taken:
            await step.call(_SERVICE, "untag_resource", ResourceARN=arn, TagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Deregister the target with its policies; the service stays as it is scaled."""
        await step.call(_SERVICE, "deregister_scalable_target", **_identity(step.physical_id))

    def _request(self, step: Step) -> dict[str, Any]:
        return without(step.properties, "ScheduledActions", "Tags")

    async def _schedule(self, step: Step, before: Properties) -> None:
        """Put the scheduled actions that are new or changed, anew so that nothing of the old ones stays."""
        old = {each["ScheduledActionName"]: each for each in before.get("ScheduledActions", [])}
        new = {each["ScheduledActionName"]: each for each in step.properties.get("ScheduledActions", [])}
        target = _identity(_id(step.properties))
        for name, action in old.items():
            if new.get(name) != action:
                await self._unschedule(step, {**target, "ScheduledActionName": name})
        for name, action in new.items():
            if old.get(name) != action:
                await step.send(_SERVICE, "put_scheduled_action", {**action, **target})

    async def _unschedule(self, step: Step, action: Properties) -> None:
        try:
            await step.call(_SERVICE, "delete_scheduled_action", **action)
        except ServiceError as error:
            if not self.is_missing(error):
                raise

    async def _describe(self, step: Step) -> Any | None:
        wanted = only(step.properties, "ServiceNamespace", "ScalableDimension")
        ids = [step.properties["ResourceId"]]
        answer = await step.call(_SERVICE, "describe_scalable_targets", **wanted, ResourceIds=ids)
        return next(iter(answer["ScalableTargets"]), None)


class ScalingPolicy(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-applicationautoscaling-scalingpolicy.html."""

    type = "AWS::ApplicationAutoScaling::ScalingPolicy"
    missing = frozenset({"ObjectNotFoundException"})

    async def create(self, step: Step) -> str:
        """Put the policy and return its ARN; it would be put in the place of one of that name."""
        if await self.find(step) is not None:
            name = step.properties["PolicyName"]
            raise FailedError(
                f"Resource of type '{self.type}' with identifier '{name}' already exists.", "AlreadyExists"
            )
        return await self._put(step)

    async def find(self, step: Step) -> str | None:
        """Return the ARN of the policy of that name."""
        wanted = {**_target(step.properties), "PolicyNames": [step.properties["PolicyName"]]}
        answer = await step.call(_SERVICE, "describe_scaling_policies", **wanted)
        return next((str(each["PolicyARN"]) for each in answer["ScalingPolicies"]), None)

    async def read(self, step: Step) -> Attributes:
        """Return `Arn`."""
        return {"Arn": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Put the policy in its own place."""
        await self._put(step)

    async def delete(self, step: Step) -> None:
        """Delete the policy; with its target it is gone already."""
        name = step.properties["PolicyName"]
        await step.call(_SERVICE, "delete_scaling_policy", **_target(step.properties), PolicyName=name)

    async def _put(self, step: Step) -> str:
        request = {**without(step.properties, "ScalingTargetId"), **_target(step.properties)}
        return str((await step.send(_SERVICE, "put_scaling_policy", request))["PolicyARN"])


def _id(properties: Properties) -> str:
    return "|".join(properties[name] for name in _IDENTITY)


def _identity(physical_id: str) -> dict[str, str]:
    return dict(zip(_IDENTITY, physical_id.split("|"), strict=True))


def _target(properties: Properties) -> dict[str, str]:
    """Return what a policy scales, which is named by a target's id or by what that consists of."""
    if "ScalingTargetId" not in properties:
        return only(properties, *_IDENTITY)
    others = [name for name in _IDENTITY if name in properties]
    if others:
        raise FailedError(f"Specify either ScalingTargetId or {others[0]}, not both", "InvalidRequest")
    if properties["ScalingTargetId"].count("|") != len(_IDENTITY) - 1:
        raise FailedError(f"{properties['ScalingTargetId']} is not the id of a scalable target", "InvalidRequest")
    return _identity(properties["ScalingTargetId"])


HANDLERS: tuple[Handler, ...] = (ScalableTarget(), ScalingPolicy())
