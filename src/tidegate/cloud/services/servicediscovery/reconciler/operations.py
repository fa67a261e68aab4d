"""Takes operations on: SUBMITTED -> PENDING -> SUCCESS or FAIL. Each step can be done again after a kill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.servicediscovery.model import (
    FAIL,
    HTTP,
    ONGOING,
    PENDING,
    SUCCESS,
    DiscoveryModel,
    OperationRecord,
    ServiceRecord,
)
from tidegate.cloud.services.servicediscovery.reconciler.zones import Zones
from tidegate.cloud.store import Key

# why an operation failed -> its code; https://docs.aws.amazon.com/cloud-map/latest/api/API_Operation.html
_CODES = {
    "ConflictingDomainExists": "CANNOT_CREATE_HOSTED_ZONE",
    "InvalidDomainName": "CANNOT_CREATE_HOSTED_ZONE",
    "InvalidVPCId": "VPC_NOT_FOUND",
    "HostedZoneNotEmpty": "ACCESS_DENIED",
    "NoSuchHostedZone": "HOSTED_ZONE_NOT_FOUND",
    "NamespaceNotFound": "NAMESPACE_NOT_FOUND",
    "ServiceNotFound": "SERVICE_NOT_FOUND",
}


class OperationsReconciler:
    """The controller of `servicediscovery.operation`."""

    def __init__(self, model: DiscoveryModel, zones: Zones, clock: Clock) -> None:
        self._model = model
        self._zones = zones
        self._clock = clock

    def unfinished(self) -> list[Key]:
        """Return the keys of the operations that are not over."""
        return [key for key, each in self._model.operations.items() if each["operation"]["Status"] in ONGOING]

    async def reconcile(self, key: Key) -> float | None:
        """Do what an operation asks for."""
        record = self._model.operations.get(*key)
        if record is None or record["operation"]["Status"] not in ONGOING:
            return None
        self._set(key, PENDING)
        region, targets = key[0], record["operation"]["Targets"]
        try:
            match record["operation"]["Type"]:
                case "CREATE_NAMESPACE":
                    await self._create_namespace(key, record)
                case "UPDATE_NAMESPACE":
                    await self._update_namespace(region, targets["NAMESPACE"], record["work"]["change"])
                case "DELETE_NAMESPACE":
                    await self._delete_namespace(region, targets["NAMESPACE"])
                case "UPDATE_SERVICE":
                    self._update_service(region, targets["SERVICE"], record["work"]["change"])
                    await self._zones.converge(region, targets["SERVICE"])
                case "REGISTER_INSTANCE":
                    self._put_instance(region, targets["SERVICE"], record["work"]["instance"])
                    await self._zones.converge(region, targets["SERVICE"])
                case _:
                    self._remove_instance(region, targets["SERVICE"], targets["INSTANCE"])
                    await self._zones.converge(region, targets["SERVICE"])
        except ServiceError as error:
            if error.code not in _CODES:
                raise
            self._set(key, FAIL, error)
            return None
        self._set(key, SUCCESS)
        return None

    async def _create_namespace(self, key: Key, record: OperationRecord) -> None:
        work: Any = record["work"]
        namespace = work["namespace"]
        if namespace["Type"] != HTTP:
            ttl = namespace["Properties"]["DnsProperties"]["SOA"]["TTL"]
            zone = await self._zones.ensure(key[0], namespace["Name"], work.get("vpc"), namespace["Id"], ttl)
            namespace["Properties"]["DnsProperties"]["HostedZoneId"] = zone
        made: Any = {"namespace": namespace, "tags": work["tags"]}
        if "vpc" in work:
            made["vpc"] = work["vpc"]
        self._model.namespaces.put((key[0], namespace["Id"]), made)

    async def _update_namespace(self, region: str, namespace_id: str, change: Any) -> None:
        start = change.get("Properties", {}).get("DnsProperties", {}).get("SOA")
        found: Any = self._model.namespace(region, namespace_id)["namespace"]
        if start is not None:
            zone = found["Properties"]["DnsProperties"]["HostedZoneId"]
            await self._zones.set_start(region, zone, start["TTL"])

        def changed(record: Any) -> None:
            if "Description" in change:
                record["namespace"]["Description"] = change["Description"]
            if start is not None:
                record["namespace"]["Properties"]["DnsProperties"]["SOA"] = start

        self._model.namespaces.update((region, namespace_id), changed)

    async def _delete_namespace(self, region: str, namespace_id: str) -> None:
        record: Any = self._model.namespaces.get(region, namespace_id)
        if record is None:
            return
        if record["namespace"]["Type"] != HTTP:
            await self._zones.remove(region, record["namespace"]["Properties"]["DnsProperties"]["HostedZoneId"])
        self._model.namespaces.delete(region, namespace_id)

    def _update_service(self, region: str, service_id: str, change: Any) -> None:
        def changed(record: Any) -> None:
            service = record["service"]
            service.pop("Description", None)
            if "Description" in change:
                service["Description"] = change["Description"]
            if "DnsConfig" in change:
                service["DnsConfig"]["DnsRecords"] = change["DnsConfig"]["DnsRecords"]
            else:
                service.pop("DnsConfig", None)
                service["Type"] = "HTTP"

        self._change_service(region, service_id, changed)

    def _put_instance(self, region: str, service_id: str, instance: Any) -> None:
        key = (region, service_id, instance["id"])
        with self._model.store.transaction():
            if self._model.instances.get(*key) != instance:
                self._model.instances.put(key, instance)
                self._change_service(region, service_id, _count)

    def _remove_instance(self, region: str, service_id: str, instance: str) -> None:
        with self._model.store.transaction():
            if self._model.instances.get(region, service_id, instance) is not None:
                self._model.instances.delete(region, service_id, instance)
                self._change_service(region, service_id, _count)

    def _change_service(self, region: str, service_id: str, change: Callable[[ServiceRecord], None]) -> None:
        """Change a service; raise ServiceNotFound where it is gone."""
        if self._model.services.update((region, service_id), change) is None:
            raise ServiceError("ServiceNotFound", f"Service not found: {service_id}")

    def _set(self, key: Key, status: Any, error: ServiceError | None = None) -> None:
        now = self._clock.now()

        def change(record: OperationRecord) -> None:
            operation = record["operation"]
            if operation["Status"] != status:
                operation["Status"], operation["UpdateDate"] = status, now
            if error is not None:
                operation["ErrorCode"], operation["ErrorMessage"] = _CODES[error.code], error.message

        self._model.operations.update(key, change)


def _count(record: ServiceRecord) -> None:
    record["revision"] += 1
