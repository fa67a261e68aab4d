"""The alarms of target tracking policies: what they look at, and that there are no others. Pure, but for the calls.

https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html

What this cloud measures by itself comes every 20 seconds, and the alarms on it have that period: it takes a minute to
scale out where AWS takes three (docs/adr/0005). A metric of the user's own comes at the user's pace and has AWS's
period.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller
from tidegate.cloud.services.applicationautoscaling.plan import IN_DATAPOINTS, IN_SHARE, OUT_DATAPOINTS

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import type_defs as t

PERIOD = 20  # seconds between two datapoints of what is measured here
_MINUTE = 60
_OF_SERVICES = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}
PREDEFINED = (*_OF_SERVICES, "ALBRequestCountPerTarget")


def alarms_of(policy: t.ScalingPolicyTypeDef) -> list[dict[str, Any]]:
    """Return the alarms of a policy as PutMetricAlarm takes them; a step scaling policy has none of its own."""
    if policy["PolicyType"] != "TargetTrackingScaling":
        return []
    configuration = policy["TargetTrackingScalingPolicyConfiguration"]
    metric, target = _metric(policy["ResourceId"], configuration), configuration["TargetValue"]
    shared = {
        **metric,
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy['PolicyARN']}.",
        "AlarmActions": [policy["PolicyARN"]],
    }
    requests = []
    for alarm in policy.get("Alarms", []):
        high = "-AlarmHigh-" in alarm["AlarmName"]
        requests.append(
            {
                **shared,
                "AlarmName": alarm["AlarmName"],
                "ComparisonOperator": "GreaterThanThreshold" if high else "LessThanThreshold",
                "Threshold": target if high else round(target * IN_SHARE, 9),
                "EvaluationPeriods": OUT_DATAPOINTS if high else IN_DATAPOINTS,
            }
        )
    return requests


def is_high(alarm: Mapping[str, Any]) -> bool:
    """Return whether an alarm is the one that a policy scales out by."""
    return "-AlarmHigh-" in alarm["AlarmName"]


def own_alarms(policies: Iterable[t.ScalingPolicyTypeDef]) -> list[t.AlarmTypeDef]:
    """Return the alarms that go with these policies."""
    return [
        alarm for each in policies if each["PolicyType"] == "TargetTrackingScaling" for alarm in each.get("Alarms", [])
    ]


async def remove_alarms(call: Caller, alarms: Iterable[t.AlarmTypeDef]) -> None:
    """Delete alarms, those of them that there are."""
    names = [alarm["AlarmName"] for alarm in alarms]
    if not names:
        return
    answer = await call("cloudwatch", "describe_alarms", AlarmNames=names)
    there = [alarm["AlarmName"] for alarm in answer["MetricAlarms"]]
    if there:
        await call("cloudwatch", "delete_alarms", AlarmNames=there)


def label_dimensions(label: str) -> list[dict[str, str]]:
    """Return what a resource label names: `app/NAME/ID/targetgroup/NAME/ID`; ValueError for what is none."""
    parts = label.split("/")
    if len(parts) != 6 or parts[0] != "app" or parts[3] != "targetgroup" or not all(parts):
        raise ValueError(label)
    return [
        {"Name": "LoadBalancer", "Value": "/".join(parts[:3])},
        {"Name": "TargetGroup", "Value": "/".join(parts[3:])},
    ]


def _metric(resource: str, configuration: Any) -> dict[str, Any]:
    """Return the part of an alarm that says what it looks at."""
    predefined = configuration.get("PredefinedMetricSpecification")
    if predefined is None:
        return _customized(configuration["CustomizedMetricSpecification"])
    name = predefined["PredefinedMetricType"]
    if name in _OF_SERVICES:
        _, cluster, service = resource.split("/")
        dimensions = [{"Name": "ClusterName", "Value": cluster}, {"Name": "ServiceName", "Value": service}]
        metric = {"Namespace": "AWS/ECS", "MetricName": _OF_SERVICES[name], "Dimensions": dimensions}
        return {**metric, "Statistic": "Average", "Period": PERIOD}
    metric = {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "RequestCountPerTarget",
        "Dimensions": label_dimensions(predefined["ResourceLabel"]),
    }
    # the target is a number of requests in a minute
    counted = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": PERIOD, "Stat": "Sum"}, "ReturnData": False}
    return {"Metrics": [counted, {"Id": "e1", "Expression": f"m1 * {_MINUTE // PERIOD}", "ReturnData": True}]}


def _customized(specification: Mapping[str, Any]) -> dict[str, Any]:
    if "Metrics" not in specification:
        metric = {name: specification[name] for name in ("Namespace", "MetricName", "Statistic")}
        unit = {"Unit": specification["Unit"]} if "Unit" in specification else {}
        return {**metric, **unit, "Dimensions": specification.get("Dimensions", []), "Period": _MINUTE}
    queries = []
    for given in specification["Metrics"]:
        query = dict(given)
        if "MetricStat" in query:
            query["MetricStat"] = {**query["MetricStat"], "Period": _MINUTE}
        queries.append(query)
    return {"Metrics": queries}
