"""Source, CodeCommit: the commit that a branch is at, as a zip.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeCommit.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from tidegate.cloud.call import Calls, Context, RoleSession
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.git.process import GitError
from tidegate.cloud.services.codepipeline.describe import console
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts, Stream
from tidegate.cloud.services.codepipeline.reconciler.commits import moment, stamp
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    PERMISSION_ERROR,
    REVISION_UNAVAILABLE,
    SERVICE,
    ActionFailedError,
    ActionRun,
    Done,
    is_denied,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_UPLOAD = ("codecommit:UploadArchive", "codecommit:GetUploadArchiveStatus")


class Archives(Protocol):
    """The repositories themselves, by their ids."""

    def archive(self, repository: str, commit: str) -> AsyncIterator[bytes]:
        """Yield a commit as a zip."""


class CodeCommitSource:
    """Takes the newest commit of a branch, or the one that the execution was started for."""

    def __init__(self, artifacts: Artifacts, archives: Archives, calls: Calls, clock: Clock) -> None:
        self._artifacts = artifacts
        self._archives = archives
        self._calls = calls
        self._clock = clock

    async def advance(self, run: ActionRun) -> Done:
        """Find the commit, then store it; a commit that was found once stays the one."""
        session = await run.session()
        repository, branch = run.configuration["RepositoryName"], run.configuration["BranchName"]
        try:
            commit = run.progress.get("revision") or run.pinned.get("COMMIT_ID")
            if commit is None:
                found = await session("codecommit", "get_branch", repositoryName=repository, branchName=branch)
                commit = found["branch"]["commitId"]
            if "revision" not in run.progress:
                run.keep(revision=commit, external_id=commit, external_url=_url(run, repository, commit))
                run.see(commit)
            described = (await session("codecommit", "get_commit", repositoryName=repository, commitId=commit))[
                "commit"
            ]
            identity = await self._identity(session, run.region, repository)
        except ServiceError as error:
            raise _failure(error, repository, branch) from error
        (place,) = run.outputs.values()
        try:
            content = Stream(self._archives.archive(identity, commit))
            await self._artifacts.store(session, place, content, run.encryption_key)
        except GitError as error:
            raise ActionFailedError(REVISION_UNAVAILABLE, f"The commit {commit} cannot be archived: {error}") from error
        message = described["message"].strip()
        committed = moment(described["committer"]["date"])
        variables = {
            "RepositoryName": repository,
            "BranchName": branch,
            "CommitId": commit,
            "CommitMessage": message,
            "AuthorDate": stamp(moment(described["author"]["date"])),
            "CommitterDate": stamp(committed),
        }
        (name,) = run.outputs
        revision: t.ArtifactRevisionTypeDef = {
            "name": name,
            "revisionId": commit,
            "revisionChangeIdentifier": stamp(committed),
            "revisionSummary": message[:2048] or commit,
            "created": committed,
            "revisionUrl": _url(run, repository, commit),
        }
        return Done(variables, summary=message[:2048] or None, revision=revision)

    async def _identity(self, session: RoleSession, region: str, repository: str) -> str:
        """Return the repository's id, if the role may have its contents archived."""
        context = Context(session.principal, region, self._clock.new_id())
        for action in _UPLOAD:
            arn = f"arn:aws:codecommit:{region}:{session.principal.account}:{repository}"
            self._calls.authorize(context, action, arn)
        caller = self._calls.as_service(SERVICE, region)
        answer = await caller("codecommit", "get_repository", repositoryName=repository)
        return str(answer["repositoryMetadata"]["repositoryId"])


def _failure(error: ServiceError, repository: str, branch: str) -> ActionFailedError:
    if is_denied(error):
        return ActionFailedError(
            PERMISSION_ERROR,
            "The service role or action role doesn’t have the permissions required to access the AWS CodeCommit "
            f"repository named {repository}. Update the IAM role permissions, and then try again. "
            f"Error: {error.message}",
        )
    if error.code == "BranchDoesNotExistException":
        return ActionFailedError(
            CONFIGURATION_ERROR,
            f"The action failed because no branch named {branch} was found in the selected AWS CodeCommit repository "
            f"{repository}. Make sure you are using the correct branch name, and then try again. "
            f"Error: {error.message}",
        )
    if error.code == "RepositoryDoesNotExistException":
        return ActionFailedError(
            CONFIGURATION_ERROR,
            f"The action failed because no AWS CodeCommit repository named {repository} was found. Make sure you are "
            f"using the correct repository name, and then try again. Error: {error.message}",
        )
    return ActionFailedError(REVISION_UNAVAILABLE, f"{error.message} ({error.code})")


def _url(run: ActionRun, repository: str, commit: str) -> str:
    return console(run.region, f"codecommit/home?region={run.region}#/repository/{repository}/commit/{commit}")
