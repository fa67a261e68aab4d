"""Build and Test, CodeBuild: one build, followed to its end.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import RoleSession
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.configuration import environment_variables
from tidegate.cloud.services.codepipeline.describe import console
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    JOB_FAILED,
    PERMISSION_ERROR,
    ActionFailedError,
    ActionRun,
    Done,
    Later,
    is_denied,
)

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as build_t
    from types_boto3_codepipeline import type_defs as t

TOKEN_LIFE = timedelta(minutes=5)  # within which StartBuild knows a token again
CODEPIPELINE = "CODEPIPELINE"  # of sources and artifacts that a pipeline stores


class CodeBuildAction:
    """Starts a build with the action's artifacts, and waits for it."""

    async def advance(self, run: ActionRun) -> Later | Done:
        """Start the build once, then look how it stands."""
        session = await run.session()
        identity = run.progress.get("build")
        if identity is None:
            identity = await self._start(run, session)
        answer = await session("codebuild", "batch_get_builds", ids=[identity])
        if not answer["builds"]:
            raise ActionFailedError(JOB_FAILED, f"The build {identity} does not exist any more")
        build: build_t.BuildTypeDef = answer["builds"][0]
        if not build["buildComplete"]:
            return Later()
        if build["buildStatus"] != "SUCCEEDED":
            raise ActionFailedError(JOB_FAILED, why_build_failed(build))
        variables = {each["name"]: each["value"] for each in build.get("exportedEnvironmentVariables", [])}
        return Done(variables)

    async def _start(self, run: ActionRun, session: RoleSession) -> str:
        begun: datetime | None = run.progress.get("begun")
        if begun is None:
            run.keep(begun=run.now)
        elif run.now - begun > TOKEN_LIFE:
            raise ActionFailedError(
                JOB_FAILED,
                "The local cloud ended while the build was being started, and it is not known whether it was: "
                "retry the stage",
            )
        request = {"idempotencyToken": run.id, **_request(run)}
        try:
            build = (await session("codebuild", "start_build", **request))["build"]
        except ServiceError as error:
            code = PERMISSION_ERROR if is_denied(error) else JOB_FAILED
            raise ActionFailedError(code, f"Error calling startBuild: {error.message} ({error.code})") from error
        project, _, number = build["id"].partition(":")
        run.keep(
            build=build["id"],
            waits_for=["codebuild.build", run.region, build["id"]],
            external_id=build["id"],
            external_url=console(run.region, f"codebuild/home?region={run.region}#/builds/{project}:{number}/view/new"),
        )
        return str(build["id"])


def _request(run: ActionRun) -> dict[str, Any]:
    """Return what StartBuild is asked for: the same every time, for as long as the action runs."""
    names = list(run.inputs)
    primary = run.configuration.get("PrimarySource", names[0])
    if primary not in run.inputs:
        raise ActionFailedError(CONFIGURATION_ERROR, f"PrimarySource {primary} is not an input artifact of the action")
    request: dict[str, Any] = {
        "projectName": run.configuration["ProjectName"],
        "sourceTypeOverride": CODEPIPELINE,
        "sourceLocationOverride": build_location(run.inputs[primary]),
        "secondarySourcesOverride": [
            {"type": CODEPIPELINE, "location": build_location(place), "sourceIdentifier": name}
            for name, place in run.inputs.items()
            if name != primary
        ],
        "artifactsOverride": {"type": "NO_ARTIFACTS"},
        "secondaryArtifactsOverride": [],
    }
    if run.encryption_key is not None:
        request["encryptionKeyOverride"] = run.encryption_key
    revision = _revision(run, primary)
    if revision is not None:
        request["sourceVersion"] = revision
    outputs = run.outputs
    if len(outputs) == 1:
        (place,) = outputs.values()
        request["artifactsOverride"] = build_artifact(place)
    else:
        request["secondaryArtifactsOverride"] = [
            {**build_artifact(place), "artifactIdentifier": name} for name, place in outputs.items()
        ]
    if "EnvironmentVariables" in run.configuration:
        try:
            variables = environment_variables(run.configuration["EnvironmentVariables"])
        except ValueError as error:
            raise ActionFailedError(
                CONFIGURATION_ERROR, f"EnvironmentVariables must be a JSON list of variables: {error}"
            ) from error
        request["environmentVariablesOverride"] = variables
    return request


def _revision(run: ActionRun, artifact: str) -> str | None:
    """Return the revision of the source that an artifact comes from; that of the only source for one that was made."""
    revisions = {each["name"]: each["revisionId"] for each in run.execution["revisions"]}
    if artifact in revisions:
        return revisions[artifact]
    return next(iter(revisions.values())) if len(revisions) == 1 else None


def build_location(place: t.S3LocationTypeDef) -> str:
    """Return where an artifact is, as a build's source has it."""
    return f"{place['bucket']}/{place['key']}"


def build_artifact(place: t.S3LocationTypeDef) -> dict[str, str]:
    """Return where an artifact goes, as a build has it."""
    path, _, name = place["key"].rpartition("/")
    return {
        "type": CODEPIPELINE,
        "location": place["bucket"],
        "path": path,
        "name": name,
        "namespaceType": "NONE",
        "packaging": "ZIP",
    }


def why_build_failed(build: build_t.BuildTypeDef) -> str:
    """Return how a build ended, and in which phase."""
    ended = f"Build terminated with state: {build['buildStatus']}"
    for phase in build.get("phases", []):
        if phase.get("phaseStatus", "SUCCEEDED") != "SUCCEEDED":
            context = (phase.get("contexts") or [{}])[0]
            code, message = context.get("statusCode", ""), context.get("message", "")
            return f"{ended}. Phase: {phase['phaseType']}, Code: {code}, Message: {message}"
    return ended
