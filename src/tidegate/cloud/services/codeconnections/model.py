"""CodeConnections' records: connections by region and id; copies of repositories (mirrors) by host and name.

The truth about a mirror's branches is git's. The records follow it after every push, and are what others watch:
`codeconnections.reference`, key (host, repository, reference).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_codeconnections import type_defs as t

NAMES = ("codeconnections", "codestar-connections")  # the service's, and the one it had until March 2024


class ConnectionRecord(TypedDict):
    """A connection as AWS shows it, with its tags."""

    connection: t.ConnectionTypeDef
    tags: list[t.TagTypeDef]


class MirrorRecord(TypedDict):
    """The copy of a repository; `head` is the branch that a clone checks out, empty before there is one."""

    created: datetime
    head: str


class ReferenceRecord(TypedDict):
    """What a branch or a tag of a mirror is at."""

    commitId: str


class CodeConnectionsModel:
    """Connections, and mirrors, which are of no region: what they are copies of is not either."""

    def __init__(self, store: Store, account: str, region: str, endpoint: str) -> None:
        """`region` is the daemon's own, `endpoint` its address."""
        self.account = account
        self.region = region
        self.transaction = store.transaction
        self.endpoint = endpoint
        self.connections = Collection[ConnectionRecord](store, "codeconnections.connection")
        self.mirrors = Collection[MirrorRecord](store, "codeconnections.mirror")
        self.references = Collection[ReferenceRecord](store, "codeconnections.reference")

    def arn(self, service: str, region: str, identity: str) -> str:
        """Return a connection's ARN, which has the name of the service that it was made through."""
        return f"arn:aws:{service}:{region}:{self.account}:connection/{identity}"

    def find(self, arn: str) -> ConnectionRecord | None:
        """Return the connection of an ARN."""
        record = self.connections.get(*connection_key(arn))
        return record if record is not None and record["connection"].get("ConnectionArn") == arn else None

    def regions(self) -> list[str]:
        """Return the regions that somebody may push from: the daemon's own, and those that have a connection."""
        return list(dict.fromkeys([self.region, *(key[0] for key, _ in self.connections.items())]))

    def mirror_keys(self) -> list[Key]:
        """Return all mirrors."""
        return [key for key, _ in self.mirrors.items()]


def connection_key(arn: str) -> Key:
    """Return the key of a connection's record."""
    parts = arn.split(":", 5)
    return (parts[3], parts[-1].partition("/")[2]) if len(parts) == 6 else ("", "")


def service_of(arn: str) -> str:
    """Return the name of the service in an ARN, which is the prefix of the actions that IAM knows."""
    service = arn.split(":", 3)[2]
    return service if service in NAMES else NAMES[0]
