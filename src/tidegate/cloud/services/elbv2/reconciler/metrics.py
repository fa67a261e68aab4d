"""What load balancers do, measured by Envoy and published as CloudWatch metrics.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html

AWS publishes once a minute; the local cloud does every `PERIOD` seconds (docs/adr/0005). There are no metrics by
availability zone. A target's response time ends with its answer's last byte, where AWS's ends with the head of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.envoy import EnvoyPlane
from tidegate.cloud.services.elbv2.measures import Carry, Group, Reading, front, group, own_answers, split
from tidegate.cloud.services.elbv2.model import SERVICE, ElbModel, groups_in
from tidegate.cloud.services.elbv2.reconciler.config import cluster_name, listener_name
from tidegate.cloud.store import Key

PERIOD = 20.0  # seconds
_MOST_VALUES = 150  # of one datum
_NAMESPACE = "AWS/ApplicationELB"
UNHEALTHY = ("unhealthy", "unavailable")

Dimensions = Mapping[str, str]


@dataclass(slots=True)
class _Known:
    """What was read of one load balancer the last time."""

    when: float
    readings: dict[str, Reading] = field(default_factory=dict)  # by the name of a cluster or a listener
    carries: dict[str, Carry] = field(default_factory=dict)


class Metrics:
    """The controller of `elbv2.metrics`: one key `(region, ARN)` an Application Load Balancer."""

    def __init__(self, model: ElbModel, calls: Calls, clock: Clock, envoy: EnvoyPlane) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._envoy = envoy
        self._known: dict[Key, _Known] = {}

    def forget_all(self) -> None:
        """Forget what was read: the load balancers are gone."""
        self._known.clear()

    async def reconcile(self, key: Key) -> float | None:
        """Read what was counted since the last time, and publish it."""
        balancer = self._model.balancers.get(*key)
        if balancer is None or balancer["balancer"]["Type"] != "application":
            self._known.pop(key, None)
            return None
        moment, known = self._clock.monotonic(), self._known.get(key)
        if known is not None and moment < known.when + PERIOD:
            return known.when + PERIOD - moment
        listeners, groups, fixed = self._parts(key)
        clusters = {arn: cluster_name(arn) for arn in groups}
        measured = await self._envoy.measured(clusters.values(), listeners)
        prefixes = [*(f"cluster.{each}" for each in clusters.values()), *(f"http.{each}" for each in listeners)]
        now = {each: split(measured.counters, measured.times, each) for each in prefixes}
        first = known is None
        known = known or _Known(moment)
        # what is new since the last time begins at nothing; at the first look there may be much that was told before
        before = {each: now[each] if first else known.readings.get(each, Reading()) for each in prefixes}
        carries = {each: known.carries.get(each, Carry()) for each in [*prefixes, "own"]}
        self._known[key] = _Known(moment, now, carries)
        found = {
            arn: group(before[f"cluster.{name}"], now[f"cluster.{name}"], carries[f"cluster.{name}"])
            for arn, name in clusters.items()
        }
        fronts = front((before[f"http.{each}"], now[f"http.{each}"]) for each in listeners)
        whole = {"LoadBalancer": key[1].partition(":loadbalancer/")[2]}
        data = [*self._of_groups(key[0], found, whole)]
        for each, count in own_answers(fronts, found.values(), fixed, carries["own"]).items():
            data += _counted(f"HTTPCode_ELB_{each}XX_Count", count, whole)
            data += _counted("HTTP_Redirect_Count", count, whole) if each == "3" else []
        active = fronts.connections + sum(each.connections for each in found.values())
        data += _counted("ActiveConnectionCount", active, whole)
        data += _counted("NewConnectionCount", fronts.opened + sum(each.opened for each in found.values()), whole)
        data += _counted("ProcessedBytes", fronts.received + fronts.sent, whole, unit="Bytes")
        await self._publish(key[0], data)
        return PERIOD

    def _of_groups(self, region: str, found: Mapping[str, Group], whole: Dimensions) -> Iterable[dict[str, Any]]:
        """Yield what went on at target groups, each by itself and all of them together."""
        for arn, one in found.items():
            of_group = {"TargetGroup": arn.rpartition(":")[2]}
            states = [record["state"] for _, record in self._model.targets_of(region, arn)]
            healthy = sum(state == "healthy" for state in states)
            if states:
                unhealthy = sum(state in UNHEALTHY for state in states)
                yield datum("HealthyHostCount", healthy, {**of_group, **whole})
                yield datum("UnHealthyHostCount", unhealthy, {**of_group, **whole})
                per_target = one.requests / (healthy or len(states))
                for dimensions in (of_group, {**of_group, **whole}):
                    yield datum("RequestCountPerTarget", per_target, dimensions)
                yield datum("RequestCount", one.requests, {**of_group, **whole})
            yield from _traffic([one], {**of_group, **whole})
        yield datum("RequestCount", sum(each.requests for each in found.values()), whole)
        yield from _traffic(found.values(), whole)

    def _parts(self, key: Key) -> tuple[list[str], list[str], frozenset[str]]:
        """Return a load balancer's listeners as Envoy calls them, its target groups, the classes of its own answers."""
        region, arn = key
        listeners, actions = [], []
        for record in self._model.listeners_of(region, arn):
            listener = record["listener"]["ListenerArn"]
            listeners.append(listener_name(listener))
            actions += record["listener"]["DefaultActions"]
            actions += [each for rule in self._model.rules_of(region, listener) for each in rule["rule"]["Actions"]]
        fixed = {each["FixedResponseConfig"]["StatusCode"][0] for each in actions if "FixedResponseConfig" in each}
        return listeners, sorted(groups_in(actions)), frozenset(fixed)

    async def _publish(self, region: str, data: list[dict[str, Any]]) -> None:
        await publish(self._calls.as_service(SERVICE, region), self._clock.now(), _NAMESPACE, data)


async def publish(call: Caller, now: datetime, namespace: str, data: list[dict[str, Any]]) -> None:
    """Hand data of this moment to CloudWatch."""
    stamped = [{**each, "Timestamp": now, "StorageResolution": 1} for each in data]
    for first in range(0, len(stamped), 500):
        await call("cloudwatch", "put_metric_data", Namespace=namespace, MetricData=stamped[first : first + 500])


def _traffic(groups: Iterable[Group], dimensions: Dimensions) -> Iterable[dict[str, Any]]:
    """Yield what is told only where there was something."""
    known = list(groups)
    for each in ("2", "3", "4", "5"):
        yield from _counted(f"HTTPCode_Target_{each}XX_Count", sum(one.codes[each] for one in known), dimensions)
    yield from _counted("TargetConnectionErrorCount", sum(one.refused for one in known), dimensions)
    times = sorted((value, count) for one in known for value, count in one.times.items())
    for first in range(0, len(times), _MOST_VALUES):
        part = times[first : first + _MOST_VALUES]
        yield {
            "MetricName": "TargetResponseTime",
            "Dimensions": _listed(dimensions),
            "Values": [value for value, _ in part],
            "Counts": [float(count) for _, count in part],
            "Unit": "Seconds",
        }


def _counted(name: str, count: int, dimensions: Dimensions, unit: str = "Count") -> list[dict[str, Any]]:
    """Return a count if it is more than nothing."""
    return [datum(name, count, dimensions, unit)] if count else []


def datum(name: str, value: float, dimensions: Dimensions, unit: str = "Count") -> dict[str, Any]:
    """Return one value of a metric."""
    return {"MetricName": name, "Dimensions": _listed(dimensions), "Value": float(value), "Unit": unit}


def _listed(dimensions: Dimensions) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]
