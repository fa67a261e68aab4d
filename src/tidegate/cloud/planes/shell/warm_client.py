"""Asks a warm program for one run of it; becomes the plain program where there is none, or anything is out of the way.

It is run by its path, without site-packages (`python -S -E -P`), and imports as little as it can.

    warm_client.py SOCKET PROGRAM [ARGUMENT…]
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from types import FrameType

LANGUAGE = b"C.UTF-8"
ACCEPTED = b"+"
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def main() -> None:
    """Run the program, there or here, and end as it ended."""
    path, program, *arguments = sys.argv[1:]
    connection = _ask(path, [program, *arguments]) if _is_usual() else None
    if connection is None:
        os.execv(program, [program, *arguments])  # noqa: S606 - it is what was to be run

    def forward(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(OSError):  # it has just ended
            connection.send(bytes([number]))

    for number in _SIGNALS:
        signal.signal(number, forward)
    status = int.from_bytes(connection.recv(4, socket.MSG_WAITALL) or b"\0\1\0\0", "little")
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _is_usual() -> bool:
    """Whether an interpreter that starts here would take in what that of the server did."""
    if os.environb.get(b"LANG") != LANGUAGE or any(name.startswith((b"PYTHON", b"LC_")) for name in os.environb):
        return False
    try:
        if any(os.isatty(number) or os.fstat(number) is None for number in (0, 1, 2)):
            return False
    except OSError:
        return False
    return all(signal.getsignal(number) != signal.SIG_IGN for number in _SIGNALS)


def _ask(path: str, arguments: list[str]) -> socket.socket | None:
    umask = os.umask(0o77)
    os.umask(umask)
    connection = socket.socket(socket.AF_UNIX)
    try:
        cwd = os.getcwd()  # noqa: PTH109 - pathlib is slow to import
        words = [os.fsencode(word) for word in (cwd, str(umask), str(len(arguments)), *arguments)]
        words += [name + b"=" + value for name, value in os.environb.items()]
        request = b"\0".join(words)
        connection.connect(path)
        socket.send_fds(connection, [len(request).to_bytes(8, "little")], [0, 1, 2])
        connection.sendall(request)
        return connection if connection.recv(1) == ACCEPTED else None
    except OSError:
        return None


if __name__ == "__main__":
    main()
