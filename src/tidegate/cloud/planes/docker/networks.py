"""Networks with addresses of one's own choosing, wherever the engine can place them.

A network is asked for with a range (`10.0.0.0/16`). Where that range is free, containers have the very addresses
they were given. Where it is not (another network has it, or the machine itself routes it elsewhere: an office
network, a VPN), a range of the same size is taken and every address keeps its offset in it; `real` translates.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.cloud.planes.docker.engine import Engine
from tidegate.cloud.planes.docker.reach import Range, Reach, translated
from tidegate.cloud.planes.docker.values import EngineError, NotFoundError, RefusedError

_NAME_LABEL = "dev.tidegate.network"
_RANGE_LABEL = "dev.tidegate.range"
_POOLS = ("10.128.0.0/9", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "10.0.0.0/9")
_ROUTES = Path("/proc/net/route")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Network:
    """A network as asked for and as made. `gateway` is this machine's address on it."""

    name: str
    asked: Range
    made: Range
    gateway: str

    def real(self, address: str) -> str:
        """Return the address that a container asked to have `address` really has."""
        return translated(address, self.asked, self.made)


class Networks:
    """The networks of this data folder's local cloud, by the names that it gave them."""

    def __init__(self, engine: Engine, reach: Reach) -> None:
        self._engine = engine
        self._reach = reach
        self._known: dict[str, Network] = {}
        self._making = asyncio.Lock()

    async def ensure(self, name: str, asked: str) -> Network:
        """Return the network of this name, made now if there is none; raise `EngineError`."""
        async with self._making:  # the engine makes a second network of the same name without a word
            await self.refresh()
            if name not in self._known:
                self._known[name] = await self._create(name, Range(asked))
            network = self._known[name]
        self._reach.note_network(name, network.asked, network.made)
        return network

    async def remove(self, name: str) -> None:
        """Remove a network that no container is on (any more)."""
        self._known.pop(name, None)
        async with self._engine.client() as docker:
            found = await docker.networks.list(filters=self._engine.filters)
        for each in found:
            if each["Labels"].get(_NAME_LABEL) == name:
                with contextlib.suppress(NotFoundError):
                    async with self._engine.client() as docker:
                        await (await docker.networks.get(each["Id"])).delete()
        self._reach.forget_network(name)

    async def names(self) -> set[str]:
        """Return the names of all networks."""
        await self.refresh()
        return set(self._known)

    async def refresh(self) -> None:
        """Learn again from the engine which networks there are."""
        async with self._engine.client() as docker:
            found = await docker.networks.list(filters=self._engine.filters)
        self._known = {}
        for each in found:
            if _NAME_LABEL in each["Labels"]:
                network = _read(each)
                self._known[network.name] = network

    async def _create(self, name: str, asked: Range) -> Network:
        async with self._engine.client() as docker:
            others = await docker.networks.list()
        taken = [
            Range(config["Subnet"])
            for each in others
            for config in (each["IPAM"]["Config"] or [])
            if ":" not in config["Subnet"]
        ]
        taken += list(_routed())
        refusal = "no free range of its size is left"
        for candidate in _candidates(asked):
            if any(candidate.overlaps(other) for other in taken):
                continue
            gateway = str(candidate.network_address + 1)
            config = {
                "Name": f"tidegate-{name}",
                "CheckDuplicate": True,
                "Driver": "bridge",
                "Labels": {**self._engine.labels, _NAME_LABEL: name, _RANGE_LABEL: str(asked)},
                "IPAM": {"Config": [{"Subnet": str(candidate), "Gateway": gateway}]},
            }
            try:
                async with self._engine.client() as docker:
                    await docker.networks.create(config)
            except RefusedError as error:
                refusal = error.message
                continue  # somebody was quicker, or the engine knows a reason that we do not
            if candidate != asked:
                log.warning("network %s: %s is in use on this machine, made as %s", name, asked, candidate)
            return Network(name, asked, candidate, gateway)
        raise EngineError(f"network {name}: {asked} cannot be made: {refusal}")


def _read(found: Mapping[str, Any]) -> Network:
    config = found["IPAM"]["Config"][0]
    labels = found["Labels"]
    return Network(labels[_NAME_LABEL], Range(labels[_RANGE_LABEL]), Range(config["Subnet"]), config["Gateway"])


def _candidates(asked: Range) -> Iterator[Range]:
    """Yield the range asked for, then others of its size: as many as can sensibly be tried."""
    yield asked
    for pool in map(Range, _POOLS):
        if pool.prefixlen <= asked.prefixlen:
            for number, candidate in enumerate(pool.subnets(new_prefix=asked.prefixlen)):
                if number == 256:
                    break
                yield candidate


def _routed() -> Iterator[Range]:
    """Yield the ranges that this machine routes somewhere already, its default route apart.

    https://docs.kernel.org/networking/proc_net_tcp.html describes the file's encoding: little-endian hexadecimal.
    """
    if not sys.platform.startswith("linux") or not _ROUTES.exists():
        return
    for line in _ROUTES.read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[n]), "little") for n in (1, 7))
        if mask:
            yield Range((address, mask.bit_count()))
