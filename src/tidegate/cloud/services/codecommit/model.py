"""CodeCommit's records: repositories, and where their branches and tags are.

The truth about a branch is git's. The records follow it after every push, and are what others watch:
`codecommit.branch`, key (region, repository, branch).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_codecommit import type_defs as t

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.$|/$|^/|^-|^@$|(^|/)\.|\.lock($|/)")


class RepositoryRecord(TypedDict):
    """A repository as AWS shows it, with its tags."""

    metadata: t.RepositoryMetadataTypeDef
    tags: dict[str, str]


class TagRecord(TypedDict):
    """A git tag: the id of what it names."""

    commitId: str


class ChangeRecord(TypedDict):
    """A reference that moved, of which EventBridge has not heard yet."""

    time: datetime
    detail: dict[str, str]


class CodeCommitModel:
    """Repositories by region and name, branches and tags below them."""

    def __init__(self, store: Store, account: str, region: str, port: int) -> None:
        """`region` is the daemon's own: its repositories have the short URLs; `port` is the one it serves on."""
        self.account = account
        self.store = store
        self._region = region
        self._port = port
        self.repositories = Collection[RepositoryRecord](store, "codecommit.repository")
        self.branches: Collection[t.BranchInfoTypeDef] = Collection(store, "codecommit.branch")
        self.tags = Collection[TagRecord](store, "codecommit.tag")
        self.changes = Collection[ChangeRecord](store, "codecommit.change")
        self._kinds = (self.branches.kind, self.tags.kind, self.changes.kind)

    def arn(self, region: str, name: str) -> str:
        """Return a repository's ARN."""
        return f"arn:aws:codecommit:{region}:{self.account}:{name}"

    def clone_url(self, region: str, name: str) -> str:
        """Return where a repository is cloned from."""
        place = name if region == self._region else f"aws--{region}/{name}"
        return f"http://127.0.0.1:{self._port}/v1/repos/{place}"

    def find_by_path(self, path: str) -> tuple[str, str]:
        """Return the region and the name that the path of a clone URL, below `/v1/repos/`, stands for."""
        place, _, name = path.partition("/")
        if name and place.startswith("aws--"):
            return place.removeprefix("aws--"), name
        return self._region, path

    def by_id(self, region: str, identity: str) -> RepositoryRecord | None:
        """Return a repository by its id, whatever its name is by now."""
        records = self.repositories.values(region)
        return next((each for each in records if each["metadata"]["repositoryId"] == identity), None)

    def change_keys(self) -> list[Key]:
        """Return the changes that EventBridge has not heard of."""
        return [key for key, _ in self.changes.items()]

    def delete(self, region: str, name: str) -> None:
        """Remove a repository's records."""
        with self.store.transaction():
            for kind in self._kinds:
                for key, _ in self.store.items(kind, (region, name)):
                    self.store.delete(kind, key)
            self.repositories.delete(region, name)

    def rename(self, region: str, old: str, record: RepositoryRecord) -> None:
        """Move a repository's records to its new name, which `record` carries."""
        new = record["metadata"]["repositoryName"]
        with self.store.transaction():
            for kind in self._kinds:
                for key, each in self.store.items(kind, (region, old)):
                    self.store.delete(kind, key)
                    self.store.put(kind, (region, new, *key[2:]), each)
            self.repositories.delete(region, old)
            self.repositories.put((region, new), record)


def is_branch_name(name: str) -> bool:
    """Return whether git takes this as a branch's name. https://git-scm.com/docs/git-check-ref-format"""
    return bool(name) and _FORBIDDEN.search(name) is None
