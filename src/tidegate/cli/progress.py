"""Progress as people read it: a line for all that is done, and on a terminal what goes on at the moment."""

from __future__ import annotations

import sys
import threading
from typing import Any

from tidegate.cli.output import say


class Lines:
    """Progress as plain lines: for logs, pipes and continuous integration."""

    def __init__(self) -> None:
        self._begun: set[str] = set()

    def step(self, name: str, text: str) -> None:
        """Print the first step of each name; what follows is told when it is done. After that it may begin again."""
        if name not in self._begun:
            self._begun.add(name)
            say(f"  … {name}: {text}")

    def done(self, name: str, text: str, seconds: float) -> None:
        """Print what is finished."""
        self._begun.discard(name)
        say(_done(name, text, seconds))

    def line(self, name: str, text: str) -> None:
        """Print a line that something wrote."""
        say(f"    | {text}")

    def close(self) -> None:
        """Nothing is open."""


class Screen:
    """Progress on a terminal: finished lines scroll, below them a spinner for each thing that goes on."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._spinner = Spinner
        self._console = Console(highlight=False)
        self._active: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._live = Live(console=self._console, refresh_per_second=10, transient=True)
        self._closed = False

    def step(self, name: str, text: str) -> None:
        """Show what happens to `name` now."""
        with self._lock:
            if name in self._active:
                self._active[name].update(text=f" {name}: {text}")
            else:
                self._active[name] = self._spinner("dots", text=f" {name}: {text}")
            self._refresh()

    def done(self, name: str, text: str, seconds: float) -> None:
        """Print what is finished, and take its spinner away."""
        with self._lock:
            self._active.pop(name, None)
            self._refresh()
            self._console.print(_done(name, text, seconds), markup=False)

    def line(self, name: str, text: str) -> None:
        """Print a line that something wrote."""
        self._console.print(f"    | {text}", markup=False)

    def close(self) -> None:
        """Take the spinners away."""
        with self._lock:
            self._closed = True
        self._live.stop()

    def _refresh(self) -> None:
        from rich.console import Group

        if not self._closed:  # not before there is something to show: a question may have the terminal until then
            self._live.start()
        self._live.update(Group(*self._active.values()))


def make_progress() -> Lines | Screen:
    """Return the progress that fits where the output goes."""
    return Screen() if sys.stdout.isatty() else Lines()


def _done(name: str, text: str, seconds: float) -> str:
    duration = f"{seconds:.1f} s" if seconds else ""
    return f"  ✓ {name}: {text}  {duration}".rstrip()
