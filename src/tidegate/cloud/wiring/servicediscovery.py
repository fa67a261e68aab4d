"""Cloud Map: its operations, taken on one by one, and the records of its zones in Route 53."""

from __future__ import annotations

from tidegate.cloud.services.servicediscovery.api import (
    AttributesApi,
    DiscoveryApi,
    InstancesApi,
    NamespacesApi,
    OperationsApi,
    ServicesApi,
    TagsApi,
)
from tidegate.cloud.services.servicediscovery.coverage import COVERAGE
from tidegate.cloud.services.servicediscovery.model import DiscoveryModel
from tidegate.cloud.services.servicediscovery.reconciler.operations import OperationsReconciler
from tidegate.cloud.services.servicediscovery.reconciler.zones import Zones
from tidegate.cloud.store import Key
from tidegate.cloud.wiring.parts import Parts


def add_servicediscovery(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = DiscoveryModel(parts.store, parts.account)
    parts.dispatcher.register(
        "servicediscovery",
        NamespacesApi(model, parts.calls, parts.clock),
        ServicesApi(model, parts.clock),
        AttributesApi(model),
        InstancesApi(model, parts.calls, parts.clock),
        DiscoveryApi(model),
        OperationsApi(model),
        TagsApi(model),
        coverage=COVERAGE,
    )
    zones = Zones(model, parts.calls)
    operations = OperationsReconciler(model, zones, parts.clock)

    async def converge(key: Key) -> float | None:
        await zones.converge(*key)
        return None

    parts.loop.add("servicediscovery.operation", operations.reconcile, keys=operations.unfinished)
    parts.loop.watch("servicediscovery.operation", "servicediscovery.operation")
    parts.loop.add("servicediscovery.records", converge, keys=lambda: [key for key, _ in model.services.items()])
    parts.loop.watch("servicediscovery.service", "servicediscovery.records")
