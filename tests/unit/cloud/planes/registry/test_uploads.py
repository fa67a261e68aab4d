"""Uploads: what came stays, in order, and becomes a blob only when it is what it should be."""

from __future__ import annotations

import asyncio
import resource
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.registry import digest_of
from tidegate.cloud.planes.registry import Blobs, RegistryError, Uploads

CONTENT = bytes(range(256)) * 100


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def cut_after(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    raise ConnectionError


class Disk:
    """A registry's folder; `uploads()` is what a daemon that has just started sees of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = Blobs(folder / "blobs")

    def uploads(self) -> Uploads:
        return Uploads(self.folder / "uploads", self.blobs, lambda: str(uuid.uuid4()))

    @property
    def leftovers(self) -> list[str]:
        return [path.name for path in (self.folder / "uploads").rglob("*")]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


async def test_an_upload_becomes_a_blob(disk: Disk) -> None:
    uploads = disk.uploads()
    upload = uploads.start("app")
    assert await uploads.append("app", upload, pieces(CONTENT[:100], CONTENT[100:]), offset=0, length=None) == 25_600
    assert await uploads.finish("app", upload, digest_of(CONTENT)) == 25_600
    assert disk.blobs.path(digest_of(CONTENT)).read_bytes() == CONTENT
    assert disk.leftovers == []


@pytest.mark.parametrize("at", [0, 1, 100, 25_599])
async def test_after_a_cut_and_a_restart_it_goes_on(disk: Disk, at: int) -> None:
    upload = disk.uploads().start("app")
    with pytest.raises(ConnectionError):
        await disk.uploads().append("app", upload, cut_after(CONTENT[:at]), offset=0, length=None)
    uploads = disk.uploads()
    assert uploads.size("app", upload) == at
    await uploads.append("app", upload, pieces(CONTENT[at:]), offset=at, length=None)
    assert await uploads.finish("app", upload, digest_of(CONTENT)) == 25_600


async def test_two_who_send_at_once_take_turns(disk: Disk) -> None:
    uploads, upload = disk.uploads(), disk.uploads().start("app")
    came, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield CONTENT[:100]
        came.set()
        await go_on.wait()
        yield CONTENT[100:200]

    first = asyncio.create_task(uploads.append("app", upload, slowly(), offset=0, length=None))
    second = asyncio.create_task(uploads.append("app", upload, pieces(b"x"), offset=100, length=None))
    await came.wait()
    go_on.set()
    assert await first == 200
    with pytest.raises(RegistryError, match="goes on at byte 200, not 100"):
        await second
    third = await uploads.append("app", upload, pieces(CONTENT[200:]), offset=200, length=None)
    assert await uploads.finish("app", upload, digest_of(CONTENT)) == third


async def test_a_full_disk_is_said_and_leaves_the_upload_whole(disk: Disk) -> None:
    uploads, upload = disk.uploads(), disk.uploads().start("app")
    await uploads.append("app", upload, pieces(CONTENT[:1000]), offset=0, length=None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # a write past it fails as one on a full disk does
    try:
        with pytest.raises(RegistryError, match="UNAVAILABLE: the data folder: File too large; free some space"):
            await uploads.append("app", upload, pieces(CONTENT[1000:5000], CONTENT[5000:]), offset=1000, length=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert uploads.size("app", upload) == 5000
    await uploads.append("app", upload, pieces(CONTENT[5000:]), offset=5000, length=None)
    assert await uploads.finish("app", upload, digest_of(CONTENT)) == 25_600


async def test_an_upload_that_goes_while_it_is_sent_is_not_there(disk: Disk) -> None:
    uploads, upload = disk.uploads(), disk.uploads().start("app")

    async def and_then_cancelled() -> AsyncIterator[bytes]:
        yield CONTENT
        uploads.cancel("app", upload)

    await uploads.append("app", upload, and_then_cancelled(), offset=0, length=None)
    with pytest.raises(RegistryError, match="BLOB_UPLOAD_UNKNOWN"):
        await uploads.finish("app", upload, digest_of(CONTENT))
    assert disk.blobs.size(digest_of(CONTENT)) is None


async def test_idle_uploads_expire(disk: Disk) -> None:
    uploads, upload = disk.uploads(), disk.uploads().start("app")
    half_made = disk.folder / "uploads" / str(uuid.uuid4())
    half_made.mkdir()
    modified = half_made.stat().st_mtime
    uploads.expire(modified - 60)
    assert uploads.size("app", upload) == 0
    uploads.expire(modified + 60)
    assert disk.leftovers == []


def test_blobs_age_and_are_promised(disk: Disk) -> None:
    file = disk.folder / "file"
    file.write_bytes(CONTENT)
    digest, moment = digest_of(CONTENT), file.stat().st_mtime
    disk.blobs.adopt(digest, file)
    assert disk.blobs.aged(moment + 60) == [digest]
    assert disk.blobs.aged(moment) == []
    assert disk.blobs.promise(digest) == len(CONTENT)
    assert disk.blobs.promise(digest_of(b"absent")) is None
    disk.blobs.remove(digest)
    assert disk.blobs.aged(moment + 60) == []
