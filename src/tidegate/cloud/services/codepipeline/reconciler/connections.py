"""The repositories that connections lead to: their local copies, as those of the pipelines that use them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from tidegate.cloud.call import Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.mirrors import HOSTS, mirror_id, no_copy, repository_name
from tidegate.cloud.planes.git.objects import Change, Commit
from tidegate.cloud.services.codepipeline.reconciler.run import SERVICE


class UnconnectedError(Exception):
    """A repository that cannot be reached; the message is the user's."""


class Connected(NamedTuple):
    """A repository behind a connection: its provider (GitHub), its host, its name, its copy's id."""

    provider: str
    host: str
    name: str
    id: str


class Objects(Protocol):
    """What is in a copy."""

    async def resolve(self, repository: str, specifier: str) -> str | None: ...
    async def commit(self, repository: str, commit: str) -> Commit | None: ...
    async def changes(self, repository: str, old: str | None, new: str, path: str = "") -> Sequence[Change]: ...
    async def common(self, repository: str, one: str, other: str) -> str | None: ...
    def archive(self, repository: str, commit: str) -> AsyncIterator[bytes]: ...


class Copies(Protocol):
    """Where the branches and tags of a copy are."""

    def exists(self, repository: str) -> bool: ...
    async def references(self, repository: str) -> Mapping[str, str]: ...


class Connections:
    """Finds copies by connections, and reads them."""

    def __init__(self, calls: Calls, copies: Copies, objects: Objects, endpoint: str) -> None:
        """`endpoint` is the daemon's address, which a user pushes copies to."""
        self._calls = calls
        self._copies = copies
        self._endpoint = endpoint
        self.objects = objects

    async def find(self, region: str, configuration: Mapping[str, str]) -> Connected:
        """Return the repository of a source action's configuration; raise `UnconnectedError`."""
        arn = configuration["ConnectionArn"]
        service = arn.split(":")[2]
        try:
            answer = await self._calls.as_service(SERVICE, region)(service, "get_connection", ConnectionArn=arn)
        except ServiceError as error:
            raise UnconnectedError(error.message) from error
        provider = answer["Connection"]["ProviderType"]
        name = repository_name(HOSTS[provider], configuration["FullRepositoryId"])
        if name is None:
            raise UnconnectedError(f"{configuration['FullRepositoryId']} is not a repository's name at {provider}")
        return Connected(provider, HOSTS[provider], name, mirror_id(HOSTS[provider], name))

    async def references(self, repository: Connected) -> Mapping[str, str]:
        """Return the branches and tags of a copy; none where there is no copy yet."""
        return await self._copies.references(repository.id) if self._copies.exists(repository.id) else {}

    def no_copy(self, repository: Connected) -> str:
        """Say that there is no copy yet, and how to make one."""
        return no_copy(repository.host, repository.name, self._endpoint)
