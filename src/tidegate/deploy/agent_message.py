"""Messages of the data channel to a container's agent: how they are laid out in bytes. Pure.

The layout is that of the open-source session-manager-plugin (github.com/aws/session-manager-plugin, `src/message`):
a header of 120 bytes, all numbers big-endian, then the payload.

    header length  4 (116: it does not count the payload length)
    message type  32 (padded with spaces)
    schema version 4, created (ms since 1970) 8, sequence number 8, flags 8
    message id    16 (a UUID, its lower half first)
    SHA-256 of the payload 32, payload type 4, payload length 4
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from uuid import UUID

INPUT = "input_stream_data"
OUTPUT = "output_stream_data"
ACKNOWLEDGE = "acknowledge"
CHANNEL_CLOSED = "channel_closed"
START_PUBLICATION = "start_publication"
PAUSE_PUBLICATION = "pause_publication"

_HEADER = struct.Struct(">I32sIQqQ16s32sII")
_LENGTH_OF_PAYLOAD_LENGTH = 4
_HEADER_LENGTH = _HEADER.size - _LENGTH_OF_PAYLOAD_LENGTH
_SCHEMA = 1
_SYN_AND_FIN = 3
_UNHASHED = (START_PUBLICATION, PAUSE_PUBLICATION)


class Payload(IntEnum):
    """What a payload is."""

    NOTHING = 0
    OUTPUT = 1
    ERROR = 2
    SIZE = 3
    PARAMETER = 4
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    ENCRYPTION_CHALLENGE_REQUEST = 8
    ENCRYPTION_CHALLENGE_RESPONSE = 9
    FLAG = 10
    STANDARD_ERROR = 11
    EXIT_CODE = 12


class MalformedError(ValueError):
    """These bytes are no message, or were damaged on the way."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `created` is in milliseconds since 1970; `kind` may be one that `Payload` does not know."""

    type: str
    id: UUID
    created: int
    payload: bytes = b""
    kind: int = Payload.NOTHING
    sequence: int = 0
    flags: int = 0

    def document(self) -> Any:
        """Return the payload as the JSON document that it is; raise `MalformedError` where it is none."""
        try:
            return json.loads(self.payload)
        except ValueError as error:
            raise MalformedError(f"the payload of {self.type} is not JSON: {error}") from None


def encode(message: Message) -> bytes:
    """Return a message's bytes."""
    identity = message.id.bytes
    header = _HEADER.pack(
        _HEADER_LENGTH,
        message.type.encode().ljust(32),
        _SCHEMA,
        message.created,
        message.sequence,
        message.flags,
        identity[8:] + identity[:8],
        hashlib.sha256(message.payload).digest(),
        message.kind,
        len(message.payload),
    )
    return header + message.payload


def decode(data: bytes) -> Message:
    """Return the message that these bytes are; raise `MalformedError`.

    A longer header than today's is allowed for, as the agent's own client does.
    """
    if len(data) < _HEADER.size:
        raise MalformedError(f"{len(data)} bytes are no message")
    length, kind, _, created, sequence, flags, identity, digest, payload_kind, size = _HEADER.unpack_from(data)
    payload = data[length + _LENGTH_OF_PAYLOAD_LENGTH :]
    if length < _HEADER_LENGTH or len(payload) != size:
        raise MalformedError(f"it says that its payload has {size} bytes, but {len(payload)} have come")
    name = kind.strip(b"\0 ").decode("ascii", "replace")
    if size and name not in _UNHASHED and hashlib.sha256(payload).digest() != digest:
        raise MalformedError(f"the payload of {name} does not have the hash that it is said to have")
    return Message(name, UUID(bytes=identity[8:] + identity[:8]), created, payload, payload_kind, sequence, flags)


def acknowledgement(message: Message, identity: UUID, created: int) -> Message:
    """Return the message that acknowledges one."""
    content = {
        "AcknowledgedMessageType": message.type,
        "AcknowledgedMessageId": str(message.id),
        "AcknowledgedMessageSequenceNumber": message.sequence,
        "IsSequentialMessage": True,
    }
    return Message(ACKNOWLEDGE, identity, created, json.dumps(content).encode(), flags=_SYN_AND_FIN)
