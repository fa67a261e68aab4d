"""What builds do that no project stands behind: Commands, and ECRBuildAndPublish. They run as the pipeline's role.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Commands.html
https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECRBuildAndPublish.html
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.reconciler.providers.codebuild import (
    CODEPIPELINE,
    TOKEN_LIFE,
    build_artifact,
    build_location,
    why_build_failed,
)
from tidegate.cloud.services.codepipeline.reconciler.run import (
    JOB_FAILED,
    SERVICE,
    ActionFailedError,
    ActionRun,
    Done,
    Later,
)

# one command a line
_IMAGE = r"""
URI=$(aws ecr describe-repositories --repository-names "$ECRRepositoryName" --query 'repositories[0].repositoryUri' --output text)
aws ecr get-login-password | docker login --username AWS --password-stdin "${URI%%/*}"
FIRST=${IMAGE_TAGS%%,*}
if [ -d "$DOCKER_FILE" ]; then docker build -t "$URI:$FIRST" "$DOCKER_FILE"; else docker build -t "$URI:$FIRST" -f "$DOCKER_FILE" .; fi
for TAG in ${IMAGE_TAGS//,/ }; do docker tag "$URI:$FIRST" "$URI:$TAG" && docker push "$URI:$TAG" || exit 1; done
export ECRImageDigestId=$(docker inspect --format '{{index .RepoDigests 0}}' "$URI:$FIRST" | sed 's/.*@//')
""".strip().splitlines()  # noqa: E501 - a command has no second line


class Work(NamedTuple):
    """What a build is to do."""

    commands: Sequence[str]
    variables: Sequence[Mapping[str, str]] = ()
    exported: Sequence[str] = ()
    files: Sequence[str] = ()
    docker: bool = False


class Managed(ABC):
    """Runs one build in the pipeline's name and follows it to its end."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @abstractmethod
    def work(self, run: ActionRun) -> Work:
        """Return what is to be done."""

    async def advance(self, run: ActionRun) -> Later | Done:
        """Start the build once, then look how it stands."""
        caller = self._calls.as_service(SERVICE, run.region)
        identity = run.progress.get("build")
        if identity is None:
            identity = await self._start(run, caller)
        answer = await caller("codebuild", "batch_get_builds", ids=[identity])
        if not answer["builds"]:
            raise ActionFailedError(JOB_FAILED, f"The build {identity} does not exist any more")
        build = answer["builds"][0]
        if not build["buildComplete"]:
            return Later()
        if build["buildStatus"] != "SUCCEEDED":
            raise ActionFailedError(JOB_FAILED, why_build_failed(build))
        return Done({each["name"]: each["value"] for each in build.get("exportedEnvironmentVariables", [])})

    async def _start(self, run: ActionRun, caller: Caller) -> str:
        begun = run.progress.get("begun")
        if begun is None:
            run.keep(begun=run.now)
        elif run.now - begun > TOKEN_LIFE:
            raise ActionFailedError(
                JOB_FAILED,
                "The local cloud ended while the build was being started, and it is not known whether it was: "
                "retry the stage",
            )
        try:
            request = _request(run, self.work(run))
            build = (await caller("codebuild", "start_build", idempotencyToken=run.id, **request))["build"]
        except ServiceError as error:
            raise ActionFailedError(JOB_FAILED, f"Error calling startBuild: {error.message} ({error.code})") from error
        run.keep(
            build=build["id"],
            waits_for=["codebuild.build", run.region, build["id"]],
            external_id=build["id"],
            log_stream=build["logs"]["cloudWatchLogsArn"],
        )
        return str(build["id"])


class Commands(Managed):
    """Shell commands, of an action or a rule."""

    def work(self, run: ActionRun) -> Work:
        """Return the commands as they are declared, with the values of their variables."""
        given = run.progress["compute"]
        return Work(given["commands"], given["environment"], given["exported"], given["files"])


class ImageBuild(Managed):
    """ECRBuildAndPublish: an image from the Dockerfile in the source, pushed with each of its tags."""

    def work(self, run: ActionRun) -> Work:
        """Return what builds and pushes the image."""
        configuration = run.configuration
        tags = [each.strip() for each in configuration.get("ImageTags", "latest").split(",")]
        variables = {
            "ECRRepositoryName": configuration["ECRRepositoryName"],
            "DOCKER_FILE": configuration.get("DockerFilePath", "."),
            "IMAGE_TAGS": ",".join(tags),
        }
        given = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()]
        return Work(_IMAGE, given, ("ECRImageDigestId", "ECRRepositoryName"), docker=True)


def _request(run: ActionRun, work: Work) -> dict[str, Any]:
    """Return what StartBuild is asked for: the same every time, for as long as the action runs."""
    spec: dict[str, Any] = {
        "version": "0.2",
        "env": {"shell": "bash", **({"exported-variables": list(work.exported)} if work.exported else {})},
        "phases": {"build": {"commands": list(work.commands)}},
    }
    if work.files:
        spec["artifacts"] = {"files": list(work.files)}
    request: dict[str, Any] = {
        "projectName": f"codepipeline/{run.pipeline}",
        "buildspecOverride": json.dumps(spec, indent=1),
        "serviceRoleOverride": run.role,
        "privilegedModeOverride": work.docker,
        "environmentVariablesOverride": list(work.variables),
        "artifactsOverride": {"type": "NO_ARTIFACTS"},
        "secondaryArtifactsOverride": [],
        "logsConfigOverride": {
            "cloudWatchLogs": {"status": "ENABLED", "groupName": f"/aws/codepipeline/{run.pipeline}"}
        },
        "sourceTypeOverride": "NO_SOURCE",
    }
    places = list(run.inputs.items())
    if places:
        request["sourceTypeOverride"] = CODEPIPELINE
        request["sourceLocationOverride"] = build_location(places[0][1])
        request["secondarySourcesOverride"] = [
            {"type": CODEPIPELINE, "location": build_location(place), "sourceIdentifier": name}
            for name, place in places[1:]
        ]
    if run.encryption_key is not None:
        request["encryptionKeyOverride"] = run.encryption_key
    for place in run.outputs.values():
        request["artifactsOverride"] = build_artifact(place)
    return request
