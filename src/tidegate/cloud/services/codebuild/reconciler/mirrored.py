"""Sources at GitHub, GitLab and Bitbucket: read from their local copies, as far as the build's role may.

https://docs.aws.amazon.com/codebuild/latest/userguide/access-tokens.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidegate.cloud.call import Caller, Calls, Context
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.mirrors import HOSTS, mirror_id, no_copy, repository_name
from tidegate.cloud.planes.git.repositories import GitRepositories

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

PROVIDERS = {"GITHUB": "GitHub", "GITLAB": "GitLab", "BITBUCKET": "Bitbucket"}


class UnreadableError(Exception):
    """A repository that cannot be read; the message says why."""


class MirroredSources:
    """Finds the copy of a repository that somebody else keeps.

    A source without `auth` counts as one that anybody may read at its host, for that cannot be asked here. One with a
    connection needs what AWS asks of the build's role to get the connection's token.
    """

    def __init__(self, repositories: GitRepositories, calls: Calls, clock: Clock, endpoint: str) -> None:
        """`endpoint` is the daemon's address, which a user pushes copies to."""
        self._repositories = repositories
        self._calls = calls
        self._clock = clock
        self._endpoint = endpoint

    async def url(self, source: t.ProjectSourceTypeDef, caller: Caller) -> str:
        """Return where git clones a source's copy from; raise `UnreadableError`."""
        provider = PROVIDERS[source["type"]]
        parts = urlsplit(source["location"])
        name = repository_name(HOSTS[provider], parts.path.removeprefix("/"))
        if name is None or parts.hostname != HOSTS[provider]:
            raise UnreadableError(f"{source['location']} is not the address of a repository at {provider}")
        if "auth" in source:
            await self._authorize(source["auth"].get("resource", ""), provider, caller)
        path = self._repositories.path(mirror_id(HOSTS[provider], name))
        if not path.exists() or not await self._repositories.references(path.stem):
            raise UnreadableError(no_copy(HOSTS[provider], name, self._endpoint))
        return path.absolute().as_uri()

    async def _authorize(self, connection: str, provider: str, caller: Caller) -> None:
        service = connection.split(":")[2]
        try:
            found = (await caller(service, "get_connection", ConnectionArn=connection))["Connection"]
            context = Context(caller.principal, caller.region, self._clock.new_id())
            self._calls.authorize(context, f"{service}:GetConnectionToken", connection)
        except ServiceError as error:
            raise UnreadableError(f"Failed to get access token from {connection}: {error.message}") from error
        if found["ProviderType"] != provider:
            raise UnreadableError(f"The connection {connection} is one to {found['ProviderType']}, not to {provider}")
