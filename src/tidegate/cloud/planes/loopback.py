"""Addresses and ports of this machine that only this machine reaches.

On Linux every address of 127.0.0.0/8 is there to be used. Each data folder has 254 of them, by its path, so that
two local clouds on one machine are not in each other's way. Elsewhere there is only 127.0.0.1.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Collection
from pathlib import Path

LOCALHOST = "127.0.0.1"
_HIGH = 18000  # a port that cannot be had is looked for from here on: 80 becomes 18080
_LAST = 65535


class Loopback:
    """The addresses of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        digest = hashlib.sha256(str(data_dir).encode()).digest()
        self._block = f"127.{digest[0] % 254 + 1}.{digest[1]}"  # 127.0.0.0/16 is other people's

    def free_address(self, taken: Collection[str]) -> str:
        """Return an address of the folder's own that is not taken; 127.0.0.1 where there are none, or no more."""
        for number in range(1, 255):
            address = f"{self._block}.{number}"
            if address not in taken:
                return address if can_bind(address, 0) else LOCALHOST
        return LOCALHOST

    def free_port(self, address: str, wanted: int, taken: Collection[int]) -> int:
        """Return `wanted` if that port of the address can be bound, or else one near 18000 that can."""
        if wanted not in taken and can_bind(address, wanted):
            return wanted
        start = _HIGH + wanted % 1000
        for port in range(start, _LAST):
            if port not in taken and can_bind(address, port):
                return port
        raise OSError(f"{address} has no free port from {start} on")


def can_bind(address: str, port: int) -> bool:
    """Return whether this process may listen on a port of an address, and nobody else does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError:
            return False
        return True
