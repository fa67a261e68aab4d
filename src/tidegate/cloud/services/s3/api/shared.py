"""What S3's operations have in common: finding buckets and versions, ARNs, conditions, refusals, tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote_plus, unquote

from tidegate.cloud.call import Calls, Context
from tidegate.cloud.checksums import ALGORITHMS
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.s3.model import BucketRecord, Checksum, ObjectRecord, S3Model

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

BUCKET_NAME = re.compile(
    r"^(?!xn--)(?!sthree-)(?!.*-s3alias$)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]$"
)
_VERSION_ID = re.compile(r"^[A-Za-z0-9._-]{1,1024}$")
_NO_REGION = "aws-global"
_LONGEST_KEY = 1024  # bytes
_MOST_METADATA = 2048  # bytes

# what belongs to features that are not offered: keys and locks of one's own, grants, redirects, the extensions of 2026
REFUSED = (
    "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP", "SSECustomerAlgorithm", "SSECustomerKey",
    "SSECustomerKeyMD5", "ObjectLockEventHold", "ObjectLockEventHoldDurationDays", "ObjectLockEventHoldDurationYears",
    "ObjectLockLegalHoldStatus", "ObjectLockMode", "ObjectLockRetainUntilDate", "WebsiteRedirectLocation",
)  # fmt: skip
CUSTOMER_KEYS = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
CHECKSUMS = {
    "ChecksumCRC32": "CRC32",
    "ChecksumCRC32C": "CRC32C",
    "ChecksumCRC64NVME": "CRC64NVME",
    "ChecksumSHA1": "SHA1",
    "ChecksumSHA256": "SHA256",
    "ChecksumSHA512": "SHA512",
    "ChecksumMD5": "MD5",
}
XXHASHES = ("ChecksumXXHASH64", "ChecksumXXHASH3", "ChecksumXXHASH128")
# those whose objects can be read at once; what else they are is a price
STORAGE_CLASSES = frozenset(
    {"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "REDUCED_REDUNDANCY", "GLACIER_IR"}
)
HEADERS = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires",
)  # fmt: skip


# authorization


def bucket_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a bucket is authorized on."""
    return f"arn:aws:s3:::{request['Bucket']}"


def object_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on an object is authorized on."""
    return f"arn:aws:s3:::{request['Bucket']}/{request['Key']}"


def object_action(name: str) -> Any:
    """Return the action of an operation on an object, which is another one on a version: GetObjectVersion."""
    plain, versioned = f"s3:{name}", f"s3:{name.replace('Object', 'ObjectVersion')}"
    return lambda api, context, request: versioned if request.get("VersionId") else plain


def conditions(api: Any, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return S3's own condition keys of a request.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-policy-keys
    """
    keys: dict[str, Any] = {"s3:ResourceAccount": context.account, "s3:signatureversion": "AWS4-HMAC-SHA256"}
    for key, member in _CONDITION_KEYS.items():
        if request.get(member) not in (None, ""):
            keys[key] = str(request[member])
    if isinstance(request.get("Tagging"), str):
        for tag in tags_in(request["Tagging"]):
            keys[f"s3:RequestObjectTag/{tag['Key']}"] = tag["Value"]
    if "Key" in request:
        model: S3Model = api.model
        version = request.get("VersionId")
        found = model.find(request["Bucket"], request["Key"], version) if version else None
        record = found.record if found else None if version else model.current(request["Bucket"], request["Key"])
        for tag in record.get("tags", ()) if record is not None else ():
            keys[f"s3:ExistingObjectTag/{tag['Key']}"] = tag["Value"]
    return keys


_CONDITION_KEYS = {
    "s3:prefix": "Prefix",
    "s3:delimiter": "Delimiter",
    "s3:max-keys": "MaxKeys",
    "s3:VersionId": "VersionId",
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-copy-source": "CopySource",
    "s3:x-amz-metadata-directive": "MetadataDirective",
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-storage-class": "StorageClass",
    "s3:x-amz-object-ownership": "ObjectOwnership",
    "s3:if-match": "IfMatch",
    "s3:if-none-match": "IfNoneMatch",
}


# finding


def find_bucket(
    model: S3Model, context: Context, request: Mapping[str, Any], *, anywhere: bool = False
) -> BucketRecord:
    """Return the bucket; raise NoSuchBucket, PermanentRedirect for one of another region (unless `anywhere`).

    A URL that is presigned without a region reaches a bucket of any.

    `RequestPayer` is as good as absent: no bucket here is one whose requester pays.
    """
    name = request["Bucket"]
    bucket = model.buckets.get(name)
    if bucket is None:
        if not BUCKET_NAME.match(name):
            raise invalid_bucket_name(name)
        raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=name)
    if context.region not in (bucket["region"], _NO_REGION) and not anywhere:
        raise ServiceError(
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint.",
            301,
            headers={"x-amz-bucket-region": bucket["region"]},
            Endpoint=f"s3.{bucket['region']}.amazonaws.com",
            Bucket=name,
        )
    check_owner(context, request.get("ExpectedBucketOwner"))
    return bucket


def check_owner(context: Context, expected: str | None) -> None:
    """Refuse a bucket that is not the account's that the request expects (ExpectedBucketOwner)."""
    if expected is not None and expected != context.account:
        raise ServiceError("AccessDenied", "Access Denied", 403)


def find_version(
    model: S3Model, calls: Calls, context: Context, bucket: BucketRecord, key: str, version: str | None
) -> ObjectRecord:
    """Return what a request for an object, or for one version of it, is about; raise where there is none.

    Whoever may not list the bucket is not told that a key does not exist.
    """
    name = bucket["name"]
    if version is not None:
        found = model.find(name, key, checked_version(version))
        if found is None:
            raise ServiceError(
                "NoSuchVersion", "The specified version does not exist.", 404, Key=key, VersionId=version
            )
        if found.record.get("marker"):
            headers = {**_marker_headers(found.record), "allow": "DELETE", "last-modified": http_date(found.record)}
            raise ServiceError(
                "MethodNotAllowed", "The specified method is not allowed against this resource.", 405, headers=headers
            )
        return found.record
    record = model.current(name, key)
    if record is None:
        calls.authorize(context, "s3:ListBucket", f"arn:aws:s3:::{name}", {"s3:prefix": key})
        marker = model.latest(name, key)
        headers = {} if marker is None else _marker_headers(marker)
        raise ServiceError("NoSuchKey", "The specified key does not exist.", 404, headers=headers, Key=key)
    return record


def _marker_headers(record: ObjectRecord) -> dict[str, str]:
    return {"x-amz-delete-marker": "true", "x-amz-version-id": record["version"]}


def http_date(record: ObjectRecord) -> str:
    """Return when a version was written, as an HTTP date."""
    return record["modified"].strftime("%a, %d %b %Y %H:%M:%S GMT")


def read_source(source: str) -> tuple[str, str, str | None]:
    """Return bucket, key and version id of a CopySource: `bucket/key?versionId=…`, percent-encoded."""
    path, _, query = source.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if bucket.startswith("arn:"):
        raise not_offered("a copy source that is an access point")
    if not bucket or not key:
        raise ServiceError("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/key")
    return bucket, key, unquote(query) or None


# checks


def invalid_bucket_name(name: str) -> ServiceError:
    """Refuse what can be no bucket's name."""
    return ServiceError("InvalidBucketName", "The specified bucket is not valid.", 400, BucketName=name)


def checked_version(version: str) -> str:
    """Return a version id that could be one; raise InvalidArgument."""
    if not _VERSION_ID.match(version):
        raise ServiceError(
            "InvalidArgument", "Invalid version id specified", ArgumentName="versionId", ArgumentValue=version
        )
    return version


def check_key(key: str) -> None:
    """Refuse a key that is too long."""
    if len(key.encode()) > _LONGEST_KEY:
        raise ServiceError(
            "KeyTooLongError", "Your key is too long", Size=len(key.encode()), MaxSizeAllowed=_LONGEST_KEY
        )


def check_acl(bucket: BucketRecord, request: Mapping[str, Any]) -> None:
    """Refuse an ACL that says more than that the owner owns it."""
    acl = request.get("ACL")
    if acl in (None, "bucket-owner-full-control"):
        return
    if bucket.get("ownership") == "BucketOwnerEnforced":
        raise acls_are_off()
    if acl not in ("private", "bucket-owner-read"):
        raise not_offered(f"the ACL {acl}")


def acls_are_off() -> ServiceError:
    """Refuse an ACL on a bucket whose owner owns all (the default since 2023)."""
    return ServiceError("AccessControlListNotSupported", "The bucket does not allow ACLs")


def draft(bucket: BucketRecord, request: Mapping[str, Any], now: datetime) -> ObjectRecord:
    """Return the beginnings of an object's record: what a request says of it beside its bytes."""
    check_key(request["Key"])
    check_acl(bucket, request)
    storage_class = request.get("StorageClass", "STANDARD")
    if storage_class not in STORAGE_CLASSES:
        raise not_offered(f"StorageClass {storage_class}")
    metadata = dict(request.get("Metadata") or {})
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > _MOST_METADATA:
        raise ServiceError(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            MaxSizeAllowed=_MOST_METADATA,
        )
    headers = {name: str(request[name]) for name in HEADERS if request.get(name) is not None}
    codings = [each.strip() for each in headers.pop("ContentEncoding", "").split(",")]
    coding = ",".join(each for each in codings if each and each != "aws-chunked")
    if coding:
        headers["ContentEncoding"] = coding
    headers.setdefault("ContentType", "binary/octet-stream")
    return {
        "order": 0,
        "version": "",
        "modified": now,
        "headers": headers,
        "metadata": metadata,
        "tags": tags_in(request.get("Tagging") or ""),
        "storage_class": storage_class,
    }


def tags_in(text: str) -> list[t.TagTypeDef]:
    """Return the tags of a Tagging header: `key=value&…`."""
    return checked_tags([{"Key": key, "Value": value} for key, value in parse_qsl(text, keep_blank_values=True)], 10)


def checked_tags(tags: Iterable[t.TagTypeDef], most: int, *, for_cloudformation: bool = False) -> list[t.TagTypeDef]:
    """Return tags that may be put, CloudFormation's own by it alone; raise InvalidTag, or BadRequest for too many."""
    checked = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]
    if sum(not tag["Key"].startswith("aws:") for tag in checked) > most:
        what = (
            "Object tags cannot be greater than 10" if most == 10 else f"Bucket tag count cannot be greater than {most}"
        )
        raise ServiceError("BadRequest", what)
    for tag in checked:
        if not 1 <= len(tag["Key"]) <= 128:
            raise ServiceError("InvalidTag", "The TagKey you have provided is invalid", TagKey=tag["Key"])
        if len(tag["Value"]) > 256:
            raise ServiceError("InvalidTag", "The TagValue you have provided is invalid", TagKey=tag["Key"])
        if tag["Key"].startswith("aws:") and not (for_cloudformation and tag["Key"].startswith("aws:cloudformation:")):
            raise ServiceError("InvalidTag", "System tags cannot be added/updated by requester")
    if len({tag["Key"] for tag in checked}) < len(checked):
        raise ServiceError("InvalidTag", "Cannot provide multiple Tags with the same key")
    return checked  # type: ignore[return-value]


# answers


def quoted(etag: str) -> str:
    """Return an ETag as it is sent."""
    return f'"{etag}"'


def version_of(bucket: BucketRecord, record: ObjectRecord) -> dict[str, str]:
    """Return the VersionId of an answer: none where the bucket never had versions."""
    return {"VersionId": record["version"]} if "versioning" in bucket else {}


def checksum_members(checksum: Checksum | None, *, typed: bool = True) -> dict[str, str]:
    """Return a checksum as answers carry it: `ChecksumCRC32` and, `typed`, ChecksumType."""
    if checksum is None:
        return {}
    kind = {"ChecksumType": checksum["type"]} if typed else {}
    return {f"Checksum{checksum['algorithm']}": checksum["value"], **kind}


def checked_algorithm(request: Mapping[str, Any]) -> str | None:
    """Return the ChecksumAlgorithm that a request names, if it names one that is offered."""
    algorithm: str | None = request.get("ChecksumAlgorithm")
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise not_offered(f"ChecksumAlgorithm {algorithm}")
    return algorithm


def given_checksum(request: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return algorithm and value of the checksum that a request comes with, or None; raise for more than one."""
    given = [(name, request[member]) for member, name in CHECKSUMS.items() if request.get(member)]
    if len(given) > 1:
        raise ServiceError(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    return given[0] if given else None


def encode(text: str, encoding: str | None) -> str:
    """Return a key or a prefix as a listing with this EncodingType shows it."""
    return quote_plus(text, safe="/*") if encoding == "url" else text
