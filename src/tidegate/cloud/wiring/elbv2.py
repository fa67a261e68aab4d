"""Elastic Load Balancing: its operations, Envoy, and the checks of targets."""

from __future__ import annotations

from tidegate.cloud.planes.certificates import Certificates
from tidegate.cloud.planes.envoy import Certificate, EnvoyPlane
from tidegate.cloud.planes.loopback import Loopback
from tidegate.cloud.planes.probe import ProbePlane
from tidegate.cloud.services.elbv2.api import (
    CapacityApi,
    CertificatesApi,
    LimitsApi,
    ListenersApi,
    LoadBalancersApi,
    RevocationsApi,
    RulesApi,
    TagsApi,
    TargetGroupsApi,
    TargetsApi,
    TrustStoresApi,
)
from tidegate.cloud.services.elbv2.coverage import COVERAGE
from tidegate.cloud.services.elbv2.downloads import PATH, Downloads
from tidegate.cloud.services.elbv2.model import ElbModel
from tidegate.cloud.services.elbv2.reconciler import (
    BalancersReconciler,
    Find,
    InterfacesReconciler,
    Logs,
    Metrics,
    NetworkMetrics,
    TargetsReconciler,
)
from tidegate.cloud.services.elbv2.reconciler.balancers import EVERYTHING
from tidegate.cloud.wiring.parts import Parts


def add_elbv2(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model, loopback = ElbModel(parts.store), Loopback(parts.data_dir)
    downloads = Downloads(model, parts.clock, parts.endpoint, parts.allows)
    parts.routes[PATH] = downloads
    parts.dispatcher.register(
        "elbv2",
        TrustStoresApi(model, parts.calls, parts.clock, downloads),
        RevocationsApi(model, parts.calls, parts.clock, downloads),
        LoadBalancersApi(model, parts.calls, parts.clock, loopback),
        *(
            api(model, parts.calls, parts.clock)
            for api in (
                CapacityApi,
                CertificatesApi,
                LimitsApi,
                ListenersApi,
                RulesApi,
                TagsApi,
                TargetGroupsApi,
                TargetsApi,
            )
        ),
        prefix="elasticloadbalancing",
        coverage=COVERAGE,
    )
    parts.resource_tags["elasticloadbalancing"] = model.tags_of
    envoy = EnvoyPlane(parts.data_dir, lambda: parts.loop.enqueue("elbv2.balancers", EVERYTHING))
    probes = ProbePlane(lambda key: parts.loop.enqueue("elbv2.targets", key))
    interfaces = InterfacesReconciler(model, parts.calls)
    balancers = BalancersReconciler(model, envoy, loopback, parts.docker.reach, _finder(Certificates(parts.data_dir)))
    targets = TargetsReconciler(model, parts.calls, parts.clock, envoy, probes, parts.docker.reach)
    logs = Logs(model, parts.calls, parts.clock, envoy)
    metrics = Metrics(model, parts.calls, parts.clock, envoy)
    network_metrics = NetworkMetrics(model, parts.calls, parts.clock, envoy)
    parts.background["probes"] = probes.run
    parts.resets.extend([envoy.reset, probes.forget_all, targets.forget_all, metrics.forget_all, logs.forget_all])
    parts.resets.append(network_metrics.forget_all)
    parts.stops.append(envoy.close)

    parts.loop.add("elbv2.interfaces", interfaces.reconcile, keys=lambda: [key for key, _ in model.balancers.items()])
    parts.loop.add("elbv2.balancers", balancers.reconcile, keys=lambda: [EVERYTHING])
    parts.loop.add("elbv2.targets", targets.reconcile, keys=lambda: [key for key, _ in model.targets.items()])
    for name, controller in (("elbv2.metrics", metrics), ("elbv2.network-metrics", network_metrics)):
        parts.loop.add(name, controller.reconcile, keys=lambda: [key for key, _ in model.balancers.items()])
        parts.loop.watch(model.balancers.kind, name)
    parts.loop.add("elbv2.logs", logs.reconcile, keys=lambda: [key for key, _ in model.logs.items()])
    parts.loop.watch(model.logs.kind, "elbv2.logs")
    parts.loop.watch(model.balancers.kind, "elbv2.logs", lambda key: [each for each, _ in model.logs.items(*key)])
    for kind in (model.balancers, model.listeners, model.rules):
        parts.loop.watch(kind.kind, "elbv2.targets", lambda key: model.target_keys(key[0]))
    parts.loop.watch(
        model.groups.kind, "elbv2.targets", lambda key: [each for each, _ in model.targets_of(key[0], key[1])]
    )
    parts.loop.watch(model.targets.kind, "elbv2.targets")
    parts.loop.watch(model.balancers.kind, "elbv2.interfaces")
    for changed in (
        model.balancers,
        model.listeners,
        model.rules,
        model.groups,
        model.targets,
        model.trust_stores,
        model.revocations,
    ):
        parts.loop.watch(changed.kind, "elbv2.balancers", lambda key: [EVERYTHING])
    parts.loop.watch("acm.certificate", "elbv2.balancers", lambda key: [EVERYTHING])


def _finder(certificates: Certificates) -> Find:
    """Return what finds a certificate by its id."""

    def find(certificate_id: str) -> Certificate | None:
        files = certificates.current(certificate_id)
        return None if files is None else Certificate(str(files.certificate), str(files.key))

    return find
