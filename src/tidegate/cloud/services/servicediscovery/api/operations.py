"""Operations: how far what was asked for has come.

https://docs.aws.amazon.com/cloud-map/latest/api/API_GetOperation.html and its sibling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.servicediscovery.api.shared import filtered, paged
from tidegate.cloud.services.servicediscovery.model import DiscoveryModel, OperationRecord

if TYPE_CHECKING:
    from types_boto3_servicediscovery import type_defs as t


class OperationsApi:
    """Reads alone: the reconciler takes operations on."""

    def __init__(self, model: DiscoveryModel) -> None:
        self.model = model

    @operation()
    async def get_operation(self, context: Context, request: t.GetOperationRequestTypeDef) -> Mapping[str, Any]:
        """Return an operation of the last thirty days."""
        found = self.model.operations.get(context.region, request["OperationId"])
        if found is None or request.get("OwnerAccount", context.account) != context.account:
            raise ServiceError("OperationNotFound", f"Operation not found: {request['OperationId']}")
        return {"Operation": found["operation"]}

    @operation()
    async def list_operations(self, context: Context, request: t.ListOperationsRequestTypeDef) -> Mapping[str, Any]:
        """List the operations that fit all filters."""
        values = {
            "NAMESPACE_ID": self._namespace,
            "SERVICE_ID": lambda each: each["operation"]["Targets"].get("SERVICE", ""),
            "STATUS": lambda each: each["operation"]["Status"],
            "TYPE": lambda each: each["operation"]["Type"],
            "UPDATE_DATE": lambda each: str(each["operation"]["UpdateDate"].timestamp()),
        }
        either = ("EQ", "IN")
        conditions = {
            "NAMESPACE_ID": ("EQ",),
            "SERVICE_ID": ("EQ",),
            "STATUS": either,
            "TYPE": either,
            "UPDATE_DATE": ("BETWEEN",),
        }
        found = filtered(self.model.operations.values(context.region), request.get("Filters", ()), values, conditions)
        chosen, token = paged(found, request, lambda each: each["operation"]["Id"])
        shown = [{"Id": each["operation"]["Id"], "Status": each["operation"]["Status"]} for each in chosen]
        return {"Operations": shown, **token}

    def _namespace(self, record: OperationRecord) -> str:
        return record["operation"]["Targets"].get("NAMESPACE", "")
