"""Pushes that are cut at any byte, and a daemon that is killed at any instant of a delivery: whole or not at all."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.daemon import Daemon
from tests.e2e.app import leftovers
from tests.git import working_copy
from tests.pipelines import OVER, artifact, build, build_project, create, executions, over, source
from tests.registry import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Client, digest_of
from tests.waiting import until, wait_for

pytestmark = pytest.mark.slow

Figures = Callable[[str], None]

_CUTS, _KILLS, _KILLS_EACH = 50, 50, 5
_SEED = 20261127


class Cutter:
    """A connection through it is cut, both ways, once a number of bytes has been sent by clients."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.limit: int | None = None
        self.sent = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(self._to)
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self._back, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError), client, server:
            while chunk := client.recv(4096):
                if self.limit is not None:
                    chunk = chunk[: max(0, self.limit - self.sent)]
                self.sent += len(chunk)
                server.sendall(chunk)
                if self.limit is not None and self.sent >= self.limit:
                    break
            for each in (client, server):
                each.shutdown(socket.SHUT_RDWR)

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := server.recv(4096):
                client.sendall(chunk)
            client.shutdown(socket.SHUT_WR)


@contextmanager
def cutter(port: int) -> Iterator[Cutter]:
    made = Cutter(port)
    try:
        yield made
    finally:
        made.close()


def cut_request(cloud: Daemon, head: str, body: bytes, at: int) -> None:
    """Send the first bytes of a request, and no more."""
    with socket.create_connection(("127.0.0.1", cloud.port)) as connection:
        connection.sendall((head.encode() + body)[:at])


def test_an_image_push_that_is_cut_at_any_byte(cloud: Daemon, figures: Figures) -> None:
    chance = random.Random(_SEED)
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="app")
    registry = Client.of(cloud)
    uploads, layer = cloud.data_dir / "registry" / "uploads", chance.randbytes(100_000)
    common = f"Host: 127.0.0.1:{cloud.port}\r\nAuthorization: {registry.authorization}\r\n"
    digest = digest_of(layer)
    head = f"POST /v2/app/blobs/uploads/?digest={digest} HTTP/1.1\r\n{common}Content-Length: {len(layer)}\r\n\r\n"
    for _ in range(_CUTS):
        cut_request(cloud, head, layer, chance.randrange(1, len(head) + len(layer)))
        assert registry("HEAD", f"/v2/app/blobs/{digest}").status == 404
    assert until(lambda: len(list(uploads.glob("*"))), 0)
    registry.push_blob("app", layer)
    config = registry.push_blob("app", b"{}")
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": config, "size": 2},
            "layers": [{"mediaType": OCI_LAYER, "digest": digest, "size": len(layer)}],
        }
    ).encode()
    head = f"PUT /v2/app/manifests/v1 HTTP/1.1\r\n{common}Content-Type: {OCI_MANIFEST}\r\n"
    head += f"Content-Length: {len(manifest)}\r\n\r\n"
    for _ in range(_CUTS):
        cut_request(cloud, head, manifest, chance.randrange(1, len(head) + len(manifest)))
        assert registry("HEAD", "/v2/app/manifests/v1").status == 404
    assert ecr.list_images(repositoryName="app")["imageIds"] == []
    registry.push_manifest("app", "v1", json.loads(manifest))
    assert [each["imageTag"] for each in ecr.list_images(repositoryName="app")["imageIds"]] == ["v1"]
    figures(f"seed {_SEED}: {_CUTS} layers and {_CUTS} manifests cut, none of them seen")


def test_a_git_push_that_is_cut_at_any_byte(cloud: Daemon, tmp_path: Path, figures: Figures) -> None:
    chance = random.Random(_SEED)
    git = working_copy(cloud, tmp_path / "work")
    codecommit = cloud.client("codecommit")
    direct = git("remote", "get-url", "origin").stdout.strip()
    (bare,) = (cloud.data_dir / "git").glob("*.git")
    visible = arrived = 0
    with cutter(cloud.port) as between:
        git("remote", "add", "cut", direct.replace(f":{urlsplit(direct).port}", f":{between.port}"))
        head = git.commit("0", a_txt=chance.randbytes(8_000).hex())
        git("push", "-q", "cut", "main")
        total = between.sent
        for number in range(1, _CUTS + 1):
            before = head
            head = git.commit(str(number), a_txt=chance.randbytes(8_000).hex())
            between.sent, between.limit = 0, chance.randrange(1, total)
            done = git("push", "-q", "cut", "main", check=False)
            at = git("ls-remote", "origin", "main").stdout.split()[0]
            assert at in (before, head)
            assert at == head or done.returncode != 0
            visible += at == head
            arrived += done.returncode == 0
            git("push", "-q", "origin", "main")
            branch = codecommit.get_branch(repositoryName="hello", branchName="main")["branch"]
            assert branch["commitId"] == head
    checked = subprocess.run(["git", "-C", str(bare), "fsck", "--full"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert not list(bare.rglob("tmp_objdir*"))
    figures(f"seed {_SEED}: {_CUTS} pushes cut, {visible} of which had come whole, {arrived} heard of it")
    assert visible < _CUTS


def test_kills_at_random_instants_of_pushes_and_executions(own_cloud: Daemon, tmp_path: Path, figures: Figures) -> None:
    chance, begun = random.Random(_SEED), time.monotonic()
    git = working_copy(own_cloud, tmp_path / "work")
    git.commit("first", version_txt="0")
    git("push", "-q", "origin", "main")
    build_project(own_cloud, "sleep 0.5", "cat version.txt > built.txt", files=["built.txt"])
    create(own_cloud, ("Source", [source()]), ("Build", [build()]))
    first = wait_for(lambda: executions(own_cloud), bool)[0]["pipelineExecutionId"]
    over(own_cloud, first, 60)
    repeated = 0
    for number in range(1, _KILLS // _KILLS_EACH + 1):
        commit = git.commit(str(number), version_txt=str(number))
        with git.begin("push", "-q", "origin", "main") as push:
            for _ in range(_KILLS_EACH):
                time.sleep(chance.uniform(0.0, 1.0))  # the fault comes at any moment: there is nothing to wait for
                own_cloud.kill()
                own_cloud.launch()
        own_cloud.ready()
        while push.returncode:
            repeated += 1
            push.returncode = git("push", "-q", "origin", "main", check=False).returncode

        def last(commit: str = commit) -> str:
            found = [each for each in executions(own_cloud) if revision(each) == commit]
            return str(found[-1]["status"]) if found else "none"

        assert wait_for(last, lambda status: status in OVER, 60) == "Succeeded"
        outputs = own_cloud.client("codepipeline").list_action_executions(pipelineName="release")
        newest = next(
            each
            for each in outputs["actionExecutionDetails"]
            if each["actionName"] == "Build" and each["status"] == "Succeeded"
        )
        place = newest["output"]["outputArtifacts"][0]["s3location"]
        assert artifact(own_cloud, place)["built.txt"] == str(number).encode()
    runs = executions(own_cloud)
    assert [each["status"] for each in runs if each["status"] not in OVER] == []
    figures(
        f"seed {_SEED}: {_KILLS} kills in {_KILLS // _KILLS_EACH} pushes ({repeated} had to be repeated) and "
        f"{len(runs) - 1} executions, all of them at their end, {time.monotonic() - begun:.0f} s"
    )
    own_cloud.purge()
    assert leftovers(own_cloud.data_dir) == []


def revision(execution: dict[str, object]) -> str:
    """Return the commit that an execution is about; nothing before its source has been read."""
    found: list[dict[str, str]] = execution.get("sourceRevisions", [])  # type: ignore[assignment]
    return found[0]["revisionId"] if found else ""


def test_a_pipeline_that_is_deleted_while_it_runs(cloud: Daemon, tmp_path: Path) -> None:
    git = working_copy(cloud, tmp_path / "work")
    git.commit("first", a_txt="a")
    git("push", "-q", "origin", "main")
    go = tmp_path / "go"
    build_project(cloud, f"until test -e {go}; do sleep 0.05; done", "echo x > built.txt", files=["built.txt"])
    stages = ("Source", [source()]), ("Build", [build()])
    create(cloud, *stages)
    codebuild, pipelines = cloud.client("codebuild"), cloud.client("codepipeline")
    (begun,) = wait_for(lambda: codebuild.list_builds()["ids"], bool)
    pipelines.delete_pipeline(name="release")
    with pytest.raises(ClientError, match="PipelineNotFoundException"):
        pipelines.get_pipeline_state(name="release")
    go.touch()
    assert wait_for(lambda: codebuild.batch_get_builds(ids=[begun])["builds"][0], lambda each: each["buildComplete"])
    create(cloud, *stages)  # of the same name: it has nothing of the one before
    (fresh,) = wait_for(lambda: executions(cloud), bool)
    assert over(cloud, fresh["pipelineExecutionId"])["status"] == "Succeeded"
    assert len(codebuild.list_builds()["ids"]) == 2
