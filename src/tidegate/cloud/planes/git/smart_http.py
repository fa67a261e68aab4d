"""Git's smart HTTP protocol, answered by git's own `http-backend` (CGI), streamed both ways in constant memory.

https://git-scm.com/docs/git-http-backend
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.cloud.planes.git.process import GitError, environment, program, run
from tidegate.cloud.planes.git.repositories import GitRepositories

_READ_SIZE = 1 << 16
_PUSH_LIMIT = 2 << 30  # bytes of one pack
_HEAD_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class GitRequest:
    """One request of the protocol. `endpoint` is `info/refs`, `git-upload-pack` or `git-receive-pack`."""

    repository: str
    endpoint: str
    method: str
    query: str
    content_type: str
    protocol: str  # the Git-Protocol header
    user: str
    body: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class GitAnswer:
    """The answer of git: its chunks are there as git writes them."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class GitHttp:
    """Serves the repositories of a root folder. Who may do what is decided before it is asked."""

    def __init__(self, repositories: GitRepositories, push_limit: int = _PUSH_LIMIT) -> None:
        self._repositories = repositories
        self._settings = {"receive.maxInputSize": str(push_limit)}
        self._backend: Sequence[str] = ()

    async def answer(self, request: GitRequest) -> GitAnswer:
        """Start git on a request and return its answer, whose chunks must be read or closed."""
        path = self._repositories.path(request.repository)
        variables = {
            **environment(self._settings),
            "GIT_PROJECT_ROOT": str(path.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{path.name}/{request.endpoint}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.query,
            "CONTENT_TYPE": request.content_type,
            "GIT_PROTOCOL": request.protocol,
            "REMOTE_USER": request.user,
            "REMOTE_ADDR": "127.0.0.1",
        }
        process = await asyncio.create_subprocess_exec(
            *await self._command(path),
            env=variables,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        chunks = _converse(process, request.body)
        try:
            status, headers, rest = await _read_head(chunks)
        except BaseException:
            await chunks.aclose()
            raise
        return GitAnswer(status, headers, _rest(rest, chunks))

    async def _command(self, repository: Path) -> Sequence[str]:
        """Return how `http-backend` is started: as web servers do it, without a `git` that only starts another."""
        if not self._backend:
            folder = (await run(repository, "--exec-path")).decode().strip()
            own = Path(folder) / "git-http-backend"
            self._backend = (str(own),) if own.exists() else (program(), "http-backend")
        return self._backend


async def _converse(process: asyncio.subprocess.Process, body: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Feed a body to a process and yield what it prints; end it, and all it started, when nobody reads any more."""
    assert process.stdout is not None
    feed = asyncio.create_task(_feed(process, body), name="git request")
    try:
        while chunk := await process.stdout.read(_READ_SIZE):
            yield chunk
        await feed
        await process.wait()
    finally:
        feed.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


async def _feed(process: asyncio.subprocess.Process, body: AsyncIterator[bytes]) -> None:
    assert process.stdin is not None
    try:
        async for chunk in body:
            if process.stdin.is_closing():
                raise BrokenPipeError
            process.stdin.write(chunk)
            await process.stdin.drain()
    except ConnectionError:
        async for _ in body:  # git has heard enough: let the client finish, so that it reads the answer
            continue
    finally:
        process.stdin.close()


async def _read_head(chunks: AsyncIterator[bytes]) -> tuple[int, dict[str, str], bytes]:
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        chunk = await anext(chunks, None)
        if chunk is None or len(buffer) > _HEAD_LIMIT:
            raise GitError("git http-backend gave no answer")
        buffer += chunk
    head, _, rest = buffer.partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    status = int(headers.pop("status", "200").split()[0])
    return status, headers, rest


async def _rest(first: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    try:
        if first:
            yield first
        async for chunk in chunks:
            yield chunk
    finally:
        await chunks.aclose()
