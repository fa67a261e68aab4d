"""Messages between a container's agent and its client: how they are laid out in bytes. Pure.

It is the binary protocol of AWS Systems Manager's Session Manager, as its published client has it
(github.com/aws/session-manager-plugin, `src/message`). Numbers are big-endian:

    offset   0 length of the header up to the payload's length (116)     4 message type, padded with spaces (32)
            36 schema version (4)     40 created, ms since 1970 (8)     48 sequence number (8)     56 flags (8)
            64 message id: a UUID, the less significant half first (16)     80 SHA-256 of the payload (32)
           112 payload type (4)     116 length of the payload (4)     120 the payload
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from tidegate.cloud.documents import from_json

INPUT: Final = "input_stream_data"
OUTPUT: Final = "output_stream_data"
ACKNOWLEDGE: Final = "acknowledge"
CLOSED: Final = "channel_closed"

# what a payload is
NOTHING, TERMINAL, SIZE = 0, 1, 3
HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HANDSHAKE_COMPLETE = 5, 6, 7
FLAG = 10

FIRST, ACKNOWLEDGING = 1, 3  # flags

_LAYOUT = struct.Struct(">I32sIQqQ16s32sII")
_HEADER = _LAYOUT.size - 4


class MalformedError(ValueError):
    """These bytes are no message."""


@dataclass(frozen=True, slots=True)
class AgentMessage:
    """A message; `created` in milliseconds since 1970."""

    type: str
    created: int
    payload: bytes = b""
    kind: int = NOTHING
    sequence: int = 0
    flags: int = 0
    id: UUID | None = None

    def document(self) -> Any:
        """Return the payload as the JSON document that it is; raise `MalformedError`."""
        try:
            return from_json(self.payload)
        except ValueError as error:
            raise MalformedError(f"the payload of {self.type} is no JSON") from error


def packed(message: AgentMessage) -> bytes:
    """Return a message's bytes; one without an id gets one."""
    identity = (message.id or uuid4()).bytes
    return (
        _LAYOUT.pack(
            _HEADER,
            message.type.encode().ljust(32),
            1,
            message.created,
            message.sequence,
            message.flags,
            identity[8:] + identity[:8],
            hashlib.sha256(message.payload).digest(),
            message.kind,
            len(message.payload),
        )
        + message.payload
    )


def unpacked(data: bytes) -> AgentMessage:
    """Return the message that bytes are; raise `MalformedError`."""
    if len(data) < _LAYOUT.size:
        raise MalformedError("it is too short")
    header, name, _, created, sequence, flags, identity, digest, kind, size = _LAYOUT.unpack_from(data)
    payload = data[header + 4 :]
    if header < _HEADER or len(payload) != size:
        raise MalformedError("its length is not the one that it says")
    if size and hashlib.sha256(payload).digest() != digest:
        raise MalformedError("its payload does not have the hash that it says")
    text = name.strip(b"\0 ").decode("ascii", "replace")
    return AgentMessage(text, created, payload, kind, sequence, flags, UUID(bytes=identity[8:] + identity[:8]))
