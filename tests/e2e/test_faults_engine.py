"""The container engine is killed and starts again: what has lived is adopted, what has died is replaced."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from load import Load

from tests.contract.test_ecs_services import Balanced
from tests.daemon import Daemon, free_port
from tests.engines import OwnEngine, lacking, own_engine
from tests.fargate import IMAGE, until
from tests.running import Containers, Running, serves

pytestmark = [pytest.mark.slow, pytest.mark.skipif(lacking() is not None, reason=str(lacking()))]


@pytest.fixture(params=[True, False], ids=["live-restore", "no live-restore"])
def engine(request: pytest.FixtureRequest) -> Iterator[OwnEngine]:
    # a socket's path is short
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-") as folder,
        own_engine(Path(folder) / "engine", live_restore=request.param) as engine,
    ):
        engine.load(IMAGE)
        yield engine


@pytest.fixture
def cloud(engine: OwnEngine, tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "cloud", free_port(), variables={"DOCKER_HOST": engine.host})
    daemon.data_dir.mkdir()
    daemon.start()
    yield daemon
    daemon.purge()


def test_the_engine_restarts(engine: OwnEngine, cloud: Daemon, figures: Callable[[str], None]) -> None:
    balanced = Balanced(cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v1")))
    balanced.stable()
    Running(balanced).settled()
    before = Containers(cloud).of_tasks()
    with Load(balanced.url) as load:
        until(lambda: load.answers["v1"] > 50)
        engine.kill()
        served = load.answers["v1"]
        until(lambda: load.answers["v1"] > served + 200)  # containers need no engine to run
        assert load.failures == {}
        # what is asked meanwhile waits for the engine
        balanced.update(desiredCount=3)
        engine.start()
        until(lambda: len(Containers(cloud).of_tasks()) == 3, 60)
        balanced.stable()
        Running(balanced).settled()
        serves(balanced.url)
    after = Containers(cloud).of_tasks()
    adopted = before.items() & after.items()
    figures(f"{len(adopted)} of {len(before)} tasks adopted, {load.sent} requests, {load.failures.total()} failed")
    if engine.live_restore:
        assert len(adopted) == 2
        assert load.failures == {}
        lines = len(balanced.lines())
        until(lambda: len(balanced.lines()) > lines)  # health checks: what the adopted ones write is still carried
    else:
        assert adopted == set()
