"""Removes everything that a local cloud made on the engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable

from tidegate.cloud.planes.docker.endpoint import NAME as ENDPOINT
from tidegate.cloud.planes.docker.engine import OWNER_LABEL, Engine
from tidegate.cloud.planes.docker.images import PAUSE_IMAGE, Images
from tidegate.cloud.planes.docker.values import NotFoundError, RefusedError


async def purge(engine: Engine, registries: Iterable[str]) -> None:
    """Remove the containers, volumes and networks of the engine's owner, and the tags of its registries.

    `registries` are the addresses that image names start with (`127.0.0.1:4650`). The pause image and the network of
    the endpoint go with the last local cloud of the machine. Raises `EngineError` where the engine cannot be reached.
    """
    async with engine.client() as docker:
        containers = await docker.containers.list(all=1, filters=json.dumps(engine.filters))

    async def remove(container: object) -> None:
        with contextlib.suppress(NotFoundError):
            async with engine.client():
                await container.delete(force=True, v=True)  # type: ignore[attr-defined]

    await asyncio.gather(*map(remove, containers))
    async with engine.client() as docker:
        networks = await docker.networks.list(filters=engine.filters)
        for network in networks:
            await (await docker.networks.get(network["Id"])).delete()
        volumes = await docker.volumes.list(filters=engine.filters)  # type: ignore[no-untyped-call]
        for volume in volumes["Volumes"] or []:
            await (await docker.volumes.get(volume["Name"])).delete()  # type: ignore[no-untyped-call]
        others = await docker.containers.list(all=1, filters=json.dumps({"label": [OWNER_LABEL]}))
    images = Images(engine)
    for registry in registries:
        await images.remove(f"{registry}/")
    if not others:
        with contextlib.suppress(RefusedError):
            await images.remove(PAUSE_IMAGE)
        with contextlib.suppress(RefusedError):
            async with engine.client() as docker:
                await (await docker.networks.get(ENDPOINT)).delete()
