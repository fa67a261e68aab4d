"""Server-side encryption with keys of KMS: who writes an object needs the key's GenerateDataKey, who reads it Decrypt.

An object has a data key of its own, encrypted, in its record; to read the object that is decrypted by KMS, as whoever
asks, in S3's name. The bytes themselves stay as they are in the data folder, which the user alone can read.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Calls, Context
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.s3.model import BucketRecord, ObjectRecord, SealRecord

_SERVICE = "s3.amazonaws.com"
_DEFAULT = "alias/aws/s3"  # the key that AWS manages
_OURS = "aws:s3:arn"  # what S3 adds to the encryption context
_CODES = ("DisabledException", "KMSInvalidStateException", "NotFoundException", "InvalidArnException")


async def seal(
    calls: Calls, context: Context, bucket: BucketRecord, key: str, request: Mapping[str, Any]
) -> SealRecord | None:
    """Return how a new object is encrypted with a key of KMS, by the request or by the bucket; None: not with one.

    Raises AccessDenied where the caller may not use the key, and what KMS says of a key that cannot be used.
    """
    rule = default_of(bucket)
    algorithm = request.get("ServerSideEncryption") or rule.get("SSEAlgorithm", "AES256")
    wanted = request.get("SSEKMSKeyId")
    if algorithm != "aws:kms":
        if algorithm != "AES256":
            raise not_offered(f"ServerSideEncryption {algorithm}")
        if wanted is not None or request.get("SSEKMSEncryptionContext") is not None:
            raise ServiceError(
                "InvalidArgument",
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : "
                "aws:kms",
            )
        return None
    if "ServerSideEncryption" not in request:
        wanted = wanted or rule.get("KMSMasterKeyID")
    shared = request.get("BucketKeyEnabled", rule["BucketKeyEnabled"])
    name = f"arn:aws:s3:::{bucket['name']}" if shared else f"arn:aws:s3:::{bucket['name']}/{key}"
    about = {**_given_context(request.get("SSEKMSEncryptionContext")), _OURS: name}
    answer = await _ask(
        calls,
        context,
        bucket,
        "generate_data_key",
        KeyId=wanted or _DEFAULT,
        KeySpec="AES_256",
        EncryptionContext=about,
    )
    ciphertext = base64.b64encode(answer["CiphertextBlob"]).decode()
    return {"key": answer["KeyId"], "data_key": ciphertext, "context": about, "bucket_key": shared}


async def unseal(calls: Calls, context: Context, bucket: BucketRecord, record: ObjectRecord) -> None:
    """Return where the caller may read an object, as far as its key goes; raise as `seal` does."""
    found = record.get("seal")
    if found is not None:
        blob = base64.b64decode(found["data_key"])
        await _ask(calls, context, bucket, "decrypt", CiphertextBlob=blob, EncryptionContext=found["context"])


def members(record: ObjectRecord) -> dict[str, Any]:
    """Return what answers say of an object's encryption."""
    found = record.get("seal")
    if found is None:
        return {"ServerSideEncryption": "AES256"}
    about: dict[str, Any] = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": found["key"]}
    return {**about, "BucketKeyEnabled": True} if found["bucket_key"] else about


def default_of(bucket: BucketRecord) -> dict[str, Any]:
    """Return what a bucket's objects are encrypted with where a request does not say: AES256 unless that is set."""
    for rule in bucket.get("encryption", {}).get("Rules", ()):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        return {**default, "BucketKeyEnabled": rule.get("BucketKeyEnabled", False)}
    return {"SSEAlgorithm": "AES256", "BucketKeyEnabled": False}


async def _ask(calls: Calls, context: Context, bucket: BucketRecord, operation: str, **request: Any) -> Any:
    caller = calls.as_principal(context.principal, bucket["region"], via=_SERVICE)
    try:
        return await caller("kms", operation, **request)
    except ServiceError as error:
        if error.code in _CODES:
            raise ServiceError(f"KMS.{error.code}", error.message) from error
        if error.code == "AccessDeniedException":
            raise ServiceError("AccessDenied", error.message, 403) from error
        raise


def _given_context(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    try:
        given = from_json(base64.b64decode(text))
    except (binascii.Error, ValueError):
        given = None
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()) or _OURS in given:
        raise ServiceError(
            "InvalidArgument",
            "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded "
            "UTF-8 string holding JSON which represents a string-string map",
        )
    return given
