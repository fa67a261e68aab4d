"""An external deployment controller: task sets that run, scale, serve, become the primary one, and go."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_ecs_services import Balanced
from tests.daemon import Daemon
from tests.fargate import Fargate, until


class External(Balanced):
    """A service `s` that is deployed by task sets; it wants three tasks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        made = self.ecs.create_service(
            cluster="c",
            serviceName="s",
            desiredCount=3,
            deploymentController={"type": "EXTERNAL"},
            propagateTags="SERVICE",
            tags=[{"key": "team", "value": "a"}],
        )["service"]
        assert (made["deploymentController"], made["deployments"], made["taskSets"]) == ({"type": "EXTERNAL"}, [], [])
        assert "taskDefinition" not in made

    def make(self, version: str, percent: float, **more: Any) -> Any:
        return self.ecs.create_task_set(
            cluster="c",
            service="s",
            taskDefinition=self.register(self.server(VERSION=version)),
            networkConfiguration=self.network,
            launchType="FARGATE",
            loadBalancers=[{"targetGroupArn": self.target_group, "containerName": "web", "containerPort": 8080}],
            scale={"value": percent, "unit": "PERCENT"},
            **more,
        )["taskSet"]

    def set(self, task_set: str) -> Any:
        (found,) = self.ecs.describe_task_sets(cluster="c", service="s", taskSets=[task_set])["taskSets"]
        return found

    def steady(self, task_set: str, number: int) -> Any:
        def reached() -> Any:
            found = self.set(task_set)
            return found if (found["stabilityStatus"], found["runningCount"]) == ("STEADY_STATE", number) else None

        return until(reached, 60)

    def shown(self) -> Any:
        return self.ecs.describe_services(cluster="c", services=["s"])["services"][0]

    def scale(self, task_set: str, percent: float) -> Any:
        scale = {"value": percent, "unit": "PERCENT"}
        return self.ecs.update_task_set(cluster="c", service="s", taskSet=task_set, scale=scale)["taskSet"]

    def healthy(self) -> int:
        found = self.elb.describe_target_health(TargetGroupArn=self.target_group)["TargetHealthDescriptions"]
        return sum(each["TargetHealth"]["State"] == "healthy" for each in found)


def test_task_sets_serve_scale_and_go(cloud: Daemon) -> None:
    external = External(cloud)
    ecs = external.ecs
    blue = external.make("blue", 50.0, externalId="b", clientToken="one", tags=[{"key": "set", "value": "blue"}])
    assert (blue["status"], blue["computedDesiredCount"], blue["stabilityStatus"]) == ("ACTIVE", 2, "STABILIZING")
    assert (blue["externalId"], blue["scale"]) == ("b", {"value": 50.0, "unit": "PERCENT"})
    assert external.make("blue", 50.0, clientToken="one")["id"] == blue["id"]
    external.steady(blue["id"], 2)
    assert external.healthy() == 2
    assert external.answer() == "blue"
    tasks = ecs.list_tasks(cluster="c", startedBy=blue["id"])["taskArns"]
    assert len(tasks) == 2
    described = ecs.describe_tasks(cluster="c", tasks=tasks, include=["TAGS"])["tasks"][0]
    assert (described["group"], described["tags"]) == ("service:s", [{"key": "team", "value": "a"}])

    first = ecs.update_service_primary_task_set(cluster="c", service="s", primaryTaskSet=blue["taskSetArn"])["taskSet"]
    assert first["status"] == "PRIMARY"
    assert external.shown()["taskDefinition"] == blue["taskDefinition"]
    green = external.make("green", 0.0)
    assert external.steady(green["id"], 0)["computedDesiredCount"] == 0
    assert external.scale(green["taskSetArn"], 100.0)["computedDesiredCount"] == 3
    external.steady(green["id"], 3)
    ecs.update_service_primary_task_set(cluster="c", service="s", primaryTaskSet=green["id"])
    service = external.shown()
    assert [each["status"] for each in service["taskSets"]] == ["ACTIVE", "PRIMARY"]
    assert (service["runningCount"], service["taskDefinition"]) == (5, green["taskDefinition"])

    ecs.stop_task(cluster="c", task=ecs.list_tasks(cluster="c", startedBy=green["id"])["taskArns"][0])
    until(lambda: external.set(green["id"])["stabilityStatus"] == "STABILIZING")
    external.steady(green["id"], 3)
    with pytest.raises(ClientError, match="while it is scaled above 0"):
        ecs.delete_task_set(cluster="c", service="s", taskSet=blue["id"])
    external.scale(blue["id"], 0.0)
    external.steady(blue["id"], 0)
    assert ecs.delete_task_set(cluster="c", service="s", taskSet=blue["id"])["taskSet"]["status"] == "DRAINING"
    until(lambda: len(external.shown()["taskSets"]) == 1)
    assert external.answer() == "green"
    (gone,) = ecs.describe_task_sets(cluster="c", service="s", taskSets=[blue["id"]])["failures"]
    assert (gone["arn"], gone["reason"]) == (blue["taskSetArn"], "MISSING")

    ecs.update_service(cluster="c", service="s", desiredCount=1)
    external.steady(green["id"], 1)
    with pytest.raises(ClientError, match="cannot be deleted without force"):
        ecs.delete_task_set(cluster="c", service="s", taskSet=green["id"])
    with pytest.raises(ClientError, match="scaled above 0"):
        ecs.delete_service(cluster="c", service="s")
    ecs.delete_service(cluster="c", service="s", force=True)
    until(lambda: external.shown()["status"] == "INACTIVE", 60)
    assert ecs.list_tasks(cluster="c")["taskArns"] == []
    until(lambda: external.healthy() == 0)


def test_what_task_sets_refuse(cloud: Daemon) -> None:
    fargate = Fargate(cloud)
    ecs = fargate.ecs
    definition = fargate.register(fargate.container("app", "sleep 60"))
    external = {"type": "EXTERNAL"}
    with pytest.raises(ClientError, match="TaskDefinition must be blank"):
        ecs.create_service(cluster="c", serviceName="s", taskDefinition=definition, deploymentController=external)
    ecs.create_service(cluster="c", serviceName="s", desiredCount=0, deploymentController=external)
    ecs.create_service(
        cluster="c", serviceName="own", taskDefinition=definition, desiredCount=0, networkConfiguration=fargate.network
    )
    request = {"cluster": "c", "taskDefinition": definition, "networkConfiguration": fargate.network}
    with pytest.raises(ClientError, match="only supports task set management on services configured"):
        ecs.create_task_set(service="own", **request)
    for change in ({"taskDefinition": definition}, {"forceNewDeployment": True}):
        with pytest.raises(ClientError, match="EXTERNAL deployment controller"):
            ecs.update_service(cluster="c", service="s", **change)
    sets = [ecs.create_task_set(service="s", **request)["taskSet"] for _ in range(5)]
    assert {each["scale"]["value"] for each in sets} == {0.0}
    with pytest.raises(ClientError, match="5 deployments exist on the service"):
        ecs.create_task_set(service="s", **request)
    with pytest.raises(ClientError, match="between 0 and 100"):
        ecs.update_task_set(cluster="c", service="s", taskSet=sets[0]["id"], scale={"value": 101.0, "unit": "PERCENT"})
    with pytest.raises(ClientError) as raised:
        ecs.delete_task_set(cluster="c", service="s", taskSet="ecs-svc/1")
    assert raised.value.response["Error"]["Code"] == "TaskSetNotFoundException"
    arn = sets[0]["taskSetArn"]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "b"}])
    assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "a", "value": "b"}]
    found = ecs.describe_task_sets(cluster="c", service="s", taskSets=[arn], include=["TAGS"])["taskSets"]
    assert found[0]["tags"] == [{"key": "a", "value": "b"}]
