"""What is next about a batch of builds, decided purely.

https://docs.aws.amazon.com/codebuild/latest/userguide/batch-build.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.cloud.services.codebuild.buildspec import BatchBuild

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

IDENTIFIER = "CODEBUILD_BATCH_BUILD_IDENTIFIER"

_OVERRIDES = {  # of a build's request, by the build's own settings
    "buildspec": "buildspecOverride",
    "compute_type": "computeTypeOverride",
    "image": "imageOverride",
    "environment_type": "environmentTypeOverride",
    "privileged": "privilegedModeOverride",
}
_OWN = frozenset(
    {
        "buildBatchConfigOverride",
        "buildTimeoutInMinutesOverride",
        "idempotencyToken",
        "reportBuildBatchStatusOverride",
    }
)


@dataclass(frozen=True, slots=True)
class Group:
    """One build of a batch and how it stands. `status`: None before it was started."""

    identifier: str
    depends_on: Sequence[str] = ()
    ignore_failure: bool = False
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Which builds are to be started and stopped now; `status` is the batch's, once no build runs or will."""

    start: Sequence[str] = ()
    stop: Sequence[str] = ()
    status: str | None = None


def decide(groups: Sequence[Group], *, fast_fail: bool, ending: str | None) -> Step:
    """Return what is next. `ending` is the status that the batch is to end with as soon as its builds are stopped.

    A build starts when all it depends on have succeeded, or may fail. One that depends on a failure is never started.
    """
    running = [each.identifier for each in groups if each.status == "IN_PROGRESS"]
    failed = any(is_failure(each) for each in groups)
    if ending is not None or (fast_fail and failed):
        return Step(stop=running) if running else Step(status=ending or "FAILED")
    passed = {each.identifier for each in groups if _is_over(each) and not is_failure(each)}
    start = [each.identifier for each in groups if each.status is None and passed.issuperset(each.depends_on)]
    if start or running:
        return Step(start=start)
    return Step(status="FAILED" if failed else "SUCCEEDED")


def is_failure(group: Group) -> bool:
    """Return whether a build has ended so that its batch fails."""
    return _is_over(group) and group.status != "SUCCEEDED" and not group.ignore_failure


def refusal(builds: Sequence[BatchBuild], restrictions: Mapping[str, Any], compute_type: str) -> str | None:
    """Return what of a batch its restrictions forbid; `compute_type` is that of a build that names none."""
    most = restrictions.get("maximumBuildsAllowed")
    if most is not None and len(builds) > most:
        return f"the batch has {len(builds)} builds, its restrictions allow {most}"
    allowed = restrictions.get("computeTypesAllowed")
    for build in builds:
        wanted = build.compute_type or compute_type
        if allowed and wanted not in allowed:
            return f"{build.identifier} has the compute type {wanted}, the restrictions allow {', '.join(allowed)}"
    return None


def as_build(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request for a batch as one for a build: the same overrides, without those of the batch itself."""
    common = {name: value for name, value in request.items() if name not in _OWN}
    if "buildTimeoutInMinutesOverride" in request:
        common["timeoutInMinutesOverride"] = request["buildTimeoutInMinutesOverride"]
    return common


def combines(batch: t.BuildBatchTypeDef, artifacts: t.ProjectArtifactsTypeDef) -> bool:
    """Return whether the artifacts of a batch's builds are to be put together."""
    return batch["buildBatchConfig"].get("combineArtifacts", False) and artifacts["type"] == "S3"


def artifact_key(artifacts: t.ProjectArtifactsTypeDef, project: str, identity: str) -> str:
    """Return where in the bucket the artifacts of a whole batch go; `identity` is the UUID in its id."""
    namespace = identity if artifacts.get("namespaceType") == "BUILD_ID" else ""
    name = artifacts.get("name") or project
    parts = (artifacts.get("path", ""), namespace, name)
    return "/".join(part.strip("/") for part in parts if part.strip("/"))


def build_request(
    batch: t.BuildBatchTypeDef, artifacts: t.ProjectArtifactsTypeDef, request: Mapping[str, Any], build: BatchBuild
) -> dict[str, Any]:
    """Return the request that starts one build of a batch; all of them build the version that the batch found.

    `artifacts` are the batch's: where they are to be put together, each build's go into a folder of its own first.
    """
    wanted = as_build(request)
    own = {override: getattr(build, name) for name, override in _OVERRIDES.items() if getattr(build, name) is not None}
    variables = {each["name"]: each for each in request.get("environmentVariablesOverride", [])}
    given = {**build.variables, IDENTIFIER: build.identifier}
    variables |= {name: {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in given.items()}
    version = batch.get("resolvedSourceVersion")
    return {
        **wanted,
        **own,
        "environmentVariablesOverride": list(variables.values()),
        **({"sourceVersion": version} if version else {}),
        **({"artifactsOverride": _apart(batch, artifacts, build)} if combines(batch, artifacts) else {}),
    }


def _apart(
    batch: t.BuildBatchTypeDef, artifacts: t.ProjectArtifactsTypeDef, build: BatchBuild
) -> t.ProjectArtifactsTypeDef:
    parts = (artifacts.get("path", "").strip("/"), batch["id"].rpartition(":")[2], build.identifier)
    path = "/".join(part for part in parts if part)
    return {**artifacts, "path": path, "namespaceType": "NONE"}


def _is_over(group: Group) -> bool:
    return group.status not in (None, "IN_PROGRESS")
