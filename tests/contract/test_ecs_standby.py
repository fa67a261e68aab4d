"""Networks stand by for a service's next tasks: used by a deployment, gone with the service, kept over a kill."""

from __future__ import annotations

import json
import subprocess

from tests.contract.test_ecs_services import Balanced
from tests.daemon import Daemon
from tests.fargate import until


def interfaces(balanced: Balanced) -> set[str]:
    """Return the ids of the tasks that interfaces were made for, whether there are such tasks or not."""
    found = balanced.ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [balanced.vpc]}])
    arns = (each["Description"] for each in found["NetworkInterfaces"])
    return {arn.rpartition("/")[2] for arn in arns if ":task/" in arn}


def tasks(balanced: Balanced) -> set[str]:
    """Return the ids of the tasks that run."""
    return {arn.rpartition("/")[2] for arn in balanced.ecs.list_tasks(cluster="c")["taskArns"]}


def standing_by(balanced: Balanced, number: int) -> set[str]:
    """Return the ids that networks stand by for, once there are so many."""

    def enough() -> set[str] | None:
        waiting = interfaces(balanced) - tasks(balanced)
        return waiting if len(waiting) == number and waiting <= opened(balanced) else None

    found = until(enough)
    assert found is not None
    return found


def opened(balanced: Balanced) -> set[str]:
    """Return the ids of the tasks whose pods are on the engine."""
    owner = f"label=dev.tidegate.data-dir={balanced.cloud.data_dir}"
    command = ["docker", "ps", "--filter", owner, "--format", "{{json .Names}}"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {json.loads(name).split(".")[2].partition("-")[0] for name in names}


def test_a_deployment_begins_with_what_stands_by_and_the_service_takes_it_along(cloud: Daemon) -> None:
    balanced = Balanced(cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v1")))
    balanced.stable()
    waiting = standing_by(balanced, 2)
    balanced.update(forceNewDeployment=True)
    balanced.stable()
    assert tasks(balanced) == waiting
    assert standing_by(balanced, 2).isdisjoint(waiting)
    balanced.ecs.delete_service(cluster="c", service="web", force=True)
    until(lambda: balanced.service()["status"] == "INACTIVE")
    assert interfaces(balanced) == set()
    assert opened(balanced) == set()


def test_other_security_groups_are_other_networks(cloud: Daemon) -> None:
    balanced = Balanced(cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v1")), desired=1)
    balanced.stable()
    waiting = standing_by(balanced, 1)
    balanced.groups["tasks"] = balanced.security_group("others")
    balanced.allow("tasks", FromPort=8080, ToPort=8080, UserIdGroupPairs=[{"GroupId": balanced.groups["balancer"]}])
    balanced.update(networkConfiguration=balanced.network)
    balanced.stable()
    assert (tasks(balanced) | standing_by(balanced, 1)).isdisjoint(waiting)


def test_no_task_no_network(cloud: Daemon) -> None:
    balanced = Balanced(cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v1")), desired=1)
    balanced.stable()
    standing_by(balanced, 1)
    balanced.update(desiredCount=0)
    until(lambda: not interfaces(balanced) and not opened(balanced))


def test_a_killed_daemon_keeps_or_remakes_what_stood_by(own_cloud: Daemon) -> None:
    balanced = Balanced(own_cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v1")))
    balanced.stable()
    waiting = standing_by(balanced, 2)
    own_cloud.kill()
    victim = next(iter(waiting))
    pods = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"name={victim}"], capture_output=True, text=True, check=True
    )
    subprocess.run(["docker", "rm", "--force", *pods.stdout.split()], capture_output=True, check=True)
    own_cloud.start()
    assert standing_by(balanced, 2) == waiting
