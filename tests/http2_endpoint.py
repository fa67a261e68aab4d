"""A small HTTP/2 server without TLS that tells what it was asked, as `HttpEndpoint` does over HTTP/1.1."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived


@dataclass
class Http2Endpoint:
    """Answers every request with its name and its headers; `seen` has what was asked for."""

    name: str = "endpoint"
    host: str = "127.0.0.1"
    port: int = 0
    seen: list[str] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def start(self) -> Http2Endpoint:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

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
        finally:
            writer.close()
