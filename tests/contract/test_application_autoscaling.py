"""Application Auto Scaling: its API asked with boto3, and its loop, against a service that stands in for ECS's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract import ecs_stub
from tests.daemon import Daemon, free_port
from tests.stacks import Stacks
from tidegate.cloud.services.applicationautoscaling.tracking import PERIOD

RESOURCE = "service/default/web"
ABOUT: dict[str, Any] = {
    "ServiceNamespace": "ecs",
    "ResourceId": RESOURCE,
    "ScalableDimension": "ecs:service:DesiredCount",
}
CPU = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}


@pytest.fixture(scope="module")
def stubbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("cloud"), free_port(), module="tests.contract.ecs_stub")
    daemon.start()
    yield daemon
    daemon.purge()


@pytest.fixture
def served(stubbed: Daemon) -> Daemon:
    """A local cloud with a service `web` of two tasks, as the stub has it."""
    stubbed.reset()
    ecs_stub.write(stubbed.data_dir, {"web": 2})
    return stubbed


def count(served: Daemon) -> int:
    return ecs_stub.read(served.data_dir)["web"]


def measure(served: Daemon, *values: float) -> None:
    """Put CPU utilization as ECS does, the last datapoint just now."""
    now = datetime.now(UTC)
    dimensions = [{"Name": "ClusterName", "Value": "default"}, {"Name": "ServiceName", "Value": "web"}]
    data = [
        {
            "MetricName": "CPUUtilization",
            "Dimensions": dimensions,
            "Timestamp": now - timedelta(seconds=PERIOD) * (len(values) - 1 - number),
            "Value": value,
            "StorageResolution": 1,
        }
        for number, value in enumerate(values)
    ]
    served.client("cloudwatch").put_metric_data(Namespace="AWS/ECS", MetricData=data)


@pytest.fixture
def scaling(served: Daemon) -> Any:
    return served.client("application-autoscaling")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def put_policy(scaling: Any, **more: Any) -> Any:
    tracking = {"TargetValue": 50.0, "PredefinedMetricSpecification": CPU, **more}
    return scaling.put_scaling_policy(
        **ABOUT, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=tracking
    )


def refused(call: Any, code: str, match: str, **request: Any) -> None:
    with pytest.raises(ClientError, match=match) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == code


def test_targets_read_as_written(scaling: Any) -> None:
    arn = scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=4, Tags={"a": "b"})["ScalableTargetARN"]
    assert arn.startswith("arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/0ec5")
    target = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[RESOURCE])["ScalableTargets"][0]
    assert (target["MinCapacity"], target["MaxCapacity"], target["ScalableTargetARN"]) == (1, 4, arn)
    assert "AWSServiceRoleForApplicationAutoScaling_ECSService" in target["RoleARN"]
    scaling.register_scalable_target(**ABOUT, MaxCapacity=6, SuspendedState={"DynamicScalingInSuspended": True})
    target = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 6)
    assert target["SuspendedState"]["DynamicScalingInSuspended"] is True
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"a": "b"}
    scaling.tag_resource(ResourceARN=arn, Tags={"c": "d"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"c": "d"}
    assert scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"] == []
    scaling.deregister_scalable_target(**ABOUT)
    refused(scaling.deregister_scalable_target, "ObjectNotFoundException", "No scalable target", **ABOUT)


def test_what_cannot_be_a_target(scaling: Any) -> None:
    register = scaling.register_scalable_target
    refused(register, "ValidationException", "both a minimum and a maximum", **ABOUT, MinCapacity=1)
    refused(register, "ValidationException", "less than minimum", **ABOUT, MinCapacity=2, MaxCapacity=1)
    none = {**ABOUT, "ResourceId": "service/default/none"}
    refused(register, "ValidationException", "ECS service doesn't exist", **none, MinCapacity=1, MaxCapacity=2)
    other = {**ABOUT, "ResourceId": "table/x"}
    refused(register, "ValidationException", "Unsupported", **other, MinCapacity=1, MaxCapacity=2)
    table = {"ServiceNamespace": "dynamodb", "ResourceId": "table/x"}
    dimension = {"ScalableDimension": "dynamodb:table:ReadCapacityUnits"}
    refused(register, "NotImplemented", "dynamodb", **table, **dimension, MinCapacity=1, MaxCapacity=2)


def test_policies_read_as_written(scaling: Any) -> None:
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=4)
    arn = put_policy(scaling, ScaleInCooldown=60)["PolicyARN"]
    assert arn.endswith(f":resource/ecs/{RESOURCE}:policyName/cpu")
    policy = scaling.describe_scaling_policies(**ABOUT)["ScalingPolicies"][0]
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 50.0,
        "PredefinedMetricSpecification": CPU,
        "ScaleInCooldown": 60,
    }
    assert put_policy(scaling)["PolicyARN"] == arn
    put = scaling.put_scaling_policy
    tracking = {"TargetValue": 40.0, "PredefinedMetricSpecification": CPU}
    kind = {"PolicyType": "TargetTrackingScaling"}
    about = {**ABOUT, **kind, "PolicyName": "again"}
    refused(put, "ValidationException", "Only one", **about, TargetTrackingScalingPolicyConfiguration=tracking)
    requests = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ALBRequestCountPerTarget"}, "TargetValue": 1}
    refused(put, "ValidationException", "ResourceLabel", **about, TargetTrackingScalingPolicyConfiguration=requests)
    other = {"PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"}}
    other |= {"TargetValue": 1}  # type: ignore[dict-item]
    refused(put, "NotImplemented", "DynamoDB", **about, TargetTrackingScalingPolicyConfiguration=other)
    refused(put, "ValidationException", "StepScalingPolicyConfiguration is required", **ABOUT, PolicyName="s")
    refused(put, "NotImplemented", "Predictive", **ABOUT, PolicyName="s", PolicyType="PredictiveScaling")
    scaling.delete_scaling_policy(**ABOUT, PolicyName="cpu")
    refused(scaling.delete_scaling_policy, "ObjectNotFoundException", "No scaling policy", **ABOUT, PolicyName="cpu")
    gone = {**ABOUT, **kind, "ResourceId": "service/default/other", "PolicyName": "p"}
    refused(put, "ObjectNotFoundException", "No scalable", **gone, TargetTrackingScalingPolicyConfiguration=tracking)


def test_a_count_out_of_bounds_is_moved_inside_at_once(served: Daemon, scaling: Any) -> None:
    scaling.register_scalable_target(**ABOUT, MinCapacity=3, MaxCapacity=4)
    until(lambda: count(served) == 3)
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=1)
    until(lambda: count(served) == 1)
    activities = scaling.describe_scaling_activities(ServiceNamespace="ecs")["ScalingActivities"]
    assert [each["Cause"] for each in activities] == ["maximum capacity was set to 1", "minimum capacity was set to 3"]
    assert activities[0]["Description"] == "Setting desired count to 1."
    pages = scaling.get_paginator("describe_scaling_activities").paginate(
        ServiceNamespace="ecs", PaginationConfig={"PageSize": 1}
    )
    assert [len(page["ScalingActivities"]) for page in pages] == [1, 1]


def test_load_scales_out_and_the_activity_is_seen_through(served: Daemon, scaling: Any) -> None:
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=10)
    measure(served, 90, 90, 90, 90)
    put_policy(scaling)
    until(lambda: count(served) == 4)
    latest = scaling.describe_scaling_activities(**ABOUT)["ScalingActivities"][0]
    assert latest["Cause"].endswith("in state ALARM triggered policy cpu")
    until(lambda: scaling.describe_scaling_activities(**ABOUT)["ScalingActivities"][0]["StatusCode"] == "Successful")


def test_idleness_scales_in(served: Daemon, scaling: Any) -> None:
    ecs_stub.write(served.data_dir, {"web": 8})
    scaling.register_scalable_target(**ABOUT, MinCapacity=2, MaxCapacity=10)
    measure(served, *[10.0] * 17)
    put_policy(scaling)
    until(lambda: count(served) == 2)


def test_the_target_of_a_service_that_is_gone_goes(served: Daemon, scaling: Any) -> None:
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=4)
    put_policy(scaling)
    ecs_stub.write(served.data_dir, {})
    with suppress(ClientError):  # it is looked at once more: now, unless it was seen to be gone already
        scaling.register_scalable_target(**ABOUT, MaxCapacity=5)
    until(lambda: scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == [])
    assert scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"] == []


# alarms

STEPS: dict[str, Any] = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 3},
    ],
    "Cooldown": 0,
}


def put_steps(scaling: Any, **more: Any) -> str:
    return str(
        scaling.put_scaling_policy(**ABOUT, PolicyName="steps", StepScalingPolicyConfiguration={**STEPS, **more})[
            "PolicyARN"
        ]
    )


def put_alarm(served: Daemon, arn: str) -> Any:
    """An alarm that stays as somebody sets it, for its metric has no data."""
    cloudwatch = served.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="load", Namespace="app", MetricName="load", Statistic="Average", Period=60, EvaluationPeriods=1,
        Threshold=50, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore", AlarmActions=[arn],
    )  # fmt: skip
    return cloudwatch


def raise_alarm(cloudwatch: Any, *values: float) -> None:
    data = json.dumps({"recentDatapoints": values, "threshold": 50})
    for state in ("OK", "ALARM"):
        cloudwatch.set_alarm_state(AlarmName="load", StateValue=state, StateReason="tried", StateReasonData=data)


def test_target_tracking_has_a_pair_of_alarms(served: Daemon, scaling: Any) -> None:
    cloudwatch = served.client("cloudwatch")
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=4)
    answer = put_policy(scaling)
    names = [alarm["AlarmName"] for alarm in answer["Alarms"]]
    assert [name.rpartition("-Alarm")[2][:4] for name in names] == ["High", "Low-"]
    assert names[0].startswith(f"TargetTracking-{RESOURCE}-AlarmHigh-")
    assert scaling.describe_scaling_policies(**ABOUT)["ScalingPolicies"][0]["Alarms"] == answer["Alarms"]
    high, low = cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    assert (high["Threshold"], high["EvaluationPeriods"], high["Period"]) == (50, 3, PERIOD)
    assert (low["Threshold"], low["EvaluationPeriods"]) == (45, 15)
    assert high["AlarmActions"] == low["AlarmActions"] == [answer["PolicyARN"]]
    assert put_policy(scaling, DisableScaleIn=True)["Alarms"] == answer["Alarms"][:1]
    assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 1
    put_policy(scaling)
    scaling.delete_scaling_policy(**ABOUT, PolicyName="cpu")
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
    put_policy(scaling)
    scaling.deregister_scalable_target(**ABOUT)
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_requests_per_target_and_customized_metrics(served: Daemon, scaling: Any) -> None:
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=10)
    label = "app/web/1234/targetgroup/web/5678"
    put_policy(
        scaling,
        TargetValue=600,
        PredefinedMetricSpecification={"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label},
    )
    now = datetime.now(UTC)
    dimensions = [
        {"Name": "LoadBalancer", "Value": "app/web/1234"},
        {"Name": "TargetGroup", "Value": "targetgroup/web/5678"},
    ]
    data = [
        {"MetricName": "RequestCountPerTarget", "Dimensions": dimensions, "Value": 400.0, "StorageResolution": 1,
         "Timestamp": now - timedelta(seconds=PERIOD) * number}
        for number in range(5)
    ]  # fmt: skip
    served.client("cloudwatch").put_metric_data(Namespace="AWS/ApplicationELB", MetricData=data)
    put_policy(
        scaling,
        TargetValue=600,
        PredefinedMetricSpecification={"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label},
    )
    until(lambda: count(served) == 4)  # 400 in 20 seconds are 1200 a minute: twice the target
    scaling.delete_scaling_policy(**ABOUT, PolicyName="cpu")
    queue = {"MetricName": "queue", "Namespace": "app", "Statistic": "Average", "Dimensions": []}
    customized = {"TargetValue": 5.0, "CustomizedMetricSpecification": queue}
    scaling.put_scaling_policy(
        **ABOUT, PolicyName="queue", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=customized,
    )  # fmt: skip
    alarms = served.client("cloudwatch").describe_alarms_for_metric(Namespace="app", MetricName="queue")
    assert [alarm["Period"] for alarm in alarms["MetricAlarms"]] == [60, 60]
    metrics = [
        {"Id": "q", "MetricStat": {"Metric": {"Namespace": "app", "MetricName": "queue"}, "Stat": "Sum"},
         "ReturnData": False},
        {"Id": "e", "Expression": "q / 2"},
    ]  # fmt: skip
    scaling.put_scaling_policy(
        **ABOUT, PolicyName="queue", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={**customized, "CustomizedMetricSpecification": {"Metrics": metrics}},
    )  # fmt: skip
    alarms = served.client("cloudwatch").describe_alarms_for_metric(Namespace="app", MetricName="queue")
    assert [alarm["Metrics"][1]["Expression"] for alarm in alarms["MetricAlarms"]] == ["q / 2", "q / 2"]


def test_steps_follow_an_alarm(served: Daemon, scaling: Any) -> None:
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=10)
    arn = put_steps(scaling)
    cloudwatch = put_alarm(served, arn)
    policy = scaling.describe_scaling_policies(**ABOUT)["ScalingPolicies"][0]
    assert policy["PolicyType"] == "StepScaling"
    assert [alarm["AlarmName"] for alarm in policy["Alarms"]] == ["load"]
    raise_alarm(cloudwatch, 60)
    until(lambda: count(served) == 3)
    raise_alarm(cloudwatch, 95)
    until(lambda: count(served) == 6)
    latest = scaling.describe_scaling_activities(**ABOUT)["ScalingActivities"][0]
    assert latest["Cause"] == "monitor alarm load in state ALARM triggered policy steps"
    actions = cloudwatch.describe_alarm_history(AlarmName="load", HistoryItemType="Action")["AlarmHistoryItems"]
    assert actions[0]["HistorySummary"] == f"Successfully executed action {arn}"
    scaling.register_scalable_target(**ABOUT, SuspendedState={"DynamicScalingOutSuspended": True})
    raise_alarm(cloudwatch, 95)
    cloudwatch.disable_alarm_actions(AlarmNames=["load"])
    scaling.register_scalable_target(**ABOUT, SuspendedState={"DynamicScalingOutSuspended": False})
    raise_alarm(cloudwatch, 95)
    assert count(served) == 6, "an alarm without actions does nothing"
    assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 1
    scaling.delete_scaling_policy(**ABOUT, PolicyName="steps")
    assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 1, "the alarm is the user's"


def test_what_are_no_steps(scaling: Any) -> None:
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=10)

    def wrong(match: str, **more: Any) -> None:
        refused(
            scaling.put_scaling_policy, "ValidationException", match, **ABOUT, PolicyName="s",
            StepScalingPolicyConfiguration={**STEPS, **more},
        )  # fmt: skip

    def steps(*bounds: tuple[float | None, float | None]) -> list[Any]:
        names = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
        return [
            {"ScalingAdjustment": 1, **{n: v for n, v in zip(names, pair, strict=True) if v is not None}}
            for pair in bounds
        ]

    wrong("overlap", StepAdjustments=steps((0, 20), (10, None)))
    wrong("gaps", StepAdjustments=steps((0, 10), (20, None)))
    wrong("greater than its lower", StepAdjustments=steps((20, 10)))
    wrong("At least one", StepAdjustments=[])
    wrong("AdjustmentType", AdjustmentType="Some")
    wrong("MinAdjustmentMagnitude", MinAdjustmentMagnitude=2)


# the clock


def test_scheduled_actions(served: Daemon, scaling: Any) -> None:
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=4)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    action = {**ABOUT, "ScheduledActionName": "more"}
    bounds = {"MinCapacity": 3, "MaxCapacity": 6}
    scaling.put_scheduled_action(**action, Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})", ScalableTargetAction=bounds)
    until(lambda: count(served) == 3)
    target = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 6)
    activities = scaling.describe_scaling_activities(**ABOUT)["ScalingActivities"]
    assert [each["Cause"] for each in activities] == [
        "minimum capacity was set to 3",
        "scheduled action name more was triggered",
    ]
    assert activities[1]["StatusMessage"] == "Successfully set min capacity to 3 and max capacity to 6"

    night = {**ABOUT, "ScheduledActionName": "night", "Timezone": "Europe/Vienna"}
    scaling.put_scheduled_action(**night, Schedule="cron(0 22 * * ? *)", ScalableTargetAction={"MaxCapacity": 3})
    scaling.put_scheduled_action(**night, ScalableTargetAction={"MaxCapacity": 4})
    described = scaling.describe_scheduled_actions(ServiceNamespace="ecs", ScheduledActionNames=["night"])
    (shown,) = described["ScheduledActions"]
    assert (shown["Schedule"], shown["Timezone"]) == ("cron(0 22 * * ? *)", "Europe/Vienna")
    assert shown["ScalableTargetAction"] == {"MaxCapacity": 4}
    assert shown["ScheduledActionARN"].endswith(f":resource/ecs/{RESOURCE}:scheduledActionName/night")
    scaling.delete_scheduled_action(**{**ABOUT, "ScheduledActionName": "night"})
    refused(
        scaling.delete_scheduled_action, "ObjectNotFoundException", "No scheduled action", **ABOUT,
        ScheduledActionName="night",
    )  # fmt: skip
    put = scaling.put_scheduled_action
    refused(put, "ValidationException", "not at", **action, Schedule="daily", ScalableTargetAction=bounds)
    refused(put, "ValidationException", "time zone", **action, Timezone="Mars", ScalableTargetAction=bounds)
    refused(
        put, "ValidationException", "less than", **action, ScalableTargetAction={"MinCapacity": 3, "MaxCapacity": 2}
    )
    refused(put, "ValidationException", "Schedule is required", **{**action, "ScheduledActionName": "new"})


def test_scheduled_scaling_can_be_suspended(served: Daemon, scaling: Any) -> None:
    suspended = {"ScheduledScalingSuspended": True}
    scaling.register_scalable_target(**ABOUT, MinCapacity=1, MaxCapacity=4, SuspendedState=suspended)

    def put(name: str, due: datetime, **bounds: int) -> None:
        at = f"at({due:%Y-%m-%dT%H:%M:%S})"
        scaling.put_scheduled_action(**ABOUT, ScheduledActionName=name, Schedule=at, ScalableTargetAction=bounds)

    first = datetime.now(UTC) + timedelta(seconds=1.2)
    put("first", first, MaxCapacity=1)
    until(lambda: datetime.now(UTC) > first + timedelta(seconds=0.3))
    scaling.register_scalable_target(**ABOUT, SuspendedState={"ScheduledScalingSuspended": False})
    put("second", datetime.now(UTC) + timedelta(seconds=1.2), MinCapacity=4)
    until(lambda: count(served) == 4)
    assert scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]["MaxCapacity"] == 4


def test_scaling_of_a_stack(served: Daemon, scaling: Any) -> None:
    target = {"MinCapacity": 1, "MaxCapacity": 4, **ABOUT}
    weekly = {
        "ScheduledActionName": "weekly",
        "Schedule": "cron(0 6 ? * MON *)",
        "Timezone": "Europe/Vienna",
        "StartTime": "2026-01-01T00:00:00Z",
        "ScalableTargetAction": {"MinCapacity": "2"},
    }
    resources: dict[str, Any] = {
        "Target": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {**target, "ScheduledActions": [weekly, {**weekly, "ScheduledActionName": "other"}]},
        },
        "Steps": {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {
                "PolicyName": "steps",
                "PolicyType": "StepScaling",
                "ScalingTargetId": {"Ref": "Target"},
                "StepScalingPolicyConfiguration": STEPS,
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Namespace": "app",
                "MetricName": "load",
                "Statistic": "Average",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 50,
                "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": [{"Ref": "Steps"}],
            },
        },
    }
    stacks = Stacks(served)
    stacks.create("s", {"Resources": resources})
    actions = scaling.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"]
    assert [each["ScheduledActionName"] for each in actions] == ["other", "weekly"]
    assert actions[0]["StartTime"] == datetime(2026, 1, 1, tzinfo=UTC)
    policy = scaling.describe_scaling_policies(**ABOUT)["ScalingPolicies"][0]
    assert len(policy["Alarms"]) == 1
    resources["Target"]["Properties"]["ScheduledActions"] = [{**weekly, "ScalableTargetAction": {"MaxCapacity": 9}}]
    stacks.update("s", {"Resources": resources})
    (action,) = scaling.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"]
    assert action["ScalableTargetAction"] == {"MaxCapacity": 9}
    stacks.delete("s")
    assert scaling.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"] == []
