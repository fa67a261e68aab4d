"""S3 as the other services use it: bodies are bytes or streams, in both directions, and no wire is between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegate.cloud.call import Caller, Calls, Dispatcher, FileSlice, Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway.models import Models
from tidegate.cloud.gateway.validate import RequestValidator
from tidegate.cloud.services.s3.api import BucketsApi, ObjectsApi
from tidegate.cloud.services.s3.blobs import Blobs
from tidegate.cloud.services.s3.model import S3Model
from tidegate.cloud.store import Store


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Caller]:
    store, clock = Store(tmp_path / "state.db"), Clock()
    dispatcher = Dispatcher(clock, lambda *_: None, RequestValidator(Models()))
    calls, model = Calls(dispatcher, "000000000000"), S3Model(store, "000000000000")
    blobs = Blobs(tmp_path / "s3", store, clock)
    dispatcher.register("s3", BucketsApi(model, clock), ObjectsApi(model, blobs, calls, clock))
    yield calls.as_principal(Principal("arn", "id", "000000000000"), "us-east-1")
    store.close()


async def read(answer: Any) -> bytes:
    return b"".join([chunk async for chunk in answer["Body"]])


async def test_bytes_files_and_objects_are_bodies(call: Caller, tmp_path: Path) -> None:
    await call("s3", "create_bucket", Bucket="bucket")
    await call("s3", "put_object", Bucket="bucket", Key="bytes", Body=b"hello")
    assert await read(await call("s3", "get_object", Bucket="bucket", Key="bytes")) == b"hello"
    large = b"0123456789" * 500_000
    (tmp_path / "file").write_bytes(large)
    await call("s3", "put_object", Bucket="bucket", Key="file", Body=FileSlice(tmp_path / "file", 10, len(large) - 10))
    answer = await call("s3", "get_object", Bucket="bucket", Key="file")
    assert (answer["ContentLength"], answer["Body"].length) == (len(large) - 10, len(large) - 10)
    await call("s3", "put_object", Bucket="bucket", Key="again", Body=answer["Body"])
    assert await read(await call("s3", "get_object", Bucket="bucket", Key="again")) == large[10:]


async def test_a_body_that_ends_early_is_refused(call: Caller, tmp_path: Path) -> None:
    await call("s3", "create_bucket", Bucket="bucket")
    (tmp_path / "file").write_bytes(b"short")
    with pytest.raises(ServiceError, match="IncompleteBody"):
        await call("s3", "put_object", Bucket="bucket", Key="k", Body=FileSlice(tmp_path / "file", 0, 6))
    with pytest.raises(ServiceError, match="NoSuchKey"):
        await call("s3", "get_object", Bucket="bucket", Key="k")
    assert list((tmp_path / "s3" / "incoming").iterdir()) == []


async def test_a_blob_that_is_read_is_not_removed(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "state.db"), Clock()
    blobs = Blobs(tmp_path / "s3", store, clock)
    async with blobs.receive(b"content") as incoming:
        blobs.keep(incoming, lambda: None)
    content = blobs.content([(incoming.blob, 7)])
    assert not await blobs.remove(incoming.blob)
    assert b"".join([chunk async for chunk in content]) == b"content"
    del content
    assert await blobs.remove(incoming.blob)
    assert not blobs.path(incoming.blob).exists()
    store.close()


async def test_a_record_that_is_not_written_leaves_no_blob(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "state.db"), Clock()
    blobs = Blobs(tmp_path / "s3", store, clock)

    def fail() -> None:
        raise ServiceError("No", "no")

    with pytest.raises(ServiceError):
        async with blobs.receive(b"content") as incoming:
            blobs.keep(incoming, fail)
    assert not blobs.path(incoming.blob).exists()
    assert store.items("s3.pending") == []
    store.close()


def test_a_start_removes_what_a_kill_left(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "state.db"), Clock()
    blobs = Blobs(tmp_path / "s3", store, clock)
    (tmp_path / "s3" / "incoming" / "half").write_bytes(b"x")
    path = blobs.path("abcdef")
    path.parent.mkdir()
    path.write_bytes(b"renamed, and nothing refers to it")
    store.put("s3.pending", ("abcdef",), {})
    Blobs(tmp_path / "s3", store, clock)
    assert not path.exists()
    assert list((tmp_path / "s3" / "incoming").iterdir()) == []
    assert store.items("s3.pending") == []
    store.close()
