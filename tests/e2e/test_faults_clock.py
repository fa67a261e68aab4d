"""The machine's clock is set an hour forward, and back: what is under way takes as long as it would have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from load import Load

from tests.contract.test_ecs_services import Balanced
from tests.daemon import Daemon, free_port
from tests.fargate import SERVER, until
from tests.running import Containers, Running

pytestmark = pytest.mark.slow

# it is not healthy before somebody says so
WAITING = SERVER.replace('os.environ.get("HEALTH", "200")', '200 if os.path.exists("/go") else 500')


@dataclass(frozen=True)
class Time:
    """What the daemon takes for the time; the clock that never jumps is left alone."""

    file: Path

    def set(self, hours: int) -> None:
        """Set the clock, relative to what it really is."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(hours * 3600))
        fresh.replace(self.file)


@pytest.fixture
def clock(tmp_path: Path) -> Time:
    time = Time(tmp_path / "time")
    time.set(0)
    return time


@pytest.fixture
def cloud(clock: Time, tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "cloud", free_port(), module=f"tests.set_clock {clock.file}")
    daemon.data_dir.mkdir()
    daemon.start()
    yield daemon
    daemon.purge()


@pytest.mark.parametrize("hours", [1, -1], ids=["forward", "back"])
def test_the_clock_jumps_in_a_deployment(
    cloud: Daemon, clock: Time, hours: int, figures: Callable[[str], None]
) -> None:
    balanced = Balanced(cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v1")), healthCheckGracePeriodSeconds=600)
    balanced.stable()
    Running(balanced).settled()
    engine, before = Containers(cloud), set(Containers(cloud).of_tasks())
    waiting = {**balanced.server(VERSION="v2"), "command": ["python3", "-c", WAITING]}
    with Load(balanced.url) as load:
        balanced.update(taskDefinition=balanced.register(waiting))
        until(lambda: "unhealthy" in states(balanced), 60)  # which it may be for ten minutes
        clock.set(hours)
        served = load.sent
        until(lambda: load.sent > served + 150)
        new = {task: name for task, name in engine.of_tasks().items() if task not in before}
        assert len(new) == 2
        for container in new.values():
            engine.docker("exec", container, "touch", "/go")
        until(lambda: load.answers["v2"] > 50, 60)
        until(lambda: set(engine.of_tasks()) == set(new), 60)  # the old ones have drained
        with pytest.raises(ClientError, match="Signature"):
            balanced.service()  # who asks with a clock that is an hour off is refused, as by AWS
        clock.set(0)
        balanced.stable()
        Running(balanced).settled()
    figures(f"{load.sent} requests, {load.failures.total()} failed")
    assert load.failures == {}
    assert not any("unhealthy" in each or "rolling back" in each for each in balanced.messages())
    assert set(engine.of_tasks()) == set(new)


def states(balanced: Balanced) -> list[str]:
    found = balanced.elb.describe_target_health(TargetGroupArn=balanced.target_group)["TargetHealthDescriptions"]
    return [each["TargetHealth"]["State"] for each in found]
