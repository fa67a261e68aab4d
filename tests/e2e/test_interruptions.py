"""Ctrl-C, kills and broken images: nothing is lost, nobody who asks notices, and the next command goes on."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from load import Load

from tests.e2e.app import App, Typed, image_tags, leftovers
from tests.waiting import until, wait_for

pytestmark = pytest.mark.slow

STACKS = ["hello-image", "hello-local", "hello-local-web", "hello-pipeline"]
STOPPED = "error: stopped: what had begun goes on by itself or waits\n  next: tidegate up --yes\n"

# Ctrl-C comes while the program is still being loaded, at the import of the command line's library
LOADING = """
import signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["tidegate", "up", "--yes"]
from tidegate.cli.main import main
main()
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path)
    app.start_cloud()
    yield app
    app.remove_cloud()


def client(app: App, service: str) -> Any:
    """A client with the administrator's keys."""
    cloud = app.cloud
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=cloud["endpoint"],
        region_name=cloud["region"],
        aws_access_key_id=cloud["access_key"],
        aws_secret_access_key=cloud["secret"],
    )


def interrupted(app: App, moment: str, times: int = 1) -> None:
    """Press Ctrl-C at a moment of `up`, impatiently also several times."""
    typed = app.begin("up", "--yes")
    typed.until(moment)
    for _ in range(times):
        typed.interrupt()
    assert typed.error().endswith(STOPPED)


def killed(app: App, typed: Typed, moment: str) -> None:
    """Kill the daemon at a moment of a command, which says so and ends."""
    typed.until(moment)
    endpoint = app.cloud["endpoint"]
    app.kill_cloud()
    assert typed.error().endswith(
        f"error: local cloud: it does not answer at {endpoint} any more\n"
        "  next: tidegate local start --detach, then the same command again\n"
    )


def remove_stack(app: App, name: str) -> None:
    cloudformation = client(app, "cloudformation")
    cloudformation.delete_stack(StackName=name)
    waiter = cloudformation.get_waiter("stack_delete_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def engine_leftovers(app: App) -> list[str]:
    return [each for each in leftovers(app.data_dir) if not each.startswith("process")]


def hold_builds(app: App) -> Path:
    """Have builds wait for a file, which is returned."""
    go = app.folder / "go"
    app.edit("buildspec.yml", "^  build:\n    commands:\n", rf"\g<0>      - until test -e {go}; do sleep 0.05; done\n")
    return go


def test_ctrl_c_while_the_program_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", STOPPED)


def test_up_that_is_interrupted_or_loses_its_cloud(app: App) -> None:
    """Whenever `up` ends, and whoever ended it, the next one goes on from there."""
    app.run("local", "stop")
    interrupted(app, "The local cloud does not run")
    interrupted(app, "hello-image: creating")
    interrupted(app, "build web: building", times=3)
    interrupted(app, "hello-local-web: creating")
    interrupted(app, "DeployLocal: DeployWeb")
    assert "hello runs in local at http://" in app.run("up", "--yes").stdout
    assert app.answer() == "hello, version 1"
    builds = client(app, "codebuild").list_builds_for_project(projectName="hello-web")["ids"]
    assert len(builds) == 2  # the first image was built once, and the pipeline's first execution found it

    for name in reversed(STACKS[1:]):
        remove_stack(app, name)
    killed(app, app.begin("up", "--yes"), "hello-local: creating")
    killed(app, app.begin("up", "--yes"), "hello-local-web: creating")
    killed(app, app.begin("up", "--yes"), "hello-pipeline: creating")
    assert "The local cloud does not run: starting it\n" in app.run("up", "--yes").stderr
    assert app.answer() == "hello, version 1"
    stacks = client(app, "cloudformation").describe_stacks()["Stacks"]
    assert sorted((each["StackName"], each["StackStatus"]) for each in stacks) == [
        (name, "CREATE_COMPLETE") for name in STACKS
    ]
    assert "Nothing to change." in app.run("plan").stdout
    assert until(lambda: Counter(each["running"] for each in app.status()["services"]), Counter({2: 1}))
    app.run("down", "--yes")
    assert engine_leftovers(app) == []


def test_a_daemon_that_is_killed_while_a_commit_goes_live(app: App) -> None:
    """Nobody who asks the service notices; after the next start the commit goes live."""
    app.run("up", "--yes")
    registry = app.cloud["registry"]
    with Load(app.url) as load:
        app.version(2)
        killed(app, app.begin("push"), "DeployLocal: DeployWeb")
        alone = load.sent
        assert wait_for(lambda: load.sent, lambda sent: sent > alone + 300)
        app.restart_cloud()
        load.wait_for("hello, version 2")
        assert until(lambda: pipeline(app), "Succeeded")
        assert until(lambda: [each["rollout"] for each in app.status()["services"]], ["COMPLETED"])

        go = hold_builds(app)
        app.version(3)
        killed(app, app.begin("push"), "Build: BuildWeb")
        alone = load.sent
        assert wait_for(lambda: load.sent, lambda sent: sent > alone + 300)
        app.restart_cloud()
        go.touch()
        load.wait_for("hello, version 3")  # the build has begun anew
        assert until(lambda: pipeline(app), "Succeeded")

        app.version(4)
        assert "is live after" in app.run("push").stdout
        assert app.answer() == "hello, version 4"
    assert load.failures == {}

    # a local cloud that was killed, with a service that runs and in the midst of a build, is removed as a whole
    go.unlink()
    app.version(5)
    killed(app, app.begin("push"), "Build: BuildWeb")
    assert leftovers(app.data_dir) != []
    app.remove_cloud()
    assert leftovers(app.data_dir) == []
    assert image_tags(registry) == []
    assert not app.data_dir.exists()


def pipeline(app: App) -> str:
    return str(app.status()["pipeline"]["status"])


def test_a_first_image_that_does_not_serve(app: App) -> None:
    """The first `up` says what the containers wrote or what the health check was answered; a good commit mends it."""
    app.edit("tidegate.yml", "^    count: 2\n    health: .*", "    count: 3\n    health: {path: /health, grace: 1}")
    app.edit("app.py", "^def main", "raise SystemExit('no setting COLOUR')\n\n\ndef main")
    app.commit("it ends at once")
    told = app.error("up", "--yes")
    assert "    | no setting COLOUR\n" in told
    assert told.endswith(
        "error: service web: the circuit breaker has ended its deployment: "
        "its container web ends with exit code 1 and last wrote: no setting COLOUR\n"
        "  next: mend it and commit, then tidegate up\n"
    )
    assert "no setting COLOUR" in app.run("logs").stdout  # what failed is left for its cause to be looked into
    assert "hello-local-web: new" in app.run("plan", code=2).stdout
    assert "no setting COLOUR" in app.run("logs").stdout

    app.edit("app.py", "^raise SystemExit.*\n\n\n", "")
    app.edit("app.py", r"send_response\(200\)", 'send_response(500 if self.path == "/health" else 200)')
    app.commit("its health check is answered with 500")
    told = app.error("up", "--yes")
    assert told.endswith(
        "error: service web: the circuit breaker has ended its deployment: its tasks fail the health check of "
        "/health, which wants 200-299: Health checks failed with these codes: [500]\n"
        "  next: mend it and commit, then tidegate up\n"
    )

    app.edit("app.py", "500 if", "200 if")
    app.version(2)
    app.run("up", "--yes")
    assert app.answer() == "hello, version 2"

    # a service that runs, and its daemon with it
    registry = app.cloud["registry"]
    app.remove_cloud()
    assert leftovers(app.data_dir) == []
    assert image_tags(registry) == []
    assert not app.data_dir.exists()
