"""Attributes of services. https://docs.aws.amazon.com/cloud-map/latest/api/API_UpdateServiceAttributes.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.servicediscovery.api.shared import of_service, on_service
from tidegate.cloud.services.servicediscovery.model import DiscoveryModel

if TYPE_CHECKING:
    from types_boto3_servicediscovery import type_defs as t

_MOST = 30


class AttributesApi:
    """Keys and values that a service carries for whoever reads them."""

    def __init__(self, model: DiscoveryModel) -> None:
        self.model = model

    @operation(resource=of_service, conditions=on_service)
    async def get_service_attributes(
        self, context: Context, request: t.GetServiceAttributesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return a service's attributes."""
        record = self.model.service(context.region, request["ServiceId"])
        shown = {"ServiceArn": record["service"]["Arn"], "ResourceOwner": context.account}
        return {"ServiceAttributes": {**shown, "Attributes": record["attributes"]}}

    @operation(resource=of_service, conditions=on_service)
    async def update_service_attributes(
        self, context: Context, request: t.UpdateServiceAttributesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Put attributes over those that are there."""
        record = self.model.service(context.region, request["ServiceId"])
        record["attributes"] |= request["Attributes"]
        if len(record["attributes"]) > _MOST:
            raise ServiceError(
                "ServiceAttributesLimitExceededException", f"A service has at most {_MOST} service attributes."
            )
        self.model.services.put((context.region, record["service"]["Id"]), record)
        return {}

    @operation(resource=of_service, conditions=on_service)
    async def delete_service_attributes(
        self, context: Context, request: t.DeleteServiceAttributesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove attributes by their keys."""
        record = self.model.service(context.region, request["ServiceId"])
        gone = request["Attributes"]
        record["attributes"] = {key: value for key, value in record["attributes"].items() if key not in gone}
        self.model.services.put((context.region, record["service"]["Id"]), record)
        return {}
