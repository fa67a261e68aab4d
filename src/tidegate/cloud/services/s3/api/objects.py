"""Objects: put, get, head, delete. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html and siblings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.s3.api.encryption import members, seal, unseal
from tidegate.cloud.services.s3.api.payload import DEFAULT, algorithm_of, received
from tidegate.cloud.services.s3.api.shared import (
    CUSTOMER_KEYS,
    REFUSED,
    XXHASHES,
    checked_version,
    checksum_members,
    conditions,
    draft,
    find_bucket,
    find_version,
    object_action,
    object_arn,
    quoted,
    version_of,
)
from tidegate.cloud.services.s3.blobs import Blobs, Incoming
from tidegate.cloud.services.s3.conditions import byte_range, check_read, check_write
from tidegate.cloud.services.s3.model import NULL, BucketRecord, ObjectRecord, S3Model
from tidegate.cloud.services.s3.notices import Notices
from tidegate.cloud.services.s3.plan import expiration

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

_MOST_DELETIONS = 1000
_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}


class ObjectsApi:
    """Whole objects."""

    def __init__(self, model: S3Model, blobs: Blobs, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._blobs = blobs
        self._calls = calls
        self._clock = clock
        self._notices = Notices(model, clock)

    @operation(resource=object_arn, conditions=conditions, refuse=(*REFUSED, *XXHASHES, "WriteOffsetBytes"))
    async def put_object(self, context: Context, request: t.PutObjectRequestTypeDef) -> Mapping[str, Any]:
        """Write an object, once all of it has come and is what the request says."""
        bucket, key = find_bucket(self.model, context, request), request["Key"]
        for member, action in (("Tagging", "s3:PutObjectTagging"), ("ACL", "s3:PutObjectAcl")):
            if request.get(member):
                self._calls.authorize(context, action, object_arn(self, context, request))
        record = draft(bucket, request, self._clock.now())
        check_write(request, self.model.current(bucket["name"], key))
        sealed = await seal(self._calls, context, bucket, key, request)
        if sealed is not None:
            record["seal"] = sealed
        algorithm = algorithm_of(request) or DEFAULT
        async with received(self._blobs, request, algorithm) as incoming:
            bucket = find_bucket(self.model, context, request)  # a body takes its time
            check_write(request, self.model.current(bucket["name"], key))
            complete(record, incoming, algorithm, bucket, self._clock)
            self._blobs.keep(incoming, lambda: self._write(context, bucket, key, record))
        return {
            "ETag": quoted(record["etag"]),
            **members(record),
            **checksum_members(record["checksum"]),
            **version_of(bucket, record),
            **expiration_of(bucket, key, record),
        }

    @operation(action=object_action("GetObject"), resource=object_arn, conditions=conditions, refuse=CUSTOMER_KEYS)
    async def get_object(self, context: Context, request: t.GetObjectRequestTypeDef) -> Mapping[str, Any]:
        """Return an object, a version of it, a range or a part of it."""
        record, answer, first = self._read(context, request)
        body = self._blobs.content(self.model.blobs_of(record), first, answer["ContentLength"])  # it stays from here on
        await unseal(self._calls, context, find_bucket(self.model, context, request), record)
        return {**answer, "Body": body}

    @operation(action=object_action("GetObject"), resource=object_arn, conditions=conditions, refuse=CUSTOMER_KEYS)
    async def head_object(self, context: Context, request: t.HeadObjectRequestTypeDef) -> Mapping[str, Any]:
        """Return what GetObject would, without the bytes; the checksum alone needs the object's key."""
        record, answer, _ = self._read(context, request)
        if request.get("ChecksumMode") == "ENABLED":
            await unseal(self._calls, context, find_bucket(self.model, context, request), record)
        return answer

    @operation(
        action=object_action("DeleteObject"),
        resource=object_arn,
        conditions=conditions,
        refuse=("MFA", "BypassGovernanceRetention", "IfMatchLastModifiedTime", "IfMatchSize"),
    )
    async def delete_object(self, context: Context, request: t.DeleteObjectRequestTypeDef) -> Mapping[str, Any]:
        """Delete an object: put a delete marker where the bucket has versions; with a version id, that one for good."""
        bucket = find_bucket(self.model, context, request)
        if "IfMatch" in request:
            check_write(request, self.model.current(bucket["name"], request["Key"]))
        return self._delete(context, bucket, request["Key"], request.get("VersionId"))

    @operation(open_to_all=True, refuse=("MFA", "BypassGovernanceRetention"))
    async def delete_objects(self, context: Context, request: t.DeleteObjectsRequestTypeDef) -> Mapping[str, Any]:
        """Delete up to 1,000 keys; each is authorized, and answered, by itself."""
        bucket = find_bucket(self.model, context, request)
        objects = request["Delete"]["Objects"]
        if not 1 <= len(objects) <= _MOST_DELETIONS:
            raise ServiceError(
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            )
        deleted, errors = [], []
        for each in objects:
            given = {"Key": each["Key"], **({"VersionId": each["VersionId"]} if "VersionId" in each else {})}
            try:
                deleted.append({**given, **self._delete_one(context, bucket, each)})
            except ServiceError as error:
                errors.append({**given, "Code": error.code, "Message": error.message})
        return {"Deleted": [] if request["Delete"].get("Quiet") else deleted, "Errors": errors}

    def _delete_one(self, context: Context, bucket: BucketRecord, given: t.ObjectIdentifierTypeDef) -> dict[str, Any]:
        key, version = given["Key"], given.get("VersionId")
        about = {"Bucket": bucket["name"], "Key": key, "VersionId": version}
        action = object_action("DeleteObject")(self, context, about)
        self._calls.authorize(context, action, object_arn(self, context, about), conditions(self, context, about))
        current = self.model.current(bucket["name"], key)
        if given.get("ETag") is not None:
            check_write({"IfMatch": given["ETag"]}, current)
        for name in ("LastModifiedTime", "Size"):
            if given.get(name) is not None:
                raise not_offered(f"s3:DeleteObjects {name} (a condition for directory buckets)")
        answer = self._delete(context, bucket, key, version)
        if not answer.get("DeleteMarker"):
            return {}
        return {"DeleteMarker": True, "DeleteMarkerVersionId": answer["VersionId"]}

    def _write(self, context: Context, bucket: BucketRecord, key: str, record: ObjectRecord) -> None:
        self.model.put(bucket, key, record)
        self._notices.created(context, bucket, key, record, "PutObject")

    def _delete(self, context: Context, bucket: BucketRecord, key: str, version: str | None) -> dict[str, Any]:
        with self.model.transaction():
            if version is None:
                there = self.model.current(bucket["name"], key) is not None
                marker = self.model.delete(bucket, key, self._clock.secret(24), self._clock.now())
                if there or marker is not None:
                    self._notices.deleted(context, bucket, key, marker, marked=marker is not None)
                return {} if marker is None else {"DeleteMarker": True, "VersionId": marker}
            removed = self.model.remove(bucket["name"], key, checked_version(version))
            if removed is not None:
                self._notices.deleted(context, bucket, key, version, marked=False)
            return {"VersionId": version, **({"DeleteMarker": True} if removed and removed.get("marker") else {})}

    def _read(self, context: Context, request: Mapping[str, Any]) -> tuple[ObjectRecord, dict[str, Any], int]:
        """Return what is read, the head of the answer, and where the bytes that are asked for begin."""
        bucket, key = find_bucket(self.model, context, request), request["Key"]
        record = find_version(self.model, self._calls, context, bucket, key, request.get("VersionId"))
        check_read(request, record)
        size = record["size"]
        number, text = request.get("PartNumber"), request.get("Range")
        if number is not None and text is not None:
            raise ServiceError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        span = byte_range(text, size) if number is None else self._part(record, number)
        answer: dict[str, Any] = {
            "AcceptRanges": "bytes",
            "LastModified": record["modified"],
            "ETag": quoted(record["etag"]),
            "ContentLength": size if span is None else span[1] - span[0] + 1,
            **members(record),
            "Metadata": record["metadata"],
            **record["headers"],
            **version_of(bucket, record),
            **expiration_of(bucket, key, record),
        }
        if span is not None:
            answer["ContentRange"] = f"bytes {span[0]}-{span[1]}/{size}"
        if record["storage_class"] != "STANDARD":
            answer["StorageClass"] = record["storage_class"]
        if record["tags"]:
            answer["TagCount"] = len(record["tags"])
        if "parts" in record and number is not None:
            answer["PartsCount"] = record["parts"]
        if request.get("ChecksumMode") == "ENABLED" and span in (None, (0, size - 1)):
            answer |= checksum_members(record.get("checksum"))
        for asked, name in _OVERRIDES.items():
            if request.get(asked) is not None:
                answer[name] = request[asked]
        return record, answer, 0 if span is None else span[0]

    def _part(self, record: ObjectRecord, number: int) -> tuple[int, int] | None:
        """Return the first and the last byte of a part; an object that was put whole has one, part 1."""
        if "parts" not in record and number == 1:
            return (0, record["size"] - 1) if record["size"] else None
        start = 0
        for position, (_, size) in enumerate(self.model.blobs_of(record), 1):
            if position == number and "parts" in record:
                return start, start + size - 1
            start += size
        raise ServiceError(
            "InvalidPartNumber", "The requested partnumber is not satisfiable", 416, PartNumberRequested=number
        )


def complete(record: ObjectRecord, incoming: Incoming, algorithm: str, bucket: BucketRecord, clock: Clock) -> None:
    """Give a drafted object the bytes that were received for it."""
    record["modified"], record["version"] = clock.now(), new_version(bucket, clock)
    record["blob"], record["size"], record["etag"] = incoming.blob, incoming.size, incoming.md5.hex()
    record["checksum"] = {"algorithm": algorithm, "value": incoming.checksums[algorithm], "type": "FULL_OBJECT"}


def new_version(bucket: BucketRecord, clock: Clock) -> str:
    """Return the version id of what is written now."""
    return clock.secret(24) if bucket.get("versioning") == "Enabled" else NULL


def expiration_of(bucket: BucketRecord, key: str, record: ObjectRecord) -> dict[str, str]:
    """Return the Expiration of an answer, where a lifecycle rule gives one."""
    due = expiration(bucket.get("lifecycle", ()), key, record)
    if due is None:
        return {}
    return {"Expiration": f'expiry-date="{due.at:%a, %d %b %Y %H:%M:%S} GMT", rule-id="{due.rule}"'}
