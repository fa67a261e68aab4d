"""Capacity: Fargate and Fargate Spot by strategy, Spot interrupted; and tasks that nothing may stop for a while."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_ecs_services import Balanced
from tests.daemon import Daemon
from tests.fargate import Fargate, until

BOTH = ["FARGATE", "FARGATE_SPOT"]
SLEEPER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


@pytest.fixture
def fargate(cloud: Daemon) -> Fargate:
    made = Fargate(cloud)
    made.ecs.put_cluster_capacity_providers(cluster="c", capacityProviders=BOTH, defaultCapacityProviderStrategy=[])
    return made


def strategy(**weights: int) -> list[dict[str, Any]]:
    return [{"capacityProvider": name, "weight": weight} for name, weight in weights.items()]


def interrupt(cloud: Daemon, **asked: str) -> None:
    url = f"{cloud.endpoint}/_tidegate/interrupt?{urllib.parse.urlencode(asked)}"
    request = urllib.request.Request(url, method="POST")
    request.add_header("Authorization", f"Bearer {cloud.document['token']}")
    urllib.request.urlopen(request, timeout=10).read()


def test_providers(fargate: Fargate) -> None:
    found = fargate.ecs.describe_capacity_providers()["capacityProviders"]
    assert [(each["name"], each["type"], each["status"]) for each in found] == [(each, each, "ACTIVE") for each in BOTH]
    answer = fargate.ecs.describe_capacity_providers(capacityProviders=["FARGATE", "mine"])
    assert [each["name"] for each in answer["capacityProviders"]] == ["FARGATE"]
    assert answer["failures"][0]["reason"] == "MISSING"
    first = fargate.ecs.describe_capacity_providers(cluster="c", maxResults=1)
    assert [each["name"] for each in first["capacityProviders"]] == ["FARGATE"]
    rest = fargate.ecs.describe_capacity_providers(cluster="c", nextToken=first["nextToken"])
    assert [each["name"] for each in rest["capacityProviders"]] == ["FARGATE_SPOT"]


def test_a_strategy_is_honoured(fargate: Fargate) -> None:
    definition = fargate.register(fargate.container("app", SLEEPER), family="f")
    request = {"cluster": "c", "taskDefinition": definition, "networkConfiguration": fargate.network}
    items = [{"capacityProvider": "FARGATE", "base": 1, "weight": 1}, {"capacityProvider": "FARGATE_SPOT", "weight": 3}]
    tasks = fargate.ecs.run_task(**request, count=5, capacityProviderStrategy=items)["tasks"]
    assert Counter(each["capacityProviderName"] for each in tasks) == {"FARGATE": 2, "FARGATE_SPOT": 3}
    fargate.ecs.put_cluster_capacity_providers(
        cluster="c", capacityProviders=BOTH, defaultCapacityProviderStrategy=strategy(FARGATE_SPOT=1)
    )
    assert fargate.ecs.run_task(**request)["tasks"][0]["capacityProviderName"] == "FARGATE_SPOT"
    assert fargate.ecs.run_task(**request, launchType="FARGATE")["tasks"][0]["launchType"] == "FARGATE"
    for wrong, message in (
        ({"capacityProviderStrategy": strategy(FARGATE=1), "launchType": "FARGATE"}, "Specifying both a launch type"),
        ({"capacityProviderStrategy": strategy(FARGATE=0)}, "must have a weight greater than zero"),
        ({"capacityProviderStrategy": strategy(mine=1)}, "does not offer the capacity provider mine"),
    ):
        with pytest.raises(ClientError, match=message):
            fargate.ecs.run_task(**request, **wrong)
    fargate.ecs.put_cluster_capacity_providers(
        cluster="c", capacityProviders=["FARGATE"], defaultCapacityProviderStrategy=[]
    )
    with pytest.raises(ClientError, match="not associated with the cluster"):
        fargate.ecs.run_task(**request, capacityProviderStrategy=strategy(FARGATE_SPOT=1))


def test_spot_is_interrupted(fargate: Fargate) -> None:
    container = fargate.container("app", "trap 'echo notice; exit 0' TERM; echo up; while :; do sleep 0.1; done")
    definition = fargate.register({**container, "stopTimeout": 5})
    fargate.ecs.create_service(
        cluster="c",
        serviceName="s",
        taskDefinition=definition,
        desiredCount=1,
        networkConfiguration=fargate.network,
        capacityProviderStrategy=strategy(FARGATE_SPOT=1),
    )
    until(lambda: "up" in fargate.lines())
    (arn,) = fargate.ecs.list_tasks(cluster="c")["taskArns"]
    interrupt(fargate.cloud, cluster="c", service="s")
    task = fargate.wait_for(arn, "STOPPED")
    assert (task["stopCode"], task["stoppedReason"]) == ("SpotInterruption", "Your Spot Task was interrupted.")
    assert fargate.lines().count("notice") == 1
    until(lambda: fargate.lines().count("up") == 2)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        interrupt(fargate.cloud, cluster="c", task="0" * 32)


def test_a_protected_task_stays(cloud: Daemon) -> None:
    balanced = Balanced(cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v1")))
    balanced.stable()
    one, two = balanced.ecs.list_tasks(cluster="c")["taskArns"]
    answer = balanced.ecs.update_task_protection(
        cluster="c", tasks=[one, "f" * 32], protectionEnabled=True, expiresInMinutes=5
    )
    (protected,) = answer["protectedTasks"]
    assert (protected["taskArn"], protected["protectionEnabled"]) == (one, True)
    assert answer["failures"][0]["reason"] == "MISSING"
    shown = balanced.ecs.get_task_protection(cluster="c", tasks=[one, two])["protectedTasks"]
    assert [each["protectionEnabled"] for each in shown] == [True, False]
    balanced.update(desiredCount=0)
    until(lambda: balanced.ecs.list_tasks(cluster="c")["taskArns"] == [one])
    balanced.update(desiredCount=1, taskDefinition=balanced.register(balanced.server(VERSION="v2")))
    until(lambda: balanced.service()["deployments"][0]["runningCount"] == 1)
    assert one in balanced.ecs.list_tasks(cluster="c")["taskArns"]
    assert len(balanced.service()["deployments"]) == 2
    balanced.ecs.update_task_protection(cluster="c", tasks=[one], protectionEnabled=False)
    balanced.stable()
    assert one not in balanced.ecs.list_tasks(cluster="c")["taskArns"]
    alone = balanced.run(balanced.container("app", SLEEPER))
    answer = balanced.ecs.update_task_protection(cluster="c", tasks=[alone], protectionEnabled=True)
    assert answer["failures"][0]["reason"] == "TASK_NOT_VALID"
    with pytest.raises(ClientError, match="expiresInMinutes must be between 1 and 2880"):
        balanced.ecs.update_task_protection(cluster="c", tasks=[one], protectionEnabled=True, expiresInMinutes=2881)
