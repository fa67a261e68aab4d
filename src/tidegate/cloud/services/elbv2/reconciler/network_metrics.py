"""What network load balancers do, measured by Envoy and published as CloudWatch metrics.

https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-cloudwatch-metrics.html

AWS publishes once a minute; the local cloud does every `PERIOD` seconds (docs/adr/0005). There are no metrics by
availability zone, none of packets, ports and resets, which Envoy does not count, and none of capacity units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.envoy import EnvoyPlane
from tidegate.cloud.services.elbv2.measures import Counters, Flows, flows, more
from tidegate.cloud.services.elbv2.model import SERVICE, ElbModel, groups_in
from tidegate.cloud.services.elbv2.reconciler.config import cluster_name, listener_name
from tidegate.cloud.services.elbv2.reconciler.metrics import PERIOD, UNHEALTHY, datum, publish
from tidegate.cloud.store import Key

_NAMESPACE = "AWS/NetworkELB"


class NetworkMetrics:
    """The controller of `elbv2.network-metrics`: one key `(region, ARN)` a network load balancer."""

    def __init__(self, model: ElbModel, calls: Calls, clock: Clock, envoy: EnvoyPlane) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._envoy = envoy
        self._known: dict[Key, tuple[float, Counters]] = {}  # when something was read the last time, and what

    def forget_all(self) -> None:
        """Forget what was read: the load balancers are gone."""
        self._known.clear()

    async def reconcile(self, key: Key) -> float | None:
        """Read what was counted since the last time, and publish it."""
        balancer = self._model.balancers.get(*key)
        if balancer is None or balancer["balancer"]["Type"] != "network":
            self._known.pop(key, None)
            return None
        moment, known = self._clock.monotonic(), self._known.get(key)
        if known is not None and moment < known[0] + PERIOD:
            return known[0] + PERIOD - moment
        region, arn = key
        listeners: dict[str, list[str]] = {"TCP": [], "TLS": []}
        groups: set[str] = set()
        for record in self._model.listeners_of(region, arn):
            listener = record["listener"]
            listeners[listener["Protocol"]].append(listener_name(listener["ListenerArn"]))
            groups |= groups_in(listener["DefaultActions"])
        names = [name for found in listeners.values() for name in found]
        now = await self._envoy.flows((cluster_name(each) for each in groups), names)
        self._known[key] = (moment, now)
        if known is None:
            return PERIOD  # there may be much that was told before
        whole = {"LoadBalancer": arn.partition(":loadbalancer/")[2]}
        found = {protocol: flows(known[1], now, names) for protocol, names in listeners.items()}
        data = [*_of_listeners(found, whole), *self._of_groups(region, groups, whole)]
        failed = sum(more(known[1], now, f"cluster.{cluster_name(each)}.ssl.connection_error") for each in groups)
        data.append(datum("TargetTLSNegotiationErrorCount", failed, whole))
        await publish(self._calls.as_service(SERVICE, region), self._clock.now(), _NAMESPACE, data)
        return PERIOD

    def _of_groups(self, region: str, groups: Iterable[str], whole: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        for arn in sorted(groups):
            states = [record["state"] for _, record in self._model.targets_of(region, arn)]
            if states:
                dimensions = {"TargetGroup": arn.rpartition(":")[2], **whole}
                yield datum("HealthyHostCount", sum(state == "healthy" for state in states), dimensions)
                yield datum("UnHealthyHostCount", sum(state in UNHEALTHY for state in states), dimensions)


def _of_listeners(found: Mapping[str, Flows], whole: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    """Yield what went on: of each protocol, and of all together."""
    known = found.values()
    yield datum("ActiveFlowCount", sum(each.active for each in known), whole)
    yield datum("NewFlowCount", sum(each.new for each in known), whole)
    yield datum("ProcessedBytes", sum(each.processed for each in known), whole, "Bytes")
    yield datum("ClientTLSNegotiationErrorCount", sum(each.failed_handshakes for each in known), whole)
    for protocol, each in found.items():
        yield datum(f"ActiveFlowCount_{protocol}", each.active, whole)
        yield datum(f"NewFlowCount_{protocol}", each.new, whole)
        yield datum(f"ProcessedBytes_{protocol}", each.processed, whole, "Bytes")
