"""The disk is full: what is asked fails by name, nothing is torn, what serves serves on; with space all goes on."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from load import Load

from tests.contract.test_ecs_services import Balanced
from tests.daemon import Daemon, free_port
from tests.disks import Disk, lacking, small_disk
from tests.e2e.app import leftovers
from tests.fargate import until
from tests.git import working_copy
from tests.registry import Client, digest_of
from tests.running import Containers, Running

pytestmark = [pytest.mark.slow, pytest.mark.skipif(lacking() is not None, reason=str(lacking()))]

ADVICE = "free some space"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 96) as disk:
        yield disk


@pytest.fixture
def cloud(disk: Disk) -> Iterator[Daemon]:
    daemon = Daemon(disk.place / "cloud", free_port())
    daemon.data_dir.mkdir()
    daemon.start()
    yield daemon
    daemon.purge()
    assert leftovers(daemon.data_dir) == []


def refused(call: Callable[[], Any]) -> int:
    """Return the status that a call is refused with, for want of space."""
    with pytest.raises(ClientError) as failed:
        call()
    assert ADVICE in failed.value.response["Error"]["Message"]
    assert failed.value.response["Error"]["Code"].startswith("ServiceUnavailable")
    return int(failed.value.response["ResponseMetadata"]["HTTPStatusCode"])


def test_a_service_on_a_full_disk(disk: Disk, cloud: Daemon, figures: Callable[[str], None]) -> None:
    balanced = Balanced(cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v1")))
    balanced.stable()
    Running(balanced).settled()
    second = balanced.register(balanced.server(VERSION="v2"))
    victim, container = min(Containers(cloud).of_tasks().items())
    with Load(balanced.url) as load:
        disk.fill()
        assert refused(lambda: balanced.update(taskDefinition=second)) == 503
        assert refused(lambda: balanced.ecs.create_cluster(clusterName="d")) == 503
        assert refused(lambda: balanced.elb.delete_load_balancer(LoadBalancerArn=balanced.balancer)) == 503
        assert balanced.service()["runningCount"] == 2  # what is asked about is answered
        served = load.answers["v1"]
        until(lambda: load.answers["v1"] > served + 200)
        assert load.failures == {}

        Containers(cloud).docker("kill", container)
        served = load.answers["v1"]
        until(lambda: load.answers["v1"] > served + 500)
        failed = load.failures.total()

        disk.free()
        balanced.update(taskDefinition=second)
        balanced.stable()
        Running(balanced).settled()
        until(lambda: load.answers["v2"] > 50)
    assert [each["clusterName"] for each in describe(balanced)] == ["c"]  # nothing of what was refused
    figures(f"{load.sent} requests, {load.failures.total()} failed, of which {failed} as a task was killed")
    assert load.failures.total() == failed <= load.workers
    assert victim not in Containers(cloud).of_tasks()
    # what containers wrote meanwhile was kept by the engine, and is carried now
    until(lambda: sum('"GET / HTTP/1.1" 200' in line for line in balanced.lines()) >= load.answers.total())


def describe(balanced: Balanced) -> Any:
    clusters = balanced.ecs.list_clusters()["clusterArns"]
    return balanced.ecs.describe_clusters(clusters=clusters)["clusters"]


def test_a_deployment_whose_disk_is_full_at_every_size(disk: Disk, cloud: Daemon) -> None:
    """Little space is left, and less each time: whatever it is that does not fit, a deployment goes on afterwards."""
    balanced = Balanced(cloud)
    balanced.create(balanced.register(balanced.server(VERSION="v0")))
    balanced.stable()
    with Load(balanced.url) as load:
        for number, left in enumerate((200_000, 100_000, 50_000, 20_000, 8_000), 1):
            definition = balanced.register(balanced.server(VERSION=f"v{number}"))
            disk.fill_but(left)
            with contextlib.suppress(ClientError):  # it may still fit, or not
                balanced.update(taskDefinition=definition)
            served = load.sent
            until(lambda: load.sent > served + 150)  # noqa: B023 - asked at once
            disk.free()
            balanced.update(taskDefinition=definition)
            balanced.stable()
            until(lambda: load.answers[f"v{number}"] > 20)  # noqa: B023
    assert load.failures == {}
    Running(balanced).settled()


def test_what_is_sent_to_a_full_disk(disk: Disk, cloud: Daemon, tmp_path: Path) -> None:
    """A layer, a commit, an object, log events: refused as a whole, and taken when there is space."""
    cloud.client("ecr").create_repository(repositoryName="app")
    s3, logs = cloud.client("s3"), cloud.client("logs")
    s3.create_bucket(Bucket="things")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    registry, git = Client.of(cloud), working_copy(cloud, tmp_path / "work")
    first = git.commit("first", a_txt="one")
    git("push", "-q", "origin", "main")
    content = os.urandom(4 << 20)
    digest = digest_of(content)
    before = sorted(stored(cloud))
    disk.fill_but(1 << 20)

    answer = registry("POST", f"/v2/app/blobs/uploads/?digest={digest}", content)
    assert answer.error[:2] == (503, "UNAVAILABLE")
    assert ADVICE in answer.error[2]
    assert registry("HEAD", f"/v2/app/blobs/{digest}").status == 404
    assert refused(lambda: s3.put_object(Bucket="things", Key="k", Body=content)) == 503
    assert "Contents" not in s3.list_objects_v2(Bucket="things")
    events = [{"timestamp": int(time.time() * 1000), "message": "x" * 100_000} for _ in range(10)]
    request = {"logGroupName": "g", "logStreamName": "s", "logEvents": events}
    disk.fill()
    assert refused(lambda: logs.put_log_events(**request)) == 503
    assert logs.get_log_events(logGroupName="g", logStreamName="s")["events"] == []
    second = git.commit("second", b_txt=os.urandom(4 << 20).hex())
    pushed = git("push", "origin", "main", check=False)
    assert pushed.returncode != 0
    assert "No space left on device" in pushed.stderr
    assert git("ls-remote", "origin", "main").stdout.split()[0] == first

    disk.free()
    assert sorted(stored(cloud)) == before  # nothing half is left
    assert registry("POST", f"/v2/app/blobs/uploads/?digest={digest}", content).status == 201
    assert registry("GET", f"/v2/app/blobs/{digest}").content == content
    s3.put_object(Bucket="things", Key="k", Body=content)
    logs.put_log_events(**request)
    assert len(logs.get_log_events(logGroupName="g", logStreamName="s")["events"]) == 10
    git("push", "-q", "origin", "main")
    assert git("ls-remote", "origin", "main").stdout.split()[0] == second


def stored(cloud: Daemon) -> list[str]:
    """Return the files of what was sent: layers, objects, commits."""
    folders = (cloud.data_dir / name for name in ("registry", "s3", "git"))
    return [str(path) for folder in folders for path in folder.rglob("*") if path.is_file()]


def test_a_start_on_a_full_disk(disk: Disk, cloud: Daemon) -> None:
    """What was there is answered, and goes on with space; a first start says what is wrong and what to do."""
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    cloud.kill()
    disk.fill()
    cloud.start()
    assert len(ecs.list_clusters()["clusterArns"]) == 1
    assert refused(lambda: ecs.create_cluster(clusterName="d" * 200)) == 503

    disk.fill()
    first = Daemon(disk.place / "first", free_port())
    first.data_dir.mkdir()
    process = first.launch(stderr=subprocess.PIPE)
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1
    assert said.startswith(f"error: {first.data_dir}")
    assert "\n  next: free some space" in said
    assert "Traceback" not in said

    disk.free()
    ecs.create_cluster(clusterName="d" * 200)
    first.start()
    first.purge()
