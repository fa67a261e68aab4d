"""Commits and what differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.codecommit.api.shared import (
    checked_path,
    find_commit,
    find_repository,
    is_full_id,
    repository_arn,
)
from tidegate.cloud.services.codecommit.contents import Change, Commit, Objects, Stamp
from tidegate.cloud.services.codecommit.model import CodeCommitModel

if TYPE_CHECKING:
    from types_boto3_codecommit import type_defs as t

_MOST_COMMITS = 100
_DIFFERENCES = 100  # of one page, where the request does not say


class CommitsApi:
    """https://docs.aws.amazon.com/codecommit/latest/APIReference/API_GetCommit.html and its siblings."""

    def __init__(self, model: CodeCommitModel, objects: Objects) -> None:
        self.model = model
        self._objects = objects

    @operation(resource=repository_arn)
    async def get_commit(self, context: Context, request: t.GetCommitInputTypeDef) -> Mapping[str, Any]:
        """Return a commit by its full id."""
        identity = find_repository(self.model, context, request["repositoryName"])["metadata"]["repositoryId"]
        commit_id = request["commitId"]
        if not is_full_id(commit_id):
            raise ServiceError("InvalidCommitIdException", f"The specified commit ID is not valid: {commit_id}")
        commit = await self._objects.commit(identity, commit_id)
        if commit is None:
            raise ServiceError("CommitIdDoesNotExistException", f"Could not find commit: {commit_id}")
        return {"commit": _commit(commit)}

    @operation(resource=repository_arn)
    async def batch_get_commits(self, context: Context, request: t.BatchGetCommitsInputTypeDef) -> Mapping[str, Any]:
        """Return several commits, and an error for each that is none."""
        identity = find_repository(self.model, context, request["repositoryName"])["metadata"]["repositoryId"]
        if len(request["commitIds"]) > _MOST_COMMITS:
            raise ServiceError("CommitIdsLimitExceededException", f"At most {_MOST_COMMITS} commit IDs can be given")
        commits, errors = [], []
        for commit_id in request["commitIds"]:
            commit = await self._objects.commit(identity, commit_id)
            if commit is not None:
                commits.append(_commit(commit))
                continue
            code = "CommitIdDoesNotExistException" if is_full_id(commit_id) else "InvalidCommitIdException"
            errors.append({"commitId": commit_id, "errorCode": code, "errorMessage": f"Could not find {commit_id}"})
        return {"commits": commits, "errors": errors}

    @operation(resource=repository_arn)
    async def get_differences(self, context: Context, request: t.GetDifferencesInputTypeDef) -> Mapping[str, Any]:
        """List what differs from one commit, or from nothing, to another."""
        identity = find_repository(self.model, context, request["repositoryName"])["metadata"]["repositoryId"]
        after = await find_commit(self._objects, identity, request["afterCommitSpecifier"])
        before = None
        if "beforeCommitSpecifier" in request:
            before = await find_commit(self._objects, identity, request["beforeCommitSpecifier"])
        path = await self._path(identity, before, request.get("beforePath"))
        path = await self._path(identity, after, request.get("afterPath")) or path
        changes = await self._objects.changes(identity, before, after, path)
        chosen, token = page(
            changes,
            request.get("NextToken"),
            request.get("MaxResults", _DIFFERENCES),
            key=lambda each: each.path,
            invalid="InvalidContinuationTokenException",
        )
        return {"differences": [_difference(each) for each in chosen], **({"NextToken": token} if token else {})}

    async def _path(self, identity: str, commit: str | None, path: str | None) -> str:
        if path in (None, "", "/"):
            return ""
        assert path is not None
        trimmed = checked_path(path)
        if commit is None or await self._objects.entry(identity, commit, trimmed) is None:
            raise ServiceError("PathDoesNotExistException", f"The specified path does not exist: {path}")
        return trimmed


def _commit(commit: Commit) -> t.CommitTypeDef:
    return {
        "commitId": commit.id,
        "treeId": commit.tree,
        "parents": list(commit.parents),
        "message": commit.message,
        "author": _user(commit.author),
        "committer": _user(commit.committer),
        "additionalData": "",
    }


def _user(stamp: Stamp) -> t.UserInfoTypeDef:
    return {"name": stamp.name, "email": stamp.email, "date": stamp.date}


def _difference(change: Change) -> t.DifferenceTypeDef:
    difference: t.DifferenceTypeDef = {"changeType": "A" if change.old_id is None else "M"}
    if change.old_id is not None:
        difference["beforeBlob"] = {"blobId": change.old_id, "path": change.path, "mode": change.old_mode or ""}
    if change.new_id is not None:
        difference["afterBlob"] = {"blobId": change.new_id, "path": change.path, "mode": change.new_mode or ""}
    else:
        difference["changeType"] = "D"
    return difference
