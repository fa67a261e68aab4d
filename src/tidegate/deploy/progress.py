"""How the steps of a deployment tell what they do, and wait without being deaf to Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.1, 3.0, 1.25


class Progress(Protocol):
    """Who hears of progress; the command line prints it."""

    def step(self, name: str, text: str) -> None:
        """Say what happens to `name` now."""

    def done(self, name: str, text: str, seconds: float) -> None:
        """Say that `name` is finished, and how long it took."""

    def line(self, name: str, text: str) -> None:
        """Pass on a line that something wrote (a build's log)."""

    def close(self) -> None:
        """Leave the terminal to others: for a question, or because the work is done."""


class StoppedError(Exception):
    """Somebody asked to stop (Ctrl-C): the step ends where it is, to be taken up again."""


class Pace:
    """Time for a deployment: durations, and pauses that grow and that a stop ends at once."""

    def __init__(self) -> None:
        # not an Event: Ctrl-C in the midst of its Python code leaves its lock taken, and every thread waits for ever
        self._stop: SimpleQueue[None] = SimpleQueue()

    def stop(self) -> None:
        """End every wait, now and from now on, with `StoppedError`."""
        self._stop.put(None)

    def pauses(self) -> Iterator[None]:
        """Yield after ever longer pauses: soon at first, so that what is quick is seen to be quick."""
        pause = _FIRST_PAUSE
        yield
        while True:
            self._wait(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
            yield

    def _wait(self, pause: float) -> None:
        try:
            self._stop.get(timeout=pause)
        except Empty:
            return
        self._stop.put(None)  # for the other threads
        raise StoppedError

    def until(self, condition: Callable[[], T | None]) -> T:
        """Return the first result of `condition` that is not None."""
        for _ in self.pauses():
            result = condition()
            if result is not None:
                return result
        raise AssertionError  # pauses never end

    @staticmethod
    def now() -> float:
        """Return seconds on a clock that never jumps."""
        return time.monotonic()
