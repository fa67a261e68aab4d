"""Parameters that are easily overlooked: each does what it says, or is refused."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.daemon import Daemon
from tests.fargate import Fargate, until

SLEEPER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


@pytest.fixture
def fargate(cloud: Daemon) -> Fargate:
    return Fargate(cloud)


def test_containers_that_share_processes_and_one_that_nobody_waits_for(fargate: Fargate) -> None:
    helper = fargate.container(
        "helper", "until grep -l 'marked-proc[e]ss' /proc/[0-9]*/cmdline; do sleep 0.1; done", essential=False
    )
    app = fargate.container("app", f": marked-process; {SLEEPER}")
    fargate.wait_for(started(fargate, app, helper, pidMode="task"), "RUNNING")
    until(lambda: any(line.startswith("/proc/") for line in fargate.lines()))

    slow = fargate.container("slow", SLEEPER, essential=False, startTimeout=2)
    slow["healthCheck"] = {"command": ["CMD-SHELL", "exit 1"], "interval": 5, "retries": 10}
    waits = fargate.container("waits", SLEEPER, dependsOn=[{"containerName": "slow", "condition": "HEALTHY"}])
    ended = fargate.wait_for(started(fargate, slow, waits), "STOPPED", 60)
    assert ended["stoppedReason"] == "Container dependency timed out: waits waits for slow to be HEALTHY"


def started(fargate: Fargate, *containers: dict[str, Any], **more: Any) -> str:
    definition = fargate.register(*containers, **more)
    answer = fargate.ecs.run_task(cluster="c", taskDefinition=definition, networkConfiguration=fargate.network)
    return str(answer["tasks"][0]["taskArn"])


def test_statistics_of_a_cluster(fargate: Fargate) -> None:
    fargate.wait_for(started(fargate, fargate.container("app", SLEEPER)), "RUNNING")
    (found,) = fargate.ecs.describe_clusters(clusters=["c"], include=["STATISTICS"])["clusters"]
    counted = {each["name"]: each["value"] for each in found["statistics"]}
    assert (counted["runningFargateTasksCount"], counted["runningEC2TasksCount"]) == ("1", "0")
    assert fargate.ecs.describe_clusters(clusters=["c"])["clusters"][0]["statistics"] == []


def test_what_is_refused(fargate: Fargate) -> None:
    definition = fargate.register(fargate.container("app", SLEEPER))
    request = {"cluster": "c", "taskDefinition": definition, "networkConfiguration": fargate.network}
    service = {**request, "serviceName": "s", "desiredCount": 0}
    balancer = {"loadBalancerName": "web", "targetGroupArn": "x", "containerName": "app", "containerPort": 80}
    refused: list[tuple[Any, dict[str, Any], str, str]] = [
        (fargate.ecs.run_task, {**request, "propagateTags": "SERVICE"}, "InvalidParameterException", "SERVICE"),
        (fargate.ecs.run_task, {**request, "platformVersion": "9.9"}, "PlatformUnknownException", "platform"),
        (fargate.ecs.create_service, {**service, "platformVersion": "1.3.0"}, "NotImplemented", "1.3.0"),
        (
            fargate.ecs.create_service,
            {**service, "healthCheckGracePeriodSeconds": 5},
            "InvalidParameterException",
            "grace period",
        ),
        (
            fargate.ecs.create_service,
            {**service, "loadBalancers": [balancer]},
            "InvalidParameterException",
            "loadBalancerName",
        ),
        (
            fargate.ecs.create_cluster,
            {"clusterName": "x", "settings": [{"name": "containerInsights", "value": "on"}]},
            "InvalidParameterException",
            "containerInsights",
        ),
    ]
    for call, given, code, why in refused:
        with pytest.raises(ClientError, match=why) as raised:
            call(**given)
        assert raised.value.response["Error"]["Code"] == code
