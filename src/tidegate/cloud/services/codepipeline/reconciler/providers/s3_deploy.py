"""Deploy, S3: an artifact, as it is or unpacked, into a bucket.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3Deploy.html
"""

from __future__ import annotations

import asyncio
import mimetypes
import zipfile
from typing import Any

from tidegate.cloud.call import RoleSession
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.configuration import is_true
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    PERMISSION_ERROR,
    ActionFailedError,
    ActionRun,
    Done,
    is_denied,
)


class S3Deploy:
    """Puts objects; done twice after a kill, it puts the same."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    async def advance(self, run: ActionRun) -> Done:
        """Put the artifact into the bucket, or each file that is in it."""
        session, configuration = await run.session(), run.configuration
        bucket, key = configuration["BucketName"], configuration.get("ObjectKey", "")
        headers = {
            member: configuration[name]
            for name, member in (("CannedACL", "ACL"), ("CacheControl", "CacheControl"))
            if name in configuration
        }
        (place,) = run.inputs.values()
        async with self._artifacts.fetched(session, place) as archive:
            if not is_true(configuration, "Extract"):
                content = await asyncio.to_thread(_whole, archive)
                await _put(session, bucket, key, content, "application/zip", headers)
                return Done(summary=f"Deployed to s3://{bucket}/{key}")
            folder = f"{key.strip('/')}/" if key.strip("/") else ""
            files = [each for each in archive.infolist() if not each.is_dir()]
            for each in files:
                content = await asyncio.to_thread(archive.read, each)
                kind = mimetypes.guess_type(each.filename)[0] or "binary/octet-stream"
                await _put(session, bucket, folder + each.filename, content, kind, headers)
        return Done(summary=f"Deployed {len(files)} files to s3://{bucket}/{folder}")


def _whole(archive: zipfile.ZipFile) -> bytes:
    assert archive.filename is not None
    with open(archive.filename, "rb") as file:  # noqa: PTH123 - the name is text
        return file.read()


async def _put(session: RoleSession, bucket: str, key: str, content: bytes, kind: str, headers: dict[str, Any]) -> None:
    try:
        await session("s3", "put_object", Bucket=bucket, Key=key, Body=content, ContentType=kind, **headers)
    except ServiceError as error:
        if is_denied(error):
            raise ActionFailedError(
                PERMISSION_ERROR,
                f"Insufficient permissions. The provided role cannot deploy to the S3 bucket {bucket}. {error.message}",
            ) from error
        if error.code == "NoSuchBucket":
            raise ActionFailedError(CONFIGURATION_ERROR, f"The S3 bucket {bucket} does not exist") from error
        raise
