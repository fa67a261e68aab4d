"""Copies of objects. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.s3.api.encryption import members, seal, unseal
from tidegate.cloud.services.s3.api.objects import complete, expiration_of
from tidegate.cloud.services.s3.api.payload import DEFAULT
from tidegate.cloud.services.s3.api.shared import (
    REFUSED,
    checked_algorithm,
    checksum_members,
    conditions,
    draft,
    find_bucket,
    find_version,
    object_arn,
    quoted,
    read_source,
    version_of,
)
from tidegate.cloud.services.s3.blobs import Blobs
from tidegate.cloud.services.s3.conditions import check_read, check_write
from tidegate.cloud.services.s3.model import BucketRecord, ObjectRecord, S3Model
from tidegate.cloud.services.s3.notices import Notices

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

SOURCE_KEYS = ("CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5")
_LARGEST = 5 << 30  # bytes of one copy


class CopiesApi:
    """Copies an object within the local cloud."""

    def __init__(self, model: S3Model, blobs: Blobs, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._blobs = blobs
        self._calls = calls
        self._clock = clock
        self._notices = Notices(model, clock)

    @operation(
        resource=object_arn,
        action="s3:PutObject",
        conditions=conditions,
        refuse=(*REFUSED, *SOURCE_KEYS, "AnnotationDirective"),
    )
    async def copy_object(self, context: Context, request: t.CopyObjectRequestTypeDef) -> Mapping[str, Any]:
        """Write an object that has another one's bytes and, unless the request replaces them, its metadata and tags."""
        bucket, key = find_bucket(self.model, context, request), request["Key"]
        source_bucket, source = find_source(self.model, self._calls, context, request)
        if source["size"] > _LARGEST:
            raise ServiceError(
                "InvalidRequest", f"The specified copy source is larger than the maximum allowable size: {_LARGEST}"
            )
        replaces, retags = request.get("MetadataDirective") == "REPLACE", request.get("TaggingDirective") == "REPLACE"
        itself = read_source(str(request["CopySource"]))[:2] == (bucket["name"], key)
        changes = replaces or not {"StorageClass", "ServerSideEncryption"}.isdisjoint(request)
        if itself and not changes and self.model.current(bucket["name"], key) == source:
            raise ServiceError(
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself without changing "
                "the object's metadata, storage class, website redirect location or encryption attributes.",
            )
        record = draft(bucket, request, self._clock.now())
        if not replaces:
            record["headers"], record["metadata"] = source["headers"], source["metadata"]
        if not retags:
            record["tags"] = source["tags"]
        if record["tags"]:
            if not retags:
                self._calls.authorize(context, "s3:GetObjectTagging", _arn_of_source(request))
            self._calls.authorize(context, "s3:PutObjectTagging", object_arn(self, context, request))
        content = self._blobs.content(self.model.blobs_of(source))
        await unseal(self._calls, context, source_bucket, source)
        sealed = await seal(self._calls, context, bucket, key, request)
        if sealed is not None:
            record["seal"] = sealed
        algorithm = checked_algorithm(request) or source.get("checksum", {}).get("algorithm") or DEFAULT
        async with self._blobs.receive(content, [algorithm]) as incoming:
            bucket = find_bucket(self.model, context, request)
            check_write(request, self.model.current(bucket["name"], key))
            complete(record, incoming, algorithm, bucket, self._clock)
            self._blobs.keep(incoming, lambda: self._write(context, bucket, key, record))
        return {
            "CopyObjectResult": {
                "ETag": quoted(record["etag"]),
                "LastModified": record["modified"],
                **checksum_members(record["checksum"]),
            },
            **members(record),
            **source_version(source_bucket, source),
            **version_of(bucket, record),
            **expiration_of(bucket, key, record),
        }

    def _write(self, context: Context, bucket: BucketRecord, key: str, record: ObjectRecord) -> None:
        self.model.put(bucket, key, record)
        self._notices.created(context, bucket, key, record, "CopyObject")


def find_source(
    model: S3Model, calls: Calls, context: Context, request: Mapping[str, Any]
) -> tuple[BucketRecord, ObjectRecord]:
    """Return the bucket and the version that a copy is made from, authorized and held against its conditions."""
    name, key, version = read_source(request["CopySource"])
    action = "s3:GetObject" if version is None else "s3:GetObjectVersion"
    about = {"Bucket": name, "Key": key, "ExpectedBucketOwner": request.get("ExpectedSourceBucketOwner")}
    calls.authorize(context, action, f"arn:aws:s3:::{name}/{key}")
    bucket = find_bucket(model, context, about, anywhere=True)
    record = find_version(model, calls, context, bucket, key, version)
    wanted = {
        "IfMatch": request.get("CopySourceIfMatch"),
        "IfNoneMatch": request.get("CopySourceIfNoneMatch"),
        "IfModifiedSince": request.get("CopySourceIfModifiedSince"),
        "IfUnmodifiedSince": request.get("CopySourceIfUnmodifiedSince"),
    }
    check_read(wanted, record, copied=True)
    return bucket, record


def source_version(bucket: BucketRecord, record: ObjectRecord) -> dict[str, str]:
    """Return the CopySourceVersionId of an answer: none where the source never had versions."""
    return {"CopySourceVersionId": record["version"]} if "versioning" in bucket else {}


def _arn_of_source(request: Mapping[str, Any]) -> str:
    bucket, key, _ = read_source(request["CopySource"])
    return f"arn:aws:s3:::{bucket}/{key}"
