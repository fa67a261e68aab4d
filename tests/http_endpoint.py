"""A small HTTP server that tells what it was asked, and clients that ask without pause."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.tcp_server import TcpServer


@dataclass
class HttpEndpoint:
    """Answers every request with its name, the request line and the headers; `/slow` takes `slowness` seconds.

    `status` is what it answers with. `stop` ends it as a kill does: connections and all.
    """

    name: str = "endpoint"
    host: str = "127.0.0.1"
    port: int = 0
    status: int = 200
    slowness: float = 2.0
    requests: int = 0
    active: int = 0
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = TcpServer(self._serve)

    async def start(self) -> HttpEndpoint:
        self.port = await self._server.start(self.host, self.port)
        return self

    async def stop(self) -> None:
        await self._server.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                length = next((int(line[15:]) for line in head if line.lower().startswith("content-length:")), 0)
                await reader.readexactly(length)
                self.requests += 1
                self.active += 1
                self.seen.append(path)
                try:
                    if path.startswith("/slow"):
                        await asyncio.sleep(self.slowness)
                    answer = {"name": self.name, "method": method, "path": path, "headers": head[1:-2]}
                    body = json.dumps(answer).encode()
                    writer.write(b"HTTP/1.1 %d Fine\r\nContent-Length: %d\r\n\r\n" % (self.status, len(body)) + body)
                    await writer.drain()
                finally:
                    self.active -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass


@dataclass
class Load:
    """What clients saw: how many answers of each status and from each endpoint, and what failed."""

    answers: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@asynccontextmanager
async def load(url: str, *, clients: int = 4, slow: int = 1) -> AsyncIterator[Load]:
    """Ask `url` all the time, with connections that are kept and with new ones, and `/slow` beside it."""
    seen, stop = Load(), asyncio.Event()

    async def ask(path: str, *, keep: bool) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=not keep)) as session:
            while not stop.is_set():
                try:
                    async with session.get(url + path) as response:
                        answer = await response.json(content_type=None) if response.status == 200 else {}
                    seen.statuses[response.status] += 1
                    seen.names[answer.get("name", "")] += 1
                    if response.status != 200:
                        seen.failures.append(f"{path}: {response.status}")
                    seen.answers += 1
                except (aiohttp.ClientError, ValueError) as error:
                    seen.failures.append(f"{path}: {error!r}")
                await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(ask("/", keep=number % 2 == 0))
        for _ in range(slow):
            group.create_task(ask("/slow", keep=True))
        try:
            yield seen
        finally:
            stop.set()


async def until(condition: Any, *, within: float = 10.0, every: float = 0.02) -> None:
    """Wait until something holds: a function, or one that has to be awaited."""
    deadline = time.monotonic() + within
    while True:
        holds = condition()
        if await holds if asyncio.iscoroutine(holds) else holds:
            return
        assert time.monotonic() < deadline, "it does not come true"
        await asyncio.sleep(every)
