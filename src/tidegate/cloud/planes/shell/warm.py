"""A Python program that is started often, kept warm: its imports are done once, in a server that forks for each run.

It is the very program, by its own modules. Where the server is not there (yet), its client is the plain program.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from tidegate.cloud.planes.shell import warm_client, warm_server


class WarmProgram:
    """One program, and its server while it is needed."""

    def __init__(self, program: Path, entry: str, modules: Sequence[str] = ()) -> None:
        """`entry` is what `program` calls, `module:function`; `modules` are what that imports later on."""
        self._program = program
        self._entry = entry
        self._modules = modules
        self._server: subprocess.Popen[bytes] | None = None
        self._socket = ""
        self._lock = threading.Lock()

    def start(self) -> str:
        """Start the server if it does not run, and return a shell script that is the program by way of it."""
        with self._lock:
            if self._server is None or self._server.poll() is not None:
                self._socket = str(Path(tempfile.mkdtemp(prefix="tidegate-")) / "warm")  # a socket's path is short
                command = [sys.executable, "-P", "-m", warm_server.__name__, self._socket, self._entry, *self._modules]
                self._server = subprocess.Popen(
                    command,
                    cwd="/",
                    env={"PATH": "/usr/bin:/bin", "LANG": warm_client.LANGUAGE.decode()},
                    stdin=subprocess.PIPE,  # it ends with this process
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            words = [sys.executable, "-S", "-E", "-P", warm_client.__file__, self._socket, str(self._program)]
            return f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'

    def close(self) -> None:
        """Let the server end, once what it runs has ended."""
        with self._lock:
            if self._server is not None:
                self._server.communicate()
                self._server = None
