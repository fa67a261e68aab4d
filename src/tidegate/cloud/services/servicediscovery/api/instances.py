"""Instances: registered, deregistered, shown, and how healthy somebody says they are.

https://docs.aws.amazon.com/cloud-map/latest/api/API_RegisterInstance.html and siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.servicediscovery.api.shared import invalid, of_service, on_service, paged
from tidegate.cloud.services.servicediscovery.model import (
    DEREGISTER_INSTANCE,
    REGISTER_INSTANCE,
    DiscoveryModel,
    InstanceRecord,
    ServiceRecord,
    has_checks,
    health_of,
)
from tidegate.cloud.services.servicediscovery.plan import INITIAL, faulty_attributes

if TYPE_CHECKING:
    from types_boto3_servicediscovery import type_defs as t

_BY_INSTANCE = (REGISTER_INSTANCE, DEREGISTER_INSTANCE)
_ELSEWHERE = ("AWS_ALIAS_DNS_NAME", "AWS_EC2_INSTANCE_ID")  # what they lead to is not in the local cloud's networks


class InstancesApi:
    """Registering and deregistering are operations; the health is told at once."""

    def __init__(self, model: DiscoveryModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self.calls = calls
        self.clock = clock

    @operation(resource=of_service, conditions=on_service)
    async def register_instance(self, context: Context, request: t.RegisterInstanceRequestTypeDef) -> Mapping[str, Any]:
        """Have an instance be found; one that is there gets these attributes."""
        record = self.model.service(context.region, request["ServiceId"])
        service, attributes = record["service"], dict(request["Attributes"])
        for name in _ELSEWHERE:
            if name in attributes:
                raise not_offered(f"servicediscovery:RegisterInstance {name}")
        why = faulty_attributes(service, attributes)
        if why is not None:
            raise invalid(why)
        creator = request.get("CreatorRequestId") or self.clock.new_id()
        for each in self.model.operations.values(context.region):
            work = each["work"].get("instance", {})
            targets = (each["work"].get("service"), work.get("id"), work.get("creator"))
            if targets == (service["Id"], request["InstanceId"], creator) and work["attributes"] == attributes:
                return {"OperationId": each["operation"]["Id"]}
        self._authorize_records(context, record)
        instance: InstanceRecord = {
            "id": request["InstanceId"],
            "attributes": attributes,
            "health": attributes.get(INITIAL, "HEALTHY"),
            "creator": creator,
        }
        return self._begin(context, record, request["InstanceId"], REGISTER_INSTANCE, {"instance": instance})

    @operation(resource=of_service, conditions=on_service)
    async def deregister_instance(
        self, context: Context, request: t.DeregisterInstanceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have an instance be found no more."""
        record = self.model.service(context.region, request["ServiceId"])
        self._check_idle(context, record, request["InstanceId"])
        self.model.instance(context.region, request["ServiceId"], request["InstanceId"])
        self._authorize_records(context, record)
        return self._begin(context, record, request["InstanceId"], DEREGISTER_INSTANCE, {})

    @operation(resource=of_service, conditions=on_service)
    async def get_instance(self, context: Context, request: t.GetInstanceRequestTypeDef) -> Mapping[str, Any]:
        """Return an instance."""
        record = self.model.instance(context.region, request["ServiceId"], request["InstanceId"])
        shown = {**_shown(context, record), "CreatorRequestId": record.get("creator", "")}
        return {"ResourceOwner": context.account, "Instance": shown}

    @operation(resource=of_service, conditions=on_service)
    async def list_instances(self, context: Context, request: t.ListInstancesRequestTypeDef) -> Mapping[str, Any]:
        """List a service's instances, healthy or not."""
        service = self.model.service(context.region, request["ServiceId"])["service"]
        found = self.model.instances.values(context.region, service["Id"])
        chosen, token = paged(found, request, lambda each: each["id"])
        return {"ResourceOwner": context.account, "Instances": [_shown(context, each) for each in chosen], **token}

    @operation(resource=of_service, conditions=on_service)
    async def get_instances_health_status(
        self, context: Context, request: t.GetInstancesHealthStatusRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return how healthy instances are, all of the service or those that are named."""
        service = self.model.service(context.region, request["ServiceId"])["service"]
        found = self.model.instances.values(context.region, service["Id"])
        if request.get("Instances"):
            found = [self.model.instance(context.region, service["Id"], each) for each in request["Instances"]]
        chosen, token = paged(found, request, lambda each: each["id"])
        return {"Status": {each["id"]: health_of(service, each) for each in chosen}, **token}

    @operation(resource=of_service, conditions=on_service)
    async def update_instance_custom_health_status(
        self, context: Context, request: t.UpdateInstanceCustomHealthStatusRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say how healthy an instance is."""
        record = self.model.service(context.region, request["ServiceId"])
        service = record["service"]
        instance = self.model.instance(context.region, service["Id"], request["InstanceId"])
        if not has_checks(service):
            raise ServiceError("CustomHealthNotFound", f"Service {service['Id']} has no custom health check configured")
        if instance["health"] != request["Status"]:
            instance["health"] = request["Status"]
            record["revision"] += 1
            with self.model.store.transaction():
                self.model.instances.put((context.region, service["Id"], instance["id"]), instance)
                self.model.services.put((context.region, service["Id"]), record)
        return {}

    def _begin(
        self, context: Context, record: ServiceRecord, instance: str, kind: str, work: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        self._check_idle(context, record, instance)
        service_id = record["service"]["Id"]
        targets = {"SERVICE": service_id, "INSTANCE": instance}
        whole = {**work, "service": service_id}
        return {"OperationId": self.model.begin(context.region, self.clock, kind, targets, whole)}

    def _check_idle(self, context: Context, record: ServiceRecord, instance: str) -> None:
        """Raise DuplicateRequest while an operation on an instance goes on."""
        service_id = record["service"]["Id"]
        going = self.model.ongoing(context.region, _BY_INSTANCE, SERVICE=service_id, INSTANCE=instance)
        if going is not None:
            raise ServiceError(
                "DuplicateRequest",
                f"Another operation of type {going['Type']} and id {going['Id']} is in progress",
                DuplicateOperationId=going["Id"],
            )

    def _authorize_records(self, context: Context, record: ServiceRecord) -> None:
        """Have the caller be allowed to change the zone, where the service's instances are in it."""
        if "DnsConfig" not in record["service"]:
            return
        namespace: Any = self.model.namespace(context.region, record["namespace"])["namespace"]
        zone = namespace["Properties"]["DnsProperties"]["HostedZoneId"]
        self.calls.authorize(context, "route53:ChangeResourceRecordSets", f"arn:aws:route53:::hostedzone/{zone}")


def _shown(context: Context, record: InstanceRecord) -> dict[str, Any]:
    return {"Id": record["id"], "Attributes": record["attributes"], "CreatedByAccount": context.account}
