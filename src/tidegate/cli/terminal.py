"""The terminal as somebody else's: every key goes out as it is typed, its size is told when it changes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

_AT_ONCE = 1024
_END = b"\x04"  # what a terminal sends for the end of its input


@contextmanager
def lent(write: Callable[[bytes], None], resize: Callable[[int, int], None]) -> Iterator[None]:
    """Send what is typed (or piped in) to `write` and the window's size to `resize`; give the terminal back at the end.

    Both may block; they are called by threads of their own.
    """
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    size_changed = threading.Event()
    size_changed.set()

    def tell_sizes() -> None:
        while True:
            size_changed.wait()
            size_changed.clear()
            size = os.get_terminal_size(sys.stdout.fileno())
            if not _quiet(partial(resize, size.columns, size.lines)):
                return

    def pass_on() -> None:
        while data := os.read(sys.stdin.fileno(), _AT_ONCE):
            if not _quiet(partial(write, data)):
                return
        _quiet(partial(write, _END))

    previous = signal.signal(signal.SIGWINCH, lambda *_: size_changed.set()) if is_terminal else None
    with _raw() if is_terminal else _as_it_is():
        for work in (tell_sizes, pass_on) if is_terminal else (pass_on,):
            threading.Thread(target=work, daemon=True).start()
        try:
            yield
        finally:
            if previous is not None:
                signal.signal(signal.SIGWINCH, previous)


@contextmanager
def _raw() -> Iterator[None]:
    """Have no key mean anything here, Ctrl-C included."""
    import termios
    import tty

    settings = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def _quiet(work: Callable[[], None]) -> bool:
    """Do something on the connection; return whether that is still there. Its end is told elsewhere."""
    from websockets.exceptions import ConnectionClosed

    try:
        work()
    except ConnectionClosed:
        return False
    return True
