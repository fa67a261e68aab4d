"""A small HTTP/2 server without TLS that tells what it was asked, as `HttpEndpoint` does over HTTP/1.1."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from tests.tcp_server import TcpServer


@dataclass
class Http2Endpoint:
    """Answers every request with its name and its headers; `seen` has what was asked for."""

    name: str = "endpoint"
    host: str = "127.0.0.1"
    port: int = 0
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = TcpServer(self._serve)

    async def start(self) -> Http2Endpoint:
        self.port = await self._server.start(self.host, self.port)
        return self

    async def stop(self) -> None:
        await self._server.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        try:
            while data := await reader.read(65536):
                for event in connection.receive_data(data):
                    if isinstance(event, RequestReceived):
                        assert event.headers is not None
                        assert event.stream_id is not None
                        headers = {str(name): str(value) for name, value in event.headers}
                        self.seen.append(headers[":path"])
                        body = json.dumps({"name": self.name, "headers": headers}).encode()
                        connection.send_headers(
                            event.stream_id, [(":status", "200"), ("content-length", str(len(body)))]
                        )
                        connection.send_data(event.stream_id, body, end_stream=True)
                writer.write(connection.data_to_send())
        except ConnectionError:
            pass
