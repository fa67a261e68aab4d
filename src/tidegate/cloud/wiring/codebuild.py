"""CodeBuild: its operations, and builds that run."""

from __future__ import annotations

from pathlib import Path

from tidegate.cloud.mirrors import FOLDER
from tidegate.cloud.planes.git.repositories import GitRepositories
from tidegate.cloud.planes.shell.shell import remove_all
from tidegate.cloud.services.codebuild.api import BuildsApi, ImagesApi, ProjectsApi, ReportGroupsApi, ReportsApi
from tidegate.cloud.services.codebuild.coverage import COVERAGE
from tidegate.cloud.services.codebuild.model import CodeBuildModel
from tidegate.cloud.services.codebuild.reconciler import BuildHost, Builds
from tidegate.cloud.services.codebuild.reconciler.mirrored import MirroredSources
from tidegate.cloud.services.codebuild.reconciler.source import Origins
from tidegate.cloud.wiring.parts import Parts

_FOLDER = "builds"


def add_codebuild(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = CodeBuildModel(parts.store, parts.account)
    parts.dispatcher.register(
        "codebuild",
        ProjectsApi(model, parts.calls, parts.clock),
        BuildsApi(model, parts.calls, parts.clock),
        ReportGroupsApi(model, parts.clock),
        ReportsApi(model, parts.clock),
        ImagesApi(),
        coverage=COVERAGE,
    )
    endpoint = f"http://{parts.endpoint}"
    mirrors = GitRepositories(parts.data_dir / FOLDER)
    builds = Builds(
        model,
        parts.calls,
        parts.clock,
        BuildHost(parts.data_dir / _FOLDER, parts.docker_host),
        Origins(endpoint, parts.region, MirroredSources(mirrors, parts.calls, parts.clock, endpoint)),
        lambda key: parts.loop.enqueue("codebuild.build", key),
    )
    parts.loop.add("codebuild.build", builds.reconcile, keys=model.open_keys)
    parts.loop.watch("codebuild.build", "codebuild.build")
    parts.background["codebuild"] = builds.serve
    parts.resets.append(builds.reset)


def remove_builds(data_dir: Path) -> None:
    """End the builds of a data folder on which no daemon runs, if a killed one left any."""
    remove_all(data_dir / _FOLDER)
