"""Content on disk, one file a blob, found by its digest: `blobs/sha256/ab/abcdef…`.

A file under `blobs` is whole and is what its name says: it was written elsewhere, verified, and renamed into
place. Its modification time is when it was last pushed or promised to a client, for the collector to wait.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path


class Blobs:
    """The content store. Every method is short; `aged` walks the disk and is for a thread."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, digest: str) -> Path:
        """Return where the blob of this (checked) digest is or would be."""
        algorithm, _, name = digest.partition(":")
        return self._root / algorithm / name[:2] / name

    def size(self, digest: str) -> int | None:
        """Return a blob's size in bytes, or None where it is not here."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def promise(self, digest: str) -> int | None:
        """Return a blob's size as `size` does, and keep the blob from collection for a while longer."""
        try:
            os.utime(self.path(digest))
        except FileNotFoundError:
            return None
        return self.size(digest)

    def adopt(self, digest: str, file: Path) -> None:
        """Take a verified file as the blob of this digest; the file is gone from where it was."""
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        file.replace(path)

    def promised_before(self, digest: str, moment: float) -> bool:
        """Return whether a blob was last pushed or promised before a moment (epoch seconds), or is not here at all."""
        try:
            return self.path(digest).stat().st_mtime < moment
        except FileNotFoundError:
            return True

    def aged(self, moment: float) -> list[str]:
        """Return the digests of the blobs last pushed or promised before a moment (epoch seconds)."""
        return [digest for digest, modified in self._walk() if modified < moment]

    def remove(self, digest: str) -> None:
        """Remove a blob if it is here."""
        self.path(digest).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every blob."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _walk(self) -> Iterator[tuple[str, float]]:
        if not self._root.exists():
            return
        for algorithm in self._root.iterdir():
            for shard in algorithm.iterdir():
                with os.scandir(shard) as entries:
                    for entry in entries:
                        yield f"{algorithm.name}:{entry.name}", entry.stat().st_mtime
