"""Source, S3: an object of a bucket with versions, as it is.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.describe import console
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    PERMISSION_ERROR,
    REVISION_UNAVAILABLE,
    ActionFailedError,
    ActionRun,
    Done,
    is_denied,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_SUMMARY = "codepipeline-artifact-revision-summary"  # of the object's metadata


class S3Source:
    """Takes the newest version of an object, or the one that the execution was started for."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    async def advance(self, run: ActionRun) -> Done:
        """Find the version, then store it; a version that was found once stays the one."""
        session = await run.session()
        bucket = run.configuration["S3Bucket"]
        key = run.pinned.get("S3_OBJECT_KEY") or run.configuration["S3ObjectKey"]
        given = run.progress.get("revision") or run.pinned.get("S3_OBJECT_VERSION_ID")
        try:
            versioning = await session("s3", "get_bucket_versioning", Bucket=bucket)
            if versioning.get("Status") != "Enabled":
                raise ActionFailedError(
                    CONFIGURATION_ERROR,
                    f"The S3 bucket {bucket} does not have versioning enabled: a source bucket must have it",
                )
            version = {"VersionId": given} if given else {}
            found = await session("s3", "get_object", Bucket=bucket, Key=key, **version)
        except ServiceError as error:
            raise _failure(error, bucket, key) from error
        revision = found["VersionId"]
        if "revision" not in run.progress:
            run.keep(revision=revision, external_id=revision)
            run.see(revision)
        (name,) = run.outputs
        await self._artifacts.store(session, run.outputs[name], found["Body"], run.encryption_key)
        summary = found["Metadata"].get(_SUMMARY, f"Amazon S3 version id: {revision}")
        etag = found["ETag"].strip('"')
        described: t.ArtifactRevisionTypeDef = {
            "name": name,
            "revisionId": revision,
            "revisionChangeIdentifier": etag,
            "revisionSummary": summary,
            "created": found["LastModified"],
            "revisionUrl": console("s3", f"s3/object/{bucket}/{quote(key)}"),
        }
        variables = {"BucketName": bucket, "ObjectKey": key, "ETag": etag, "VersionId": revision}
        return Done(variables, summary=summary, revision=described)


def _failure(error: ServiceError, bucket: str, key: str) -> ActionFailedError:
    if is_denied(error):
        return ActionFailedError(
            PERMISSION_ERROR,
            f"Insufficient permissions. The provided role does not have sufficient permissions to access the source "
            f"object {key} in the S3 bucket {bucket}. {error.message}",
        )
    if error.code in ("NoSuchBucket", "NoSuchKey", "NoSuchVersion"):
        return ActionFailedError(
            REVISION_UNAVAILABLE if error.code == "NoSuchVersion" else CONFIGURATION_ERROR,
            f"The source object {key} cannot be had from the S3 bucket {bucket}: {error.message} ({error.code})",
        )
    return ActionFailedError(REVISION_UNAVAILABLE, f"{error.message} ({error.code})")
