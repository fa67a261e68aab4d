"""Keys: create, describe, list, enable, disable, delete.

https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.kms.api.shared import (
    alive,
    check_lockout,
    checked_policy,
    checked_tags,
    conditions,
    described,
    find,
    key_arn,
    paged,
)
from tidegate.cloud.services.kms.model import DISABLED, DOOMED, ENABLED, WAITING, KeyRecord, KmsModel
from tidegate.cloud.services.kms.policies import usual

if TYPE_CHECKING:
    from types_boto3_kms import type_defs as t

_PAGE = 100
_WINDOW = 30  # days between asking for the deletion of a key and its deletion


def _new_key_conditions(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
    keys: dict[str, Any] = {f"aws:RequestTag/{tag['TagKey']}": tag["TagValue"] for tag in request.get("Tags", [])}
    return {
        **keys,
        "aws:TagKeys": [tag["TagKey"] for tag in request.get("Tags", [])],
        "kms:CallerAccount": context.account,
        "kms:KeySpec": request.get("KeySpec", "SYMMETRIC_DEFAULT"),
        "kms:KeyUsage": request.get("KeyUsage", "ENCRYPT_DECRYPT"),
        "kms:KeyOrigin": request.get("Origin", "AWS_KMS"),
        "kms:MultiRegion": str(request.get("MultiRegion", False)).lower(),
    }


class KeysApi:
    """Symmetric keys whose material is made here."""

    def __init__(self, model: KmsModel, calls: Calls, clock: Clock, understood: Callable[[str], bool]) -> None:
        """`understood` says whether IAM can evaluate a policy."""
        self.model = model
        self._calls = calls
        self._clock = clock
        self._understood = understood

    @operation(conditions=_new_key_conditions, refuse=("CustomKeyStoreId", "XksKeyId"))
    async def create_key(self, context: Context, request: t.CreateKeyRequestTypeDef) -> Mapping[str, Any]:
        """Create a key; asymmetric, HMAC and imported ones are refused by name."""
        for member, offered in (
            ("KeySpec", "SYMMETRIC_DEFAULT"),
            ("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"),
            ("KeyUsage", "ENCRYPT_DECRYPT"),
            ("Origin", "AWS_KMS"),
        ):
            if request.get(member, offered) != offered:
                raise not_offered(f"kms:CreateKey {member} {request.get(member)}")
        multi, now = request.get("MultiRegion", False), self._clock.now()
        record: KeyRecord = {
            "id": f"mrk-{self._clock.hex(32)}" if multi else self._clock.new_id(),
            "created": now,
            "description": request.get("Description", ""),
            "state": ENABLED,
            "manager": "CUSTOMER",
            "multi": multi,
            "primary": context.region,
            "policy": checked_policy(self._understood, request.get("Policy") or usual(self.model.account)),
            "tags": checked_tags(context, request.get("Tags", [])),
            "material": 1,
            "rotated": [],
        }
        with self.model.transaction():
            self.model.put_material(record["id"], 1)
            self.model.keys.put((context.region, record["id"]), record)
            if not request.get("BypassPolicyLockoutSafetyCheck"):
                check_lockout(self._calls, context, self.model.arn(context.region, record["id"]))
        return {"KeyMetadata": described(self.model, context.region, record)}

    @operation(resource=key_arn, conditions=conditions, refuse=("GrantTokens",))
    async def describe_key(self, context: Context, request: t.DescribeKeyRequestTypeDef) -> Mapping[str, Any]:
        """Return a key's metadata."""
        record = find(self.model, context, request["KeyId"])
        return {"KeyMetadata": described(self.model, context.region, record)}

    @operation(refuse=("ResourceOwners",))
    async def list_keys(self, context: Context, request: t.ListKeysRequestTypeDef) -> Mapping[str, Any]:
        """List the keys of a region."""
        chosen, token = page(
            self.model.keys.values(context.region),
            request.get("Marker"),
            request.get("Limit", _PAGE),
            key=lambda each: each["id"],
            invalid="InvalidMarkerException",
        )
        keys = [{"KeyId": each["id"], "KeyArn": self.model.arn(context.region, each["id"])} for each in chosen]
        return paged(keys, "Keys", token)

    @operation(resource=key_arn, conditions=conditions)
    async def update_key_description(
        self, context: Context, request: t.UpdateKeyDescriptionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe a key anew."""
        record = alive(self.model, context, find(self.model, context, request["KeyId"], alias=False))
        record["description"] = request["Description"]
        self.model.keys.put((context.region, record["id"]), record)
        return {}

    @operation(resource=key_arn, conditions=conditions)
    async def enable_key(self, context: Context, request: t.EnableKeyRequestTypeDef) -> Mapping[str, Any]:
        """Let a key be used."""
        return self._turn(context, request["KeyId"], enabled=True)

    @operation(resource=key_arn, conditions=conditions)
    async def disable_key(self, context: Context, request: t.DisableKeyRequestTypeDef) -> Mapping[str, Any]:
        """Keep a key from being used."""
        return self._turn(context, request["KeyId"], enabled=False)

    @operation(resource=key_arn, conditions=conditions)
    async def schedule_key_deletion(
        self, context: Context, request: t.ScheduleKeyDeletionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have a key deleted some days later; a primary key waits for its replicas to go first."""
        record = alive(self.model, context, find(self.model, context, request["KeyId"], alias=False))
        window = request.get("PendingWindowInDays", _WINDOW)
        if not 7 <= window <= 30:
            raise ServiceError("ValidationException", "PendingWindowInDays must be between 7 and 30")
        record["window"] = window
        record.pop("rotation", None)
        if record["primary"] == context.region and len(self.model.siblings(record)) > 1:
            record["state"] = WAITING
        else:
            record["state"] = DOOMED
            record["deletion"] = self._clock.now() + timedelta(days=window)
        self.model.keys.put((context.region, record["id"]), record)
        return {
            "KeyId": self.model.arn(context.region, record["id"]),
            "KeyState": record["state"],
            "PendingWindowInDays": window,
            **({"DeletionDate": record["deletion"]} if "deletion" in record else {}),
        }

    @operation(resource=key_arn, conditions=conditions)
    async def cancel_key_deletion(
        self, context: Context, request: t.CancelKeyDeletionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Keep a key that was to be deleted; it is disabled then."""
        record = find(self.model, context, request["KeyId"], alias=False)
        arn = self.model.arn(context.region, record["id"])
        if record["state"] not in (DOOMED, WAITING):
            raise ServiceError("KMSInvalidStateException", f"{arn} is not pending deletion.")
        record["state"] = DISABLED
        record.pop("deletion", None)
        record.pop("window", None)
        self.model.keys.put((context.region, record["id"]), record)
        return {"KeyId": arn}

    def _turn(self, context: Context, identifier: str, *, enabled: bool) -> Mapping[str, Any]:
        record = alive(self.model, context, find(self.model, context, identifier, alias=False))
        record["state"] = ENABLED if enabled else DISABLED
        self.model.keys.put((context.region, record["id"]), record)
        return {}
