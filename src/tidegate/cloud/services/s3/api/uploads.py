"""Uploads in parts. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tidegate.cloud import checksums
from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.s3.api.copies import SOURCE_KEYS, find_source, source_version
from tidegate.cloud.services.s3.api.encryption import members, seal, unseal
from tidegate.cloud.services.s3.api.objects import expiration_of, new_version
from tidegate.cloud.services.s3.api.payload import DEFAULT, algorithm_of, received
from tidegate.cloud.services.s3.api.shared import (
    CUSTOMER_KEYS,
    REFUSED,
    XXHASHES,
    checked_algorithm,
    checksum_members,
    conditions,
    draft,
    find_bucket,
    given_checksum,
    object_arn,
    quoted,
    version_of,
)
from tidegate.cloud.services.s3.blobs import Blobs
from tidegate.cloud.services.s3.conditions import check_write, copy_range
from tidegate.cloud.services.s3.model import (
    BucketRecord,
    Checksum,
    ObjectRecord,
    PartRecord,
    S3Model,
    UploadRecord,
    escaped,
    part_key,
)
from tidegate.cloud.services.s3.notices import Notices
from tidegate.cloud.services.s3.plan import abortion

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

_SMALLEST_PART = 5 << 20  # bytes, but for the last
_MOST_PARTS = 10_000


class UploadsApi:
    """An object's way into a bucket part by part."""

    def __init__(self, model: S3Model, blobs: Blobs, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._blobs = blobs
        self._calls = calls
        self._clock = clock
        self._notices = Notices(model, clock)

    @operation(action="s3:PutObject", resource=object_arn, conditions=conditions, refuse=REFUSED)
    async def create_multipart_upload(
        self, context: Context, request: t.CreateMultipartUploadRequestTypeDef
    ) -> Mapping[str, Any]:
        """Begin an upload."""
        bucket, key, now = find_bucket(self.model, context, request), request["Key"], self._clock.now()
        for member, action in (("Tagging", "s3:PutObjectTagging"), ("ACL", "s3:PutObjectAcl")):
            if request.get(member):
                self._calls.authorize(context, action, object_arn(self, context, request))
        algorithm, record = checked_algorithm(request), draft(bucket, request, now)
        sealed = await seal(self._calls, context, bucket, key, request)
        if sealed is not None:
            record["seal"] = sealed
            bucket = find_bucket(self.model, context, request)  # KMS was asked meanwhile
        upload: UploadRecord = {
            "id": self._clock.secret(48),
            "initiated": now,
            "initiator": context.principal.arn,
            "draft": record,
            "algorithm": algorithm,
            "type": _checksum_type(algorithm, request.get("ChecksumType")),
        }
        self.model.uploads.put((bucket["name"], escaped(key), upload["id"]), upload)
        about = {} if algorithm is None else {"ChecksumAlgorithm": algorithm, "ChecksumType": upload["type"]}
        return {
            "Bucket": bucket["name"],
            "Key": key,
            "UploadId": upload["id"],
            **members(record),
            **about,
            **abortion_of(bucket, key, upload),
        }

    @operation(action="s3:PutObject", resource=object_arn, conditions=conditions, refuse=(*CUSTOMER_KEYS, *XXHASHES))
    async def upload_part(self, context: Context, request: t.UploadPartRequestTypeDef) -> Mapping[str, Any]:
        """Write a part, in the place of one of the same number."""
        upload = self._find(context, request)
        await unseal(self._calls, context, find_bucket(self.model, context, request), upload["draft"])
        algorithm, own = upload["algorithm"] or DEFAULT, algorithm_of(request)
        if upload["algorithm"] is not None and own not in (None, upload["algorithm"]):
            raise ServiceError(
                "InvalidRequest",
                f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.lower()}, "
                f"actual checksum Type: {str(own).lower()}",
            )
        async with received(self._blobs, request, algorithm) as incoming:
            part = self._part(request["PartNumber"], incoming.blob, incoming.size, incoming.md5, algorithm)
            part["checksum"]["value"] = incoming.checksums[algorithm]
            self._find(context, request)  # it may have ended while the part came
            self._blobs.keep(incoming, lambda: self.model.put_part(upload["id"], part))
        answered: Checksum = part["checksum"] if own is None else {**part["checksum"], "algorithm": own}
        answered["value"] = incoming.checksums[answered["algorithm"]]
        return {
            "ETag": quoted(part["etag"]),
            **members(upload["draft"]),
            **checksum_members(answered, typed=False),
        }

    @operation(action="s3:PutObject", resource=object_arn, conditions=conditions, refuse=(*CUSTOMER_KEYS, *SOURCE_KEYS))
    async def upload_part_copy(self, context: Context, request: t.UploadPartCopyRequestTypeDef) -> Mapping[str, Any]:
        """Write a part that is an object, or a range of one."""
        upload = self._find(context, request)
        source_bucket, source = find_source(self.model, self._calls, context, request)
        text = request.get("CopySourceRange")
        first, last = (0, source["size"] - 1) if text is None else copy_range(text, source["size"])
        content = self._blobs.content(self.model.blobs_of(source), first, last - first + 1)
        await unseal(self._calls, context, find_bucket(self.model, context, request), upload["draft"])
        await unseal(self._calls, context, source_bucket, source)
        algorithm = upload["algorithm"] or DEFAULT
        async with self._blobs.receive(content, [algorithm]) as incoming:
            part = self._part(request["PartNumber"], incoming.blob, incoming.size, incoming.md5, algorithm)
            part["checksum"]["value"] = incoming.checksums[algorithm]
            self._find(context, request)
            self._blobs.keep(incoming, lambda: self.model.put_part(upload["id"], part))
        return {
            "CopyPartResult": {
                "ETag": quoted(part["etag"]),
                "LastModified": part["modified"],
                **checksum_members(part["checksum"], typed=False),
            },
            **members(upload["draft"]),
            **source_version(source_bucket, source),
        }

    @operation(action="s3:PutObject", resource=object_arn, conditions=conditions, refuse=(*CUSTOMER_KEYS, *XXHASHES))
    async def complete_multipart_upload(
        self, context: Context, request: t.CompleteMultipartUploadRequestTypeDef
    ) -> Mapping[str, Any]:
        """Make the object of the parts that are listed; asked again, answer the same again."""
        bucket, key = find_bucket(self.model, context, request), request["Key"]
        upload = self.model.uploads.get(bucket["name"], escaped(key), request["UploadId"])
        if upload is not None and "seal" in upload["draft"]:
            await unseal(self._calls, context, bucket, upload["draft"])
            bucket = find_bucket(self.model, context, request)  # nothing is awaited from here on
            upload = self.model.uploads.get(bucket["name"], escaped(key), request["UploadId"])
        current = self.model.current(bucket["name"], key)
        if upload is None:
            if current is not None and current.get("upload") == request["UploadId"]:
                return self._completed(context, bucket, key, current)
            raise _no_such_upload(request["UploadId"])
        check_write(request, current)
        listed = (request.get("MultipartUpload") or {}).get("Parts") or []
        parts = self._listed(upload, listed)
        size = sum(part["size"] for part in parts)
        if request.get("MpuObjectSize") not in (None, size):
            raise ServiceError("InvalidRequest", f"The provided 'x-amz-mp-object-size' header does not match: {size}")
        record = upload["draft"]
        record["modified"] = self._clock.now()
        record["version"] = new_version(bucket, self._clock)
        record["blob"], record["size"], record["parts"] = self._clock.hex(32), size, len(parts)
        digests = b"".join(bytes.fromhex(part["etag"]) for part in parts)
        record["etag"] = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
        record["checksum"] = _whole(upload, parts)
        record["upload"] = upload["id"]
        self._check_whole(request, record["checksum"])
        with self.model.transaction():
            self.model.layouts.put((record["blob"],), parts)
            self.model.put(bucket, key, record)
            self._notices.created(context, bucket, key, record, "CompleteMultipartUpload")
            self.model.end_upload(bucket["name"], key, upload["id"], kept=[part["blob"] for part in parts])
        return self._completed(context, bucket, key, record)

    @operation(resource=object_arn, refuse=("IfMatchInitiatedTime",))
    async def abort_multipart_upload(
        self, context: Context, request: t.AbortMultipartUploadRequestTypeDef
    ) -> Mapping[str, Any]:
        """Forget an upload and its parts."""
        upload = self._find(context, request)
        self.model.end_upload(request["Bucket"], request["Key"], upload["id"])
        return {}

    def _find(self, context: Context, request: Mapping[str, Any]) -> UploadRecord:
        bucket = find_bucket(self.model, context, request)
        number = request.get("PartNumber")
        if number is not None and not 1 <= number <= _MOST_PARTS:
            raise ServiceError(
                "InvalidArgument",
                "Part number must be an integer between 1 and 10000, inclusive",
                ArgumentName="partNumber",
                ArgumentValue=number,
            )
        upload = self.model.uploads.get(bucket["name"], escaped(request["Key"]), request["UploadId"])
        if upload is None:
            raise _no_such_upload(request["UploadId"])
        return upload

    def _part(self, number: int, blob: str, size: int, md5: bytes, algorithm: str) -> PartRecord:
        checksum: Checksum = {"algorithm": algorithm, "value": "", "type": "FULL_OBJECT"}
        return {
            "number": number,
            "blob": blob,
            "size": size,
            "etag": md5.hex(),
            "modified": self._clock.now(),
            "checksum": checksum,
        }

    def _listed(self, upload: UploadRecord, listed: Sequence[t.CompletedPartTypeDef]) -> list[PartRecord]:
        """Return the parts that a completion lists; raise where one is missing, changed, too small or out of order."""
        if not listed:
            raise ServiceError(
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            )
        numbers = [part.get("PartNumber", 0) for part in listed]
        if any(after <= before for before, after in pairwise(numbers)):
            raise ServiceError(
                "InvalidPartOrder",
                "The list of parts was not in ascending order. Parts must be ordered by part number.",
            )
        parts = []
        for given, number in zip(listed, numbers, strict=True):
            part = self.model.parts.get(upload["id"], part_key(number))
            wanted = given_checksum(given)
            if (
                part is None
                or given.get("ETag", "").strip('"') != part["etag"]
                or (
                    wanted is not None
                    and wanted[0] == part["checksum"]["algorithm"]
                    and wanted[1] != part["checksum"]["value"]
                )
            ):
                raise ServiceError(
                    "InvalidPart",
                    "One or more of the specified parts could not be found.  The part may not have been uploaded, "
                    "or the specified entity tag may not match the part's entity tag.",
                    UploadId=upload["id"],
                    PartNumber=number,
                    ETag=given.get("ETag", ""),
                )
            parts.append(part)
        for part in parts[:-1]:
            if part["size"] < _SMALLEST_PART:
                raise ServiceError(
                    "EntityTooSmall",
                    "Your proposed upload is smaller than the minimum allowed size",
                    ProposedSize=part["size"],
                    MinSizeAllowed=_SMALLEST_PART,
                    PartNumber=part["number"],
                    ETag=part["etag"],
                )
        return parts

    def _check_whole(self, request: Mapping[str, Any], checksum: Checksum) -> None:
        given = given_checksum(request)
        kind = request.get("ChecksumType")
        if kind is not None and kind != checksum["type"]:
            raise ServiceError(
                "InvalidRequest",
                f"The upload was created using the {checksum['type']} checksum mode. The complete request must "
                "use the same checksum mode.",
            )
        if given is None or given[0] != checksum["algorithm"]:
            return
        if given[1].partition("-")[0] != checksum["value"].partition("-")[0]:
            raise ServiceError("BadDigest", f"The {given[0]} you specified did not match the calculated checksum.")

    def _completed(self, context: Context, bucket: BucketRecord, key: str, record: ObjectRecord) -> dict[str, Any]:
        return {
            "Location": f"https://{bucket['name']}.s3.{context.region}.amazonaws.com/{key}",
            "Bucket": bucket["name"],
            "Key": key,
            "ETag": quoted(record["etag"]),
            **members(record),
            **checksum_members(record["checksum"]),
            **version_of(bucket, record),
            **expiration_of(bucket, key, record),
        }


def abortion_of(bucket: BucketRecord, key: str, upload: UploadRecord) -> dict[str, Any]:
    """Return AbortDate and AbortRuleId of an answer, where a lifecycle rule gives one."""
    due = abortion(bucket.get("lifecycle", ()), key, upload)
    return {} if due is None else {"AbortDate": due.at, "AbortRuleId": due.rule}


def _checksum_type(algorithm: str | None, wanted: str | None) -> str:
    """Return the type of checksum that the object of an upload gets; raise for what an algorithm cannot."""
    if algorithm is None:
        if wanted is not None:
            raise ServiceError(
                "InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm"
            )
        return "FULL_OBJECT"
    allowed = {"CRC64NVME": ("FULL_OBJECT",)}.get(
        algorithm, ("COMPOSITE", "FULL_OBJECT") if algorithm in checksums.LINEAR else ("COMPOSITE",)
    )
    if wanted is not None and wanted not in allowed:
        raise ServiceError(
            "InvalidRequest",
            f"The {wanted} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return wanted or allowed[0]


def _whole(upload: UploadRecord, parts: Sequence[PartRecord]) -> Checksum:
    algorithm = upload["algorithm"] or DEFAULT
    values = [(part["checksum"]["value"], part["size"]) for part in parts]
    if upload["type"] == "FULL_OBJECT":
        return {"algorithm": algorithm, "value": checksums.combined(algorithm, values), "type": "FULL_OBJECT"}
    value = checksums.composite(algorithm, [value for value, _ in values])
    return {"algorithm": algorithm, "value": value, "type": "COMPOSITE"}


def _no_such_upload(upload: str) -> ServiceError:
    return ServiceError(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed.",
        404,
        UploadId=upload,
    )
