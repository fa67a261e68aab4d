"""An HTTP request and an HTTP response, as the gateway's steps hand them on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.cloud.errors import ServiceError

READ_SIZE = 1 << 18


class RequestBody:
    """A request's payload as it arrives: iterate once, or `await read()` for the whole.

    `length` is its size in bytes where it was declared; `trailers` are filled when the last chunk was read.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], length: int | None, trailers: dict[str, str] | None = None
    ) -> None:
        self._chunks = chunks
        self.length = length
        self.trailers = {} if trailers is None else trailers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def read(self, limit: int) -> bytes:
        """Return all of it; more than `limit` bytes is refused."""
        parts, size = [], 0
        async for chunk in self._chunks:
            size += len(chunk)
            if size > limit:
                raise ServiceError("RequestEntityTooLarge", f"the request's body is over {limit} bytes", 413)
            parts.append(chunk)
        return b"".join(parts)


@dataclass(slots=True)
class HttpRequest:
    """A request. `raw_path` is the path as sent, `path` decoded; header names are in lower case."""

    method: str
    raw_path: str
    path: str
    query_string: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    client: str
    body: RequestBody
    content: bytes = b""

    def parameter(self, name: str) -> str | None:
        """Return the first query parameter of this name, or None."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True)
class FileSlice:
    """A stretch of a file as a response's payload: `length` bytes from `offset`."""

    path: Path
    offset: int
    length: int


@dataclass(slots=True)
class HttpResponse:
    """A response. `content` may be bytes or a `FileSlice`."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | Any = b""
