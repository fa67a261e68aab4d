"""Messages of the data channel, byte by byte and there and back."""

from __future__ import annotations

import hashlib
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.deploy.agent_message import (
    ACKNOWLEDGE,
    INPUT,
    OUTPUT,
    MalformedError,
    Message,
    Payload,
    acknowledgement,
    decode,
    encode,
)

ID = UUID("00112233-4455-6677-8899-aabbccddeeff")


def test_the_layout_is_that_of_the_specification() -> None:
    data = encode(Message(INPUT, ID, 0x0102030405060708, b"ls\n", Payload.OUTPUT, sequence=5, flags=1))
    assert data[:4] == (116).to_bytes(4, "big")
    assert data[4:36] == b"input_stream_data".ljust(32)
    assert data[36:40] == (1).to_bytes(4, "big")
    assert data[40:48] == bytes([1, 2, 3, 4, 5, 6, 7, 8])
    assert data[48:56] == (5).to_bytes(8, "big")
    assert data[56:64] == (1).to_bytes(8, "big")
    assert data[64:80].hex() == "8899aabbccddeeff" + "0011223344556677"  # the lower half first
    assert data[80:112] == hashlib.sha256(b"ls\n").digest()
    assert data[112:116] == (1).to_bytes(4, "big")
    assert data[116:120] == (3).to_bytes(4, "big")
    assert data[120:] == b"ls\n"


@given(
    st.builds(
        Message,
        type=st.sampled_from([INPUT, OUTPUT, ACKNOWLEDGE]),
        id=st.uuids(),
        created=st.integers(0, 2**63 - 1),
        payload=st.binary(max_size=2000),
        kind=st.integers(0, 20),
        sequence=st.integers(0, 2**63 - 1),
        flags=st.integers(0, 3),
    )
)
def test_there_and_back(message: Message) -> None:
    assert decode(encode(message)) == message


def test_a_longer_header_is_skipped() -> None:
    data = encode(Message(OUTPUT, ID, 1, b"text", Payload.OUTPUT))
    longer = (120).to_bytes(4, "big") + data[4:120] + b"more" + data[120:]
    assert decode(longer).payload == b"text"


def test_a_type_padded_with_nulls_is_read() -> None:
    data = encode(Message(OUTPUT, ID, 1, b"text", Payload.OUTPUT))
    assert decode(data[:4] + b"output_stream_data".ljust(32, b"\0") + data[36:]).type == OUTPUT


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data)


def test_damage_is_noticed() -> None:
    data = encode(Message(OUTPUT, ID, 1, b"text", Payload.OUTPUT))
    with pytest.raises(MalformedError, match="hash"):
        decode(data[:-1] + b"T")
    with pytest.raises(MalformedError, match="4 bytes, but 3"):
        decode(data[:-1])


def test_an_acknowledgement_names_what_it_is_for() -> None:
    message = acknowledgement(Message(OUTPUT, ID, 1, sequence=7), UUID(int=1), 2)
    assert (message.type, message.flags, message.sequence) == (ACKNOWLEDGE, 3, 0)
    assert json.loads(message.payload) == {
        "AcknowledgedMessageType": OUTPUT,
        "AcknowledgedMessageId": str(ID),
        "AcknowledgedMessageSequenceNumber": 7,
        "IsSequentialMessage": True,
    }
