"""Rotation: new material from time to time, or at once. What was encrypted before stays readable.

https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.kms.api.shared import conditions, find, key_arn, paged, usable
from tidegate.cloud.services.kms.lifecycle import rotate
from tidegate.cloud.services.kms.model import KeyRecord, KmsModel

if TYPE_CHECKING:
    from types_boto3_kms import type_defs as t

_YEAR = 365  # days
_MOST_AT_ONCE = 25  # rotations on demand of one key
_PAGE = 100


class RotationApi:
    """A replica's rotation is its primary key's."""

    def __init__(self, model: KmsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=key_arn, conditions=conditions)
    async def enable_key_rotation(
        self, context: Context, request: t.EnableKeyRotationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have a key rotated every year, or in another rhythm of days."""
        record = usable(self.model, context, self._primary(context, request["KeyId"]))
        days = request.get("RotationPeriodInDays") or record.get("rotation", {}).get("days", _YEAR)
        record["rotation"] = {"days": days, "due": self._clock.now() + timedelta(days=days)}
        self.model.keys.put((context.region, record["id"]), record)
        return {}

    @operation(resource=key_arn, conditions=conditions)
    async def disable_key_rotation(
        self, context: Context, request: t.DisableKeyRotationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Leave a key with the material that it has."""
        record = usable(self.model, context, self._primary(context, request["KeyId"]))
        record.pop("rotation", None)
        self.model.keys.put((context.region, record["id"]), record)
        return {}

    @operation(resource=key_arn, conditions=conditions)
    async def get_key_rotation_status(
        self, context: Context, request: t.GetKeyRotationStatusRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say whether, how often and when next a key is rotated."""
        record = find(self.model, context, request["KeyId"], alias=False)
        primary = self.model.keys.get(record["primary"], record["id"]) or record
        answer: dict[str, Any] = {
            "KeyRotationEnabled": "rotation" in primary,
            "KeyId": self.model.arn(context.region, record["id"]),
        }
        if "rotation" in primary:
            answer["RotationPeriodInDays"] = primary["rotation"]["days"]
            answer["NextRotationDate"] = primary["rotation"]["due"]
        return answer

    @operation(resource=key_arn, conditions=conditions)
    async def rotate_key_on_demand(
        self, context: Context, request: t.RotateKeyOnDemandRequestTypeDef
    ) -> Mapping[str, Any]:
        """Rotate a key at once."""
        record = usable(self.model, context, self._primary(context, request["KeyId"]))
        if sum(kind == "ON_DEMAND" for _, kind in record["rotated"]) >= _MOST_AT_ONCE:
            raise ServiceError("LimitExceededException", f"A key is rotated on demand at most {_MOST_AT_ONCE} times")
        rotate(self.model, record, self._clock.now(), "ON_DEMAND")
        return {"KeyId": self.model.arn(context.region, record["id"])}

    @operation(resource=key_arn, conditions=conditions, refuse=("IncludeKeyMaterial",))
    async def list_key_rotations(
        self, context: Context, request: t.ListKeyRotationsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List when a key was rotated, the newest first."""
        record = find(self.model, context, request["KeyId"], alias=False)
        arn = self.model.arn(context.region, record["id"])
        rotations = [
            (f"{10**6 - place:07d}", {"KeyId": arn, "RotationDate": at, "RotationType": kind})
            for place, (at, kind) in reversed(list(enumerate(record["rotated"])))
        ]
        chosen, token = page(
            rotations,
            request.get("Marker"),
            request.get("Limit", _PAGE),
            key=lambda each: each[0],
            invalid="InvalidMarkerException",
        )
        return paged([each for _, each in chosen], "Rotations", token)

    def _primary(self, context: Context, identifier: str) -> KeyRecord:
        record = find(self.model, context, identifier, alias=False)
        if record["primary"] != context.region:
            arn = self.model.arn(context.region, record["id"])
            raise ServiceError(
                "UnsupportedOperationException",
                f"{arn} is a replica key. Rotation is a property of its primary key, in {record['primary']}.",
            )
        return record
