"""The head of a push: which references it would move, read before git sees a byte; and the answer that declines it.

https://git-scm.com/docs/pack-protocol#_reference_update_request_and_packfile_transfer
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

_COMMAND = re.compile(rb"^(?P<old>[0-9a-f]{40}) (?P<new>[0-9a-f]{40}) (?P<name>refs/[^\x00-\x20\x7f]+)$")
_SHALLOW = re.compile(rb"^shallow [0-9a-f]{40}$")
_ZERO = "0" * 40
_HEAD_LIMIT = 8 << 20  # bytes
_BAND_SIZE = 65_515


class PushError(Exception):
    """A request that is no push, as far as git would understand it."""


class Command(NamedTuple):
    """One reference that a push wants to move; None: not there (before, after)."""

    name: str
    old: str | None
    new: str | None


class Push(NamedTuple):
    """The head of a push. `body` is the whole request again, head included, for git to read."""

    commands: Sequence[Command]
    capabilities: frozenset[str]
    body: AsyncIterator[bytes]


async def read_push(body: AsyncIterator[bytes]) -> Push:
    """Return the head of a receive-pack request; raise `PushError` for anything that git might read otherwise.

    A bare flush (what a client sends to see whether it may push) is a push of nothing.
    """
    reader = _Reader(body)
    commands: list[Command] = []
    capabilities: frozenset[str] = frozenset()
    while (line := await reader.line()) is not None:
        if not commands:
            line, _, words = line.partition(b"\0")
            capabilities = frozenset(words.decode("utf-8", "replace").split())
        line = line.removesuffix(b"\n")
        match = _COMMAND.match(line)
        if match is not None:
            old, new = match["old"].decode(), match["new"].decode()
            name = match["name"].decode("utf-8", "surrogateescape")
            commands.append(Command(name, None if old == _ZERO else old, None if new == _ZERO else new))
        elif not _SHALLOW.match(line):
            raise PushError("the push is signed or malformed; push without a certificate")
    return Push(commands, capabilities, reader.again())


def declined(push: Push, reasons: Mapping[str, str], remark: str) -> bytes:
    """Return the answer that moves nothing: each command's reason, and a remark that git prints as `remote:` lines."""
    lines = [b"unpack ok\n"]
    lines += [
        b"ng %s %s\n" % (each.name.encode("utf-8", "surrogateescape"), reasons[each.name].encode())
        for each in push.commands
    ]
    report = b"".join(map(_packet, lines)) + b"0000"
    if "side-band-64k" not in push.capabilities:
        return report
    bands = [_packet(b"\x02" + f"{remark}\n".encode()[:_BAND_SIZE])]
    bands += [_packet(b"\x01" + report[at : at + _BAND_SIZE]) for at in range(0, len(report), _BAND_SIZE)]
    return b"".join(bands) + b"0000"


def _packet(content: bytes) -> bytes:
    return b"%04x%s" % (len(content) + 4, content)


class _Reader:
    """Reads packet lines and keeps what it read."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._buffer = bytearray()
        self._at = 0

    async def line(self) -> bytes | None:
        """Return the next line, or None at the flush."""
        try:
            size = int(await self._take(4), 16)
        except ValueError:
            raise PushError("a packet line has no length") from None
        if size == 0:
            return None
        if size < 5:
            raise PushError("a packet line is too short")
        return await self._take(size - 4)

    async def again(self) -> AsyncIterator[bytes]:
        """Yield everything from the beginning."""
        yield bytes(self._buffer)
        async for chunk in self._body:
            yield chunk

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < self._at + size:
            chunk = await anext(self._body, None)
            if chunk is None:
                raise PushError("the request ended before its commands did")
            self._buffer += chunk
            if self._at > _HEAD_LIMIT:
                raise PushError("the push moves too many references at once")
        taken = bytes(self._buffer[self._at : self._at + size])
        self._at += size
        return taken
