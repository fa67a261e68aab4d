"""Load on an HTTP server: requests that are bytes already, on connections that are kept: the server is measured.

Whatever a client does beside sending and receiving (signing, models, retries) takes longer than many an answer.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import httptools
import uvloop

_PATIENCE = 60.0  # seconds for one answer


class Load(NamedTuple):
    """What came of it: answers a second, milliseconds that 99 of 100 took at most, how many."""

    rate: float
    p99: float
    answers: int


class UnexpectedAnswerError(Exception):
    """A request was refused; the message is the answer's beginning."""


def measure(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Send requests in turn from so many clients at once, each its next one when the last is answered."""
    return uvloop.run(_measure(port, requests, clients, seconds))


async def _measure(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    turn, taken = itertools.cycle(requests), list[float]()
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(_client(port, turn, started + seconds, taken))
    return Load(len(taken) / (time.perf_counter() - started), 1000 * percentile(taken, 0.99), len(taken))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so great a share of them does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


async def _client(port: int, turn: Iterator[bytes], end: float, taken: list[float]) -> None:
    loop = asyncio.get_running_loop()
    connection: _Connection | None = None
    while (begun := time.perf_counter()) < end:
        if connection is None or connection.over:  # one that the server ends is part of what its answers cost
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
        async with asyncio.timeout(_PATIENCE):
            await connection.ask(next(turn))
        taken.append(time.perf_counter() - begun)
    if connection is not None:
        connection.close()


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.over = False
        self._transport: Any = None
        self._parser: Any = None
        self._answer: asyncio.Future[None] | None = None
        self._body = b""

    async def ask(self, request: bytes) -> None:
        """Send a request and wait for the end of its answer; raise `UnexpectedAnswerError` unless it is 200."""
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._transport.write(request)
        await self._answer

    def close(self) -> None:
        self._transport.close()

    # what asyncio tells

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or UnexpectedAnswerError("the connection ended before the answer"))

    # what the parser tells

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        assert self._answer is not None
        self.over = self.over or not self._parser.should_keep_alive()
        status = self._parser.get_status_code()
        if self.over:
            self._transport.close()
        if status == 200:
            self._answer.set_result(None)
        else:
            self._answer.set_exception(UnexpectedAnswerError(f"{status}: {self._body[:300]!r}"))
