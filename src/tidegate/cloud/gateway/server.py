"""The HTTP server under the gateway: one application on one port, of loopback and of the addresses containers reach."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import uvicorn

_PREFIX = "data-"
LOOPBACK = "127.0.0.1"
_BACKLOG = 2048
_KEEP_ALIVE = 75  # seconds an idle connection is kept: longer than clients keep theirs

App = Callable[[Any, Any, Any], Awaitable[None]]

log = logging.getLogger(__name__)
# docker tries TLS before it speaks HTTP to a loopback registry: every push and pull would leave a warning
logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg != "Invalid HTTP request received.")


class PortTakenError(Exception):
    """The port cannot be had; the message says `what: why` and what to do."""


def bind(address: str, port: int) -> socket.socket:
    """Return a socket bound to the address; raise `PortTakenError`."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        why = "another program listens on it" if error.errno == errno.EADDRINUSE else str(error.strerror)
        raise PortTakenError(f"port {port}: {why}; stop that program or choose another with --port") from error
    sock.listen(_BACKLOG)
    return sock


class HttpServer:
    """Serves an ASGI application on one port of every address it is told to listen on."""

    def __init__(self, app: App, port: int) -> None:
        self.port = port
        self._app = app
        self._addresses: set[str] = set()
        self._group: asyncio.TaskGroup | None = None

    def allows(self, host: str) -> bool:
        """Return whether a Host header names this server: loopback, or an address it was told to listen on.

        Anything else is a page that had its name resolved to this machine (DNS rebinding). boto3 puts `data-` before
        the host for some operations; before a bare address that is no name that anybody could own.
        """
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name == "localhost" or name.endswith(".localhost") or name in self._addresses:
            return True
        bare = name.removeprefix(_PREFIX)
        try:
            return bare in self._addresses or ipaddress.ip_address(bare.strip("[]")).is_loopback
        except ValueError:
            return False

    async def run(self, sock: socket.socket) -> None:
        """Serve until cancelled, first on a socket that is already bound."""
        async with asyncio.TaskGroup() as self._group:
            await self._serve(sock)

    def listen(self, address: str) -> None:
        """Serve on the same port of another address, from now on; a second time is nothing new."""
        if address not in self._addresses and self._group is not None:
            sock = bind(address, self.port)
            self._addresses.add(address)
            self._group.create_task(self._serve(sock), name=f"http {address}")

    async def _serve(self, sock: socket.socket) -> None:
        config = uvicorn.Config(
            self._app,
            http="httptools",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=2,
        )
        await _Server(config).serve(sockets=[sock])


class _Server(uvicorn.Server):
    """A uvicorn server that leaves the signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def by_path(routes: Mapping[str, App], default: App, sockets: Mapping[str, App]) -> App:
    """Return an application that hands a request to the first route whose prefix its path starts with.

    Websockets go to `sockets` alone, and are refused (403) everywhere else.
    """

    async def application(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if scope["type"] == "websocket":
            app = next((app for prefix, app in sockets.items() if path.startswith(prefix)), _no_socket)
            await app(scope, receive, send)
            return
        app = next((app for prefix, app in routes.items() if path.startswith(prefix)), default)
        await app(scope, receive, send)

    return application


async def _no_socket(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.close"})
