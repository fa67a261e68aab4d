"""The operations of Application Auto Scaling.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_Operations.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.applicationautoscaling.model import (
    DIMENSION,
    NAMESPACE,
    AutoScalingModel,
    TargetRecord,
)

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import type_defs as t

T = TypeVar("T")

_RESOURCE = re.compile(r"^service/[\w-]{1,255}/[\w-]{1,255}$")
_TRACKED = ("ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization")
_PAGE = 50
_MOST_TAGS = 50
_PRINCIPAL = "ecs.application-autoscaling.amazonaws.com"
_ROLE = f"role/aws-service-role/{_PRINCIPAL}/AWSServiceRoleForApplicationAutoScaling_ECSService"


class AutoScalingApi:
    """Scalable targets, their policies, and what was done by them."""

    def __init__(self, model: AutoScalingModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    # targets

    @operation()
    async def register_scalable_target(
        self, context: Context, request: t.RegisterScalableTargetRequestTypeDef
    ) -> Mapping[str, Any]:
        """Register a service, or change its bounds; a count that is out of them is moved inside at once.

        A RoleARN has no say, as on AWS: ECS services are scaled by the service-linked role.
        """
        resource = _resource(request)
        record = self.model.targets.get(context.region, resource)
        if record is None:
            if "MinCapacity" not in request or "MaxCapacity" not in request:
                raise _invalid("You must specify both a minimum and a maximum capacity to register a scalable target.")
            await self._check_service(context, resource)
            record = self._new_target(context, resource)
        target = record["target"]
        target["MinCapacity"] = request.get("MinCapacity", target["MinCapacity"])
        target["MaxCapacity"] = request.get("MaxCapacity", target["MaxCapacity"])
        target["SuspendedState"] = {**target.get("SuspendedState", {}), **request.get("SuspendedState", {})}
        if target["MinCapacity"] < 0:
            raise _invalid("Minimum capacity must be greater than or equal to 0")
        if target["MaxCapacity"] < target["MinCapacity"]:
            raise _invalid("Maximum capacity cannot be less than minimum capacity")
        if request.get("Tags"):
            record["tags"] = _tagged(record["tags"], request["Tags"])
        self.model.targets.put((context.region, resource), record)
        return {"ScalableTargetARN": target["ScalableTargetARN"]}

    @operation()
    async def deregister_scalable_target(
        self, context: Context, request: t.DeregisterScalableTargetRequestTypeDef
    ) -> Mapping[str, Any]:
        """Forget a target with its policies; the service stays as it is."""
        resource = _resource(request)
        self._target(context, resource)
        self.model.remove_target(context.region, resource)
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
            if _fits(request) and (not wanted or record["target"]["ResourceId"] in wanted)
        ]
        return _paged(request, found, lambda each: each["ResourceId"], "ScalableTargets")

    # policies

    @operation(
        refuse=(
            "StepScalingPolicyConfiguration",
            "PredictiveScalingPolicyConfiguration",
            "TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification",
            "TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.ResourceLabel",
        )
    )
    async def put_scaling_policy(
        self, context: Context, request: t.PutScalingPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create or replace a target tracking policy; it is evaluated at once."""
        resource, name = _resource(request), request["PolicyName"]
        self._target(context, resource)
        before = self.model.policies.get(context.region, resource, name)
        kind = request.get("PolicyType") or (before["PolicyType"] if before is not None else None)
        if kind != "TargetTrackingScaling":
            raise not_offered(f"application-autoscaling:PutScalingPolicy PolicyType {kind or 'StepScaling'}")
        configuration = request.get("TargetTrackingScalingPolicyConfiguration")
        if configuration is None:
            raise _invalid("TargetTrackingScalingPolicyConfiguration is required for a TargetTrackingScaling policy.")
        self._check_tracking(context, resource, name, configuration)
        uuid = self._clock.new_id()
        policy: t.ScalingPolicyTypeDef = {
            "PolicyARN": before["PolicyARN"]
            if before is not None
            else f"arn:aws:autoscaling:{context.region}:{context.account}:scalingPolicy:{uuid}:resource/ecs/{resource}:"
            f"policyName/{name}",
            "PolicyName": name,
            "ServiceNamespace": NAMESPACE,
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": configuration,  # type: ignore[typeddict-item]
            "Alarms": [],
            "CreationTime": before["CreationTime"] if before is not None else self._clock.now(),
        }
        self.model.policies.put((context.region, resource, name), policy)
        return {"PolicyARN": policy["PolicyARN"], "Alarms": []}

    @operation()
    async def delete_scaling_policy(
        self, context: Context, request: t.DeleteScalingPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a policy."""
        resource, name = _resource(request), request["PolicyName"]
        if self.model.policies.get(context.region, resource, name) is None:
            raise ServiceError(
                "ObjectNotFoundException",
                f"No scaling policy found for service namespace: {NAMESPACE}, resource ID: {resource}, "
                f"scalable dimension: {DIMENSION}, policy name: {name}",
            )
        self.model.policies.delete(context.region, resource, name)
        return {}

    @operation()
    async def describe_scaling_policies(
        self, context: Context, request: t.DescribeScalingPoliciesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe policies."""
        names, resource = request.get("PolicyNames"), request.get("ResourceId")
        found = [
            policy
            for policy in self.model.policies.values(context.region)
            if _fits(request)
            and resource in (None, policy["ResourceId"])
            and (not names or policy["PolicyName"] in names or policy["PolicyARN"] in names)
        ]
        return _paged(request, found, lambda each: f"{each['ResourceId']}\x1f{each['PolicyName']}", "ScalingPolicies")

    @operation()
    async def describe_scaling_activities(
        self, context: Context, request: t.DescribeScalingActivitiesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe what was done in the last six weeks, the latest first.

        With IncludeNotScaledActivities there are none more: what was not done is not kept here.
        """
        resource = request.get("ResourceId")
        prefix = (context.region,) if resource is None else (context.region, resource)
        found = [activity for _, activity in self.model.activities.items(*prefix) if _fits(request)]
        found.sort(key=_when, reverse=True)
        return _paged(request, found, _when, "ScalingActivities", descending=True)

    # tags

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

    def _target(self, context: Context, resource: str) -> TargetRecord:
        record = self.model.targets.get(context.region, resource)
        if record is None:
            raise ServiceError(
                "ObjectNotFoundException",
                f"No scalable target found for service namespace: {NAMESPACE}, resource ID: {resource}, "
                f"scalable dimension: {DIMENSION}",
            )
        return record

    def _by_arn(self, context: Context, arn: str) -> tuple[tuple[str, ...], TargetRecord]:
        for key, record in self.model.targets.items(context.region):
            if record["target"].get("ScalableTargetARN") == arn:
                return key, record
        raise ServiceError("ResourceNotFoundException", f"No resource found for ARN: {arn}", ResourceName=arn)

    async def _check_service(self, context: Context, resource: str) -> None:
        _, cluster, name = resource.split("/")
        call = self._calls.as_service(_PRINCIPAL, context.region)
        try:
            services = (await call("ecs", "describe_services", cluster=cluster, services=[name]))["services"]
        except ServiceError as error:
            if error.code != "ClusterNotFoundException":
                raise
            services = []
        if not any(each["status"] != "INACTIVE" for each in services):
            raise _invalid(f"ECS service doesn't exist: {resource}")

    def _check_tracking(self, context: Context, resource: str, name: str, configuration: Any) -> None:
        metric = configuration.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
        if metric is None:
            raise _invalid("A target tracking policy has a PredefinedMetricSpecification.")
        if metric not in _TRACKED:
            raise not_offered(f"application-autoscaling:PutScalingPolicy PredefinedMetricType {metric}")
        if configuration["TargetValue"] <= 0:
            raise _invalid("The target value must be greater than 0.")
        for cooldown in ("ScaleOutCooldown", "ScaleInCooldown"):
            if configuration.get(cooldown, 0) < 0:
                raise _invalid(f"{cooldown} must be greater than or equal to 0.")
        for other in self.model.policies.values(context.region, resource):
            tracked = other["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]
            if other["PolicyName"] != name and tracked["PredefinedMetricType"] == metric:
                raise _invalid("Only one TargetTrackingScaling policy for a given metric specification is allowed.")


def _resource(request: Mapping[str, Any]) -> str:
    """Return the resource id; raise for what is not an ECS service's desired count."""
    if request["ServiceNamespace"] != NAMESPACE:
        raise not_offered(f"application-autoscaling for the service namespace {request['ServiceNamespace']}")
    resource = str(request["ResourceId"])
    if request["ScalableDimension"] != DIMENSION or not _RESOURCE.match(resource):
        raise _invalid("Unsupported service namespace, resource type or scalable dimension")
    return resource


def _fits(request: Mapping[str, Any]) -> bool:
    """Return whether a description asks for what there is: targets of other services there are none."""
    return request["ServiceNamespace"] == NAMESPACE and request.get("ScalableDimension") in (None, DIMENSION)


def _paged(
    request: Mapping[str, Any], items: Sequence[T], key: Callable[[T], str], name: str, *, descending: bool = False
) -> dict[str, Any]:
    chosen, token = page(
        items,
        request.get("NextToken"),
        request.get("MaxResults", _PAGE),
        key=key,
        invalid="InvalidNextTokenException",
        descending=descending,
    )
    return {name: chosen} if token is None else {name: chosen, "NextToken": token}


def _when(activity: t.ScalingActivityTypeDef) -> str:
    return f"{activity['StartTime'].timestamp():017.3f} {activity['ActivityId']}"


def _tagged(tags: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    result = {**tags, **more}
    if len(result) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A resource can have at most {_MOST_TAGS} tags.")
    return result


def _invalid(why: str) -> ServiceError:
    return ServiceError("ValidationException", why)
