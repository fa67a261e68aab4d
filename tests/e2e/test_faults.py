"""Bad input and faults, typed by a user: a sentence with its reason, the next command, and nothing half made."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from load import Load
from moto.server import ThreadedMotoServer

from tests.daemon import free_port
from tests.e2e.app import App, leftovers

NOWHERE = "unix:///nowhere/docker.sock"
BROKEN = "version: 0.2\nphases:\n  build:\n    commands: [make\n"


@pytest.fixture
def app(tmp_path: Path) -> App:
    """A repository, and no local cloud."""
    return App(tmp_path)


@pytest.fixture
def cloudy(app: App) -> Iterator[App]:
    """A repository, and a local cloud that runs."""
    app.start_cloud()
    yield app
    app.remove_cloud()


@pytest.fixture
def elsewhere() -> Iterator[dict[str, str]]:
    """An AWS that is not ours, as the variables of a terminal."""
    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server.stop()


def files(app: App) -> list[str]:
    return sorted(each.name for each in app.work.iterdir())


def test_no_git_repository(app: App) -> None:
    shutil.rmtree(app.work / ".git")
    before = files(app)
    for command in ("init", "up --yes", "push", "down --yes"):
        assert app.error(*command.split()) == (
            f"error: {app.work}: it is not a git repository\n  next: git init && git add . && git commit -m first\n"
        )
    assert files(app) == before
    assert not app.data_dir.exists()


def test_a_folder_that_is_not_there(app: App) -> None:
    assert f"error: {app.work}/absent: there is no such folder\n" in app.error("status", "--directory", "absent")


def test_somebody_elses_repository(app: App) -> None:
    told = app.error("status", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert f"error: {app.work}: it belongs to another user" in told
    assert f"next: git config --global --add safe.directory {app.work}\n" in told


def test_no_dockerfile(app: App) -> None:
    for name in ("Dockerfile", "tidegate.yml", "buildspec.yml"):
        (app.work / name).unlink()
    before = files(app)
    told = app.error("init", "--yes")
    assert f"error: {app.work}: there is no Dockerfile\n" in told
    assert "then tidegate init\n" in told
    assert files(app) == before


def test_init_overwrites_nothing(app: App) -> None:
    assert app.run("init", "--yes").stdout.splitlines()[:2] == [
        "tidegate.yml is there already: it stays as it is",
        "buildspec.yml is there already: it stays as it is",
    ]
    assert app.git("status", "--porcelain") == ""


def test_no_manifest(app: App) -> None:
    (app.work / "tidegate.yml").unlink()
    assert app.error("plan") == f"error: tidegate.yml: there is none in {app.work}\n  next: tidegate init\n"
    assert not app.data_dir.exists()


@pytest.mark.parametrize(
    ("replacement", "why"),
    [
        ("    prot: 8080", "line 4, services.web.prot: unknown key; did you mean port?"),
        ("    cpu: 300", "line 4, services.web.cpu: 300 is not a Fargate size; use one of 256, 512, 1024,"),
        (
            "    memory: 4096",
            "line 4, services.web.memory: 4096 does not go with cpu 256 on Fargate; use 512, 1024, 2048",
        ),
    ],
    ids=["misspelt key", "cpu", "memory"],
)
def test_a_wrong_manifest(app: App, replacement: str, why: str) -> None:
    app.edit("tidegate.yml", "^    port: 8080", replacement)
    told = app.error("up", "--yes")
    assert told.startswith(f"error: tidegate.yml: {why}")
    assert told.endswith(f"\n  next: edit {app.work}/tidegate.yml\n")
    assert not app.data_dir.exists()


def test_every_fault_of_a_manifest_is_told_at_once(app: App) -> None:
    app.edit("tidegate.yml", "^    port: 8080", "    prot: 8080\n    helth: {}")
    told = app.error("plan")
    assert "services.web.prot: unknown key; did you mean port?\n  line 5, services.web.helth: unknown key" in told


def test_an_environment_that_is_not_there(app: App) -> None:
    assert "there is no 'prod'; there are local, production" in app.error("up", "--env", "prod", "--yes")


def test_no_credentials(app: App) -> None:
    told = app.error("plan", "--env", "production", AWS_EC2_METADATA_DISABLED="true")
    assert told == "error: AWS credentials: there are none\n  next: aws configure, or export AWS_PROFILE\n"


def test_a_command_that_is_not_there(app: App) -> None:
    for arguments in (["depoly"], ["up", "--yse"], ["local", "start", "--port", "99999"]):
        done = app.run(*arguments, code=2)
        assert "Try 'tidegate" in done.stderr


def test_no_local_cloud(app: App) -> None:
    for command in ("status", "push", "logs", "down --yes"):
        told = app.error(*command.split())
        assert told == f"error: local cloud: none runs on {app.data_dir}\n  next: tidegate local start --detach\n"
    assert not app.data_dir.exists()


def test_a_taken_port(app: App) -> None:
    with socket.create_server(("127.0.0.1", app.port)):
        told = app.error("local", "start", "--detach", "--port", str(app.port))
        assert told == (
            f"error: port {app.port}: another program listens on it\n"
            "  next: stop that program or choose another with --port\n"
        )
        assert "another program listens on it\n  next: " in app.error("local", "start", "--port", str(app.port))
    app.start_cloud()
    app.run("local", "stop")
    # it comes back on the port that it had, and nowhere else: git remotes and image names have it in them
    with socket.create_server(("127.0.0.1", app.port)):
        told = app.error("plan")
        assert f"error: port {app.port}: another program listens on it\n" in told
        assert f"next: stop that program, or tidegate local start --detach --port {app.port + 1}\n" in told
    app.run("local", "start", "--detach")
    assert app.cloud["endpoint"] == f"http://127.0.0.1:{app.port}"
    app.remove_cloud()
    assert leftovers(app.data_dir) == []


def test_a_second_daemon_on_the_same_folder(cloudy: App) -> None:
    first = cloudy.cloud
    assert "already answers at" in cloudy.run("local", "start", "--detach", "--port", str(free_port())).stdout
    told = cloudy.error("local", "start", "--port", str(free_port()))
    assert told == (
        f"error: {cloudy.data_dir}: another tidegate daemon uses this folder\n"
        "  next: run `tidegate local stop` first, or choose another with --data-dir\n"
    )
    assert cloudy.cloud == first
    assert json.loads(cloudy.run("local", "status", "--json").stdout)["pid"] == first["pid"]


def test_a_folder_that_cannot_be_had(app: App) -> None:
    app.data_dir.write_text("a file")
    told = app.error("local", "start", "--detach")
    assert told == f"error: {app.data_dir}: File exists\n  next: choose another folder with --data-dir\n"
    assert app.data_dir.read_text() == "a file"


def test_no_engine(app: App) -> None:
    app.run("local", "start", "--detach", "--port", str(app.port), DOCKER_HOST=NOWHERE)
    told = app.error("up", "--yes")
    assert told == (
        f"error: container engine: it does not answer at {NOWHERE}\n"
        "  next: start it (Docker Desktop, or: systemctl start docker), or name another in DOCKER_HOST, "
        "then tidegate local stop and this command again\n"
    )
    app.run("local", "stop")
    # a local cloud that was started for nothing ends again: the next one hears of another DOCKER_HOST
    told = app.error("plan", DOCKER_HOST=NOWHERE)
    assert told == (
        "The local cloud does not run: starting it\n"
        f"error: container engine: it does not answer at {NOWHERE}\n"
        "  next: start it (Docker Desktop, or: systemctl start docker), or name another in DOCKER_HOST\n"
    )
    assert "none runs on" in app.error("local", "status")
    app.remove_cloud()
    assert leftovers(app.data_dir) == []


def test_nothing_is_committed(cloudy: App) -> None:
    shutil.rmtree(cloudy.work / ".git")
    cloudy.git("init", "--quiet")
    told = cloudy.error("up", "--yes")
    assert told == f"error: {cloudy.work}: it has no commit yet\n  next: git add . && git commit -m first\n"
    cloudy.commit("first")
    cloudy.git("rm", "--quiet", "--cached", "Dockerfile")
    cloudy.git("commit", "--quiet", "--message", "no Dockerfile")
    told = cloudy.error("up", "--yes")
    assert "error: services.web.build.dockerfile: the commit that is checked out has no Dockerfile\n" in told
    assert "git add Dockerfile && git commit\n" in told
    assert [each for each in leftovers(cloudy.data_dir) if not each.startswith("process")] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [(BROKEN, "line 5, not YAML: "), ("version: 0.2\n", "it has no phases, so that a build would do nothing\n")],
    ids=["no YAML", "no phases"],
)
def test_a_buildspec_that_does_not_parse(cloudy: App, text: str, why: str) -> None:
    (cloudy.work / "buildspec.yml").write_text(text)
    cloudy.commit("broken")
    told = cloudy.error("up", "--yes")
    assert told.startswith(f"error: buildspec.yml: {why}")
    assert "then tidegate up\n" in told


def test_a_missing_secret(app: App, elsewhere: dict[str, str]) -> None:
    app.edit("tidegate.yml", "^    count: 2", "    secrets: {KEY: ssm:/hello/key}")
    told = app.error("up", "--yes", **elsewhere)
    assert told == (
        "error: services.web.secrets.KEY: there is no parameter /hello/key\n"
        "  next: tidegate secrets set /hello/key, then tidegate up\n"
    )
    session = boto3.session.Session("key", "secret", region_name="us-east-1")
    stacks = session.client("cloudformation", endpoint_url=elsewhere["AWS_ENDPOINT_URL"])
    assert stacks.list_stacks()["StackSummaries"] == []
    parameters = session.client("ssm", endpoint_url=elsewhere["AWS_ENDPOINT_URL"])
    parameters.put_parameter(Name="/hello/key", Type="SecureString", Value="s3cret")
    planned = app.run("plan", code=2, **elsewhere)
    assert "hello-local-web: new" in planned.stdout
    assert "s3cret" not in planned.stdout + planned.stderr


def test_a_secret_that_is_missing_on_the_local_cloud(cloudy: App) -> None:
    cloudy.edit("tidegate.yml", "^    count: 2", "    secrets: {KEY: ssm:/hello/key}")
    told = cloudy.error("up", "--yes")
    assert "error: services.web.secrets.KEY: there is no parameter /hello/key\n" in told
    assert "  next: tidegate secrets set /hello/key" in told


def test_pushes_that_fail(cloudy: App) -> None:
    """Whatever is wrong with a commit, the version before serves on, and the next good commit goes live."""
    cloudy.run("up", "--yes")
    good = {name: (cloudy.work / name).read_text() for name in ("buildspec.yml", "Dockerfile")}
    with Load(cloudy.url) as load:
        (cloudy.work / "buildspec.yml").write_text(BROKEN)
        cloudy.commit("a buildspec that does not parse")
        told = cloudy.error("push")
        assert "error: Build: BuildWeb: DOWNLOAD_SOURCE failed: " in told
        assert " at line 5\n  next: mend it and commit, then tidegate push\n" in told

        (cloudy.work / "buildspec.yml").write_text(good["buildspec.yml"])
        (cloudy.work / "Dockerfile").write_text(good["Dockerfile"] + "RUN echo no such thing && exit 3\n")
        cloudy.commit("a build that fails")
        told = cloudy.error("push")
        assert "no such thing" in told  # the last lines of its log
        assert "error: Build: BuildWeb: BUILD failed: " in told

        (cloudy.work / "Dockerfile").write_text(good["Dockerfile"])
        cloudy.edit("buildspec.yml", r"\$CONTAINER_NAME", "wbe")
        cloudy.commit("a container that the task definition lacks")
        told = cloudy.error("push")
        assert "error: DeployLocal: DeployWeb: " in told
        assert "wbe" in told.partition("error: ")[2]
        assert "web" in told.partition("error: ")[2]
        status = cloudy.status()
        assert (status["pipeline"]["status"], status["services"][0]["running"]) == ("Failed", 2)

        (cloudy.work / "buildspec.yml").write_text(good["buildspec.yml"])
        cloudy.version(2)
        cloudy.run("push")
        load.wait_for("hello, version 2")
    assert load.failures == {}
    assert set(load.answers) == {"hello, version 1", "hello, version 2"}
