"""Builds on CodeBuild: started, followed, and explained by their last lines when they fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegate.deploy.errors import UserError
from tidegate.deploy.logs import last_lines
from tidegate.deploy.permissions import lacking
from tidegate.deploy.project import Project
from tidegate.deploy.repository import Commit
from tidegate.deploy.source import Source
from tidegate.template import names
from tidegate.template.policies import PULL, PUSH

_TAG_LENGTH = 12  # of the commit, as buildspec.yml tags images
_SHOWN_LINES = 15
_READ_LINES = 300  # what a build does after a command has failed is in them too
_FAILED = "Command did not exit successfully"
_NEWEST = 10  # builds that may still be running


@dataclass(frozen=True, slots=True)
class Builds:
    """The builds of one project."""

    project: Project

    def first_image(self, service: str, commit: Commit, source: Source, revision: str) -> str:
        """Return an image of this commit, by digest: the one in the registry, or one that is (being) built now.

        `revision` is what the source knows the commit by. Raises `UserError` with the last lines of a build that fails.
        """
        known = self.image_of(service, revision)
        if known is not None:
            return known
        codebuild = self.project.home.client("codebuild")
        name = names.build_project(self.project.app, service)
        title, started = f"build {service}", self.project.pace.now()
        self.project.progress.step(title, f"building commit {commit.short}")
        build = (
            self._under_way(name, revision)
            or codebuild.start_build(
                projectName=name, artifactsOverride={"type": "NO_ARTIFACTS"}, **source.override(revision)
            )["build"]
        )
        self.follow(build["id"], title)
        image = self.image_of(service, revision) or self._newest(service)
        if image is None:
            raise UserError(
                title,
                "the build succeeded, but pushed no image to the service's repository",
                "have buildspec.yml push to $REPOSITORY_URI, then tidegate up",
            )
        self.project.progress.done(title, f"built commit {commit.short}", self.project.pace.now() - started)
        return image

    def follow(self, build_id: str, title: str) -> None:
        """Wait for a build's end, telling of its phases; raise `UserError` where it does not succeed."""
        codebuild = self.project.home.client("codebuild")
        phase = ""

        def ended() -> Any:
            nonlocal phase
            build = codebuild.batch_get_builds(ids=[build_id])["builds"][0]
            if build["currentPhase"] != phase:
                phase = build["currentPhase"]
                self.project.progress.step(title, phase.lower().replace("_", " "))
            return build if build["buildComplete"] else None

        build = self.project.pace.until(ended)
        if build["buildStatus"] != "SUCCEEDED":
            raise self.failure(build, title)

    def failure(self, build: Any, title: str) -> UserError:
        """Explain a build that failed: the phase, its message, the last lines of its log."""
        for line in self.last_lines(build):
            self.project.progress.line(title, line)
        contexts = [
            (phase["phaseType"], context["message"])
            for phase in build.get("phases", [])
            if phase.get("phaseStatus") not in (None, "SUCCEEDED")
            for context in phase.get("contexts", [])
            if context.get("message")
        ]
        phase, message = contexts[0] if contexts else ("build", build["buildStatus"])
        why = f"{phase} failed: {message}{self._lacking(build)}"
        return UserError(title, why, "mend it and commit, then tidegate push")

    def _lacking(self, build: Any) -> str:
        """Say what the build's role may not do with its image repository: docker does not always say so."""
        services = self.project.manifest.services
        service = next(
            (each for each in services if names.build_project(self.project.app, each) == build["projectName"]), None
        )
        if service is None or "serviceRole" not in build:
            return ""
        _, partition, _, region, account, _ = build["arn"].split(":", 5)
        repository = f"arn:{partition}:ecr:{region}:{account}:repository/{names.repository(self.project.app, service)}"
        denied = lacking(self.project.home, build["serviceRole"], [*PULL, *PUSH], repository)
        return f"; its role may not do {', '.join(denied)} on {repository}" if denied else ""

    def last_lines(self, build: Any) -> list[str]:
        """Return the last lines of a build's log, or the last before the end of the first command that failed."""
        place = build.get("logs", {})
        if "groupName" not in place or "streamName" not in place:
            return []
        lines = last_lines(self.project.home, place["groupName"], place["streamName"], _READ_LINES)
        end = next((number for number, line in enumerate(lines, 1) if _FAILED in line), len(lines))
        return lines[:end][-_SHOWN_LINES:]

    def _under_way(self, name: str, revision: str) -> Any | None:
        """Return the build of this revision that an interrupted `up` has left running, None where there is none."""
        codebuild = self.project.home.client("codebuild")
        newest = codebuild.list_builds_for_project(projectName=name)["ids"][:_NEWEST]
        builds = codebuild.batch_get_builds(ids=newest)["builds"] if newest else []
        return next((each for each in builds if not each["buildComplete"] and each["sourceVersion"] == revision), None)

    def image_of(self, service: str, revision: str) -> str | None:
        """Return the image that was built of a revision, by digest, None where there is none (yet)."""
        return self._find(service, {"imageIds": [{"imageTag": revision[:_TAG_LENGTH]}]})

    def _newest(self, service: str) -> str | None:
        """Return the image that was pushed last: a buildspec of the user's own may tag as it likes."""
        return self._find(service, {})

    def _find(self, service: str, request: dict[str, Any]) -> str | None:
        ecr = self.project.home.client("ecr")
        repository = names.repository(self.project.app, service)
        try:
            images = ecr.describe_images(repositoryName=repository, **request)["imageDetails"]
        except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
            return None
        if not images:
            return None
        newest = max(images, key=lambda image: image["imagePushedAt"])
        uri = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryUri"]
        return f"{uri}@{newest['imageDigest']}"
