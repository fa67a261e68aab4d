"""Runs one command after the other for a folder and hands on what they print as they print it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tidegate.cloud.planes.shell import containers
from tidegate.cloud.planes.shell.processes import MARK, end_all, record

_READ_SIZE = 1 << 16
_PIPE_READS = 16  # empty any pipe, of 64 KB or of the 1 MB that it may be made

Output = Callable[[bytes], None]


class Shell:
    """A folder's commands. What one leaves running in the background runs until `close`.

    All share one pipe for what they print, so that the order is that of the printing; it is read while `pause` does
    not say otherwise, and a command that prints into a full pipe waits, as it would for a slow terminal.
    """

    def __init__(self, folder: Path, output: Output) -> None:
        """`folder` exists; `output` gets what is printed, at most 64 KB at a time."""
        self._folder = folder
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self._reading = False
        self._closed = False
        self.resume()

    async def run(
        self, arguments: Sequence[str], cwd: Path, variables: Mapping[str, str], *, output: Output | None = None
    ) -> int:
        """Run a command and return its exit status (128 + the number for a signal), once all it printed is handed on.

        With `output` given, that gets what this one command prints.
        """
        before, self._output = self._output, output or self._output
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                cwd=cwd,
                env={**variables, MARK: str(self._folder)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._write,
                stderr=self._write,
                start_new_session=True,
            )
            record(self._folder, process.pid)
            status = await process.wait()
            for _ in range(_PIPE_READS):  # no longer: what runs in the background may print for ever
                if not self._take():
                    break
            return status if status >= 0 else 128 - status
        finally:
            self._output = before

    def pause(self) -> None:
        """Read no more for now."""
        if self._reading:
            self._loop.remove_reader(self._read)
            self._reading = False

    def resume(self) -> None:
        """Read on."""
        if not self._reading and not self._closed:
            self._loop.add_reader(self._read, self._take)
            self._reading = True

    async def close(self) -> None:
        """End every process that was started, and all that those started."""
        if not self._closed:
            self._shut()
            await asyncio.to_thread(_end, self._folder)

    def close_now(self) -> None:
        """End every process at once; a container is left to `remove`."""
        if not self._closed:
            self._shut()
            end_all(self._folder, grace=0)

    def _shut(self) -> None:
        self.pause()
        self._closed = True
        os.close(self._write)
        os.close(self._read)

    def _take(self) -> bool:
        if self._closed:
            return False
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._read, _READ_SIZE)
            if chunk:
                self._output(chunk)
            return bool(chunk)
        return False


def _end(folder: Path) -> bool:
    ran = end_all(folder)
    containers.remove(folder)
    return ran


def erase(folder: Path) -> None:
    """Remove a folder, whatever a command made of it: read-only folders, a thousand of them in each other. Blocks."""
    if folder.is_symlink() or not folder.exists():
        return
    for arguments in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        subprocess.run([*arguments, "--", str(folder)], capture_output=True, check=False, cwd="/")
        if not folder.exists():
            return


def remove(folder: Path) -> bool:
    """End what runs for a folder and remove it; return whether anything still ran. Blocks."""
    ran = _end(folder)
    erase(folder)
    return ran


def remove_all(root: Path) -> None:
    """End what runs for any folder below this one, and remove them all. Blocks."""
    if root.exists():
        for folder in root.iterdir():
            remove(folder)
        erase(root)
