"""Source, CodeStarSourceConnection: the commit that a branch of GitHub, GitLab or Bitbucket is at here, as a zip.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodestarConnectionSource.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tidegate.cloud.call import Calls, Context, RoleSession
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.git.process import GitError
from tidegate.cloud.services.codepipeline.describe import connected_url
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts, Stream
from tidegate.cloud.services.codepipeline.reconciler.commits import moment, stamp
from tidegate.cloud.services.codepipeline.reconciler.connections import Connected, Connections, UnconnectedError
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    PERMISSION_ERROR,
    REVISION_UNAVAILABLE,
    ActionFailedError,
    ActionRun,
    Done,
)
from tidegate.cloud.services.codepipeline.triggers import BRANCHES

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_LONGEST_SUMMARY = 2048
_LONGEST_MESSAGE = 1500  # of a summary: written as JSON it takes more


class ConnectionSource:
    """Takes the newest commit of a branch, or the one that the execution was started for."""

    def __init__(self, artifacts: Artifacts, connections: Connections, calls: Calls, clock: Clock) -> None:
        self._artifacts = artifacts
        self._connections = connections
        self._calls = calls
        self._clock = clock

    async def advance(self, run: ActionRun) -> Done:
        """Find the commit, then store it; a commit that was found once stays the one."""
        session, configuration = await run.session(), run.configuration
        branch = run.pinned.get("BRANCH", configuration["BranchName"])
        self._authorize(run, session, branch)
        try:
            repository = await self._connections.find(run.region, configuration)
        except UnconnectedError as error:
            raise ActionFailedError(CONFIGURATION_ERROR, f"Unable to use the connection: {error}") from error
        commit = await self._commit(run, repository, branch)
        url = connected_url(run.region, configuration, "COMMIT", commit)
        if "revision" not in run.progress:
            run.keep(revision=commit, external_id=commit, external_url=url)
            run.see(commit)
        described = await self._connections.objects.commit(repository.id, commit)
        if described is None:
            raise _unavailable(repository, f"No commit [{commit}] found")
        (name,) = run.outputs
        try:
            content = Stream(self._connections.objects.archive(repository.id, commit))
            await self._artifacts.store(session, run.outputs[name], content, run.encryption_key)
        except GitError as error:
            raise ActionFailedError(REVISION_UNAVAILABLE, f"The commit {commit} cannot be archived: {error}") from error
        message, committed = described.message.strip(), moment(described.committer.date)
        summary = _summary(repository, message)
        revision: t.ArtifactRevisionTypeDef = {
            "name": name,
            "revisionId": commit,
            "revisionChangeIdentifier": stamp(committed),
            "revisionSummary": summary,
            "created": committed,
            "revisionUrl": url,
        }
        variables = {
            "ConnectionArn": configuration["ConnectionArn"],
            "FullRepositoryName": configuration["FullRepositoryId"],
            "BranchName": branch,
            "CommitId": commit,
            "CommitMessage": message,
            "AuthorDate": stamp(moment(described.author.date)),
        }
        return Done(variables, summary=summary, revision=revision)

    async def _commit(self, run: ActionRun, repository: Connected, branch: str) -> str:
        commit = run.progress.get("revision") or run.pinned.get("COMMIT_ID")
        if commit is not None:
            return str(commit)
        references = await self._connections.references(repository)
        if not references:
            raise _unavailable(repository, f"No Branch [{branch}] found", self._connections.no_copy(repository))
        if BRANCHES + branch not in references:
            raise _unavailable(repository, f"No Branch [{branch}] found")
        return references[BRANCHES + branch]

    def _authorize(self, run: ActionRun, session: RoleSession, branch: str) -> None:
        """Raise unless the role may use the connection for this repository.

        https://docs.aws.amazon.com/dtconsole/latest/userguide/security_iam_id-based-policy-examples-connections.html
        """
        arn = run.configuration["ConnectionArn"]
        prefix = arn.split(":")[2]
        keys = {
            f"{prefix}:FullRepositoryId": run.configuration["FullRepositoryId"],
            f"{prefix}:BranchName": branch,
            f"{prefix}:ProviderAction": "StartUploadArchiveToS3",
            f"{prefix}:ProviderPermissionsRequired": "read_only",
        }
        context = Context(session.principal, run.region, self._clock.new_id())
        try:
            self._calls.authorize(context, f"{prefix}:UseConnection", arn, keys)
        except ServiceError as error:
            raise ActionFailedError(
                PERMISSION_ERROR,
                f"Unable to use Connection: {arn}. The provided role does not have sufficient permissions. "
                f"{error.message}",
            ) from error


def _unavailable(repository: Connected, what: str, why: str = "") -> ActionFailedError:
    sentence = f"[{repository.provider}] {what} for FullRepositoryName [{repository.name}]"
    return ActionFailedError(CONFIGURATION_ERROR, f"{sentence}: {why}" if why else sentence)


def _summary(repository: Connected, message: str) -> str:
    """Return what AWS shows of such a revision: JSON with the provider and the message."""
    for longest in (_LONGEST_MESSAGE, _LONGEST_MESSAGE // 8):  # control characters take six
        summary = json.dumps(
            {"ProviderType": repository.provider, "CommitMessage": message[:longest]}, ensure_ascii=False
        )
        if len(summary) <= _LONGEST_SUMMARY:
            return summary
    return json.dumps({"ProviderType": repository.provider})
