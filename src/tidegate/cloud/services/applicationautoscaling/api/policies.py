"""Scaling policies: target tracking, which brings its own alarms, and steps, which alarms of the user's trigger.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html and its siblings
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
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
from tidegate.cloud.services.applicationautoscaling.model import DIMENSION, NAMESPACE, AutoScalingModel
from tidegate.cloud.services.applicationautoscaling.tracking import (
    PREDEFINED,
    alarms_of,
    label_dimensions,
    remove_alarms,
)

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import type_defs as t

_TRACKING, _STEPS = "TargetTrackingScaling", "StepScaling"
_CONFIGURATIONS = {
    _TRACKING: "TargetTrackingScalingPolicyConfiguration",
    _STEPS: "StepScalingPolicyConfiguration",
}
_ADJUSTMENTS = ("ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity")
_METRIC = ("MetricName", "Namespace", "Statistic")


class PoliciesApi:
    """What a count follows."""

    def __init__(self, model: AutoScalingModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=target_arn, conditions=target_conditions, refuse=("PredictiveScalingPolicyConfiguration",))
    async def put_scaling_policy(
        self, context: Context, request: t.PutScalingPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create or replace a policy; one of target tracking has its alarms made with it."""
        resource, name = resource_of(request), request["PolicyName"]
        find_target(self.model, context, resource)
        before = self.model.policies.get(context.region, resource, name)
        kind: Any = request.get("PolicyType") or (before["PolicyType"] if before is not None else _STEPS)
        if kind not in _CONFIGURATIONS:
            raise not_offered(f"application-autoscaling:PutScalingPolicy PolicyType {kind}")
        if before is not None and before["PolicyType"] != kind:
            raise invalid("The policy type of a scaling policy cannot be changed.")
        configuration: Any = request.get(_CONFIGURATIONS[kind])
        if configuration is None:
            raise invalid(f"{_CONFIGURATIONS[kind]} is required for a {kind} policy.")
        if kind == _TRACKING:
            self._check_tracking(context, resource, name, configuration)
        else:
            configuration = _checked_steps(configuration)
        policy: Any = {
            "PolicyARN": before["PolicyARN"] if before is not None else self._arn(context, resource, name),
            "PolicyName": name,
            "ServiceNamespace": NAMESPACE,
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "PolicyType": kind,
            _CONFIGURATIONS[kind]: configuration,
            "Alarms": [],
            "CreationTime": before["CreationTime"] if before is not None else self._clock.now(),
        }
        if kind == _TRACKING:
            policy["Alarms"] = self._alarms(context, policy, before)
        self.model.policies.put((context.region, resource, name), policy)
        call = self._calls.as_service(PRINCIPAL, context.region)
        for alarm in alarms_of(policy):  # one that a kill keeps from being put is put by the reconciler
            await call("cloudwatch", "put_metric_alarm", **alarm)
        if before is not None and kind == _TRACKING:
            await remove_alarms(call, [each for each in before.get("Alarms", []) if each not in policy["Alarms"]])
        return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}

    @operation(resource=target_arn, conditions=target_conditions)
    async def delete_scaling_policy(
        self, context: Context, request: t.DeleteScalingPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a policy and the alarms that are its own."""
        resource, name = resource_of(request), request["PolicyName"]
        policy = self.model.policies.get(context.region, resource, name)
        if policy is None:
            raise ServiceError(
                "ObjectNotFoundException",
                f"No scaling policy found for service namespace: {NAMESPACE}, resource ID: {resource}, "
                f"scalable dimension: {DIMENSION}, policy name: {name}",
            )
        self.model.policies.delete(context.region, resource, name)
        if policy["PolicyType"] == _TRACKING:
            await remove_alarms(self._calls.as_service(PRINCIPAL, context.region), policy.get("Alarms", []))
        return {}

    @operation()
    async def describe_scaling_policies(
        self, context: Context, request: t.DescribeScalingPoliciesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe policies, with the alarms that trigger them."""
        names, resource = request.get("PolicyNames"), request.get("ResourceId")
        found = [
            policy
            for policy in self.model.policies.values(context.region)
            if fits(request)
            and resource in (None, policy["ResourceId"])
            and (not names or policy["PolicyName"] in names or policy["PolicyARN"] in names)
        ]
        answer = paged(request, found, lambda each: f"{each['ResourceId']}\x1f{each['PolicyName']}", "ScalingPolicies")
        call = self._calls.as_service(PRINCIPAL, context.region)
        for policy in answer["ScalingPolicies"]:
            if policy["PolicyType"] == _STEPS:
                alarms = await call("cloudwatch", "describe_alarms", ActionPrefix=policy["PolicyARN"])
                policy["Alarms"] = [
                    {name: each[name] for name in ("AlarmName", "AlarmARN")}
                    for each in ({**alarm, "AlarmARN": alarm["AlarmArn"]} for alarm in alarms["MetricAlarms"])
                ]
        return answer

    def _arn(self, context: Context, resource: str, name: str) -> str:
        policy = f"scalingPolicy:{self._clock.new_id()}:resource/ecs/{resource}:policyName/{name}"
        return f"arn:aws:autoscaling:{context.region}:{context.account}:{policy}"

    def _alarms(self, context: Context, policy: Any, before: Any | None) -> list[dict[str, str]]:
        """Return the alarms that a policy is to have, those that it has already under their names."""
        known = [] if before is None else before.get("Alarms", [])
        levels = ["High"] if policy[_CONFIGURATIONS[_TRACKING]].get("DisableScaleIn") else ["High", "Low"]
        result = []
        for level in levels:
            prefix = f"TargetTracking-{policy['ResourceId']}-Alarm{level}-"
            same = next((each["AlarmName"] for each in known if each["AlarmName"].startswith(prefix)), None)
            name = same or prefix + self._clock.new_id()
            result.append({"AlarmName": name, "AlarmARN": context.arn("cloudwatch", f"alarm:{name}")})
        return result

    def _check_tracking(self, context: Context, resource: str, name: str, configuration: Any) -> None:
        predefined = configuration.get("PredefinedMetricSpecification")
        customized = configuration.get("CustomizedMetricSpecification")
        if (predefined is None) is (customized is None):
            raise invalid(
                "A target tracking policy has either a PredefinedMetricSpecification or a "
                "CustomizedMetricSpecification."
            )
        if predefined is not None:
            _check_predefined(predefined)
        else:
            _check_customized(customized)
        if configuration["TargetValue"] <= 0:
            raise invalid("The target value must be greater than 0.")
        for cooldown in ("ScaleOutCooldown", "ScaleInCooldown"):
            if configuration.get(cooldown, 0) < 0:
                raise invalid(f"{cooldown} must be greater than or equal to 0.")
        for other in self.model.policies.values(context.region, resource):
            if other["PolicyName"] == name or other["PolicyType"] != _TRACKING:
                continue
            tracked: Any = other["TargetTrackingScalingPolicyConfiguration"]
            specifications = ("PredefinedMetricSpecification", "CustomizedMetricSpecification")
            if all(tracked.get(each) == configuration.get(each) for each in specifications):
                raise invalid("Only one TargetTrackingScaling policy for a given metric specification is allowed.")


def _check_predefined(specification: Mapping[str, Any]) -> None:
    metric = specification["PredefinedMetricType"]
    if metric not in PREDEFINED:
        raise not_offered(f"application-autoscaling:PutScalingPolicy PredefinedMetricType {metric}")
    label = specification.get("ResourceLabel")
    if metric != "ALBRequestCountPerTarget":
        if label is not None:
            raise invalid(f"ResourceLabel cannot be specified for {metric}.")
        return
    try:
        label_dimensions(label or "")
    except ValueError:
        raise invalid(
            "ALBRequestCountPerTarget needs a ResourceLabel: app/LOAD-BALANCER/ID/targetgroup/TARGET-GROUP/ID"
        ) from None


def _check_customized(specification: Mapping[str, Any]) -> None:
    if "Metrics" in specification:
        if any(each in specification for each in _METRIC):
            raise invalid("A CustomizedMetricSpecification has either Metrics or a single metric.")
        return  # CloudWatch says what is wrong with them
    missing = [each for each in _METRIC if each not in specification]
    if missing:
        raise invalid(f"A CustomizedMetricSpecification has a {missing[0]}.")


def _checked_steps(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step scaling configuration with what it does not say; raise for steps that overlap or leave a gap."""
    kind = configuration.get("AdjustmentType")
    if kind not in _ADJUSTMENTS:
        raise invalid(f"AdjustmentType must be one of {', '.join(_ADJUSTMENTS)}.")
    if "MinAdjustmentMagnitude" in configuration and kind != "PercentChangeInCapacity":
        raise invalid("MinAdjustmentMagnitude can only be specified with PercentChangeInCapacity.")
    if configuration.get("Cooldown", 0) < 0:
        raise invalid("Cooldown must be greater than or equal to 0.")
    steps: Sequence[Mapping[str, Any]] = configuration.get("StepAdjustments", [])
    if not steps:
        raise invalid("At least one StepAdjustment is required.")
    bounds = sorted(
        (each.get("MetricIntervalLowerBound", -math.inf), each.get("MetricIntervalUpperBound", math.inf))
        for each in steps
    )
    if any(lower >= upper for lower, upper in bounds):
        raise invalid("The upper bound of a StepAdjustment must be greater than its lower bound.")
    for (_, upper), (lower, _) in pairwise(bounds):
        if upper > lower:
            raise invalid("StepAdjustment intervals can't overlap.")
        if upper < lower:
            raise invalid("StepAdjustment intervals can't have gaps between them.")
    if kind == "ExactCapacity" and any(each["ScalingAdjustment"] < 0 for each in steps):
        raise invalid("A ScalingAdjustment of ExactCapacity must be greater than or equal to 0.")
    return {"MetricAggregationType": "Average", **configuration}
