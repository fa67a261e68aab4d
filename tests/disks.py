"""A disk of a test's own that can be filled to the last byte."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def lacking() -> str | None:
    """Return why this machine cannot mount a small disk, None where it can."""
    if not sys.platform.startswith("linux"):
        return "tmpfs is Linux's"
    return "mounting a disk needs root" if os.geteuid() != 0 else None


@dataclass(frozen=True)
class Disk:
    """A small file system in memory."""

    place: Path

    @property
    def _ballast(self) -> Path:
        return self.place / "ballast"

    def fill(self) -> None:
        """Take all the space that is left."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"\0" * size):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def fill_but(self, left: int) -> None:
        """Take all the space but some bytes (to the page)."""
        self.fill()
        with self._ballast.open("ab") as file:
            file.truncate(max(0, self._ballast.stat().st_size - left))

    def free(self) -> None:
        """Give the space back."""
        self._ballast.unlink()


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Disk]:
    """Mount a disk for a while."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tidegate-test", str(place)], check=True)
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)
