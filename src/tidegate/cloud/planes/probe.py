"""Health probes: begun, and heard of when they have ended.

A probe opens a connection, encrypted or not, asks once and reads the status; what follows is not looked at. One of
`tcp` asks nothing: that somebody accepts the connection is enough. No certificate is looked at.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n")
_LONGEST_LINE = 8192

Name = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked: `GET path` of a host and port. `authority` is the Host header, `timeout` in seconds.

    `grpc` calls the method `path` with an empty message instead.
    """

    host: str
    port: int
    path: str
    authority: str
    timeout: float
    agent: str
    speaks: Literal["http1", "http2", "grpc", "tcp"] = "http1"
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """The status that came; without one, `timed_out` says whether it was waited for in vain.

    Of gRPC it is the call's status. `connected` says that a connection was accepted.
    """

    status: int | None = None
    timed_out: bool = False
    connected: bool = False


class ProbePlane:
    """Runs probes by name. `ended` is called with the name when its result is there to be taken."""

    def __init__(self, ended: Callable[[Name], None]) -> None:
        self._ended = ended
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[Name, asyncio.Task[None]] = {}
        self._results: dict[Name, Result] = {}

    async def run(self) -> None:
        """Own the probes until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._group:
                await asyncio.Event().wait()
        finally:
            self._group = None

    def start(self, name: Name, probe: Probe) -> None:
        """Begin a probe, if none of that name is under way."""
        if self._group is not None and name not in self._running:
            self._running[name] = self._group.create_task(self._probe(name, probe), name=f"probe {probe.authority}")

    def is_running(self, name: Name) -> bool:
        """Return whether a probe is under way."""
        return name in self._running

    def take(self, name: Name) -> Result | None:
        """Return the result of a probe that has ended, once."""
        return self._results.pop(name, None)

    def forget(self, name: Name) -> None:
        """Call off a probe, and forget its result."""
        self._results.pop(name, None)
        task = self._running.pop(name, None)
        if task is not None:
            task.cancel()

    def forget_all(self) -> None:
        """Call off everything."""
        for name in [*self._running, *self._results]:
            self.forget(name)

    async def _probe(self, name: Name, probe: Probe) -> None:
        result = await ask(probe)
        if self._running.pop(name, None) is not None:
            self._results[name] = result
            self._ended(name)


async def ask(probe: Probe) -> Result:
    """Make one probe."""
    writer = None
    connected = False
    secure = _context(probe) if probe.tls else None
    try:
        async with asyncio.timeout(probe.timeout):
            reader, writer = await asyncio.open_connection(probe.host, probe.port, limit=_LONGEST_LINE, ssl=secure)
            connected = True
            if probe.speaks == "tcp":
                return Result(connected=True)
            if probe.speaks != "http1":
                from tidegate.cloud.planes.probe_http2 import call

                return Result(await call(reader, writer, probe), connected=True)
            head = f"GET {probe.path} HTTP/1.1\r\nHost: {probe.authority}\r\nConnection: close\r\n"
            writer.write(f"{head}User-Agent: {probe.agent}\r\nAccept-Encoding: gzip, compressed\r\n\r\n".encode())
            line = await reader.readline()
    except TimeoutError:
        return Result(timed_out=True, connected=connected)
    except (OSError, ValueError):  # nobody there, gone in the middle, or a first line without an end
        return Result(connected=connected)
    finally:
        if writer is not None:
            writer.transport.abort()
    found = _STATUS_LINE.fullmatch(line)
    return Result(None if found is None else int(found[1]), connected=True)


def _context(probe: Probe) -> ssl.SSLContext:
    """Return how a probe encrypts: whoever answers is believed, as load balancers do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1" if probe.speaks == "http1" else "h2"])
    return context
