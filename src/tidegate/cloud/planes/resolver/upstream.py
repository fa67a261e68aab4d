"""The resolvers that this machine itself asks: what is not ours is passed on to them as it comes."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import cast

RESOLV_CONF = Path("/etc/resolv.conf")
_PATIENCE = 2.0  # seconds for each of them
PORT = 53


class Upstream:
    """https://man7.org/linux/man-pages/man5/resolv.conf.5.html"""

    def __init__(self, path: Path = RESOLV_CONF) -> None:
        self._path = path
        self._read: tuple[float, list[str]] = (0.0, [])

    def servers(self) -> list[str]:
        """Return the addresses of the machine's resolvers, read again when they change."""
        try:
            changed = self._path.stat().st_mtime
        except OSError:
            return []
        if changed != self._read[0]:
            self._read = (changed, nameservers(self._path.read_text(errors="replace")))
        return self._read[1]

    async def ask(self, question: bytes, *, stream: bool) -> bytes | None:
        """Return the first answer to a question, both as they go over the wire; None where nobody answers."""
        for server in self.servers():
            try:
                async with asyncio.timeout(_PATIENCE):
                    return await (_over_tcp if stream else _over_udp)(server, question)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                continue
        return None


def nameservers(text: str) -> list[str]:
    """Return the addresses in a resolver's configuration."""
    words = [line.split() for line in text.splitlines()]
    return [each[1] for each in words if len(each) > 1 and each[0] == "nameserver"]


class _Asking(asyncio.DatagramProtocol):
    def __init__(self, question: bytes) -> None:
        self._question = question
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.DatagramTransport", transport).sendto(self._question)  # asyncio's own is not a subclass

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._question[:2] and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(server: str, question: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, asking = await loop.create_datagram_endpoint(lambda: _Asking(question), remote_addr=(server, PORT))
    try:
        return await asking.answer
    finally:
        transport.close()


async def _over_tcp(server: str, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server, PORT)
    try:
        writer.write(struct.pack("!H", len(question)) + question)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()
