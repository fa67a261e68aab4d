"""Scalable targets: registered, described, tagged, deregistered; and what was done to them.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_Operations.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.applicationautoscaling.api.shared import (
    PRINCIPAL,
    find_target,
    fits,
    invalid,
    paged,
    resource_of,
    target_arn,
    target_conditions,
)
from tidegate.cloud.services.applicationautoscaling.model import (
    DIMENSION,
    NAMESPACE,
    AutoScalingModel,
    TargetRecord,
)
from tidegate.cloud.services.applicationautoscaling.tracking import own_alarms, remove_alarms

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import type_defs as t

_MOST_TAGS = 50
_ROLE = f"role/aws-service-role/{PRINCIPAL}/AWSServiceRoleForApplicationAutoScaling_ECSService"


class TargetsApi:
    """What may be scaled, between which bounds."""

    def __init__(self, model: AutoScalingModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=target_arn, conditions=target_conditions)
    async def register_scalable_target(
        self, context: Context, request: t.RegisterScalableTargetRequestTypeDef
    ) -> Mapping[str, Any]:
        """Register a service, or change its bounds; a count that is out of them is moved inside at once.

        A RoleARN has no say, as on AWS: ECS services are scaled by the service-linked role.
        """
        resource = resource_of(request)
        record = self.model.targets.get(context.region, resource)
        if record is None:
            if "MinCapacity" not in request or "MaxCapacity" not in request:
                raise invalid("You must specify both a minimum and a maximum capacity to register a scalable target.")
            await self._check_service(context, resource)
            record = self._new_target(context, resource)
        target = record["target"]
        target["MinCapacity"] = request.get("MinCapacity", target["MinCapacity"])
        target["MaxCapacity"] = request.get("MaxCapacity", target["MaxCapacity"])
        target["SuspendedState"] = {**target.get("SuspendedState", {}), **request.get("SuspendedState", {})}
        if target["MinCapacity"] < 0:
            raise invalid("Minimum capacity must be greater than or equal to 0")
        if target["MaxCapacity"] < target["MinCapacity"]:
            raise invalid("Maximum capacity cannot be less than minimum capacity")
        if request.get("Tags"):
            record["tags"] = _tagged(record["tags"], request["Tags"])
        self.model.targets.put((context.region, resource), record)
        return {"ScalableTargetARN": target["ScalableTargetARN"]}

    @operation(resource=target_arn, conditions=target_conditions)
    async def deregister_scalable_target(
        self, context: Context, request: t.DeregisterScalableTargetRequestTypeDef
    ) -> Mapping[str, Any]:
        """Forget a target with its policies and scheduled actions; the service stays as it is."""
        resource = resource_of(request)
        find_target(self.model, context, resource)
        policies = self.model.policies.values(context.region, resource)
        self.model.remove_target(context.region, resource)
        await remove_alarms(self._calls.as_service(PRINCIPAL, context.region), own_alarms(policies))
        return {}

    @operation()
    async def describe_scalable_targets(
        self, context: Context, request: t.DescribeScalableTargetsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe targets."""
        wanted = request.get("ResourceIds")
        found = [
            record["target"]
            for record in self.model.targets.values(context.region)
            if fits(request) and (not wanted or record["target"]["ResourceId"] in wanted)
        ]
        return paged(request, found, lambda each: each["ResourceId"], "ScalableTargets")

    @operation()
    async def describe_scaling_activities(
        self, context: Context, request: t.DescribeScalingActivitiesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe what was done in the last six weeks, the latest first.

        With IncludeNotScaledActivities there are none more: what was not done is not kept here.
        """
        resource = request.get("ResourceId")
        prefix = (context.region,) if resource is None else (context.region, resource)
        found = [activity for _, activity in self.model.activities.items(*prefix) if fits(request)]
        found.sort(key=_when, reverse=True)
        return paged(request, found, _when, "ScalingActivities", descending=True)

    @operation(resource=lambda api, context, request: request["ResourceARN"])
    async def tag_resource(self, context: Context, request: t.TagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Add tags to a target."""
        key, record = self._by_arn(context, request["ResourceARN"])
        record["tags"] = _tagged(record["tags"], request["Tags"])
        self.model.targets.put(key, record)
        return {}

    @operation(resource=lambda api, context, request: request["ResourceARN"])
    async def untag_resource(self, context: Context, request: t.UntagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags from a target."""
        key, record = self._by_arn(context, request["ResourceARN"])
        record["tags"] = {name: value for name, value in record["tags"].items() if name not in request["TagKeys"]}
        self.model.targets.put(key, record)
        return {}

    @operation(resource=lambda api, context, request: request["ResourceARN"])
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a target's tags."""
        return {"Tags": self._by_arn(context, request["ResourceARN"])[1]["tags"]}

    def _new_target(self, context: Context, resource: str) -> TargetRecord:
        arn = context.arn("application-autoscaling", f"scalable-target/0ec5{self._clock.hex(32)}")
        return {
            "target": {
                "ServiceNamespace": NAMESPACE,
                "ResourceId": resource,
                "ScalableDimension": DIMENSION,
                "MinCapacity": 0,
                "MaxCapacity": 0,
                "RoleARN": f"arn:aws:iam::{context.account}:{_ROLE}",
                "CreationTime": self._clock.now(),
                "SuspendedState": {
                    "DynamicScalingInSuspended": False,
                    "DynamicScalingOutSuspended": False,
                    "ScheduledScalingSuspended": False,
                },
                "ScalableTargetARN": arn,
            },
            "tags": {},
        }

    def _by_arn(self, context: Context, arn: str) -> tuple[tuple[str, ...], TargetRecord]:
        for key, record in self.model.targets.items(context.region):
            if record["target"].get("ScalableTargetARN") == arn:
                return key, record
        raise ServiceError("ResourceNotFoundException", f"No resource found for ARN: {arn}", ResourceName=arn)

    async def _check_service(self, context: Context, resource: str) -> None:
        _, cluster, name = resource.split("/")
        call = self._calls.as_service(PRINCIPAL, context.region)
        try:
            services = (await call("ecs", "describe_services", cluster=cluster, services=[name]))["services"]
        except ServiceError as error:
            if error.code != "ClusterNotFoundException":
                raise
            services = []
        if not any(each["status"] != "INACTIVE" for each in services):
            raise invalid(f"ECS service doesn't exist: {resource}")


def _when(activity: t.ScalingActivityTypeDef) -> str:
    return f"{activity['StartTime'].timestamp():017.3f} {activity['ActivityId']}"


def _tagged(tags: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    result = {**tags, **more}
    if len(result) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A resource can have at most {_MOST_TAGS} tags.")
    return result
