"""One request over HTTP/2, for health probes: its status, or that of a gRPC call.

https://datatracker.ietf.org/doc/html/rfc9113 and https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

if TYPE_CHECKING:
    from tidegate.cloud.planes.probe import Probe

_READ = 65536
_EMPTY_MESSAGE = b"\0\0\0\0\0"  # not compressed, no bytes long


async def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, probe: Probe) -> int | None:
    """Ask once on a connection that is open; return the status, or None where there is none. May raise OSError."""
    grpc = probe.speaks == "grpc"
    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    headers = [
        (":method", "POST" if grpc else "GET"),
        (":scheme", "https" if probe.tls else "http"),
        (":authority", probe.authority),
        (":path", probe.path),
        ("user-agent", probe.agent),
    ]
    if grpc:
        headers += [("content-type", "application/grpc"), ("te", "trailers")]
    connection.send_headers(stream, headers, end_stream=not grpc)
    if grpc:
        connection.send_data(stream, _EMPTY_MESSAGE, end_stream=True)
    writer.write(connection.data_to_send())
    while True:
        received = await reader.read(_READ)
        try:
            events = connection.receive_data(received) if received else [ConnectionTerminated()]
        except ProtocolError:
            return None
        for event in events:
            found, ended = _status(event, grpc=grpc)
            if found is not None or ended:
                return found
            if isinstance(event, DataReceived):
                connection.acknowledge_received_data(event.flow_controlled_length, stream)
        writer.write(connection.data_to_send())


def _status(event: Event, *, grpc: bool) -> tuple[int | None, bool]:
    """Return the status that an event brings, and whether none will come any more."""
    if isinstance(event, ResponseReceived | TrailersReceived):
        return _number(event.headers or (), "grpc-status" if grpc else ":status"), False
    return None, isinstance(event, StreamEnded | StreamReset | ConnectionTerminated)


def _number(headers: Iterable[Any], name: str) -> int | None:
    text = next((str(value) for key, value in headers if key == name), "")
    return int(text) if text.isdecimal() else None
