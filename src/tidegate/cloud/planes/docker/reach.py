"""Where this machine reaches what runs in pods: remembered in a file, so that the answer is there at once and lasts.

Usually a pod is reached at its own address. It is not where its network had to be made with another range, or where
the engine runs in another kernel (Docker Desktop) and ports of this machine stand for the pod's.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

_FILE = "reach.json"

Range = ipaddress.IPv4Network


class Reach:
    """Translations of addresses, by network; and published ports, by network, address and port."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / _FILE
        self._networks: dict[str, tuple[Range, Range]] = {}
        self._published: dict[str, tuple[str, int]] = {}
        if self._path.exists():
            document = json.loads(self._path.read_text())
            self._networks = {name: (Range(a), Range(b)) for name, (a, b) in document["networks"].items()}
            self._published = {place: (host, port) for place, (host, port) in document["published"].items()}

    def __call__(self, network: str, address: str, port: int) -> tuple[str, int]:
        """Return host and port at which a port of the pod with `address` on `network` is reached."""
        published = self._published.get(_place(network, address, port))
        if published is not None:
            return published
        ranges = self._networks.get(network)
        return (address if ranges is None else translated(address, *ranges)), port

    def note_network(self, network: str, asked: Range, made: Range) -> None:
        """Remember with which range a network was made."""
        if self._networks.get(network) != (asked, made):
            self._networks[network] = (asked, made)
            self._write()

    def forget_network(self, network: str) -> None:
        """Forget a network and what was published on it."""
        self._networks.pop(network, None)
        self._published = {k: v for k, v in self._published.items() if not k.startswith(f"{network}/")}
        self._write()

    def note_published(self, network: str, address: str, ports: dict[int, tuple[str, int]]) -> None:
        """Remember which ports of this machine stand for a pod's."""
        self._published |= {_place(network, address, port): place for port, place in ports.items()}
        self._write()

    def _write(self) -> None:
        networks = {name: [str(asked), str(made)] for name, (asked, made) in self._networks.items()}
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps({"networks": networks, "published": self._published}))
        temporary.replace(self._path)


def translated(address: str, asked: Range, made: Range) -> str:
    """Return the address of the same offset in another range."""
    offset = int(ipaddress.IPv4Address(address)) - int(asked.network_address)
    return str(made.network_address + offset)


def _place(network: str, address: str, port: int) -> str:
    return f"{network}/{address}/{port}"
