"""Images: pulled with a login, and removed again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from tidegate.cloud.planes.docker.engine import Engine
from tidegate.cloud.planes.docker.pause import image_archive
from tidegate.cloud.planes.docker.values import EngineError, ImageError, RefusedError, RegistryLogin

if TYPE_CHECKING:
    import aiodocker

PAUSE_IMAGE = "tidegate/pause:1"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the engine has: its id there, its digest in the registry (None: never pushed or pulled)."""

    id: str
    digest: str | None
    config: Mapping[str, Any]
    size: int


class Images:
    """The engine's images."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._making = asyncio.Lock()
        self._pulling: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def pull(self, name: str, login: RegistryLogin | None = None) -> Image:
        """Have the registry's image of this name and return it; raise `ImageError` with the registry's words."""
        auth = None if login is None else {"username": login.username, "password": login.password}
        lock = self._pulling.setdefault(name, asyncio.Lock())
        try:
            # one after the other: the engine takes ten times as long for the same image twice at once
            async with lock, self._engine.client() as docker:
                if auth is not None and "@" in name:
                    await self._ask_for(docker, name, auth)
                await docker.images.pull(name, auth=auth)
        except RefusedError as error:
            raise ImageError(error.message) from error
        return await self.inspect(name)

    async def inspect(self, name: str) -> Image:
        """Return an image that the engine has; raise `ImageError` where it has none of this name."""
        try:
            async with self._engine.client() as docker:
                found = await docker.images.inspect(name)
        except RefusedError as error:
            raise ImageError(error.message) from error
        repository = _without_tag(name.partition("@")[0])
        digests = [each for each in found.get("RepoDigests") or [] if each.startswith(repository + "@")]
        digest = digests[0].partition("@")[2] if digests else None
        return Image(found["Id"], digest, found["Config"] or {}, found["Size"])

    async def ensure_pause(self) -> str:
        """Return the name of the image that holds a pod's network, made now if the engine lacks it."""
        async with self._making:
            try:
                await self.inspect(PAUSE_IMAGE)
            except ImageError:
                async with self._engine.client() as docker:
                    architecture = (await docker.version())["Arch"]
                if architecture not in _MACHINES:
                    why = f"its processor is {architecture}, not amd64 or arm64"
                    raise EngineError(f"container engine: {why}") from None
                await self._import(image_archive(_MACHINES[architecture]))
        return PAUSE_IMAGE

    async def remove(self, prefix: str) -> None:
        """Remove every tag whose name starts so, and with its last tag the image, unless a container uses it."""
        async with self._engine.client() as docker:
            images = await docker.images.list()
        for image in images:
            for tag in [*(image.get("RepoTags") or []), *(image.get("RepoDigests") or [])]:
                if tag.startswith(prefix):
                    await self._untag(tag)

    async def _untag(self, tag: str) -> None:
        try:
            async with self._engine.client() as docker:
                await docker.images.delete(tag)
        except RefusedError as error:
            if error.status not in (404, 409):  # gone already, or in use
                raise

    async def _ask_for(self, docker: aiodocker.Docker, name: str, auth: dict[str, str]) -> None:
        """Have the registry say that it has an image: an engine that knows the digest does not ask any more."""
        from aiodocker.utils import compose_auth_header

        headers = {"X-Registry-Auth": compose_auth_header(auth)}
        await docker._query_json(f"distribution/{name}/json", headers=headers)

    async def _import(self, archive: bytes) -> None:
        """Make an image of one layer (`POST /images/create?fromSrc=-`, which the client library does not wrap)."""
        repository, _, tag = PAUSE_IMAGE.partition(":")
        async with self._engine.client() as docker:
            parameters = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": 'ENTRYPOINT ["/pause"]'}
            async with docker._query("images/create", "POST", params=parameters, data=archive) as response:
                await response.read()


def _without_tag(name: str) -> str:
    head, separator, tail = name.rpartition(":")
    return head if separator and "/" not in tail else name
