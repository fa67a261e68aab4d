"""Programs run in containers that run, each on a terminal of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.cloud.planes.docker.engine import Engine
from tidegate.cloud.planes.docker.pods import container_name
from tidegate.cloud.planes.docker.values import ContainerError, EngineError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from aiodocker.execs import Exec
    from aiodocker.stream import Stream

_ENVIRONMENT = {"TERM": "xterm-256color"}
_INTERRUPT_AND_END = b"\x03\x04"  # Ctrl-C, Ctrl-D
_PATIENCE = 1.0  # seconds that a program gets after them
_IN_ITS_NAMESPACE = re.compile(r"^NSpid:.*\s(\d+)$", re.MULTILINE)


class Terminals:
    """Opens terminals in the containers of pods."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def open(self, pod: str, container: str, command: Sequence[str]) -> Terminal:
        """Start a program as root; raise `ContainerError` where there is no such program, or the container is gone."""
        name = container_name(pod, container)
        try:
            async with self._engine.client() as docker:
                program = await docker.containers.container(name).exec(
                    list(command), stdin=True, tty=True, user="0", environment=_ENVIRONMENT
                )
                stream = program.start()
                await stream._init()
        except RefusedError as error:
            raise ContainerError(error.message) from error
        return Terminal(self._engine, name, program, stream)


class Terminal:
    """A program's terminal."""

    def __init__(self, engine: Engine, name: str, program: Exec, stream: Stream) -> None:
        self._engine = engine
        self._name = name
        self._program = program
        self._stream = stream

    async def read(self) -> bytes:
        """Return what the program has written next; nothing once it has ended."""
        try:
            message = await self._stream.read_out()
        except (OSError, RuntimeError):
            return b""  # the connection broke
        return b"" if message is None else message.data

    async def write(self, data: bytes) -> None:
        """Type something; what is typed after the program's end is lost."""
        with contextlib.suppress(OSError, RuntimeError, AssertionError):
            await self._stream.write_in(data)

    async def resize(self, columns: int, rows: int) -> None:
        """Say how large the terminal is."""
        with contextlib.suppress(EngineError):
            async with self._engine.client():
                await self._program.resize(w=columns, h=rows)

    async def close(self) -> None:
        """See that the program ends: asked by the keyboard first, killed if it does not; nothing of it is left."""
        try:
            if (await self._state())["Running"]:
                await self.write(_INTERRUPT_AND_END)
                if not await self._ended():
                    await self._kill()
        except EngineError:
            pass  # the container is gone, and the program with it
        finally:
            await self._stream.close()

    async def _ended(self) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while await self.read():
                    pass
                return True
        return False

    async def _kill(self) -> None:
        """Kill the program: from outside, or with a program of the container's own."""
        pid = (await self._state())["Pid"]
        if not pid:
            return
        if self._engine.is_local:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                return
        inside = _pid_inside(pid)
        if inside is None:
            return
        with contextlib.suppress(NotFoundError, RefusedError):
            async with self._engine.client() as docker:
                container = docker.containers.container(self._name)
                await (await container.exec(["kill", "-KILL", str(inside)], user="0")).start(detach=True)

    async def _state(self) -> dict[str, Any]:
        async with self._engine.client():
            return await self._program.inspect()


def _pid_inside(pid: int) -> int | None:
    """Return a process's number in its container, where this machine's kernel is the one that runs it."""
    with contextlib.suppress(OSError):
        match = _IN_ITS_NAMESPACE.search(Path(f"/proc/{pid}/status").read_text())
        return None if match is None else int(match[1])
    return None
