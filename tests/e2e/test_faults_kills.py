"""The daemon is killed (`kill -9`) at fifty random instants of deployments: nobody who asks the service notices."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from load import Load

from tests.contract.test_ecs_services import Balanced
from tests.daemon import Daemon
from tests.e2e.app import leftovers
from tests.fargate import until
from tests.running import Containers, Running

pytestmark = pytest.mark.slow

_KILLS, _KILLS_EACH = 50, 5


def kill_and_start(cloud: Daemon, chance: random.Random) -> None:
    """Kill the daemon at any instant from its start on: there is nothing to wait for."""
    assert cloud.process is not None
    time.sleep(chance.uniform(0.0, 1.5))
    assert cloud.process.poll() is None, "it ended by itself"
    cloud.kill()
    cloud.launch()


@pytest.mark.parametrize("seed", [20261127])
def test_kills_at_random_instants_of_deployments(own_cloud: Daemon, seed: int, figures: Callable[[str], None]) -> None:
    chance, begun = random.Random(seed), time.monotonic()
    balanced = Balanced(own_cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v0")))
    balanced.stable()
    versions = _KILLS // _KILLS_EACH
    definitions = [balanced.register(balanced.server(VERSION=f"v{number + 1}")) for number in range(versions)]
    with Load(balanced.url) as load:
        for number, definition in enumerate(definitions, 1):
            balanced.update(taskDefinition=definition)
            for _ in range(_KILLS_EACH):
                kill_and_start(own_cloud, chance)
            own_cloud.ready()
            balanced.stable()
            assert balanced.answer() == f"v{number}"
    figures(
        f"seed {seed}: {_KILLS} kills in {versions} deployments, {load.sent} requests, "
        f"{load.failures.total()} failed, {time.monotonic() - begun:.0f} s"
    )
    assert load.failures == {}
    assert sorted(load.answers) == sorted(f"v{number}" for number in range(versions + 1))

    # nothing has leaked: what runs is two tasks, their standby networks, one Envoy, and what these need
    Running(balanced).settled()
    balanced.ecs.delete_service(cluster="c", service="web", force=True)
    until(lambda: balanced.service()["status"] == "INACTIVE")
    assert Containers(own_cloud).owned("ps", "--all") == []
    own_cloud.purge()
    assert leftovers(own_cloud.data_dir) == []
