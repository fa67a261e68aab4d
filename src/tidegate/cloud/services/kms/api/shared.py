"""What KMS' operations have in common: finding keys, ARNs and condition keys for IAM, states, policies, tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.kms.model import ALIAS, DISABLED, DOOMED, ENABLED, WAITING, KeyRecord, KmsModel
from tidegate.cloud.services.kms.policies import MANAGED, managed

if TYPE_CHECKING:
    from types_boto3_kms import type_defs as t

_LARGEST_POLICY = 32 * 1024
_MOST_TAGS = 50
_ARN = re.compile(r"^arn:aws[\w-]*:kms:(?P<region>[\w-]+):(?P<account>\d{12}):(key|alias)/.+$")


def find(model: KmsModel, context: Context, identifier: str, *, alias: bool = True) -> KeyRecord:
    """Return a key; raise NotFoundException, or InvalidArnException for what is no key's ARN here.

    An alias of a key that AWS manages makes that key when it is first asked for.
    """
    if identifier.startswith("arn:"):
        match = _ARN.match(identifier)
        if match is None or match["region"] != context.region:
            raise ServiceError("InvalidArnException", f"Invalid arn {identifier if match is None else match['region']}")
    name = identifier.split(":", 5)[-1]
    if name.startswith(ALIAS) and not alias:
        raise ServiceError(
            "InvalidArnException", f"{identifier} is an alias: the operation takes a key id or a key ARN"
        )
    record = model.named(context.region, identifier)
    if record is None and name in MANAGED:
        record = _managed(model, context, name)
    if record is None and name.startswith(ALIAS):
        raise ServiceError("NotFoundException", f"Alias {model.arn(context.region, name)} is not found.")
    if record is None:
        arn = identifier if identifier.startswith("arn:") else model.arn(context.region, name)
        raise ServiceError("NotFoundException", f"Key '{arn}' does not exist")
    return record


def _managed(model: KmsModel, context: Context, name: str) -> KeyRecord:
    clock = model.clock
    service, what = MANAGED[name]
    now = clock.now()
    record: KeyRecord = {
        "id": clock.new_id(),
        "created": now,
        "description": f"Default key that protects my {what} when no other key is defined",
        "state": ENABLED,
        "manager": "AWS",
        "multi": False,
        "primary": context.region,
        "policy": managed(model.account, context.region, service),
        "tags": [],
        "material": 1,
        "rotated": [],
    }
    with model.transaction():
        model.put_material(record["id"], 1)
        model.keys.put((context.region, record["id"]), record)
        model.aliases.put((context.region, name), {"key": record["id"], "created": now, "updated": now})
    return record


def key_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the key that an operation is authorized on; raise where there is no such key, as AWS does."""
    return str(api.model.arn(context.region, find(api.model, context, request["KeyId"])["id"]))


def conditions(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return KMS' own condition keys of a request about a key.

    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
    """
    identifier = request["KeyId"]
    keys = conditions_of(api.model, context, find(api.model, context, identifier))
    if identifier.split(":", 5)[-1].startswith(ALIAS):
        keys["kms:RequestAlias"] = identifier.split(":", 5)[-1]
    encrypted = request.get("EncryptionContext") or {}
    keys |= context_keys(encrypted)
    for tag in request.get("Tags", []):
        keys[f"aws:RequestTag/{tag['TagKey']}"] = tag["TagValue"]
    if "Tags" in request or "TagKeys" in request:
        keys["aws:TagKeys"] = [*(tag["TagKey"] for tag in request.get("Tags", [])), *request.get("TagKeys", [])]
    if "PendingWindowInDays" in request:
        keys["kms:ScheduleKeyDeletionPendingWindowInDays"] = str(request["PendingWindowInDays"])
    if "ReplicaRegion" in request:
        keys["kms:ReplicaRegion"] = request["ReplicaRegion"]
    return keys


def conditions_of(model: KmsModel, context: Context, record: KeyRecord) -> dict[str, Any]:
    """Return the condition keys that tell of a key and of who asks."""
    keys: dict[str, Any] = {
        "kms:CallerAccount": context.account,
        "kms:KeySpec": "SYMMETRIC_DEFAULT",
        "kms:KeyUsage": "ENCRYPT_DECRYPT",
        "kms:KeyOrigin": "AWS_KMS",
        "kms:MultiRegion": str(record["multi"]).lower(),
        "kms:ResourceAliases": model.aliases_of(context.region, record["id"]),
    }
    via = context.conditions.get("aws:calledvia", "").removesuffix(".amazonaws.com")
    if via:
        keys["kms:ViaService"] = f"{via}.{context.region}.amazonaws.com"
    for tag in record["tags"]:
        keys[f"aws:ResourceTag/{tag['TagKey']}"] = tag["TagValue"]
    return keys


def context_keys(encrypted: Mapping[str, str]) -> dict[str, Any]:
    """Return an encryption context as condition keys."""
    keys: dict[str, Any] = {f"kms:EncryptionContext:{key}": value for key, value in encrypted.items()}
    return {**keys, "kms:EncryptionContextKeys": list(encrypted)} if encrypted else keys


def usable(model: KmsModel, context: Context, record: KeyRecord) -> KeyRecord:
    """Return a key that is enabled; raise DisabledException or KMSInvalidStateException."""
    arn = model.arn(context.region, record["id"])
    if record["state"] == DISABLED:
        raise ServiceError("DisabledException", f"{arn} is disabled.")
    return alive(model, context, record)


def alive(model: KmsModel, context: Context, record: KeyRecord) -> KeyRecord:
    """Return a key that is not to be deleted; raise KMSInvalidStateException."""
    if record["state"] in (DOOMED, WAITING):
        arn = model.arn(context.region, record["id"])
        raise ServiceError("KMSInvalidStateException", f"{arn} is pending deletion.")
    return record


def checked_policy(understood: Callable[[str], bool], document: str) -> str:
    """Return a key policy that IAM can evaluate; raise MalformedPolicyDocumentException."""
    if len(document.encode()) > _LARGEST_POLICY or not understood(document):
        raise ServiceError(
            "MalformedPolicyDocumentException",
            "This policy contains a syntax error, names no principal, or is larger than 32 KB.",
        )
    return document


def check_lockout(calls: Calls, context: Context, arn: str) -> None:
    """Raise where the policy that was just written keeps its writer from writing the next one."""
    try:
        calls.authorize(context, "kms:PutKeyPolicy", arn)
    except ServiceError:
        raise ServiceError(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        ) from None


def checked_tags(
    context: Context, given: Sequence[t.TagTypeDef], *, present: Sequence[t.TagTypeDef] = ()
) -> list[t.TagTypeDef]:
    """Return tags put over those that are there; raise TagException or LimitExceededException."""
    if any(tag["TagKey"].lower().startswith("aws:") for tag in given) and not context.for_cloudformation:
        raise ServiceError("TagException", "Tag keys cannot begin with aws:")
    if len({tag["TagKey"] for tag in given}) < len(given):
        raise ServiceError("TagException", "Duplicate tag keys")
    merged = list({tag["TagKey"]: tag for tag in [*present, *given]}.values())
    if sum(not tag["TagKey"].startswith("aws:") for tag in merged) > _MOST_TAGS:
        raise ServiceError("LimitExceededException", f"A key has at most {_MOST_TAGS} tags")
    return merged


def described(model: KmsModel, region: str, record: KeyRecord) -> dict[str, Any]:
    """Return a key's metadata as AWS shows them."""
    metadata: dict[str, Any] = {
        "AWSAccountId": model.account,
        "KeyId": record["id"],
        "Arn": model.arn(region, record["id"]),
        "CreationDate": record["created"],
        "Enabled": record["state"] == ENABLED,
        "Description": record["description"],
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": record["state"],
        "Origin": "AWS_KMS",
        "KeyManager": record["manager"],
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": record["multi"],
        "CurrentKeyMaterialId": model.material_id(record["id"], record["material"]),
    }
    if record["state"] == DOOMED:
        metadata["DeletionDate"] = record.get("deletion")
    if record["state"] == WAITING:
        metadata["PendingDeletionWindowInDays"] = record.get("window")
    if record["multi"]:
        regions = [each for each in model.siblings(record) if each != record["primary"]]
        metadata["MultiRegionConfiguration"] = {
            "MultiRegionKeyType": "PRIMARY" if record["primary"] == region else "REPLICA",
            "PrimaryKey": {"Arn": model.arn(record["primary"], record["id"]), "Region": record["primary"]},
            "ReplicaKeys": [{"Arn": model.arn(each, record["id"]), "Region": each} for each in regions],
        }
    return metadata


def paged(items: Sequence[Any], name: str, token: str | None) -> dict[str, Any]:
    """Return a page of a list as KMS answers it."""
    answer: dict[str, Any] = {name: list(items), "Truncated": token is not None}
    return answer if token is None else {**answer, "NextMarker": token}
