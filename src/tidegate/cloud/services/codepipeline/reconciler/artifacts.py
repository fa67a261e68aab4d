"""Artifacts: zips in the pipeline's bucket, read and written as the role that an action runs as."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cloud.call import Body, RoleSession
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    JOB_FAILED,
    PERMISSION_ERROR,
    ActionFailedError,
    is_denied,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t


class MissingFileError(Exception):
    """A file that an artifact does not have."""


class FileTooLargeError(Exception):
    """A file of an artifact that is larger than it may be."""


class Stream:
    """Bytes that come in pieces, as a payload whose size is known at its end."""

    length: int | None = None

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the pieces."""
        return self._pieces


class Artifacts:
    """Fetches artifacts into a scratch folder for as long as they are looked at, and stores new ones."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        shutil.rmtree(scratch, ignore_errors=True)  # what a kill has left

    @contextlib.asynccontextmanager
    async def fetched(self, session: RoleSession, place: t.S3LocationTypeDef) -> AsyncIterator[zipfile.ZipFile]:
        """Yield an artifact, opened; raise `ActionFailedError` where it cannot be had."""
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            path = Path(folder) / "artifact.zip"
            try:
                answer = await session("s3", "get_object", Bucket=place["bucket"], Key=place["key"])
                with path.open("wb") as file:
                    async for chunk in answer["Body"]:
                        file.write(chunk)
            except ServiceError as error:
                raise _inaccessible(place, error) from error
            try:
                archive = await asyncio.to_thread(zipfile.ZipFile, path)
            except zipfile.BadZipFile as error:
                raise ActionFailedError(
                    CONFIGURATION_ERROR, f"The artifact {place['bucket']}/{place['key']} is not a zip file: {error}"
                ) from error
            with archive:
                yield archive

    async def read(self, session: RoleSession, place: t.S3LocationTypeDef, name: str, most: int) -> bytes:
        """Return a file of an artifact; raise `MissingFileError` or `FileTooLargeError` (`most` bytes)."""
        async with self.fetched(session, place) as archive:
            try:
                info = archive.getinfo(name.removeprefix("./"))
            except KeyError:
                raise MissingFileError(name) from None
            if info.file_size > most:
                raise FileTooLargeError(name)
            return await asyncio.to_thread(archive.read, info)

    async def store(
        self, session: RoleSession, place: t.S3LocationTypeDef, body: Body | bytes, key: str | None = None
    ) -> None:
        """Store an artifact, encrypted with a key of KMS if one is given; raise `ActionFailedError` if it cannot be."""
        sealed = {} if key is None else {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
        where = {"Bucket": place["bucket"], "Key": place["key"]}
        try:
            await session("s3", "put_object", **where, Body=body, ContentType="application/zip", **sealed)
        except ServiceError as error:
            raise _inaccessible(place, error) from error


def _inaccessible(place: t.S3LocationTypeDef, error: ServiceError) -> ActionFailedError:
    where = (
        f"Unable to access the artifact with Amazon S3 object key '{place['key']}' located in the Amazon S3 artifact "
        f"bucket '{place['bucket']}'."
    )
    if is_denied(error):
        why = f"Insufficient permissions. {where} The provided role does not have sufficient permissions."
        return ActionFailedError(PERMISSION_ERROR, f"{why} {error.message}")
    if error.code in ("NoSuchBucket", "NoSuchKey"):
        return ActionFailedError(CONFIGURATION_ERROR, f"{where} {error.message} ({error.code})")
    return ActionFailedError(JOB_FAILED, f"{where} {error.message} ({error.code})")
