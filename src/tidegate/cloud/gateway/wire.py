"""An HTTP request and an HTTP response, as the gateway's steps hand them on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tidegate.cloud.call import READ_SIZE, FileSlice
from tidegate.cloud.errors import ServiceError

__all__ = ["READ_SIZE", "FileSlice", "HttpRequest", "HttpResponse", "RequestBody"]


class RequestBody:
    """A request's payload as it arrives: iterate once, or `await read()` for the whole.

    `length` is its size in bytes where it was declared; `trailers` begins with the names announced
    and no values, and is whole when the last chunk was read; `started` says whether somebody
    has begun to read.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], length: int | None, trailers: dict[str, str] | None = None
    ) -> None:
        self._chunks = chunks
        self.length = length
        self.trailers = {} if trailers is None else trailers
        self.started = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks as they arrive."""
        self.started = True
        async for chunk in self._chunks:
            yield chunk

    async def read(self, limit: int) -> bytes:
        """Return all of it; more than `limit` bytes is refused."""
        parts, size = [], 0
        async for chunk in self:
            size += len(chunk)
            if size > limit:
                raise ServiceError("RequestEntityTooLarge", f"the request's body is over {limit} bytes", 413)
            parts.append(chunk)
        return b"".join(parts)


@dataclass(slots=True)
class HttpRequest:
    """A request. `raw_path` is the path as sent, `path` decoded; header names are in lower case.

    `bucket` is that of a request to S3 which names it in its host (`BUCKET.localhost`), not in its path.
    """

    method: str
    raw_path: str
    path: str
    query_string: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    client: str
    body: RequestBody
    content: bytes = b""
    bucket: str | None = None

    @property
    def resource_path(self) -> str:
        """Return the path, as sent, with the bucket in it however it was named."""
        return self.raw_path if self.bucket is None else f"/{self.bucket}{self.raw_path}"

    def parameter(self, name: str) -> str | None:
        """Return the first query parameter of this name, or None."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(slots=True)
class HttpResponse:
    """A response. `content` is bytes, or a body of known length such as a `FileSlice`."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | Any = b""
