"""Services: created, shown, changed, deleted.

https://docs.aws.amazon.com/cloud-map/latest/api/API_CreateService.html and siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.servicediscovery.api.shared import (
    checked_tags,
    filtered,
    invalid,
    namespace_arn,
    of_service,
    on_service,
    paged,
    service_arn,
)
from tidegate.cloud.services.servicediscovery.model import (
    HTTP,
    PUBLIC,
    UPDATE_SERVICE,
    DiscoveryModel,
    ServiceRecord,
    bare_id,
    new_id,
)
from tidegate.cloud.services.servicediscovery.plan import faulty_dns

if TYPE_CHECKING:
    from types_boto3_servicediscovery import type_defs as t

_REFUSED = ("HealthCheckConfig", "Service.HealthCheckConfig")  # Route 53 checks no addresses of this machine


def _namespace_of(request: Mapping[str, Any]) -> str:
    return bare_id(request.get("NamespaceId") or request.get("DnsConfig", {}).get("NamespaceId") or "*")


class ServicesApi:
    """The ids of services can be given as ARNs, too."""

    def __init__(self, model: DiscoveryModel, clock: Clock) -> None:
        self.model = model
        self.clock = clock

    @operation(
        resource=lambda api, context, request: namespace_arn(context, _namespace_of(request)),
        conditions=lambda api, context, request: {
            "servicediscovery:namespacearn": namespace_arn(context, _namespace_of(request))
        },
        refuse=_REFUSED,
    )
    async def create_service(self, context: Context, request: t.CreateServiceRequestTypeDef) -> Mapping[str, Any]:
        """Create a service in a namespace."""
        namespace = self.model.namespace(context.region, _namespace_of(request))["namespace"]
        name, config = request["Name"], request.get("DnsConfig")
        creator = request.get("CreatorRequestId") or self.clock.new_id()
        for each in self.model.services_in(context.region, namespace["Id"]):
            if each["service"]["Name"].lower() == name.lower():
                if each["service"].get("CreatorRequestId") == creator:
                    return {"Service": self._shown(context, each)}
                raise ServiceError(
                    "ServiceAlreadyExists",
                    "Service already exists.",
                    ServiceId=each["service"]["Id"],
                    CreatorRequestId=each["service"].get("CreatorRequestId", ""),
                )
        kind = request.get("Type") or ("HTTP" if config is None else "DNS_HTTP")
        service: dict[str, Any] = {
            "Id": (service_id := new_id(self.clock, "srv")),
            "Arn": service_arn(context, service_id),
            "ResourceOwner": context.account,
            "Name": name,
            "NamespaceId": namespace["Id"],
            "Type": kind,
            "CreateDate": self.clock.now(),
            "CreatorRequestId": creator,
            "CreatedByAccount": context.account,
        }
        if "Description" in request:
            service["Description"] = request["Description"]
        if config is not None:
            if namespace["Type"] == HTTP or "Type" in request:
                raise invalid("A service that is discovered by calls alone has no DnsConfig")
            policy = config.get("RoutingPolicy", "MULTIVALUE")
            why = faulty_dns(config["DnsRecords"], policy)
            if why is not None:
                raise invalid(why)
            records = [dict(each) for each in config["DnsRecords"]]
            service["DnsConfig"] = {"NamespaceId": namespace["Id"], "RoutingPolicy": policy, "DnsRecords": records}
        if "HealthCheckCustomConfig" in request:
            if namespace["Type"] == PUBLIC and "HealthCheckConfig" in request:
                raise invalid("A service has either HealthCheckConfig or HealthCheckCustomConfig")
            service["HealthCheckCustomConfig"] = {"FailureThreshold": 1}  # whatever is given, it is 1
        record: ServiceRecord = {
            "service": service,  # type: ignore[typeddict-item]
            "namespace": namespace["Id"],
            "attributes": {},
            "tags": checked_tags(request.get("Tags", ())),
            "revision": 1,
        }
        self.model.services.put((context.region, service_id), record)
        return {"Service": self._shown(context, record)}

    @operation(resource=of_service)
    async def get_service(self, context: Context, request: t.GetServiceRequestTypeDef) -> Mapping[str, Any]:
        """Return a service."""
        return {"Service": self._shown(context, self.model.service(context.region, request["Id"]))}

    @operation()
    async def list_services(self, context: Context, request: t.ListServicesRequestTypeDef) -> Mapping[str, Any]:
        """List the services that fit all filters."""
        wanted = [
            {**each, "Values": [bare_id(value) for value in each["Values"]]} for each in request.get("Filters", ())
        ]
        values = {"NAMESPACE_ID": lambda each: each["namespace"], "RESOURCE_OWNER": lambda each: "SELF"}
        conditions = {"NAMESPACE_ID": ("EQ", "IN"), "RESOURCE_OWNER": ("EQ",)}
        found = filtered(self.model.services.values(context.region), wanted, values, conditions)
        chosen, token = paged(found, request, lambda each: each["service"]["Id"])
        hidden = ("NamespaceId", "CreatorRequestId")
        shown = [self._shown(context, each) for each in chosen]
        return {"Services": [{k: v for k, v in each.items() if k not in hidden} for each in shown], **token}

    @operation(resource=of_service, refuse=_REFUSED)
    async def update_service(self, context: Context, request: t.UpdateServiceRequestTypeDef) -> Mapping[str, Any]:
        """Change a service's description and its DNS records: what is not given is taken away."""
        record = self.model.service(context.region, request["Id"])
        service, change = record["service"], request["Service"]
        if "DnsConfig" in change:
            if "DnsConfig" not in service:
                raise invalid(f"Service {service['Id']} has no DNS records that could be changed")
            why = faulty_dns(change["DnsConfig"]["DnsRecords"], service["DnsConfig"]["RoutingPolicy"])
            if why is not None:
                raise invalid(why)
        going = self.model.ongoing(context.region, (UPDATE_SERVICE,), SERVICE=service["Id"])
        if going is not None:
            raise ServiceError(
                "DuplicateRequest",
                f"Another operation with id {going['Id']} is in progress",
                DuplicateOperationId=going["Id"],
            )
        targets, work = {"SERVICE": service["Id"]}, {"change": change}
        return {"OperationId": self.model.begin(context.region, self.clock, UPDATE_SERVICE, targets, work)}

    @operation(resource=of_service, conditions=on_service)
    async def delete_service(self, context: Context, request: t.DeleteServiceRequestTypeDef) -> Mapping[str, Any]:
        """Delete a service that has no instances (any more)."""
        service_id = self.model.service(context.region, request["Id"])["service"]["Id"]
        if self.model.instances.items(context.region, service_id, limit=1):
            raise ServiceError(
                "ResourceInUse", "Service contains registered instances; delete the instances before the service"
            )
        self.model.services.delete(context.region, service_id)
        return {}

    def _shown(self, context: Context, record: ServiceRecord) -> dict[str, Any]:
        count = len(self.model.instances.items(context.region, record["service"]["Id"]))
        return {**record["service"], "InstanceCount": count}
