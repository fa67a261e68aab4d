"""Makes repositories real and keeps the records of their branches and tags at what git has."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.git.repositories import GitRepositories
from tidegate.cloud.services.codecommit.model import BRANCHES, TAGS, CodeCommitModel, RepositoryRecord
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codecommit import type_defs as t

_SOURCE = "aws.codecommit"
_DETAIL_TYPE = "CodeCommit Repository State Change"
_FIRST_BRANCHES = ("main", "master")  # which of several first branches becomes the default


class References:
    """Follows git: writes what moved to the records, together with what EventBridge is to hear of it."""

    def __init__(self, model: CodeCommitModel, repositories: GitRepositories, calls: Calls, clock: Clock) -> None:
        self._model = model
        self._repositories = repositories
        self._calls = calls
        self._clock = clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def keys(self) -> list[Key]:
        """Return all repositories; what is on disk and no repository (any more) is removed."""
        repositories = self._model.repositories.items()
        known = {record["metadata"]["repositoryId"] for _, record in repositories}
        for identity in self._repositories.ids():
            if identity not in known:
                self._repositories.remove(identity)
        return [key for key, _ in repositories]

    async def reconcile(self, key: Key) -> None:
        """Make sure of a repository on disk and of its records: once at start, for what a kill came between."""
        record = self._model.repositories.get(*key)
        if record is not None:
            await self._repositories.create(record["metadata"]["repositoryId"])
            await self.refresh(key[0], key[1], None)

    async def refresh(self, region: str, name: str, caller: str | None) -> None:
        """Bring the records of branches and tags up to git's; `caller` is the ARN of who moved them, if known."""
        record = self._model.repositories.get(region, name)
        if record is None:
            return
        identity = record["metadata"]["repositoryId"]
        async with self._locks[identity]:
            actual = await self._repositories.references(identity)
            record = self._model.by_id(region, identity)  # it may have been renamed or deleted meanwhile
            if record is None:
                return
            self._write(region, record, actual, caller)
        default = record["metadata"].get("defaultBranch")
        if default is not None:
            await self._repositories.set_head(identity, default)

    async def publish(self, key: Key) -> None:
        """Tell EventBridge of one change, then forget it; told twice if a kill comes between."""
        change = self._model.changes.get(*key)
        if change is None:
            return
        region, name = key[0], key[1]
        entry = {
            "Source": _SOURCE,
            "DetailType": _DETAIL_TYPE,
            "Time": change["time"],
            "Resources": [self._model.arn(region, name)],
            "Detail": json.dumps(change["detail"]),
        }
        await self._calls.as_service("codecommit.amazonaws.com", region)("events", "put_events", Entries=[entry])
        self._model.changes.delete(*key)

    def _write(self, region: str, record: RepositoryRecord, actual: Mapping[str, str], caller: str | None) -> None:
        metadata = record["metadata"]
        name, now = metadata["repositoryName"], self._clock.now()
        known = {BRANCHES + key[2]: each["commitId"] for key, each in self._model.branches.items(region, name)}
        known |= {TAGS + key[2]: each["commitId"] for key, each in self._model.tags.items(region, name)}
        moved = {each for each in actual.keys() | known.keys() if actual.get(each) != known.get(each)}
        if not moved:
            return
        with self._model.store.transaction():
            for reference in sorted(moved):
                new, old = actual.get(reference), known.get(reference)
                self._put(region, name, reference, new)
                detail = _detail(metadata, reference, old, new, caller)
                self._model.changes.put((region, name, self._clock.new_id()), {"time": now, "detail": detail})
            _choose_default(metadata, actual, now)
            self._model.repositories.put((region, name), record)

    def _put(self, region: str, name: str, reference: str, commit: str | None) -> None:
        if reference.startswith(BRANCHES):
            branch = reference.removeprefix(BRANCHES)
            if commit is None:
                self._model.branches.delete(region, name, branch)
            else:
                info: t.BranchInfoTypeDef = {"branchName": branch, "commitId": commit}
                self._model.branches.put((region, name, branch), info)
        else:
            tag = reference.removeprefix(TAGS)
            if commit is None:
                self._model.tags.delete(region, name, tag)
            else:
                self._model.tags.put((region, name, tag), {"commitId": commit})


def _choose_default(metadata: t.RepositoryMetadataTypeDef, actual: Mapping[str, str], now: datetime) -> None:
    branches = [each.removeprefix(BRANCHES) for each in sorted(actual) if each.startswith(BRANCHES)]
    if metadata.get("defaultBranch") is None and branches:
        metadata["defaultBranch"] = next((each for each in _FIRST_BRANCHES if each in branches), branches[0])
    metadata["lastModifiedDate"] = now


def _detail(
    metadata: t.RepositoryMetadataTypeDef, reference: str, old: str | None, new: str | None, caller: str | None
) -> dict[str, str]:
    """Return the event's detail. https://docs.aws.amazon.com/codecommit/latest/userguide/monitoring-events.html"""
    branch = reference.startswith(BRANCHES)
    detail: dict[str, Any] = {
        "event": "referenceCreated" if old is None else "referenceDeleted" if new is None else "referenceUpdated",
        "repositoryName": metadata["repositoryName"],
        "repositoryId": metadata["repositoryId"],
        "referenceType": "branch" if branch else "tag",
        "referenceName": reference.removeprefix(BRANCHES if branch else TAGS),
        "referenceFullName": reference,
        "commitId": new or old,
        "oldCommitId": old if new is not None else None,
        "callerUserArn": caller,
    }
    return {key: value for key, value in detail.items() if value is not None}
