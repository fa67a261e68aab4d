"""Key policies; the authorizer finds them by `KmsModel.policy_of`.

https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.kms.api.shared import (
    alive,
    check_lockout,
    checked_policy,
    conditions,
    find,
    key_arn,
    paged,
)
from tidegate.cloud.services.kms.model import KmsModel

if TYPE_CHECKING:
    from types_boto3_kms import type_defs as t

_NAME = "default"  # of the one policy that a key has


class PoliciesApi:
    """A key's own policy, without which no IAM policy counts."""

    def __init__(self, model: KmsModel, calls: Calls, understood: Callable[[str], bool]) -> None:
        self.model = model
        self._calls = calls
        self._understood = understood

    @operation(resource=key_arn, conditions=conditions)
    async def get_key_policy(self, context: Context, request: t.GetKeyPolicyRequestTypeDef) -> Mapping[str, Any]:
        """Return the policy as it was put."""
        record = find(self.model, context, request["KeyId"], alias=False)
        _check_name(request.get("PolicyName", _NAME))
        return {"Policy": record["policy"], "PolicyName": _NAME}

    @operation(resource=key_arn, conditions=conditions)
    async def put_key_policy(self, context: Context, request: t.PutKeyPolicyRequestTypeDef) -> Mapping[str, Any]:
        """Replace the policy; not by one that keeps the caller from doing so again, unless that is asked for."""
        record = alive(self.model, context, find(self.model, context, request["KeyId"], alias=False))
        _check_name(request.get("PolicyName", _NAME))
        record["policy"] = checked_policy(self._understood, request["Policy"])
        with self.model.transaction():
            self.model.keys.put((context.region, record["id"]), record)
            if not request.get("BypassPolicyLockoutSafetyCheck"):
                check_lockout(self._calls, context, self.model.arn(context.region, record["id"]))
        return {}

    @operation(resource=key_arn, conditions=conditions)
    async def list_key_policies(self, context: Context, request: t.ListKeyPoliciesRequestTypeDef) -> Mapping[str, Any]:
        """Name the one policy that a key has; there is no second page (`Limit`, `Marker`)."""
        find(self.model, context, request["KeyId"], alias=False)
        return paged([_NAME], "PolicyNames", None)


def _check_name(name: str) -> None:
    if name != _NAME:
        raise ServiceError("NotFoundException", "No such policy exists")
