"""Load on real tasks moves alarms, and alarms move services: what takes a minute or two."""

from __future__ import annotations

from typing import Any

import pytest
from load import Load

from tests.contract.test_ecs_services import Balanced, balanced
from tests.fargate import SERVER, until

__all__ = ["balanced"]
pytestmark = pytest.mark.slow

BROKEN = SERVER.replace('if self.path == "/health" else 200', 'if self.path == "/health" else 500')
BUSY = f"""
import threading
def burn():
    while True:
        pass
threading.Thread(target=burn, daemon=True).start()
{SERVER}"""


def server(balanced: Balanced, script: str, **environment: str) -> dict[str, Any]:
    return {**balanced.server(**environment), "command": ["python3", "-c", script]}


def test_errors_of_a_new_version_roll_it_back(balanced: Balanced) -> None:
    balancer = {"Name": "LoadBalancer", "Value": balanced.balancer.partition(":loadbalancer/")[2]}
    balanced.cloud.client("cloudwatch").put_metric_alarm(
        AlarmName="errors", Namespace="AWS/ApplicationELB", MetricName="HTTPCode_Target_5XX_Count",
        Dimensions=[balancer], Statistic="Sum", Period=30, EvaluationPeriods=2, DatapointsToAlarm=1, Threshold=10,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
    )  # fmt: skip
    balanced.create(balanced.register(balanced.server(VERSION="v1")), breaker=False)
    balanced.stable()
    alarms = {"alarmNames": ["errors"], "enable": True, "rollback": True}
    with Load(balanced.url) as load:
        balanced.update(
            taskDefinition=balanced.register(server(balanced, BROKEN, VERSION="v2")),
            deploymentConfiguration={"alarms": alarms},
        )
        until(lambda: any("deployment failed: alarm detected." in each for each in balanced.messages()), timeout=120)
        balanced.stable()
        seen = load.answers["v1"]
        until(lambda: load.answers["v1"] > seen + 20)
    assert balanced.answer() == "v1"


def test_load_scales_a_service_out(balanced: Balanced) -> None:
    balanced.create(balanced.register(server(balanced, BUSY, VERSION="v1")), desired=1)
    balanced.stable()
    scaling = balanced.cloud.client("application-autoscaling")
    about = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/c/web",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**about, MinCapacity=1, MaxCapacity=2)
    metric = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
    scaling.put_scaling_policy(
        **about, PolicyName="cpu", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 40.0, "PredefinedMetricSpecification": metric},
    )  # fmt: skip
    until(lambda: balanced.service()["desiredCount"] == 2, timeout=150)
    balanced.stable()
    activity = scaling.describe_scaling_activities(**about)["ScalingActivities"][0]
    assert "AlarmHigh" in activity["Cause"]
