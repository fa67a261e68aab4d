"""CodeBuild: its operations, and builds that run."""

from __future__ import annotations

from pathlib import Path

from tidegate.cloud.mirrors import FOLDER
from tidegate.cloud.planes.git.repositories import GitRepositories
from tidegate.cloud.planes.shell.shell import remove_all
from tidegate.cloud.services.codebuild.api import (
    BatchesApi,
    BuildsApi,
    ImagesApi,
    ProjectsApi,
    ReportGroupsApi,
    ReportsApi,
)
from tidegate.cloud.services.codebuild.coverage import COVERAGE
from tidegate.cloud.services.codebuild.model import CodeBuildModel
from tidegate.cloud.services.codebuild.reconciler import Batches, BatchSource, BuildHost, Builds, Combination
from tidegate.cloud.services.codebuild.reconciler.mirrored import MirroredSources
from tidegate.cloud.services.codebuild.reconciler.source import Origins
from tidegate.cloud.wiring.parts import Parts

_FOLDER, _BATCHES = "builds", "build-batches"


def add_codebuild(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = CodeBuildModel(parts.store, parts.account)
    parts.dispatcher.register(
        "codebuild",
        ProjectsApi(model, parts.calls, parts.clock),
        BuildsApi(model, parts.calls, parts.clock),
        BatchesApi(model, parts.calls, parts.clock),
        ReportGroupsApi(model, parts.clock),
        ReportsApi(model, parts.clock),
        ImagesApi(),
        coverage=COVERAGE,
    )
    endpoint = f"http://{parts.endpoint}"
    mirrors = GitRepositories(parts.data_dir / FOLDER)
    host = BuildHost(parts.data_dir / _FOLDER, parts.docker_host)
    origins = Origins(endpoint, parts.region, MirroredSources(mirrors, parts.calls, parts.clock, endpoint))
    builds = Builds(
        model,
        parts.calls,
        parts.clock,
        host,
        origins,
        lambda key: parts.loop.enqueue("codebuild.build", key),
    )
    parts.loop.add("codebuild.build", builds.reconcile, keys=model.open_keys)
    parts.loop.watch("codebuild.build", "codebuild.build")
    parts.background["codebuild"] = builds.serve
    parts.resets.append(builds.reset)
    source = BatchSource(parts.calls, host, origins, parts.data_dir / _BATCHES)
    batches = Batches(model, parts.calls, parts.clock, source, Combination(parts.calls, parts.data_dir / _BATCHES))
    parts.loop.add("codebuild.batch", batches.reconcile, keys=model.open_batches)
    parts.loop.watch("codebuild.batch", "codebuild.batch")
    parts.loop.watch("codebuild.build", "codebuild.batch", model.batch_key)
    parts.resets.append(batches.reset)


def remove_builds(data_dir: Path) -> None:
    """End the builds of a data folder on which no daemon runs, if a killed one left any."""
    for name in (_FOLDER, _BATCHES):
        remove_all(data_dir / name)
