"""Replicas: the same key in other Regions.

https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.kms.api.shared import (
    check_lockout,
    checked_policy,
    checked_tags,
    conditions,
    described,
    find,
    key_arn,
    usable,
)
from tidegate.cloud.services.kms.model import KeyRecord, KmsModel
from tidegate.cloud.services.kms.policies import usual

if TYPE_CHECKING:
    from types_boto3_kms import type_defs as t


class ReplicasApi:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html"""

    def __init__(self, model: KmsModel, calls: Calls, clock: Clock, understood: Callable[[str], bool]) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock
        self._understood = understood

    @operation(resource=key_arn, conditions=conditions)
    async def replicate_key(self, context: Context, request: t.ReplicateKeyRequestTypeDef) -> Mapping[str, Any]:
        """Make a multi-Region primary key usable in another Region, with a policy and tags of its own."""
        primary = find(self.model, context, request["KeyId"], alias=False)
        arn, region = self.model.arn(context.region, primary["id"]), request["ReplicaRegion"]
        if not primary["multi"] or primary["primary"] != context.region:
            raise ServiceError("UnsupportedOperationException", f"{arn} is not a multi-Region primary key.")
        usable(self.model, context, primary)
        replica_arn = self.model.arn(region, primary["id"])
        if region == context.region or self.model.keys.get(region, primary["id"]) is not None:
            raise ServiceError("AlreadyExistsException", f"Replica key {replica_arn} already exists")
        there = Context(context.principal, region, context.request_id, context.conditions)
        self._calls.authorize(there, "kms:CreateKey", "*")
        policy = checked_policy(self._understood, request.get("Policy") or usual(self.model.account))
        replica: KeyRecord = {
            **primary,
            "created": self._clock.now(),
            "description": request.get("Description", ""),
            "policy": policy,
            "tags": checked_tags(context, request.get("Tags", [])),
        }
        replica.pop("rotation", None)
        with self.model.transaction():
            self.model.keys.put((region, replica["id"]), replica)
            if not request.get("BypassPolicyLockoutSafetyCheck"):
                check_lockout(self._calls, there, replica_arn)
        return {
            "ReplicaKeyMetadata": described(self.model, region, replica),
            "ReplicaPolicy": policy,
            "ReplicaTags": replica["tags"],
        }
