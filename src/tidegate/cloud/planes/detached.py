"""Programs that outlive the daemon: found again by their command line, watched until they end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_POLL = 1.0  # seconds, where the system cannot tell that a process has ended


def command_of(pid: int) -> str:
    """Return a process's command line; nothing for one that is gone, or only waits to be buried."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout


def when_ended(pid: int, ended: Callable[[], None]) -> Callable[[], None]:
    """Call `ended` when a process is gone; return what calls it off."""
    loop = asyncio.get_running_loop()
    if sys.platform == "linux":
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            handle = loop.call_soon(ended)
            return handle.cancel
        loop.add_reader(descriptor, ended)

        def forget() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)

        return forget

    timer: list[asyncio.TimerHandle] = []

    def look() -> None:
        if command_of(pid):
            timer[:] = [loop.call_later(_POLL, look)]
        else:
            ended()

    timer.append(loop.call_later(_POLL, look))
    return lambda: timer[0].cancel()
