"""What a pipeline adds: from the end of `git push` to the build's first line, and from its end to the deployment.

The peer is what anybody's script does before it can build: a shell, and a clone of the same repository. Moments are
those that the local cloud's own records carry, and this program's at the end of `git push`: one machine's clock.

    python -m benchmarks.pipeline [rounds]
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from tests.e2e.app import App
from tests.git import signed_in
from tests.waiting import wait_for

from benchmarks.report import show

_GOAL = 0.3  # seconds


class Watched:
    """The pipeline of the example, seen through the APIs."""

    def __init__(self, app: App) -> None:
        self.keys = keys = json.loads(app.run("local", "env", "--json").stdout)
        self._session: Any = boto3.Session(
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            region_name=keys["AWS_DEFAULT_REGION"],
        )
        self._endpoint = keys["AWS_ENDPOINT_URL"]
        self.pipelines = self.client("codepipeline")
        (self.name,) = [each["name"] for each in self.pipelines.list_pipelines()["pipelines"]]

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint)

    def actions(self, commit: str) -> dict[str, Any]:
        """Return the build and the deployment of a commit's execution, once it has ended."""

        def ended() -> str | None:
            for each in self.pipelines.list_pipeline_executions(pipelineName=self.name)["pipelineExecutionSummaries"]:
                revisions = [one["revisionId"] for one in each.get("sourceRevisions", [])]
                if commit in revisions and each["status"] != "InProgress":
                    assert each["status"] == "Succeeded", each
                    return str(each["pipelineExecutionId"])
            return None

        identity = wait_for(ended, bool, 120)
        given = {"pipelineExecutionId": identity}
        details = self.pipelines.list_action_executions(pipelineName=self.name, filter=given)["actionExecutionDetails"]
        return {each["input"]["actionTypeId"]["provider"]: each for each in details}

    def first_line(self, build: str) -> float:
        """Return the moment of the first line of a build's log."""
        logs = self.client("codebuild").batch_get_builds(ids=[build])["builds"][0]["logs"]
        events = self.client("logs").get_log_events(
            logGroupName=logs["groupName"], logStreamName=logs["streamName"], startFromHead=True, limit=1
        )["events"]
        return float(events[0]["timestamp"]) / 1000

    def build_end(self, build: str) -> float:
        return float(self.client("codebuild").batch_get_builds(ids=[build])["builds"][0]["endTime"].timestamp())

    def deployment_start(self, action: Any) -> float:
        """Return when the deployment was made that a deploy action has started."""
        configuration = action["input"]["resolvedConfiguration"]
        cluster, service = configuration["ClusterName"], configuration["ServiceName"]
        found = self.client("ecs").describe_services(cluster=cluster, services=[service])["services"][0]
        wanted = action["output"]["executionResult"]["externalExecutionId"]
        return float(next(each for each in found["deployments"] if each["id"] == wanted)["createdAt"].timestamp())


def clone(app: App, keys: Mapping[str, str]) -> float:
    """Return the seconds of the peer."""
    target = app.folder / "clone"
    remote = app.git("remote", "get-url", "tidegate").strip()
    url = signed_in(remote, keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    started = time.monotonic()
    subprocess.run(
        ["bash", "-c", f"git clone --quiet '{url}' '{target}'"], env=app.environment, capture_output=True, check=True
    )
    seconds = time.monotonic() - started
    shutil.rmtree(target)
    return seconds


def push(app: App, watched: Watched, number: int) -> tuple[float, float]:
    """Return the seconds from a push to the first line of its build, and from the build to the deployment."""
    app.version(number)
    commit = app.git("rev-parse", "HEAD").strip()
    app.git("push", "--quiet", "tidegate", "HEAD:main")
    pushed = time.time()
    actions = watched.actions(commit)
    build = actions["CodeBuild"]["output"]["executionResult"]["externalExecutionId"]
    deployed = watched.deployment_start(actions["ECS"])
    return watched.first_line(build) - pushed, deployed - watched.build_end(build)


def tell(name: str, seconds: Sequence[float], peers: Sequence[float]) -> None:
    """Print one of the two figures."""
    median = statistics.median(seconds)
    ratios = [each / peer for each, peer in zip(seconds, peers, strict=True)]
    show(
        name,
        f"{1000 * median:.0f} ms (longest {1000 * max(seconds):.0f} ms), "
        f"bash and git clone {1000 * statistics.median(peers):.0f} ms",
        statistics.median(ratios),
        goal=f"at most {1000 * _GOAL:.0f} ms",
        met=median <= _GOAL,
        spread=(min(ratios), max(ratios)),
    )


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder))
        app.start_cloud()
        try:
            app.run("up", "--yes")
            watched = Watched(app)
            peers, begun, deployed = [], [], []
            for number in range(2, rounds + 2):
                peers.append(clone(app, watched.keys))
                first, last = push(app, watched, number)
                begun.append(first)
                deployed.append(last)
            tell("push to the build's first line", begun, peers)
            tell("build to deployment", deployed, peers)
        finally:
            app.remove_cloud()


if __name__ == "__main__":
    main()
