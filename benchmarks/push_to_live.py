"""From a push to every request answered by the new version, as a ratio to the floor.

The floor is a plain script on the same application and the same registry: `docker build` with a cached base, `docker
push`, `docker run`, the first good answer. Both are done in turn: a machine that slows down slows down both.

    python -m benchmarks.push_to_live [rounds]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from load import Load
from tests.e2e.app import App

from benchmarks.report import show

_GOAL = 2.0


def floor(app: App, number: int) -> float:
    """Return the seconds of the plain script, which changes the application as a push does."""
    image = f"{app.cloud['registry']}/floor:{number}"
    source = app.work / "app.py"
    text = source.read_text()
    source.write_text(text.replace('VERSION = "', f'VERSION = "floor {number}, '))
    started = time.monotonic()
    docker(app, "build", "--quiet", "--tag", image, ".")
    docker(app, "push", "--quiet", image)
    container = docker(app, "run", "--detach", "--publish", "127.0.0.1::8080", image)
    address = docker(app, "port", container, "8080").splitlines()[0]
    while not _answers(f"http://{address}/"):
        time.sleep(0.005)
    seconds = time.monotonic() - started
    docker(app, "rm", "--force", container)
    docker(app, "rmi", image)
    source.write_text(text)
    return seconds


def push(app: App, load: Load, number: int) -> float:
    """Return the seconds from the start of `git push` to the last answer of the version before."""
    app.version(number)
    wanted = f"hello, version {number}"
    started = time.monotonic()
    app.git("push", "--quiet", "tidegate", "HEAD:main")
    load.wait_for(wanted, 60)
    previous = f"hello, version {number - 1}"
    while time.monotonic() - load.last_seen[previous] < 1.0:
        time.sleep(0.02)
    app.run("push", code=None)  # wait until the pipeline has ended, so that the next round begins alone
    while not all(service["rollout"] == "COMPLETED" for service in app.status()["services"]):
        time.sleep(0.2)
    return load.last_seen[previous] - started


def docker(app: App, *arguments: str) -> str:
    """Run docker in the working copy."""
    environment = {**app.environment, "DOCKER_CONFIG": str(app.folder / "docker")}
    command = ["docker", *arguments]
    done = subprocess.run(command, cwd=app.work, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder))
        app.start_cloud()
        try:
            app.run("up", "--yes")
            keys = json.loads(app.run("local", "env", "--json").stdout)
            script = f"aws ecr create-repository --repository-name floor && aws ecr get-login-password | docker login \
                --username AWS --password-stdin {app.cloud['registry']}"
            environment = {**app.environment, **keys, "DOCKER_CONFIG": str(app.folder / "docker")}
            subprocess.run(["bash", "-c", script], env=environment, capture_output=True, check=True)
            floors, pushes = [], []
            with Load(app.url, workers=2) as load:
                load.wait_for("hello, version 1")
                for number in range(2, rounds + 2):
                    floors.append(floor(app, number))
                    pushes.append(push(app, load, number))
            ratios = [pushed / floored for pushed, floored in zip(pushes, floors, strict=True)]
            show(
                "push to live",
                f"floor {statistics.median(floors):.2f} s, push {statistics.median(pushes):.2f} s, "
                f"{load.failures.total()} of {load.sent} requests failed",
                statistics.median(ratios),
                goal=f"at most {_GOAL:.1f}",
                met=statistics.median(ratios) <= _GOAL and not load.failures,
                spread=(min(ratios), max(ratios)),
            )
        finally:
            app.remove_cloud()


if __name__ == "__main__":
    main()
