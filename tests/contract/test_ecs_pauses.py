"""Deployments that pause at a lifecycle hook until somebody has them go on, or back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_ecs_scheduled import Scheduled
from tests.contract.test_ecs_shifting import Shifted
from tests.daemon import Daemon
from tests.fargate import until

SLEEPER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


def hook(*stages: str, **more: Any) -> dict[str, Any]:
    return {"targetType": "PAUSE", "lifecycleStages": list(stages), **more}


def current(ecs: Any, service: str) -> Any:
    arn = ecs.describe_services(cluster="c", services=[service])["services"][0]["currentServiceDeployment"]
    return ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]


def awaited(ecs: Any, service: str, number: int) -> Any:
    """Return the service deployment once its hook of this number awaits an action."""

    def reached() -> Any:
        found = current(ecs, service)
        details = found.get("lifecycleHookDetails", [])
        return found if len(details) == number and details[-1]["status"] == "AWAITING_ACTION" else None

    return until(reached, 60)


def answer(ecs: Any, deployment: Any, action: str) -> None:
    hook_id = deployment["lifecycleHookDetails"][-1]["hookId"]
    arn = deployment["serviceDeploymentArn"]
    answered = ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=hook_id, action=action)
    assert answered == {"serviceDeploymentArn": arn, "ResponseMetadata": answered["ResponseMetadata"]}


def test_a_rolling_update_is_asked_before_and_after(cloud: Daemon) -> None:
    scheduled = Scheduled(cloud)
    ecs = scheduled.ecs
    pattern = {"detail-type": ["ECS Hook State Change"], "detail": {"eventName": ["HOOK_FAILED"]}}
    scheduled.events.put_rule(Name="r", EventPattern=json.dumps({"source": ["aws.ecs"], **pattern}))
    scheduled.target("r", "refused")
    first = scheduled.register(scheduled.container("app", SLEEPER))
    hooks = [hook("PRE_SCALE_UP", "POST_SCALE_UP", timeoutConfiguration={"timeoutInMinutes": 30})]
    ecs.create_service(
        cluster="c",
        serviceName="s",
        taskDefinition=first,
        desiredCount=1,
        networkConfiguration=scheduled.network,
        deploymentConfiguration={"lifecycleHooks": hooks},
    )
    found = awaited(ecs, "s", 1)
    (detail,) = found["lifecycleHookDetails"]
    assert (found["status"], found["lifecycleStage"], detail["targetType"]) == ("IN_PROGRESS", "PRE_SCALE_UP", "PAUSE")
    assert (detail["timeoutAction"], detail["hookId"][:10]) == ("ROLLBACK", "ecs-pause-")
    assert 1_790 < (detail["expiresAt"] - found["startedAt"]).total_seconds() < 1_830
    assert ecs.list_tasks(cluster="c")["taskArns"] == []
    answer(ecs, found, "CONTINUE")
    found = awaited(ecs, "s", 2)
    assert found["lifecycleStage"] == "POST_SCALE_UP"
    assert found["targetServiceRevision"]["runningTaskCount"] == 1
    answer(ecs, found, "CONTINUE")
    until(lambda: current(ecs, "s")["status"] == "SUCCESSFUL")
    assert [each["status"] for each in current(ecs, "s")["lifecycleHookDetails"]] == ["SUCCEEDED", "SUCCEEDED"]
    with pytest.raises(ClientError, match="awaits no action"):
        answer(ecs, found, "CONTINUE")

    ecs.update_service(cluster="c", service="s", forceNewDeployment=True)
    found = awaited(ecs, "s", 1)
    (kept,) = ecs.list_tasks(cluster="c", serviceName="s")["taskArns"]
    answer(ecs, found, "ROLLBACK")
    until(lambda: current(ecs, "s")["status"] == "ROLLBACK_SUCCESSFUL")
    found = current(ecs, "s")
    assert found["statusReason"] == "Service deployment rolled back because PRE_SCALE_UP lifecycle hook(s) failed."
    assert [each["status"] for each in found["lifecycleHookDetails"]] == ["FAILED"]
    assert ecs.list_tasks(cluster="c", serviceName="s")["taskArns"] == [kept]
    until(lambda: scheduled.lines() == ["refused"])


def test_each_step_of_a_canary_is_asked(cloud: Daemon) -> None:
    shifted = Shifted(cloud)
    canary = {"canaryPercent": 30.0, "canaryBakeTimeInMinutes": 0}
    shifted.create_shifting("v1", desired=1, strategy="CANARY", bakeTimeInMinutes=0, canaryConfiguration=canary)
    shifted.update(deploymentConfiguration={"lifecycleHooks": [hook("PRE_PRODUCTION_TRAFFIC_SHIFT")]})
    shifted.deploy("v2")
    found = awaited(shifted.ecs, "web", 1)
    assert (found["lifecycleStage"], shifted.weights()) == ("POST_TEST_TRAFFIC_SHIFT", [100, 0])
    answer(shifted.ecs, found, "CONTINUE")
    found = awaited(shifted.ecs, "web", 2)
    assert (found["lifecycleStage"], shifted.weights()) == ("PRODUCTION_TRAFFIC_SHIFT", [70, 30])
    answer(shifted.ecs, found, "CONTINUE")
    until(lambda: current(shifted.ecs, "web")["status"] == "SUCCESSFUL", 60)
    assert shifted.weights() == [0, 100]


@pytest.mark.parametrize(
    ("given", "code", "why"),
    [
        ({"hookTargetArn": "arn:aws:lambda:us-east-1:000000000000:function:f"}, "NotImplemented", "AWS_LAMBDA"),
        (hook("PRODUCTION_TRAFFIC_SHIFT"), "InvalidParameterException", "cannot be configured at the stage"),
        (hook("POST_TEST_TRAFFIC_SHIFT"), "InvalidParameterException", "ROLLING has no lifecycle stage"),
        (hook(), "InvalidParameterException", "lifecycleStages"),
        (hook("PRE_SCALE_UP", roleArn="arn:aws:iam::000000000000:role/r"), "InvalidParameterException", "roleArn"),
    ],
)
def test_hooks_that_cannot_be(shared_daemon: Daemon, given: dict[str, Any], code: str, why: str) -> None:
    ecs = shared_daemon.client("ecs")
    ecs.create_cluster(clusterName="hooks")
    container = {"name": "app", "image": "x", "memory": 128}
    definition = {"networkMode": "awsvpc", "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"]}
    ecs.register_task_definition(family="hooks", containerDefinitions=[container], **definition)
    with pytest.raises(ClientError, match=why) as raised:
        ecs.create_service(
            cluster="hooks",
            serviceName="s",
            taskDefinition="hooks",
            deploymentConfiguration={"lifecycleHooks": [given]},
        )
    assert raised.value.response["Error"]["Code"] == code
