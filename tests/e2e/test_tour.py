"""The tour through examples/: what its page says is what happens."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.app import App, leftovers
from tests.waiting import until, wait_for

pytestmark = pytest.mark.slow


@contextmanager
def brought(folder: Path, example: str) -> Iterator[App]:
    """Bring an example to where its page begins: in a repository, on a local cloud, with a buildspec."""
    app = App(folder, example)
    app.start_cloud()
    app.run("init")
    app.commit("buildspec")
    try:
        yield app
    finally:
        app.remove_cloud()
    assert leftovers(app.data_dir) == []


@contextmanager
def asked(url: str, every: float) -> Iterator[Counter[str]]:
    """Ask again and again meanwhile; yields how often each answer came."""
    answers: Counter[str] = Counter()
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(every):
            try:
                with urllib.request.urlopen(url, timeout=10) as response:
                    answers[response.read().decode().strip()] += 1
            except urllib.error.HTTPError as error:
                answers[f"{error.code} {error.read().decode().strip()}"] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


def aws(app: App, *arguments: str) -> str:
    """Type `aws …` as the page says."""
    keys = json.loads(app.run("local", "env", "--json").stdout)
    done = subprocess.run(
        ["aws", *arguments], env={**app.environment, **keys}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def curl(*arguments: str) -> str:
    """Type `curl …`."""
    return subprocess.run(
        ["curl", "--silent", "--show-error", *arguments], capture_output=True, text=True, check=True
    ).stdout


def test_two_containers_in_a_task(tmp_path: Path) -> None:
    with brought(tmp_path, "two-containers") as app:
        app.run("up", "--yes")
        assert "Copyright" in app.answer()
        with urllib.request.urlopen(f"{app.url}/GPL-3", timeout=10) as response:
            assert "GNU GENERAL PUBLIC LICENSE" in response.read().decode()
        (task,) = json.loads(aws(app, "ecs", "list-tasks", "--cluster", "pair-local"))["taskArns"]
        (described,) = json.loads(aws(app, "ecs", "describe-tasks", "--cluster", "pair-local", "--tasks", task))[
            "tasks"
        ]
        assert {each["name"]: each["lastStatus"] for each in described["containers"]} == {
            "web": "RUNNING",
            "words": "RUNNING",
        }
        until(lambda: "GET /GPL-3" in app.run("logs").stdout, wanted=True)


def test_https_and_a_redirect(tmp_path: Path) -> None:
    with brought(tmp_path, "https") as app:
        made = ("--name", "example.com", "--caller-reference", "1", "--query", "HostedZone.Id", "--output", "text")
        zone = aws(app, "route53", "create-hosted-zone", *made).rpartition("/")[2]
        app.edit("tidegate.yml", "Z0{20}", zone)
        app.commit("our zone")
        app.run("up", "--yes")
        address = load_balancer(app)
        redirected = curl("--include", "--header", "Host: www.example.com", f"http://{address}/")
        assert "301" in redirected.splitlines()[0]
        assert "https://www.example.com:443/" in redirected
        authority = app.data_dir / "ca.pem"
        through = ("--cacert", str(authority), "--connect-to", f"www.example.com:443:{address}:443")
        assert curl(*through, "https://www.example.com/") == "reached by https\n"


def load_balancer(app: App) -> str:
    """Return the load balancer's name: an address of this machine."""
    return aws(
        app, "elbv2", "describe-load-balancers", "--query", "LoadBalancers[0].DNSName", "--output", "text"
    )  # fmt: skip


def test_a_canary_that_an_alarm_takes_back(tmp_path: Path) -> None:
    with brought(tmp_path, "canary") as app:
        app.run("up", "--yes")
        app.edit("app.py", "^STATUS = 200", "STATUS = 500")
        app.version(2)
        with asked(app.url, every=0.02) as answers:
            assert "alarm detected" in app.error("push")
        failed, well = answers["500 version 2"], answers["version 1"]
        assert failed, "some requests reached the canary"
        assert failed < well, "most did not"
        assert app.answer() == "version 1"


def test_a_worker_without_a_load_balancer(tmp_path: Path) -> None:
    with brought(tmp_path, "worker") as app:
        app.run("up", "--yes")
        until(lambda: "piece 3 is done" in app.run("logs").stdout, wanted=True)
        assert load_balancer(app) == "None"
        app.run("scale", "worker", "--desired", "0")
        until(lambda: "ended, with nothing half done" in app.run("logs").stdout, wanted=True)


def test_a_job_by_the_clock(tmp_path: Path) -> None:
    with brought(tmp_path, "job") as app:
        app.run("up", "--yes")
        begun = time.monotonic()
        wait_for(lambda: app.run("logs").stdout, lambda said: "tick: cleaned up" in said, 150)
        print(f"the job ran {time.monotonic() - begun:.0f} s after `up`")
        stopped: Any = json.loads(
            aws(app, "ecs", "list-tasks", "--cluster", "clock-local", "--desired-status", "STOPPED")
        )
        assert stopped["taskArns"]
