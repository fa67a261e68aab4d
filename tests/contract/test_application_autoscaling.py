"""Application Auto Scaling: its API asked with boto3, and its loop, against a service that stands in for ECS's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract import ecs_stub
from tests.daemon import Daemon, free_port
from tidegate.cloud.services.applicationautoscaling.plan import PERIOD

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
    refused(put, "NotImplemented", "ALBRequestCount", **about, TargetTrackingScalingPolicyConfiguration=requests)
    refused(put, "NotImplemented", "StepScaling", **ABOUT, PolicyName="s", PolicyType="StepScaling")
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
