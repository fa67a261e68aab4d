"""Instances, found by the names of their namespace and service.

https://docs.aws.amazon.com/cloud-map/latest/api/API_DiscoverInstances.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.servicediscovery.model import DiscoveryModel, health_of
from tidegate.cloud.services.servicediscovery.plan import discovered

if TYPE_CHECKING:
    from types_boto3_servicediscovery import type_defs as t

_USUAL = 100


def _names(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "servicediscovery:namespacename": request["NamespaceName"],
        "servicediscovery:servicename": request["ServiceName"],
    }


class DiscoveryApi:
    """What clients call; boto3 puts `data-` before the host's name for it, unless `inject_host_prefix` is False."""

    def __init__(self, model: DiscoveryModel) -> None:
        self.model = model

    @operation(conditions=_names)
    async def discover_instances(
        self, context: Context, request: t.DiscoverInstancesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the healthy instances, or all where none is, with the attributes that are asked for."""
        self._check_owner(context, request)
        record = self.model.named(context.region, request["NamespaceName"], request["ServiceName"])
        service = record["service"]
        found = discovered(
            service,
            self.model.instances.values(context.region, service["Id"]),
            wanted=request.get("HealthStatus", "HEALTHY_OR_ELSE_ALL"),
            required=request.get("QueryParameters", {}),
            preferred=request.get("OptionalParameters", {}),
        )
        instances = [
            {
                "InstanceId": each["id"],
                "NamespaceName": request["NamespaceName"],
                "ServiceName": service["Name"],
                "HealthStatus": health_of(service, each),
                "Attributes": each["attributes"],
            }
            for each in found[: request.get("MaxResults", _USUAL)]
        ]
        return {"Instances": instances, "InstancesRevision": record["revision"]}

    @operation(conditions=_names)
    async def discover_instances_revision(
        self, context: Context, request: t.DiscoverInstancesRevisionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return a number that grows with every change of what is discovered."""
        self._check_owner(context, request)
        record = self.model.named(context.region, request["NamespaceName"], request["ServiceName"])
        return {"InstancesRevision": record["revision"]}

    def _check_owner(self, context: Context, request: Mapping[str, Any]) -> None:
        if request.get("OwnerAccount", context.account) != context.account:
            raise ServiceError("NamespaceNotFound", f"Namespace not found: {request['NamespaceName']}")
