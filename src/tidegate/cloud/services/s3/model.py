"""S3's records: buckets, objects and their versions, uploads in parts; and the changes that keep them in step.

Bucket names are of the account, not of a region: keys start with the bucket's name. What a plain GET sees is an
`s3.object`; the versions behind it and the delete markers are `s3.version`s, newest first. The two never hold the
same version, so an object that is there is found with one read, and a listing reads nothing that it does not show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

NULL = "null"  # the version id of what is written while versioning is off
_NEWEST = 10**12


class BucketRecord(TypedDict):
    """A bucket and its settings, in AWS's shapes where it has been given any."""

    name: str
    region: str
    created: datetime
    ownership: NotRequired[str]
    versioning: NotRequired[str]  # Enabled or Suspended; not there: never was
    encryption: NotRequired[Mapping[str, Any]]
    public_access_block: NotRequired[t.PublicAccessBlockConfigurationTypeDef]
    policy: NotRequired[str]
    tags: NotRequired[list[t.TagTypeDef]]
    lifecycle: NotRequired[list[t.LifecycleRuleOutputTypeDef]]
    minimum_size: NotRequired[str]  # TransitionDefaultMinimumObjectSize, as it was put
    event_bridge: NotRequired[bool]  # whether EventBridge hears of its objects


class Checksum(TypedDict):
    """An object's or a part's checksum: its algorithm, its value in base64, FULL_OBJECT or COMPOSITE."""

    algorithm: str
    value: str
    type: str


class SealRecord(TypedDict):
    """How an object is encrypted with a key of KMS: the key's ARN, the object's data key, encrypted for a context."""

    key: str
    data_key: str  # base64
    context: dict[str, str]
    bucket_key: bool


class ObjectRecord(TypedDict):
    """One version of an object. `order` counts the versions of its key; a delete marker has no blob."""

    order: int
    version: str
    modified: datetime
    marker: NotRequired[bool]
    replaced: NotRequired[datetime]  # when a newer version took its place
    blob: NotRequired[str]
    parts: NotRequired[int]  # how many, where it was uploaded in parts: they are in `s3.layout`, under `blob`
    upload: NotRequired[str]  # the upload that it came from
    etag: NotRequired[str]
    size: NotRequired[int]
    checksum: NotRequired[Checksum]
    headers: NotRequired[dict[str, str]]  # ContentType and its like, by the member's name
    metadata: NotRequired[dict[str, str]]
    tags: NotRequired[list[t.TagTypeDef]]
    storage_class: NotRequired[str]
    seal: NotRequired[SealRecord]


class PartRecord(TypedDict):
    """A part: of an upload in progress, or of an object that was made from one."""

    number: int
    blob: str
    size: int
    etag: str
    modified: datetime
    checksum: Checksum


class UploadRecord(TypedDict):
    """An upload in parts that is in progress; `draft` is what the object's record begins with."""

    id: str
    initiated: datetime
    initiator: str
    draft: ObjectRecord
    algorithm: str | None  # None: none was asked for, and the object gets a CRC64NVME as on AWS
    type: str


class Found(NamedTuple):
    """A version of an object, and whether it is the latest."""

    record: ObjectRecord
    latest: bool


class S3Model:
    """The records of S3. Object keys are stored so that they order by their UTF-8 bytes, as S3 lists them."""

    def __init__(self, store: Store, account: str) -> None:
        self.account = account
        self.transaction = store.transaction
        self.buckets = Collection[BucketRecord](store, "s3.bucket")
        self.objects = Collection[ObjectRecord](store, "s3.object")  # bucket, key
        self.versions = Collection[ObjectRecord](store, "s3.version")  # bucket, key, order counted down
        self.layouts = Collection[list[PartRecord]](store, "s3.layout")  # blob
        self.uploads = Collection[UploadRecord](store, "s3.upload")  # bucket, key, upload id
        self.parts = Collection[PartRecord](store, "s3.part")  # upload id, number
        self.notices = Collection[dict[str, Any]](store, "s3.notice")  # EventBridge has still to hear of
        self._sequence = 0
        self.removals = Collection[dict[str, str]](store, "s3.removal")  # blob: its file is to be removed

    @property
    def owner(self) -> str:
        """The canonical user id of the account."""
        return hashlib.sha256(f"canonical user of {self.account}".encode()).hexdigest()

    def policy_of(self, arn: str) -> str | None:
        """Return the policy of the bucket that an ARN is of or in, for the authorizer."""
        bucket = self.buckets.get(arn.rpartition(":::")[2].partition("/")[0])
        return None if bucket is None else bucket.get("policy")

    def sequencer(self, now: datetime) -> str:
        """Return what orders the events of a key: a text that grows with every event, also within a millisecond."""
        self._sequence = max(self._sequence + 1, int(now.timestamp() * 1000) << 12)
        return f"{self._sequence:016X}"

    # versions

    def current(self, bucket: str, key: str) -> ObjectRecord | None:
        """Return what a plain GET sees, or None."""
        return self.objects.get(bucket, escaped(key))

    def latest(self, bucket: str, key: str) -> ObjectRecord | None:
        """Return the latest version, be it a delete marker, or None."""
        return self.current(bucket, key) or next((each for _, each in self._behind(bucket, key, limit=1)), None)

    def find(self, bucket: str, key: str, version: str) -> Found | None:
        """Return the version of this id, or None."""
        current = self.current(bucket, key)
        if current is not None and current["version"] == version:
            return Found(current, latest=True)
        for number, (_, record) in enumerate(self._behind(bucket, key)):
            if record["version"] == version:
                return Found(record, latest=current is None and number == 0)
        return None

    def put(self, bucket: BucketRecord, key: str, record: ObjectRecord) -> None:
        """Make a version (or a delete marker) the latest; `record` gets its order.

        With versioning enabled what was there stays behind it. Without, the null version makes way.
        """
        name, now = bucket["name"], record["modified"]
        with self.transaction():
            current = self.current(name, key)
            if "versioning" in bucket:
                if record["version"] == NULL:
                    current = self._without_null(name, key, current)
                newest = next((each for _, each in self._behind(name, key, limit=1)), None)
                record["order"] = max(each["order"] for each in (current, newest, record) if each is not None) + 1
                if current is not None:
                    current["replaced"] = now
                    self.versions.put(_place(name, key, current), current)
                elif newest is not None and "replaced" not in newest:
                    newest["replaced"] = now
                    self.versions.put(_place(name, key, newest), newest)
            elif current is not None:
                self._drop_bytes(current)
            if record.get("marker"):
                self.objects.delete(name, escaped(key))
                self.versions.put(_place(name, key, record), record)
            else:
                self.objects.put((name, escaped(key)), record)

    def delete(self, bucket: BucketRecord, key: str, version: str, now: datetime) -> str | None:
        """Delete a key as a request without a version does: put a delete marker, or where there are none, remove it.

        `version` is the marker's id if versioning is enabled. Returns the id that the marker has got, or None.
        """
        if "versioning" not in bucket:
            self.remove(bucket["name"], key, NULL)
            return None
        marker = version if bucket["versioning"] == "Enabled" else NULL
        self.put(bucket, key, {"order": 0, "version": marker, "modified": now, "marker": True})
        return marker

    def remove(self, bucket: str, key: str, version: str) -> ObjectRecord | None:
        """Remove one version for good and return it; what was behind the latest one comes forward."""
        found = self.find(bucket, key, version)
        if found is None:
            return None
        with self.transaction():
            self._erase(bucket, key, found.record)
            if found.latest:
                behind = next(self._behind(bucket, key, limit=1), None)
                if behind is not None:
                    place, record = behind
                    record.pop("replaced", None)
                    if record.get("marker"):
                        self.versions.put(place, record)
                    else:
                        self.versions.delete(*place)
                        self.objects.put((bucket, escaped(key)), record)
        return found.record

    def change(self, bucket: str, key: str, record: ObjectRecord) -> None:
        """Write a version that is there whole again, where it is."""
        current = self.current(bucket, key)
        if current is not None and current["order"] == record["order"]:
            self.objects.put((bucket, escaped(key)), record)
        else:
            self.versions.put(_place(bucket, key, record), record)

    def blobs_of(self, record: ObjectRecord) -> list[tuple[str, int]]:
        """Return the blobs of a version with their sizes, in order."""
        if "blob" not in record:
            return []
        if "parts" in record:
            return [(part["blob"], part["size"]) for part in self.layouts.get(record["blob"]) or ()]
        return [(record["blob"], record["size"])]

    def is_empty(self, bucket: str) -> bool:
        """Return whether a bucket holds no object, version or delete marker."""
        return not self.objects.items(bucket, limit=1) and not self.versions.items(bucket, limit=1)

    # uploads in parts

    def parts_of(self, upload: str) -> list[PartRecord]:
        """Return an upload's parts in the order of their numbers."""
        return self.parts.values(upload)

    def put_part(self, upload: str, part: PartRecord) -> None:
        """Write a part, in the place of one of the same number."""
        key = (upload, part_key(part["number"]))
        with self.transaction():
            before = self.parts.get(*key)
            if before is not None:
                self.discard(before["blob"])
            self.parts.put(key, part)

    def end_upload(self, bucket: str, key: str, upload: str, kept: Iterable[str] = ()) -> None:
        """Forget an upload; the bytes of its parts go, but for the blobs that are `kept`."""
        keep = set(kept)
        with self.transaction():
            for part_id, part in self.parts.items(upload):
                self.parts.delete(*part_id)
                if part["blob"] not in keep:
                    self.discard(part["blob"])
            self.uploads.delete(bucket, escaped(key), upload)

    def discard(self, blob: str) -> None:
        """Have a blob's file removed, once this is committed and nobody reads it any more."""
        self.removals.put((blob,), {})

    def _behind(self, bucket: str, key: str, limit: int | None = None) -> Iterator[tuple[Key, ObjectRecord]]:
        return iter(self.versions.items(bucket, escaped(key), limit=limit))

    def _without_null(self, bucket: str, key: str, current: ObjectRecord | None) -> ObjectRecord | None:
        """Remove the null version, wherever it is, and return what is the current one then."""
        if current is not None and current["version"] == NULL:
            self._drop_bytes(current)
            self.objects.delete(bucket, escaped(key))
            return None
        for place, record in self._behind(bucket, key):
            if record["version"] == NULL:
                self._drop_bytes(record)
                self.versions.delete(*place)
        return current

    def _erase(self, bucket: str, key: str, record: ObjectRecord) -> None:
        self._drop_bytes(record)
        current = self.current(bucket, key)
        if current is not None and current["order"] == record["order"]:
            self.objects.delete(bucket, escaped(key))
        else:
            self.versions.delete(*_place(bucket, key, record))

    def _drop_bytes(self, record: ObjectRecord) -> None:
        for blob, _ in self.blobs_of(record):
            self.discard(blob)
        if "parts" in record:
            self.layouts.delete(record["blob"])


def escaped(key: str) -> str:
    """Return an object's key as the store can hold it: without U+001F, and in the same order."""
    if "\x1e" not in key and "\x1f" not in key:
        return key
    return key.replace("\x1e", "\x1e\x01").replace("\x1f", "\x1e\x02")


def unescaped(text: str) -> str:
    """Return the object's key that `escaped` made this of."""
    return text.replace("\x1e\x02", "\x1f").replace("\x1e\x01", "\x1e") if "\x1e" in text else text


def part_key(number: int) -> str:
    """Return a part's number as a key that orders as numbers do."""
    return f"{number:05d}"


def _place(bucket: str, key: str, record: ObjectRecord) -> Key:
    return (bucket, escaped(key), f"{_NEWEST - record['order']:013d}")
