"""Containers on any engine that speaks Docker's API. https://docs.docker.com/reference/api/engine/"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tidegate.cloud.planes.docker.endpoint import Endpoint
from tidegate.cloud.planes.docker.engine import Engine
from tidegate.cloud.planes.docker.images import Images
from tidegate.cloud.planes.docker.networks import Networks
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.planes.docker.purge import purge
from tidegate.cloud.planes.docker.reach import Reach
from tidegate.cloud.planes.docker.terminals import Terminals
from tidegate.cloud.planes.resolver import Resolvers


class Docker:
    """The container engine of one local cloud: its networks, images and pods. Nothing is connected until it is used."""

    def __init__(self, data_dir: Path, url: str | None = None) -> None:
        """`url` is the engine's address; None finds it where Docker's own client would."""
        self.engine = Engine(data_dir, url)
        self.reach = Reach(data_dir)
        self.networks = Networks(self.engine, self.reach)
        self.images = Images(self.engine)
        self.pods = Pods(self.engine, self.images, self.reach)
        self.terminals = Terminals(self.engine)
        self.endpoint = Endpoint(self.engine)
        self.resolvers = Resolvers(data_dir)

    async def purge(self, registries: Iterable[str]) -> None:
        """Remove everything that was made for this local cloud; see `planes.docker.purge`."""
        await purge(self.engine, registries)
