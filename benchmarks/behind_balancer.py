"""A service behind the local cloud's application load balancer, as benchmarks need one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.contract.test_ecs_services import Balanced
from tests.fargate import until

from benchmarks.cloud import local_cloud
from tidegate.cloud.planes.docker.reach import Reach


@contextlib.contextmanager
def balanced() -> Iterator[Balanced]:
    """Give a local cloud with a load balancer and a cluster; nothing of it is left afterwards."""
    with local_cloud() as cloud:
        yield Balanced(cloud)


def addresses(service: Balanced) -> list[str]:
    """Return the addresses, as this machine reaches them, of a service's tasks once all of them are healthy."""

    def targets() -> list[Any]:
        group = service.target_group
        found = service.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return found if found and {each["TargetHealth"]["State"] for each in found} == {"healthy"} else []

    healthy = [each["Target"] for each in until(targets, timeout=60)]
    reach = Reach(service.cloud.data_dir)
    places = [reach(service.vpc, each["Id"], each["Port"]) for each in healthy]
    return [f"{host}:{port}" for host, port in places]
