"""A build's log: lines into CloudWatch Logs as the build's role, a tenth of a second after they were printed."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tidegate.cloud.call import Caller
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codebuild.reconciler.log_copy import LogCopy

_PAUSE = 0.1  # seconds from a line to its being sent, so that many go together
_EVENT_LIMIT = (256 << 10) - 26  # bytes of one event, as CodeBuild cuts them
_LINE_LIMIT = 256 << 10  # characters that are kept of a line without an end
_BATCH = 1000
_BATCH_SIZE = 900_000  # bytes; PutLogEvents takes 1,048,576 with 26 for each event
_OUTPUT_LIMIT = 100 << 20  # bytes that a build may print
_WIDEST = 4  # bytes of a character
_TELLING = 4  # characters of a line that is hidden by itself
_BUFFERED = 4 << 20  # characters that wait to be sent before the build has to wait for them
_ENDS = ("\r\n", "\n", "\r")

log = logging.getLogger(__name__)


class BuildLog:
    """Takes what a build prints and says, masks what is secret, and sends it in batches.

    `held` is called when too much waits to be sent, `freed` when that is over. Without a group it only listens.
    """

    def __init__(
        self, caller: Caller, group: str | None, stream: str, clock: Clock, copy: LogCopy | None = None
    ) -> None:
        """`copy` is the log's copy in S3."""
        self._caller = caller
        self._s3 = copy
        self._group = group
        self._stream = stream
        self._clock = clock
        self._secrets: tuple[str, ...] = ()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._printed = 0
        self._waiting: deque[tuple[int, str]] = deque()
        self._size = 0
        self._wanted = asyncio.Event()
        self._last = asyncio.Event()
        self.held: Callable[[], None] = lambda: None
        self.freed: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Make the stream, and its group where it is not there; raise `ServiceError` where the role may not."""
        if self._group is None:
            return
        names = {"logGroupName": self._group, "logStreamName": self._stream}
        try:
            await self._caller("logs", "create_log_stream", **names)
        except ServiceError as error:
            if error.code == "ResourceAlreadyExistsException":
                return
            if error.code != "ResourceNotFoundException":
                raise
            await self._create_group()
            await self._caller("logs", "create_log_stream", **names)

    async def _create_group(self) -> None:
        try:
            await self._caller("logs", "create_log_group", logGroupName=self._group)
        except ServiceError as error:
            if error.code != "ResourceAlreadyExistsException":  # another build was first
                raise

    async def store(self) -> str | None:
        """Put the copy into S3, once `run` has returned; return what went wrong."""
        try:
            if self._s3 is not None:
                await self._s3.finish(self._caller)
        except ServiceError as error:
            return f"{error.code}: {error.message}"
        except OSError as error:
            return error.strerror or str(error)
        return None

    def _copy(self, line: str) -> None:
        if self._s3 is not None:
            self._s3.write(line)

    def hide(self, secrets: Iterable[str]) -> None:
        """Write `***` for these texts from now on; of one of several lines also for each that tells something."""
        hidden = set(self._secrets)
        for secret in secrets:
            lines = [line.strip() for line in secret.splitlines()] if "\n" in secret else []
            hidden |= {each for each in (secret, *(line for line in lines if len(line) >= _TELLING)) if each.strip()}
        self._secrets = tuple(sorted(hidden, key=len, reverse=True))

    def masked(self, text: str) -> str:
        """Return a text with `***` for every secret in it."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def say(self, text: str) -> None:
        """Write a line of CodeBuild's own."""
        self._finish_line()
        now = self._clock.now()
        self._queue(f"[Container] {now:%Y/%m/%d %H:%M:%S}.{now.microsecond:06d} {self.masked(text)}\n")

    def printed(self, chunk: bytes) -> None:
        """Take what a command printed."""
        before = self._printed
        self._printed += len(chunk)
        if before >= _OUTPUT_LIMIT:
            return
        text = self._rest + self._decoder.decode(chunk)
        lines = text.splitlines(keepends=True)
        self._rest = lines.pop() if lines and not lines[-1].endswith("\n") else ""
        for line in lines:
            self._add(line)
        if len(self._rest) > _LINE_LIMIT:
            self._cut_line()
        if self._printed >= _OUTPUT_LIMIT:
            self.say(f"The build printed over {_OUTPUT_LIMIT >> 20} MB: what more it prints is not kept")

    async def run(self) -> None:
        """Send until `end`."""
        while self._waiting or not self._last.is_set():
            await self._wanted.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE):
                    await self._last.wait()
            self._wanted.clear()
            while self._waiting:
                await self._send(self._batch())
                await asyncio.sleep(0)  # a call is no pause: let others have theirs

    def end(self) -> None:
        """Have `run` send what is left and return."""
        self._finish_line()
        self._last.set()
        self._wanted.set()

    def _cut_line(self) -> None:
        """Let the beginning of a line without an end go, but for what may be the beginning of a secret."""
        longest = max((len(secret) for secret in self._secrets), default=1)
        masked = self.masked(self._rest)
        at = max(0, len(masked) - longest + 1)
        self._rest = masked[at:]
        self._queue(masked[:at])

    def _finish_line(self) -> None:
        if self._rest:
            rest, self._rest = self._rest, ""
            self._add(rest)

    def _add(self, line: str) -> None:
        self._queue(self.masked(line))

    def _queue(self, line: str) -> None:
        time = int(self._clock.now().timestamp() * 1000)
        for part in _parts(line):
            self._waiting.append((time, part))
        self._copy(line)
        self._size += len(line)
        if self._size > _BUFFERED:
            self.held()
        self._wanted.set()

    def _batch(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        size = 0
        while self._waiting and len(events) < _BATCH:
            time, line = self._waiting[0]
            cost = len(line.encode()) + 26
            if events and size + cost > _BATCH_SIZE:
                break
            self._waiting.popleft()
            size += cost
            self._size -= len(line)
            events.append({"timestamp": time, "message": line})
        if self._size <= _BUFFERED:
            self.freed()
        return events

    async def _send(self, events: list[dict[str, Any]]) -> None:
        if self._group is None:
            return
        names = {"logGroupName": self._group, "logStreamName": self._stream}
        try:
            await self._caller("logs", "put_log_events", **names, logEvents=events)
        except ServiceError as error:
            log.warning("%s/%s: %d lines are lost: %s", self._group, self._stream, len(events), error)


def _parts(line: str) -> Iterator[str]:
    """Return a line in parts of which each is one event."""
    if len(line) * _WIDEST <= _EVENT_LIMIT:
        yield line
        return
    content = line.encode("utf-8", "replace")
    at = 0
    while at < len(content):
        end = min(at + _EVENT_LIMIT, len(content))
        while end < len(content) and content[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        yield content[at:end].decode()
        at = end
