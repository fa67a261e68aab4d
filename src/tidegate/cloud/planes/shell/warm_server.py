"""Keeps a Python program's modules imported, and forks for every run that a client asks for.

A fork takes over the client's arguments, environment, working directory and standard streams before the program
begins, so that nothing of the server's own is seen by it. It lives no longer than its client, and gets the signals
that the client gets.

    python -m tidegate.cloud.planes.shell.warm_server SOCKET MODULE:FUNCTION [MODULE…]

It ends when its standard input does (its owner has ended), and when nothing was asked of it for a while.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tidegate.cloud.planes.shell.warm_client import ACCEPTED

_IDLE = 600.0  # seconds
_OWNER = 0  # the standard input, which ends with the owner


def main() -> None:
    """Serve; in a fork, run the program and end as it ends."""
    path, entry, *others = sys.argv[1:]
    module, _, function = entry.partition(":")
    before = dict(os.environ)
    for name in (module, *others):
        importlib.import_module(name)
    imported = {name: value for name, value in os.environ.items() if before.get(name) != value}
    gc.collect()
    gc.freeze()  # so that a fork's collections touch, and copy, none of it
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        connection = _Server(listener).serve()
    if connection is None:
        return
    _become(connection, imported)
    sys.exit(getattr(sys.modules[module], function)())


class _Server:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._path = Path(listener.getsockname())
        self._runs: dict[int, socket.socket] = {}  # by the fork's process id
        self._noticed, self._notice = os.pipe()
        self._open = True

    def serve(self) -> socket.socket | None:
        """Return None when the server is to end; in a fork, the connection to its client."""
        os.set_blocking(self._noticed, False)
        os.set_blocking(self._notice, False)
        signal.set_wakeup_fd(self._notice)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            for each in (self._listener, self._noticed, _OWNER):
                selector.register(each, selectors.EVENT_READ)
            while self._open or self._runs:
                ready = [key.fileobj for key, _ in selector.select(None if self._runs else _IDLE)]
                if self._open and (not ready or _OWNER in ready):
                    selector.unregister(self._listener)
                    selector.unregister(_OWNER)
                    self._shut()
                elif self._listener in ready:
                    connection = self._fork()
                    if connection is not None:
                        return connection
                self._reap()
        return None

    def _shut(self) -> None:
        self._open = False
        self._listener.close()
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._path.parent.rmdir()

    def _fork(self) -> socket.socket | None:
        connection, _ = self._listener.accept()
        try:
            pid = os.fork()
        except OSError:
            connection.close()  # the client runs the program itself
            return None
        if pid:
            self._runs[pid] = connection
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for other in self._runs.values():
            other.close()
        os.close(self._noticed)
        os.close(self._notice)
        return connection

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._noticed, 4096)
        while self._runs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with self._runs.pop(pid) as connection, contextlib.suppress(OSError):
                connection.sendall(status.to_bytes(4, "little"))


def _become(connection: socket.socket, imported: Mapping[str, str]) -> None:
    """Take over what a client has; end, as if nothing had been asked, where that cannot be.

    `imported` are the variables that the program's modules set when they were imported. They may have looked at them
    before: a client that sets one of them runs the program itself.
    """
    try:
        head, streams, _, _ = socket.recv_fds(connection, 8, 3)
        request = _exactly(connection, int.from_bytes(head, "little"))
        words = [os.fsdecode(word) for word in request.split(b"\0")]
        cwd, umask, number, words = words[0], int(words[1]), int(words[2]), words[3:]
        os.chdir(cwd)
        os.umask(umask)
        environment = dict(word.split("=", 1) for word in words[number:])
        if environment.keys() & imported.keys():
            os._exit(1)
        os.environ.clear()
        os.environ.update({**environment, **imported})
        time.tzset()
        sys.argv = words[:number]
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        connection.sendall(ACCEPTED)
    except (OSError, ValueError):
        os._exit(1)
    threading.Thread(target=_follow, args=(connection,), name="client", daemon=True).start()


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError
        parts += part
    return bytes(parts)


def _follow(connection: socket.socket) -> None:
    """Pass on the client's signals, and end with it."""
    number = signal.SIGKILL.value
    with contextlib.suppress(OSError):
        while received := connection.recv(1):
            os.kill(os.getpid(), received[0])
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
