"""EC2: the networking half, and the container networks that its VPCs are."""

from __future__ import annotations

from tidegate.cloud.services.ec2.api import APIS
from tidegate.cloud.services.ec2.coverage import COVERAGE
from tidegate.cloud.services.ec2.model import VPC, Ec2Model
from tidegate.cloud.services.ec2.reconciler import NetworkSweep
from tidegate.cloud.store import Key
from tidegate.cloud.wiring.parts import Parts

_EVERYTHING = ("all",)


def add_ec2(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = Ec2Model(parts.store, parts.account)
    engine = parts.docker.engine
    parts.dispatcher.register("ec2", *(api(model, parts.calls, parts.clock) for api in APIS), coverage=COVERAGE)
    parts.resource_tags["ec2"] = model.tags_by_arn
    parts.loop.add("ec2.network", NetworkSweep(model, parts.docker.networks).reconcile)

    def gone(key: Key) -> list[Key]:
        return [_EVERYTHING] if engine.in_use and model.vpcs.get(*key) is None else []

    def sweep() -> None:
        parts.loop.enqueue("ec2.network", _EVERYTHING)

    parts.loop.watch(VPC.kind, "ec2.network", gone)
    engine.listen(lambda pod: None, sweep)
    parts.resets.append(lambda: sweep() if engine.in_use else None)
