"""An address of this machine that every container reaches and that AWS's clients take credentials from.

The clients accept plain HTTP from loopback and from two addresses only; 169.254.170.2 is one of them. A bridge network
whose gateway has that address makes it this machine's: packets of containers on any other bridge come to it by their
own gateway, so no container has to be on that network. All local clouds of a machine share it.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from tidegate.cloud.planes.docker.engine import Engine
from tidegate.cloud.planes.docker.values import EngineError

ADDRESS = "169.254.170.2"
NAME = "tidegate-endpoint"
_RANGE = "169.254.170.0/24"
_LABEL = "dev.tidegate.endpoint"

log = logging.getLogger(__name__)


class Endpoint:
    """The address, made when it is first needed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._making = asyncio.Lock()
        self._refused = False

    async def ensure(self) -> str | None:
        """Return the address; None where it cannot be this machine's: the engine runs in another kernel, or refuses."""
        if not self._engine.is_local or self._refused:
            return None
        async with self._making:
            if not _is_here():
                await self._make()
        return ADDRESS if _is_here() else None

    async def _make(self) -> None:
        config = {
            "Name": NAME,
            "Driver": "bridge",
            "Labels": {_LABEL: ADDRESS},
            "IPAM": {"Config": [{"Subnet": _RANGE, "Gateway": ADDRESS}]},
        }
        try:
            async with self._engine.client() as docker:
                await docker.networks.create(config)
        except EngineError as error:
            self._refused = not _is_here()  # else another local cloud was quicker
            if self._refused:
                log.warning("tasks have neither credentials nor metadata: %s cannot be made: %s", ADDRESS, error)


def _is_here() -> bool:
    """Return whether the address is this machine's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((ADDRESS, 0))
        except OSError:
            return False
    return True
