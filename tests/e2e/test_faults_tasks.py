"""What becomes of a service whose containers, image or load balancer fail: what serves goes on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from load import Load

from tests.contract.test_docker import Docker
from tests.contract.test_ecs_services import Balanced
from tests.daemon import Daemon
from tests.fargate import IMAGE, SERVER, until
from tests.running import Containers, Running, envoys, serves

pytestmark = pytest.mark.slow

Figures = Callable[[str], None]

# on SIGUSR1 it takes more memory than it may have
GREEDY = "signal.signal(signal.SIGUSR1, lambda *_: bytearray(900 << 20))\nserver = Server("
STUBBORN = "trap 'echo asked' TERM; echo up; while :; do sleep 0.1; done"


@pytest.fixture
def balanced(cloud: Daemon) -> Balanced:
    return Balanced(cloud)


@pytest.fixture
def docker(cloud: Daemon, tmp_path: Path) -> Iterator[Docker]:
    """Docker, logged in, and the repository `app`."""
    cloud.client("ecr").create_repository(repositoryName="app")
    docker = Docker(cloud, tmp_path)
    docker.login()
    yield docker
    docker.sh(f"docker rmi -f {cloud.registry}/app:v1")


def serving(balanced: Balanced, *containers: dict[str, Any], **more: Any) -> tuple[str, str]:
    """Have the service run with two tasks; return the id of one of them, and of its container."""
    balanced.create(balanced.register(*containers or [balanced.server(VERSION="v1")], **more))
    balanced.stable()
    Running(balanced).settled()
    return min(Containers(balanced.cloud).of_tasks().items())


def stopped(balanced: Balanced, task: str) -> Any:
    """Wait until a task has stopped, and return it."""
    return balanced.wait_for(f"arn:aws:ecs:us-east-1:000000000000:task/c/{task}", "STOPPED", 90)


def replaced(balanced: Balanced, victim: str, load: Load) -> Any:
    """Wait until another task has taken the place of the victim, and return how that ended."""
    task = stopped(balanced, victim)
    balanced.stable()
    Running(balanced).settled()
    sent = load.sent
    until(lambda: load.sent > sent + 100)
    return task


def test_a_container_is_killed(balanced: Balanced, figures: Figures) -> None:
    victim, container = serving(balanced)
    with Load(balanced.url) as load:
        Containers(balanced.cloud).docker("kill", container)
        task = replaced(balanced, victim, load)
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert task["containers"][0]["exitCode"] == 137
    assert "reason" not in task["containers"][0]
    figures(f"{load.sent} requests, {load.failures.total()} failed")
    assert load.failures.total() <= load.workers  # those that it was answering


@pytest.mark.parametrize("how", [["pause"], ["kill", "--signal", "STOP"]], ids=["frozen", "SIGSTOP"])
def test_a_container_hangs(balanced: Balanced, how: list[str], figures: Figures) -> None:
    victim, container = serving(balanced)
    with Load(balanced.url) as load:
        Containers(balanced.cloud).docker(*how, container)
        task = replaced(balanced, victim, load)
        serves(balanced.url)  # nobody waits for the one that hangs any more
    assert task["stopCode"] == "ServiceSchedulerInitiated"
    assert task["stoppedReason"] == (
        f"Task failed ELB health checks in (target-group {balanced.target_group}) due to (reason Request timed out)"
    )
    figures(f"{load.sent} requests, {load.failures.total()} of them to what hung")
    assert any(victim in each and "is unhealthy" in each for each in balanced.messages())
    assert set(load.answers) == {"v1"}


def test_a_health_check_stops_answering(balanced: Balanced) -> None:
    """Without a load balancer it is the container's own check that finds what hangs."""
    ask = "python3 -c 'import urllib.request as r; r.urlopen(\"http://localhost:8080/health\", timeout=1)'"
    check = {"command": ["CMD-SHELL", ask], "interval": 5, "timeout": 2, "retries": 1}
    definition = balanced.register({**balanced.server(VERSION="v1"), "healthCheck": check})
    balanced.ecs.create_service(
        cluster="c",
        serviceName="web",
        taskDefinition=definition,
        desiredCount=2,
        networkConfiguration=balanced.network,
    )
    balanced.stable()
    victim, container = min(Containers(balanced.cloud).of_tasks().items())
    Containers(balanced.cloud).docker("kill", "--signal", "STOP", container)
    assert stopped(balanced, victim)["stoppedReason"] == "Task failed container health checks"
    balanced.stable()
    assert victim not in Containers(balanced.cloud).of_tasks()


def test_out_of_memory(balanced: Balanced, figures: Figures) -> None:
    greedy = SERVER.replace("server = Server(", GREEDY)
    container = {**balanced.server(VERSION="v1"), "command": ["python3", "-c", greedy]}
    victim, identity = serving(balanced, container)
    with Load(balanced.url) as load:
        Containers(balanced.cloud).docker("kill", "--signal", "USR1", identity)
        task = replaced(balanced, victim, load)
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert task["containers"][0]["exitCode"] == 137
    assert task["containers"][0]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    figures(f"{load.sent} requests, {load.failures.total()} failed")
    assert load.failures.total() <= load.workers


def test_sigterm_is_ignored(balanced: Balanced) -> None:
    arn = balanced.run(balanced.container("app", STUBBORN, stopTimeout=3))
    balanced.wait_for(arn, "RUNNING")
    until(lambda: "up" in balanced.lines())
    balanced.ecs.stop_task(cluster="c", task=arn, reason="enough")
    task = balanced.wait_for(arn, "STOPPED")
    assert task["containers"][0]["exitCode"] == 137
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert balanced.lines() == ["up", "asked"]
    assert (task["executionStoppedAt"] - task["stoppingAt"]).total_seconds() >= 3
    assert Containers(balanced.cloud).owned("ps", "--all") == []


def test_the_image_vanishes(balanced: Balanced, docker: Docker, figures: Figures) -> None:
    name = f"{balanced.cloud.registry}/app:v1"
    (docker.folder / "Dockerfile").write_text(f"FROM {IMAGE}\nENV VERSION=v1\n")
    docker.sh(f"docker build -q -t {name} {docker.folder} && docker push -q {name}")
    container = {**balanced.server(), "image": name}
    victim, identity = serving(balanced, container)
    ecr = balanced.cloud.client("ecr")
    with Load(balanced.url) as load:
        ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
        assert balanced.stable()["runningCount"] == 2  # what runs needs no registry

        balanced.update(forceNewDeployment=True)
        until(lambda: any("rolling back" in each for each in balanced.messages()))
        assert any("CannotPullContainerError" in each for each in balanced.messages())

        Containers(balanced.cloud).docker("kill", identity)
        stopped(balanced, victim)
        until(lambda: sum("unable to start a task: CannotPull" in each for each in balanced.messages()) > 3)
        failed = balanced.ecs.list_tasks(cluster="c", desiredStatus="STOPPED")["taskArns"]
        found = balanced.ecs.describe_tasks(cluster="c", tasks=failed)["tasks"]
        reasons = [each["stoppedReason"] for each in found if each["stopCode"] == "TaskFailedToStart"]
        assert len(reasons) > 3
        assert all(each.startswith("CannotPullContainerError: ") for each in reasons)
        assert all("manifest unknown" in each for each in reasons)
        assert balanced.service()["runningCount"] == 1

        docker.sh(f"docker push -q {name}")
        balanced.stable()
        Running(balanced).settled()
    figures(f"{load.sent} requests, {load.failures.total()} failed")
    assert load.failures.total() <= load.workers  # of the task that was killed
    assert set(load.answers) == {"v1"}


@pytest.mark.parametrize("alone", [False, True], ids=["while the daemon runs", "while it does not"])
def test_the_load_balancer_is_killed(own_cloud: Daemon, figures: Figures, *, alone: bool) -> None:
    balanced = Balanced(own_cloud)
    serving(balanced)
    tasks, url = Containers(own_cloud).of_tasks(), balanced.url
    with Load(url) as load:
        until(lambda: load.sent > 50)
        if alone:
            own_cloud.kill()
        (envoy,) = envoys(own_cloud.data_dir)
        os.kill(envoy, signal.SIGKILL)
        if alone:
            own_cloud.start()
        served = load.answers["v1"]
        until(lambda: load.answers["v1"] > served + 200)
        serves(url)
    figures(f"{load.sent} requests, {load.failures.total()} while there was none")
    assert balanced.url == url
    Running(balanced).settled()
    assert Containers(own_cloud).of_tasks() == tasks


def test_everything_is_killed_at_once(own_cloud: Daemon) -> None:
    """A power cut: the daemon, the load balancer and the containers end together; the next start brings all back."""
    balanced = Balanced(own_cloud)
    serving(balanced)
    url, tasks = balanced.url, set(Containers(own_cloud).of_tasks())
    own_cloud.kill()
    for each in envoys(own_cloud.data_dir):
        os.kill(each, signal.SIGKILL)
    identities = [each["ID"] for each in Containers(own_cloud).owned("ps")]
    subprocess.run(["docker", "kill", *identities], capture_output=True, check=True)
    own_cloud.start()
    with Load(url) as load:
        load.wait_for("v1")
        Running(balanced).settled()
        assert tasks.isdisjoint(Containers(own_cloud).of_tasks())
    serves(url)
    assert balanced.url == url
