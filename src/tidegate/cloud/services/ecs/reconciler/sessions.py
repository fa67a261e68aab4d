"""Sessions of ECS Exec: a websocket on one side, a terminal in a container on the other.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html. A session begins with its token, which is
good once; it ends with the program, with the client's leaving or with the task, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import shlex
from collections.abc import Callable
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.docker.terminals import Terminal, Terminals
from tidegate.cloud.planes.docker.values import ContainerError, EngineError
from tidegate.cloud.services.ecs.agent_message import MalformedError
from tidegate.cloud.services.ecs.channel import AgentChannel, ChannelError, Heard, token_in
from tidegate.cloud.services.ecs.model import DATA_CHANNEL, EcsModel, SessionRecord, pod_name
from tidegate.cloud.store import Key

_LOOK = 0.2  # seconds between two looks for what was not acknowledged
_LAST_WORDS = 2.0  # seconds in which the client should acknowledge what was written last
_IDLE = 20 * 60.0  # seconds without input or output after which a session is over
_MOST_UNACKNOWLEDGED = 64  # frames; a program that writes faster waits
_REFUSED, _BROKEN = 1008, 1011  # close codes of websockets

log = logging.getLogger(__name__)


class LeftError(Exception):
    """The client has gone."""


class Sessions:
    """An ASGI application for websockets below `DATA_CHANNEL`."""

    def __init__(self, model: EcsModel, terminals: Terminals, clock: Clock, allows: Callable[[str], bool]) -> None:
        """`allows` says whether a Host header names this daemon."""
        self._model = model
        self._terminals = terminals
        self._clock = clock
        self._allows = allows

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one websocket from its beginning to its end."""
        await receive()  # websocket.connect
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._allows(headers.get("host", "")):
            await send({"type": "websocket.close", "code": _REFUSED})
            return
        await send({"type": "websocket.accept"})
        session = scope["path"].removeprefix(DATA_CHANNEL)
        code, why = 1000, ""
        try:
            opened = await self._opened(session, receive)
            if opened is None:
                code, why = _REFUSED, "the token is not valid (any more)"
            else:
                await self._serve(session, *opened, receive, send)
        except LeftError:
            return
        except (MalformedError, ChannelError) as error:
            code, why = _BROKEN, str(error)[:100]
        with contextlib.suppress(OSError, RuntimeError):
            await send({"type": "websocket.close", "code": code, "reason": why})

    async def _opened(self, session: str, receive: Any) -> tuple[Key, SessionRecord] | None:
        """Return the session that the client's first message opens; from now on its token is used up."""
        message = await receive()
        if message["type"] != "websocket.receive":
            raise LeftError
        token = hashlib.sha256(token_in(message.get("text") or "").encode()).hexdigest()
        for key, record in self._model.sessions.items():
            if key[1] == session and hmac.compare_digest(record["token"], token):
                self._model.sessions.delete(*key)
                return (key, record) if self._clock.now() < record["expires"] else None
        return None

    async def _serve(self, session: str, key: Key, record: SessionRecord, receive: Any, send: Any) -> None:
        """Shake hands, run the program, carry what is typed and written until one side has enough."""
        channel = AgentChannel(session, lambda: int(self._clock.now().timestamp() * 1000))
        run = _Run(channel, self._clock, receive, send)
        await run.shake_hands()
        pod = pod_name((key[0], record["cluster"], record["task"]))
        log.info("%s: %s in %s/%s", session, record["command"], record["task"], record["container"])
        try:
            terminal = await self._terminals.open(pod, record["container"], shlex.split(record["command"]))
        except (ContainerError, EngineError) as error:
            await run.say(f"\r\n----------ERROR-------\r\nUnable to start command: {error}\r\n".encode())
            await run.close()
            return
        try:
            await run.carry(terminal)
        finally:
            await terminal.close()
        await run.close()


class _Run:
    """A channel on its connection."""

    def __init__(self, channel: AgentChannel, clock: Clock, receive: Any, send: Any) -> None:
        self._channel = channel
        self._clock = clock
        self._receive = receive
        self._send = send
        self._heard_at = clock.monotonic()
        self._lock = asyncio.Lock()  # frames leave in the order of their numbers
        self._room = asyncio.Event()  # the client keeps up with what is written
        self._room.set()
        self._reading: asyncio.Task[Any] | None = None

    async def shake_hands(self) -> None:
        """Wait until the client has answered the handshake."""
        await self._put([self._channel.handshake(self._clock.monotonic())])
        while not self._channel.ready:
            await self._hear()

    async def say(self, data: bytes) -> None:
        """Send what was written."""
        async with self._lock:
            await self._put(self._channel.output(data, self._clock.monotonic()))

    async def carry(self, terminal: Terminal) -> None:
        """Carry input and output until the program has ended; raise `LeftError` where the client leaves first."""
        writing = asyncio.create_task(self._written(terminal), name="exec output")
        try:
            while not writing.done() and not self._channel.ended:
                heard = await self._hear(writing)
                if heard.size is not None:
                    await terminal.resize(*heard.size)
                for each in heard.typed:
                    await terminal.write(each)
                if self._clock.monotonic() - self._heard_at > _IDLE:
                    await self.say(b"\r\nSession timed out after 20 minutes of inactivity.\r\n")
                    return
            if writing.done():
                writing.result()
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def close(self) -> None:
        """Wait a moment until the client has all that was written, and close the channel."""
        deadline = self._clock.monotonic() + _LAST_WORDS
        while self._channel.unacknowledged and self._clock.monotonic() < deadline:
            await self._hear()
        await self._put([self._channel.closing()])
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _written(self, terminal: Terminal) -> None:
        while data := await terminal.read():
            self._heard_at = self._clock.monotonic()
            await self.say(data)
            if self._channel.unacknowledged > _MOST_UNACKNOWLEDGED:
                self._room.clear()
            await self._room.wait()

    async def _hear(self, *others: asyncio.Task[None]) -> Heard:
        """Return what the next frame has brought; nothing after a moment, or when one of the others is done."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._receive(), name="exec input")
        done, _ = await asyncio.wait({self._reading, *others}, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
        heard, now = Heard(), self._clock.monotonic()
        if self._reading in done:
            message, self._reading = self._reading.result(), None
            if message["type"] != "websocket.receive":
                raise LeftError
            if message.get("bytes") is not None:
                heard = self._channel.heard(message["bytes"], now)
        if heard.typed:
            self._heard_at = now
        async with self._lock:
            await self._put([*heard.answers, *self._channel.overdue(now)])
        if self._channel.unacknowledged <= _MOST_UNACKNOWLEDGED:
            self._room.set()
        return heard

    async def _put(self, frames: list[bytes]) -> None:
        for frame in frames:
            try:
                await self._send({"type": "websocket.send", "bytes": frame})
            except (OSError, RuntimeError) as error:
                raise LeftError from error
