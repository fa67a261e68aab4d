"""Uploads under way: bytes arrive in order, in as many requests as it takes, and become a blob once proven.

An upload is a folder `uploads/ID` with the bytes so far in `data`. What is on disk is what was received, so an
upload goes on where it stopped after a cut connection and after a kill. The hash runs along with the bytes; only
an upload that outlived the process is read again.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.cloud.planes.registry import digest as digests
from tidegate.cloud.planes.registry.blobs import Blobs
from tidegate.cloud.planes.registry.errors import RegistryError

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOST = -1  # as many bytes are hashed where the hash has to be begun again


@dataclass(slots=True)
class _Running:
    """What this process knows of an upload: whose turn it is, and the hash of its first `hashed` bytes."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    hasher: Any = field(default_factory=digests.hasher)
    hashed: int = 0


class Uploads:
    """The uploads of all repositories. Methods raise BLOB_UPLOAD_UNKNOWN for one that is not there."""

    def __init__(self, root: Path, blobs: Blobs, new_id: Callable[[], str]) -> None:
        """`new_id` makes random UUIDs."""
        self._root = root
        self._blobs = blobs
        self._new_id = new_id
        self._running: dict[str, _Running] = {}

    def start(self, repository: str) -> str:
        """Begin an upload into a repository and return its id."""
        upload = self._new_id()
        folder = self._root / upload
        folder.mkdir(parents=True)
        (folder / "repository").write_text(repository)
        (folder / "data").touch()  # last: with it, the upload exists
        return upload

    def size(self, repository: str, upload: str) -> int:
        """Return how many bytes have been received."""
        return self._data(repository, upload).stat().st_size

    async def append(
        self, repository: str, upload: str, chunks: AsyncIterator[bytes], *, offset: int | None, length: int | None
    ) -> int:
        """Add bytes as they arrive and return the new size.

        `offset` is where the client believes to go on and `length` how much it announced, where it said so: a
        wrong offset is RANGE_INVALID, and a part that is not as long as announced is as if it had not come.
        What arrived before the connection was cut stays.
        """
        self._data(repository, upload)
        running = self._running.setdefault(upload, _Running())
        async with running.turn:
            with self._data(repository, upload).open("r+b", buffering=0) as file:
                begin = file.seek(0, os.SEEK_END)
                if offset is not None and offset != begin:
                    raise RegistryError("RANGE_INVALID", f"the upload goes on at byte {begin}, not {offset}")
                size = begin
                async for chunk in chunks:
                    _write(file, chunk, size)
                    if running.hashed == size:
                        running.hasher.update(chunk)
                        running.hashed += len(chunk)
                    size += len(chunk)
                if length is not None and size - begin != length:
                    file.truncate(begin)
                    running.hashed = _LOST
                    raise RegistryError("SIZE_INVALID", f"{length} bytes were announced, {size - begin} came")
                return size

    async def finish(self, repository: str, upload: str, digest: str) -> int:
        """Make the upload the blob of this digest and return its size; one that is something else is dropped.

        The bytes are on the disk, not only with the kernel, before the blob is there for anybody.
        """
        self._data(repository, upload)
        running = self._running.setdefault(upload, _Running())
        async with running.turn:
            data = self._data(repository, upload)
            with data.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                name = digests.algorithm(digest)
                hasher = running.hasher
                if running.hashed != size or name != hasher.name:
                    hasher = await asyncio.to_thread(digests.of_file, data, name)
                if f"{name}:{hasher.hexdigest()}" != digest:
                    self.drop(upload)
                    raise RegistryError("DIGEST_INVALID", f"the content is {name}:{hasher.hexdigest()}, not {digest}")
                await asyncio.to_thread(os.fsync, file.fileno())
            self._data(repository, upload)  # it may have been cancelled meanwhile
            self._blobs.adopt(digest, data)
            self.drop(upload)
            return size

    def cancel(self, repository: str, upload: str) -> None:
        """Forget an upload and its bytes."""
        self._data(repository, upload)
        self.drop(upload)

    def expire(self, moment: float) -> None:
        """Drop the uploads that received nothing since a moment (epoch seconds)."""
        if not self._root.exists():
            return
        for folder in self._root.iterdir():
            data = folder / "data"
            try:
                modified = (data if data.exists() else folder).stat().st_mtime
            except FileNotFoundError:
                continue  # it has just ended
            if modified < moment:
                self.drop(folder.name)

    def clear(self) -> None:
        """Drop every upload."""
        self._running.clear()
        shutil.rmtree(self._root, ignore_errors=True)

    def _data(self, repository: str, upload: str) -> Path:
        """Return the file of an upload into this very repository."""
        folder = self._root / upload
        try:
            known = _ID.fullmatch(upload) is not None and (folder / "repository").read_text() == repository
        except FileNotFoundError:
            known = False
        if not known or not (folder / "data").exists():
            raise RegistryError("BLOB_UPLOAD_UNKNOWN", f"there is no upload {upload} in {repository}")
        return folder / "data"

    def drop(self, upload: str) -> None:
        """Drop an upload, if it is there, and its bytes."""
        self._running.pop(upload, None)
        shutil.rmtree(self._root / upload, ignore_errors=True)


def _write(file: Any, chunk: bytes, size: int) -> None:
    """Write a chunk whole after `size` bytes, or leave the file as it was and say why it could not be."""
    try:
        view = memoryview(chunk)
        while view:
            view = view[file.write(view) :]
    except OSError as error:
        file.truncate(size)
        raise RegistryError(
            "UNAVAILABLE", f"the data folder: {error.strerror}; free some space, then push again"
        ) from error
