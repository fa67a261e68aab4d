"""Route 53: its operations, and resolvers that tell tasks the names of private zones."""

from __future__ import annotations

from tidegate.cloud.services.route53.api import RecordsApi, TagsApi, ZonesApi
from tidegate.cloud.services.route53.coverage import COVERAGE
from tidegate.cloud.services.route53.model import Route53Model
from tidegate.cloud.services.route53.reconciler.resolver import ResolverReconciler
from tidegate.cloud.wiring.parts import Parts


def add_route53(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = Route53Model(parts.store)
    parts.dispatcher.register(
        "route53",
        ZonesApi(model, parts.calls, parts.clock),
        RecordsApi(model, parts.clock),
        TagsApi(model),
        coverage=COVERAGE,
    )
    if not parts.docker.engine.is_local:
        return  # a network's gateway is not this machine's, so nobody could be asked there
    resolvers = parts.docker.resolvers
    reconciler = ResolverReconciler(model, resolvers)
    resolvers.listen(lambda network: parts.loop.enqueue("route53.resolver", (network,)))
    parts.loop.add("route53.resolver", reconciler.reconcile, keys=reconciler.vpcs)
    parts.loop.watch("route53.zone", "route53.resolver", lambda key: reconciler.vpcs())
    parts.loop.watch("route53.record", "route53.resolver", lambda key: reconciler.vpcs_of(key[0]))
    parts.resets.append(resolvers.reset)
    parts.stops.append(resolvers.close)
