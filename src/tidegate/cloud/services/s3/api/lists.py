"""Listings: objects, versions, uploads, parts; with prefix, delimiter and pages.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-prefixes.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.s3.api.shared import (
    CUSTOMER_KEYS,
    bucket_arn,
    checksum_members,
    conditions,
    encode,
    find_bucket,
    object_arn,
    quoted,
)
from tidegate.cloud.services.s3.api.uploads import abortion_of
from tidegate.cloud.services.s3.model import ObjectRecord, S3Model, UploadRecord, escaped, unescaped

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

R = TypeVar("R")
Entry = tuple[str, str, R]  # a key, what tells apart those of one key, the record

_MOST = 1000
_LAST = "\U0010ffff"  # greater than whatever continues a prefix


@dataclass(slots=True)
class Page(Generic[R]):
    """One page: entries, common prefixes, and where the next one begins after (a key or a prefix, and a mark)."""

    entries: list[Entry[R]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next: tuple[str, str] | None = None


def page(
    read: Callable[[str, str], Iterator[Entry[R]]], prefix: str, delimiter: str, after: tuple[str, str], limit: int
) -> Page[R]:
    """Return a page of at most `limit` entries and common prefixes after `after`.

    `read(key, mark)` yields the entries that follow that entry, in order; it is asked anew to get past all that a
    common prefix stands for.
    """
    result: Page[R] = Page()
    key, mark = after
    if delimiter and key.startswith(prefix):  # a marker within a common prefix has seen all of it
        common = _common(key, prefix, delimiter)
        if common is not None and not mark:
            key = common + _LAST
    entries = read(key, mark)
    last = after
    while True:
        entry = next(entries, None)
        if entry is None:
            return result
        if len(result.entries) + len(result.prefixes) >= limit:
            result.next = last if limit else None
            return result
        common = _common(entry[0], prefix, delimiter)
        if common is None:
            result.entries.append(entry)
            last = entry[:2]
        else:
            result.prefixes.append(common)
            last = (common, "")
            entries = read(common + _LAST, "")


def _common(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]


class ListsApi:
    """What is in a bucket."""

    def __init__(self, model: S3Model) -> None:
        self.model = model

    @operation(action="s3:ListBucket", resource=bucket_arn, conditions=conditions)
    async def list_objects_v2(self, context: Context, request: t.ListObjectsV2RequestTypeDef) -> Mapping[str, Any]:
        """List objects; a ContinuationToken stands for the last key seen."""
        token = request.get("ContinuationToken")
        after = request.get("StartAfter", "") if token is None else _read_token(token)
        found, answer = self._objects(context, request, after, owner=request.get("FetchOwner", False))
        answer["KeyCount"] = len(found.entries) + len(found.prefixes)
        if token is not None:
            answer["ContinuationToken"] = token
        elif "StartAfter" in request:
            answer["StartAfter"] = encode(request["StartAfter"], request.get("EncodingType"))
        if found.next is not None:
            answer["NextContinuationToken"] = base64.urlsafe_b64encode(found.next[0].encode()).decode()
        return answer

    @operation(action="s3:ListBucket", resource=bucket_arn, conditions=conditions)
    async def list_objects(self, context: Context, request: t.ListObjectsRequestTypeDef) -> Mapping[str, Any]:
        """List objects; a Marker is the last key seen."""
        marker, encoding = request.get("Marker", ""), request.get("EncodingType")
        found, answer = self._objects(context, request, marker, owner=True)
        answer["Marker"] = encode(marker, encoding)
        if found.next is not None and request.get("Delimiter"):
            answer["NextMarker"] = encode(found.next[0], encoding)
        return answer

    @operation(action="s3:ListBucketVersions", resource=bucket_arn, conditions=conditions)
    async def list_object_versions(
        self, context: Context, request: t.ListObjectVersionsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List all versions and delete markers, newest first within a key."""
        bucket, encoding = find_bucket(self.model, context, request), request.get("EncodingType")
        prefix, key, version = (
            request.get("Prefix", ""),
            request.get("KeyMarker", ""),
            request.get("VersionIdMarker", ""),
        )
        if version and not key:
            raise ServiceError("InvalidArgument", "A version-id marker cannot be specified without a key marker.")

        def read(after: str, mark: str) -> Iterator[Entry[tuple[ObjectRecord, bool]]]:
            return self._versions(bucket["name"], prefix, after, mark)

        found = page(read, prefix, request.get("Delimiter", ""), (key, version), _limit(request, "MaxKeys"))
        versions: list[dict[str, Any]] = []
        markers: list[dict[str, Any]] = []
        owner = {"ID": self.model.owner}
        for name, _, (record, latest) in found.entries:
            about = {
                "Key": encode(name, encoding),
                "VersionId": record["version"],
                "IsLatest": latest,
                "LastModified": record["modified"].replace(microsecond=0),
                "Owner": owner,
            }
            if record.get("marker"):
                markers.append(about)
            else:
                versions.append({**about, **_described(record)})
        answer = {
            **_head(request, found, encoding, bucket["name"], _limit(request, "MaxKeys")),
            "KeyMarker": encode(key, encoding),
            "VersionIdMarker": version,
            "Versions": versions,
            "DeleteMarkers": markers,
        }
        if found.next is not None:
            answer["NextKeyMarker"] = encode(found.next[0], encoding)
            if found.next[1]:
                answer["NextVersionIdMarker"] = found.next[1]
        return answer

    @operation(action="s3:ListBucketMultipartUploads", resource=bucket_arn, conditions=conditions)
    async def list_multipart_uploads(
        self, context: Context, request: t.ListMultipartUploadsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List uploads that are in progress."""
        bucket, encoding = find_bucket(self.model, context, request), request.get("EncodingType")
        prefix, key, mark = request.get("Prefix", ""), request.get("KeyMarker", ""), request.get("UploadIdMarker", "")
        mark = mark if key else ""

        def read(after: str, upload: str) -> Iterator[Entry[UploadRecord]]:
            for (_, stored, each), record in self.model.uploads.items(bucket["name"], starting=escaped(prefix)):
                name = unescaped(stored)
                if name > after or (name == after and upload and each > upload):
                    yield name, each, record

        limit = _limit(request, "MaxUploads")
        found = page(read, prefix, request.get("Delimiter", ""), (key, mark), limit)
        answer = _head(request, found, encoding, bucket["name"], limit)
        answer["Bucket"], answer["MaxUploads"] = answer.pop("Name"), answer.pop("MaxKeys")
        answer |= {"KeyMarker": encode(key, encoding), "UploadIdMarker": mark, "Uploads": []}
        for name, upload_id, upload in found.entries:
            about = {
                "Key": encode(name, encoding),
                "UploadId": upload_id,
                "Initiated": upload["initiated"],
                "StorageClass": upload["draft"]["storage_class"],
                "Owner": {"ID": self.model.owner},
                "Initiator": {"ID": upload["initiator"]},
            }
            if upload["algorithm"] is not None:
                about |= {"ChecksumAlgorithm": upload["algorithm"], "ChecksumType": upload["type"]}
            answer["Uploads"].append(about)
        if found.next is not None:
            answer |= {"NextKeyMarker": encode(found.next[0], encoding), "NextUploadIdMarker": found.next[1]}
        return answer

    @operation(action="s3:ListMultipartUploadParts", resource=object_arn, conditions=conditions, refuse=CUSTOMER_KEYS)
    async def list_parts(self, context: Context, request: t.ListPartsRequestTypeDef) -> Mapping[str, Any]:
        """List the parts of an upload that is in progress."""
        bucket, key = find_bucket(self.model, context, request), request["Key"]
        upload = self.model.uploads.get(bucket["name"], escaped(key), request["UploadId"])
        if upload is None:
            raise ServiceError(
                "NoSuchUpload", "The specified upload does not exist.", 404, UploadId=request["UploadId"]
            )
        marker, limit = int(request.get("PartNumberMarker") or 0), _limit(request, "MaxParts")
        rest = [part for part in self.model.parts_of(upload["id"]) if part["number"] > marker]
        parts = rest[:limit]
        asked = upload["algorithm"] is not None
        answer: dict[str, Any] = {
            "Bucket": bucket["name"],
            "Key": key,
            "UploadId": upload["id"],
            "PartNumberMarker": marker,
            "NextPartNumberMarker": parts[-1]["number"] if parts else 0,
            "MaxParts": limit,
            "IsTruncated": len(rest) > limit,
            "StorageClass": upload["draft"]["storage_class"],
            "Owner": {"ID": self.model.owner},
            "Initiator": {"ID": upload["initiator"]},
            "Parts": [
                {
                    "PartNumber": part["number"],
                    "LastModified": part["modified"],
                    "ETag": quoted(part["etag"]),
                    "Size": part["size"],
                    **(checksum_members(part["checksum"], typed=False) if asked else {}),
                }
                for part in parts
            ],
            **abortion_of(bucket, key, upload),
        }
        if asked:
            answer |= {"ChecksumAlgorithm": upload["algorithm"], "ChecksumType": upload["type"]}
        return answer

    def _objects(
        self, context: Context, request: Mapping[str, Any], after: str, *, owner: bool
    ) -> tuple[Page[ObjectRecord], dict[str, Any]]:
        """`OptionalObjectAttributes` asks for what a restored object shows; nothing here is ever archived."""
        bucket, encoding = find_bucket(self.model, context, request), request.get("EncodingType")
        name, prefix, limit = bucket["name"], request.get("Prefix", ""), _limit(request, "MaxKeys")

        def read(key: str, mark: str) -> Iterator[Entry[ObjectRecord]]:
            for stored, record in _batches(self.model.objects.items, (name,), escaped(prefix), escaped(key)):
                yield unescaped(stored[1]), "", record

        found = page(read, prefix, request.get("Delimiter", ""), (after, ""), limit)
        about = {"Owner": {"ID": self.model.owner}} if owner else {}
        answer = _head(request, found, encoding, name, limit)
        answer["Contents"] = [
            {
                "Key": encode(key, encoding),
                "LastModified": record["modified"].replace(microsecond=0),
                **_described(record),
                **about,
            }
            for key, _, record in found.entries
        ]
        return found, answer

    def _versions(self, bucket: str, prefix: str, after: str, mark: str) -> Iterator[Entry[tuple[ObjectRecord, bool]]]:
        """Yield all versions after a key, or after a version of it, current ones first within their key."""
        if mark:
            seen = False
            for version, record, latest in self._versions_of(bucket, after):
                if seen:
                    yield after, version, (record, latest)
                seen = seen or version == mark
        for key in self._keys(bucket, escaped(prefix), escaped(after)):
            for version, record, latest in self._versions_of(bucket, key):
                yield key, version, (record, latest)

    def _versions_of(self, bucket: str, key: str) -> Iterator[tuple[str, ObjectRecord, bool]]:
        current = self.model.current(bucket, key)
        if current is not None:
            yield current["version"], current, True
        for number, record in enumerate(self.model.versions.values(bucket, escaped(key))):
            yield record["version"], record, current is None and number == 0

    def _keys(self, bucket: str, prefix: str, after: str) -> Iterator[str]:
        """Yield the keys that have any version, in order, each once."""
        objects = (key[1] for key, _ in _batches(self.model.objects.items, (bucket,), prefix, after))
        behind = f"{after}\x20" if after else ""
        versions = (key[1] for key, _ in _batches(self.model.versions.items, (bucket,), prefix, behind))
        one, other = next(objects, None), next(versions, None)
        while one is not None or other is not None:
            key = min(each for each in (one, other) if each is not None)
            yield unescaped(key)
            while one is not None and one <= key:
                one = next(objects, None)
            while other is not None and other <= key:
                other = next(versions, None)


def _batches(
    items: Callable[..., list[tuple[tuple[str, ...], R]]], base: tuple[str, ...], prefix: str, after: str
) -> Iterator[tuple[tuple[str, ...], R]]:
    """Yield records in the order of their keys, reading no more of them at a time than a page has."""
    while True:
        batch = items(*base, starting=prefix, after=after, limit=_MOST + 1)
        yield from batch
        if len(batch) <= _MOST:
            return
        after = "\x1f".join(batch[-1][0][len(base) :])


def _described(record: ObjectRecord) -> dict[str, Any]:
    about: dict[str, Any] = {
        "ETag": quoted(record["etag"]),
        "Size": record["size"],
        "StorageClass": record["storage_class"],
    }
    checksum = record.get("checksum")
    if checksum is not None:
        about |= {"ChecksumAlgorithm": [checksum["algorithm"]], "ChecksumType": checksum["type"]}
    return about


def _head(
    request: Mapping[str, Any], found: Page[Any], encoding: str | None, bucket: str, limit: int
) -> dict[str, Any]:
    return {
        "Name": bucket,
        "Prefix": encode(request.get("Prefix", ""), encoding),
        "MaxKeys": limit,
        "IsTruncated": found.next is not None,
        "CommonPrefixes": [{"Prefix": encode(prefix, encoding)} for prefix in found.prefixes],
        **({"Delimiter": encode(request["Delimiter"], encoding)} if request.get("Delimiter") else {}),
        **({"EncodingType": encoding} if encoding else {}),
    }


def _limit(request: Mapping[str, Any], member: str) -> int:
    wanted = request.get(member, _MOST)
    if wanted < 0:
        raise ServiceError("InvalidArgument", f"Argument {member} must be an integer between 0 and 2147483647")
    return min(int(wanted), _MOST)


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        raise ServiceError("InvalidArgument", "The continuation token provided is incorrect") from None
