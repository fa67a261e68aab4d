"""Where the code is kept, and how a commit gets there: pushed to CodeCommit or to who else keeps it, or zipped to S3.

https://docs.aws.amazon.com/codepipeline/latest/userguide/integrations-action-type.html#integrations-source
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tidegate.deploy.errors import UserError
from tidegate.deploy.project import Project
from tidegate.deploy.repository import Commit

REMOTE = "tidegate"
_TYPES = {"github": "GITHUB", "gitlab": "GITLAB", "bitbucket": "BITBUCKET"}  # as CodeBuild calls them


class Delivered(NamedTuple):
    """What the pipeline and the builds know a commit by, and whether they did not have it before."""

    revision: str
    new: bool


@dataclass(frozen=True, slots=True)
class Source:
    """The source of an app's pipeline. `outputs` are those of the stack APP-image."""

    project: Project
    outputs: Mapping[str, str]

    def ready(self) -> None:
        """Wait until the code can be reached: somebody has to confirm a new connection once, in a browser."""
        arn = self.outputs.get("ConnectionArn")
        if arn is None:
            return
        client, pace = self.project.home.client("codeconnections"), self.project.pace
        title, started, told = f"connection {self.project.app}", pace.now(), False

        def confirmed() -> bool | None:
            nonlocal told
            if client.get_connection(ConnectionArn=arn)["Connection"]["ConnectionStatus"] == "AVAILABLE":
                return True
            if not told:
                told = True
                keeper = self.project.manifest.source.provider
                self.project.progress.line(title, f"{keeper} has to be told once that AWS may read the repository:")
                self.project.progress.line(title, f"open {self.outputs['HandshakeUrl']}, choose it, Update pending")
            self.project.progress.step(title, "waits for somebody to confirm it")
            return None

        pace.until(confirmed)
        if told:
            self.project.progress.done(title, "confirmed", pace.now() - started)

    def remember(self) -> None:
        """Let a plain `git push tidegate` take code to the pipeline, where that is not what `git push` does anyway."""
        url = self._own_url()
        if url is not None:
            program = f"tidegate git-credential --env {self.project.environment}"
            self.project.repository.remember_remote(REMOTE, url, program)

    def deliver(self, commit: Commit) -> Delivered:
        """Take the commit that is checked out to where the pipeline reads it; raise `UserError` where that fails."""
        source, repository = self.project.manifest.source, self.project.repository
        if source.provider == "s3":
            return self._upload(commit)
        url = self._own_url()
        if url is not None:
            return Delivered(commit.id, repository.push(url, source.branch, self.project.home))
        address = self.outputs["SourceUrl"]
        remote = repository.remote_of(address)
        if remote is None:
            host = urlsplit(address).hostname
            raise UserError(
                "source.repository",
                f"no remote of this repository is {source.repository} at {host}",
                f"git remote add origin {address}",
            )
        return Delivered(commit.id, repository.push_to(remote, source.branch))

    def override(self, revision: str) -> dict[str, Any]:
        """Return what StartBuild is told so that it takes the code by itself, without a pipeline."""
        source = self.project.manifest.source
        if source.provider == "s3":
            place = f"{self._bucket}/{self.project.manifest.source.zip_key}"
            kind: dict[str, Any] = {"sourceTypeOverride": "S3", "sourceLocationOverride": place}
        elif source.connected:
            connection = source.connection or self.outputs["ConnectionArn"]
            kind = {
                "sourceTypeOverride": _TYPES[source.provider],
                "sourceLocationOverride": self.outputs["SourceUrl"],
                "sourceAuthOverride": {"type": "CODECONNECTIONS", "resource": connection},
            }
        else:
            kind = {"sourceTypeOverride": "CODECOMMIT", "sourceLocationOverride": self.outputs["SourceUrl"]}
        return {**kind, "sourceVersion": revision}

    @property
    def _bucket(self) -> str:
        return self.project.manifest.source.bucket or self.outputs["SourceBucket"]

    def _own_url(self) -> str | None:
        """Return the address that is pushed to with AWS's credentials, None where it is somebody else's."""
        url = self.outputs.get("SourceUrl")
        if url is None or not self.project.manifest.source.connected:
            return url
        return self.project.home.copy_of(url)

    def _upload(self, commit: Commit) -> Delivered:
        s3, place = (
            self.project.home.client("s3"),
            {"Bucket": self._bucket, "Key": self.project.manifest.source.zip_key},
        )
        try:
            there = s3.head_object(**place)
        except s3.exceptions.ClientError:
            there = {}
        if there.get("Metadata", {}).get("commit") == commit.id:
            return Delivered(there["VersionId"], new=False)
        metadata = {"commit": commit.id, "codepipeline-artifact-revision-summary": commit.subject[:1000]}
        answer = s3.put_object(**place, Body=self.project.repository.archive(), Metadata=metadata)
        if "VersionId" not in answer:
            why = "it keeps no versions, which are the pipeline's revisions"
            raise UserError(
                f"source.bucket {place['Bucket']}", why, "turn versioning on, and EventBridge notifications"
            )
        return Delivered(answer["VersionId"], new=True)
