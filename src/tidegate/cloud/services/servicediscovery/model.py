"""Cloud Map's records: namespaces, services, instances and operations, by region first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.store import Collection, Store

if TYPE_CHECKING:
    from types_boto3_servicediscovery import type_defs as t

SERVICE: Final = "servicediscovery.amazonaws.com"  # as whom it calls other services
HTTP: Final = "HTTP"
PRIVATE: Final = "DNS_PRIVATE"
PUBLIC: Final = "DNS_PUBLIC"

SUBMITTED: Final = "SUBMITTED"
PENDING: Final = "PENDING"
SUCCESS: Final = "SUCCESS"
FAIL: Final = "FAIL"
ONGOING = (SUBMITTED, PENDING)

CREATE_NAMESPACE: Final = "CREATE_NAMESPACE"
UPDATE_NAMESPACE: Final = "UPDATE_NAMESPACE"
DELETE_NAMESPACE: Final = "DELETE_NAMESPACE"
UPDATE_SERVICE: Final = "UPDATE_SERVICE"
REGISTER_INSTANCE: Final = "REGISTER_INSTANCE"
DEREGISTER_INSTANCE: Final = "DEREGISTER_INSTANCE"

KEPT = timedelta(days=30)  # an operation can be got that long
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class NamespaceRecord(TypedDict):
    """A namespace as AWS shows it, but for the number of its services. `vpc` is that of a private one."""

    namespace: t.NamespaceTypeDef
    vpc: NotRequired[str]
    tags: list[t.TagTypeDef]


class ServiceRecord(TypedDict):
    """A service as AWS shows it, but for the number of its instances.

    `revision` counts the changes of its instances and of their health.
    """

    service: t.ServiceTypeDef
    namespace: str
    attributes: dict[str, str]
    tags: list[t.TagTypeDef]
    revision: int


class InstanceRecord(TypedDict):
    """An instance. `health` is what was last said of it; it counts where the service has a custom health check."""

    id: str
    attributes: dict[str, str]
    health: str  # HEALTHY, UNHEALTHY
    creator: NotRequired[str]


class OperationRecord(TypedDict):
    """An operation as AWS shows it, and what it needs to be done: the record to make, or the change."""

    operation: t.OperationTypeDef
    work: dict[str, Any]


class DiscoveryModel:
    """Namespaces `(region, id)`, services `(region, id)`, instances `(region, service's id, id)`, operations."""

    def __init__(self, store: Store, account: str) -> None:
        self.store = store
        self.account = account
        self.namespaces: Collection[NamespaceRecord] = Collection(store, "servicediscovery.namespace")
        self.services: Collection[ServiceRecord] = Collection(store, "servicediscovery.service")
        self.instances: Collection[InstanceRecord] = Collection(store, "servicediscovery.instance")
        self.operations: Collection[OperationRecord] = Collection(store, "servicediscovery.operation")

    def namespace(self, region: str, given: str) -> NamespaceRecord:
        """Return a namespace by its id or ARN; raise NamespaceNotFound."""
        found = self.namespaces.get(region, bare_id(given))
        if found is None:
            raise ServiceError("NamespaceNotFound", f"Namespace not found: {bare_id(given)}")
        return found

    def service(self, region: str, given: str) -> ServiceRecord:
        """Return a service by its id or ARN; raise ServiceNotFound."""
        found = self.services.get(region, bare_id(given))
        if found is None:
            raise ServiceError("ServiceNotFound", f"Service not found: {bare_id(given)}")
        return found

    def instance(self, region: str, service: str, given: str) -> InstanceRecord:
        """Return an instance of a service that is there; raise ServiceNotFound or InstanceNotFound."""
        self.service(region, service)
        found = self.instances.get(region, bare_id(service), given)
        if found is None:
            raise ServiceError("InstanceNotFound", f"Instance not found: {given}")
        return found

    def services_in(self, region: str, namespace: str) -> list[ServiceRecord]:
        """Return the services of a namespace (its id)."""
        return [each for each in self.services.values(region) if each["namespace"] == namespace]

    def named(self, region: str, namespace: str, service: str) -> ServiceRecord:
        """Return a service by names, as clients discover it; raise NamespaceNotFound or ServiceNotFound."""
        spaces = {
            each["namespace"]["Id"]
            for each in self.namespaces.values(region)
            if each["namespace"]["Properties"]["HttpProperties"]["HttpName"] == namespace
        }
        if not spaces:
            raise ServiceError("NamespaceNotFound", f"Namespace not found: {namespace}")
        for each in self.services.values(region):
            if each["namespace"] in spaces and each["service"]["Name"] == service:
                return each
        raise ServiceError("ServiceNotFound", f"Service not found: {service}")

    def ongoing(self, region: str, kinds: tuple[str, ...], **targets: str) -> t.OperationTypeDef | None:
        """Return an operation of these kinds on exactly these targets that is not over."""
        for each in self.operations.values(region):
            operation = each["operation"]
            if operation["Status"] in ONGOING and operation["Type"] in kinds and operation["Targets"] == targets:
                return operation
        return None

    def begin(self, region: str, clock: Clock, kind: Any, targets: Mapping[str, str], work: Mapping[str, Any]) -> str:
        """Write down an operation that is to be done, and return its id; forget those of long ago."""
        now = clock.now()
        operation_id = f"{clock.text(_ALPHABET, 32)}-{clock.text(_ALPHABET, 8)}"
        operation: t.OperationTypeDef = {
            "Id": operation_id,
            "OwnerAccount": self.account,
            "Type": kind,
            "Status": SUBMITTED,
            "CreateDate": now,
            "UpdateDate": now,
            "Targets": dict(targets),  # type: ignore[typeddict-item]
        }
        with self.store.transaction():
            self.forget_operations(region, now - KEPT)
            self.operations.put((region, operation_id), {"operation": operation, "work": dict(work)})
        return operation_id

    def forget_operations(self, region: str, before: datetime) -> None:
        """Forget the operations that were over before a moment."""
        for key, each in self.operations.items(region):
            operation = each["operation"]
            if operation["UpdateDate"] < before and operation["Status"] not in ONGOING:
                self.operations.delete(*key)


def bare_id(given: str) -> str:
    """Return the id in an ARN, or what is an id already."""
    return given.rpartition("/")[2] if given.startswith("arn:") else given


def new_id(clock: Clock, prefix: str) -> str:
    """Return a fresh id: `ns-abcdefghijklmnop`."""
    return f"{prefix}-{clock.text(_ALPHABET, 16)}"


def has_checks(service: Mapping[str, Any]) -> bool:
    """Return whether the health of a service's instances is told by somebody."""
    return "HealthCheckCustomConfig" in service


def health_of(service: Mapping[str, Any], instance: InstanceRecord) -> str:
    """Return HEALTHY, UNHEALTHY, or UNKNOWN where nobody tells."""
    return instance["health"] if has_checks(service) else "UNKNOWN"
