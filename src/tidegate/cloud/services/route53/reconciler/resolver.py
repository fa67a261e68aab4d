"""Tells the resolver of each VPC which names its private zones have."""

from __future__ import annotations

from typing import Any

from tidegate.cloud.planes.resolver import Resolvers
from tidegate.cloud.services.route53.model import Route53Model
from tidegate.cloud.services.route53.reconciler.view import view_of
from tidegate.cloud.store import Key


class ResolverReconciler:
    """The controller of `route53.resolver`; its keys are the ids of VPCs."""

    def __init__(self, model: Route53Model, resolvers: Resolvers) -> None:
        self._model = model
        self._resolvers = resolvers

    def vpcs(self) -> list[Key]:
        """Return the VPCs that have private zones, or had."""
        having = {each["VPCId"] for record in self._model.zones.values() for each in record["vpcs"]}
        return [(vpc,) for vpc in sorted({*having, *self._resolvers.networks()})]

    def vpcs_of(self, zone_id: str) -> list[Key]:
        """Return the VPCs that a zone is one of."""
        record = self._model.zones.get(zone_id)
        return [] if record is None else [(each["VPCId"],) for each in record["vpcs"]]

    async def reconcile(self, key: Key) -> float | None:
        """Publish a VPC's names and keep its resolver running."""
        (vpc,) = key
        zones: list[Any] = []
        region = ""
        for (zone_id,), record in self._model.zones.items():
            for each in record["vpcs"]:
                if each["VPCId"] == vpc:
                    region = each.get("VPCRegion", "")
                    zones.append((record["zone"], self._model.records.values(zone_id)))
        self._resolvers.publish(vpc, view_of(zones, region))
        await self._resolvers.keep(vpc)
        return None
