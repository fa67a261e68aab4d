"""Deploy, S3: an artifact, as it is or unpacked, into a bucket.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3Deploy.html
"""

from __future__ import annotations

import asyncio
import mimetypes
import zipfile
from pathlib import Path
from typing import Any

from tidegate.cloud.call import Body, FileSlice, RoleSession
from tidegate.cloud.clock import Clock
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

    def __init__(self, artifacts: Artifacts, clock: Clock) -> None:
        self._artifacts = artifacts
        self._clock = clock

    async def advance(self, run: ActionRun) -> Done:
        """Put the artifact into the bucket, or each file that is in it."""
        session, configuration = await run.session(), run.configuration
        bucket, key = configuration["BucketName"], self._key(run)
        headers = {
            member: configuration[name]
            for name, member in (("CannedACL", "ACL"), ("CacheControl", "CacheControl"))
            if name in configuration
        }
        (place,) = run.inputs.values()
        async with self._artifacts.fetched(session, place) as archive:
            if not is_true(configuration, "Extract"):
                await _put(session, bucket, key, _whole(archive), "application/zip", headers)
                return Done(summary=f"Deployed to s3://{bucket}/{key}")
            folder = f"{key.strip('/')}/" if key.strip("/") else ""
            files = [each for each in archive.infolist() if not each.is_dir()]
            for each in files:
                content = await asyncio.to_thread(archive.read, each)
                kind = mimetypes.guess_type(each.filename)[0] or "binary/octet-stream"
                await _put(session, bucket, folder + each.filename, content, kind, headers)
        return Done(summary=f"Deployed {len(files)} files to s3://{bucket}/{folder}")

    def _key(self, run: ActionRun) -> str:
        """Return the object key, with the values of `{datetime}` and `{uuid}`, which stay the same."""
        key = run.configuration.get("ObjectKey", "")
        if "{datetime}" not in key and "{uuid}" not in key:
            return key
        if "key" not in run.progress:
            moment = f"{run.now:%Y-%m-%d_%H-%M-%S}"
            run.keep(key=key.replace("{datetime}", moment).replace("{uuid}", self._clock.new_id()))
        return str(run.progress["key"])


def _whole(archive: zipfile.ZipFile) -> FileSlice:
    path = Path(str(archive.filename))
    return FileSlice(path, 0, path.stat().st_size)


async def _put(
    session: RoleSession, bucket: str, key: str, content: Body | bytes, kind: str, headers: dict[str, Any]
) -> None:
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
