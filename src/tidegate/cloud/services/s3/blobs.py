"""The bytes of objects and parts: one file each, never changed once it is there.

    <root>/incoming/   what is being received; emptied at start
    <root>/blobs/ab/   what the records refer to, by an id of its own: no name of a client's ever becomes a path
    <root>/discarded/  what a reset has put aside, until a thread has removed it

A blob comes in as a file that is renamed when it is whole and wanted. Between the rename and the commit of the record
that refers to it stands an `s3.pending` record, by which a start after a kill finds a file that nobody refers to.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import threading
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tidegate.cloud import checksums
from tidegate.cloud.call import Body, FileSlice
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, StateError
from tidegate.cloud.store import Collection, Store

_BATCH = 1 << 20  # bytes that are hashed and written at once, in a thread


@dataclass(slots=True)
class Incoming:
    """A payload that was received whole: its blob, size, MD5 and checksums (base64, by algorithm)."""

    blob: str
    size: int = 0
    md5: bytes = b""
    checksums: dict[str, str] = field(default_factory=dict)


class Content:
    """The bytes of a version, or a stretch of them, out of one blob or several; they stay while this is held."""

    def __init__(self, slices: list[FileSlice]) -> None:
        self.slices = slices

    @property
    def length(self) -> int:
        """The size in bytes."""
        return sum(each.length for each in self.slices)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces."""
        for each in self.slices:
            async for chunk in each:
                yield chunk


class Blobs:
    """The folder of blobs."""

    def __init__(self, root: Path, store: Store, clock: Clock) -> None:
        self._incoming = root / "incoming"
        self._blobs = root / "blobs"
        self._discarded = root / "discarded"
        self._clock = clock
        self._transaction = store.transaction
        self._pending = Collection[dict[str, str]](store, "s3.pending")
        self._readers: Counter[str] = Counter()
        for folder in (self._incoming, self._blobs, self._discarded):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for (blob,) in [key for key, _ in self._pending.items()]:
            self.path(blob).unlink(missing_ok=True)
            self._pending.delete(blob)
        for left in self._incoming.iterdir():
            left.unlink()
        self._empty_discarded()

    def path(self, blob: str) -> Path:
        """Return where a blob's file is."""
        return self._blobs / blob[:2] / blob

    @contextlib.asynccontextmanager
    async def receive(self, body: Body | bytes | None, algorithms: Iterable[str] = ()) -> AsyncIterator[Incoming]:
        """Write a payload to a file of its own and give what it is; unless it is kept inside, nothing is left of it.

        Raises StateError where it cannot be written, and what the body raises where it breaks off.
        """
        incoming = Incoming(self._clock.hex(32))
        path = self._incoming / incoming.blob
        md5 = hashlib.md5(usedforsecurity=False)
        digests = {name: checksums.new(name) for name in algorithms}
        try:
            with _full_disk_said(), path.open("wb") as file:
                incoming.size = await _absorb(body, file, [md5, *digests.values()])
            incoming.md5 = md5.digest()
            incoming.checksums = {name: checksums.encoded(each) for name, each in digests.items()}
            yield incoming
        finally:
            path.unlink(missing_ok=True)

    def keep(self, incoming: Incoming, write: Callable[[], None]) -> None:
        """Make a received payload a blob, and `write` the records that refer to it, both or neither."""
        final = self.path(incoming.blob)
        self._pending.put((incoming.blob,), {})
        try:
            with _full_disk_said():
                try:
                    (self._incoming / incoming.blob).rename(final)
                except FileNotFoundError:  # the first blob of this folder
                    final.parent.mkdir(mode=0o700, exist_ok=True)
                    (self._incoming / incoming.blob).rename(final)
            with self._transaction():
                write()
                self._pending.delete(incoming.blob)
        except BaseException:
            final.unlink(missing_ok=True)
            self._pending.delete(incoming.blob)
            raise

    def content(self, blobs: Iterable[tuple[str, int]], start: int = 0, length: int | None = None) -> Content:
        """Return `length` bytes (None: all) from `start` of blobs put end to end; they stay while it is held."""
        slices, names, position = [], [], 0
        for blob, size in blobs:
            begin = max(start - position, 0)
            end = size if length is None else min(size, start + length - position)
            if begin < end:
                slices.append(FileSlice(self.path(blob), begin, end - begin))
                names.append(blob)
            position += size
        content = Content(slices)
        self._readers.update(names)
        weakref.finalize(content, self._readers.subtract, names).atexit = False
        return content

    async def remove(self, blob: str) -> bool:
        """Remove the file of a blob that no record refers to, in a thread; False while somebody reads it."""
        if self._readers[blob] > 0:
            return False
        self._readers.pop(blob, None)
        await asyncio.to_thread(self.path(blob).unlink, missing_ok=True)
        return True

    def reset(self) -> None:
        """Put everything aside, at once; a thread removes it."""
        aside = self._discarded / self._clock.hex(16)
        aside.mkdir()
        for folder in (self._blobs, self._incoming):
            folder.rename(aside / folder.name)
            folder.mkdir(mode=0o700)
        self._empty_discarded()

    def _empty_discarded(self) -> None:
        left = list(self._discarded.iterdir())
        if left:
            remove = threading.Thread(target=_remove_all, args=(left,), name="s3 removal", daemon=True)
            remove.start()


def _remove_all(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # what stays is tried again at the next start


async def _absorb(body: Body | bytes | None, file: IO[bytes], digests: list[checksums.Digest]) -> int:
    """Write and digest a payload as it comes and return its size; a large one in a thread, batch by batch."""

    def take(batch: list[bytes]) -> None:
        data = b"".join(batch)
        file.write(data)
        for digest in digests:
            digest.update(data)

    if body is None or isinstance(body, (bytes, bytearray)):
        take([bytes(body or b"")])
        return len(body or b"")
    size = held = 0
    batch: list[bytes] = []
    async for chunk in body:
        batch.append(chunk)
        held += len(chunk)
        if held >= _BATCH:
            await asyncio.to_thread(take, batch)
            size, held, batch = size + held, 0, []
    take(batch)
    if body.length is not None and size + held != body.length:
        raise ServiceError(
            "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"
        )
    return size + held


@contextlib.contextmanager
def _full_disk_said() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(f"the data folder: {error.strerror}; free some space, then try again") from error
