"""Targets are checked, and drained: one key a target, looked at when its next check is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.envoy import EnvoyPlane
from tidegate.cloud.planes.probe import Probe, ProbePlane
from tidegate.cloud.services.elbv2.model import (
    SERVICE,
    BalancerRecord,
    ElbModel,
    GroupRecord,
    TargetRecord,
    health_of,
    record_of,
)
from tidegate.cloud.services.elbv2.plan import (
    DRAIN_PAUSE,
    NO_LISTENER,
    OTHER_ZONE,
    Check,
    Health,
    Outcome,
    after,
    allows,
    checking,
    drain,
    pause,
    registered,
    unused,
)
from tidegate.cloud.services.elbv2.protocols import codes_of
from tidegate.cloud.services.elbv2.reconciler.config import Reach, cluster_name
from tidegate.cloud.store import Key

_AGENT = "ELB-HealthChecker/2.0"


class TargetsReconciler:
    """Keys are those of targets: `(region, target group's ARN, "address:port")`."""

    def __init__(
        self,
        model: ElbModel,
        calls: Calls,
        clock: Clock,
        envoy: EnvoyPlane,
        probes: ProbePlane,
        reach: Reach,
    ) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._envoy = envoy
        self._probes = probes
        self._reach = reach
        self._started: dict[Key, float] = {}  # when the last check began, on the monotonic clock
        self._idle: dict[Key, float] = {}  # since when a draining target has been seen without a request

    async def reconcile(self, key: Key) -> float | None:
        """Converge one target; return when it has to be looked at again."""
        region, arn, _ = key
        record, group = self._model.targets.get(*key), self._model.groups.get(region, arn)
        if record is None or group is None:
            self._model.targets.delete(*key)
            self._forget(key)
            return None
        if record["state"] == "draining":
            self._probes.forget(key)
            return await self._drain(key, record, group)
        self._idle.pop(key, None)
        balancer_arn = self._model.balancer_of(region, arn)
        balancer = None if balancer_arn is None else self._model.balancers.get(region, balancer_arn)
        why = _unusable(record, balancer)
        if balancer is None or why is not None:
            self._forget(key)
            self._change(key, lambda health, now: health if health.description == why else unused(now, why or ""))
            return None
        if record["state"] == "unused":
            self._change(key, lambda health, now: registered(now, used=True))
        return await self._check(key, record, group, balancer)

    def forget_all(self) -> None:
        """Forget what is known beside the records: they are gone."""
        self._started.clear()
        self._idle.clear()

    def _forget(self, key: Key) -> None:
        self._probes.forget(key)
        self._started.pop(key, None)
        self._idle.pop(key, None)

    async def _check(
        self, key: Key, record: TargetRecord, group: GroupRecord, balancer: BalancerRecord
    ) -> float | None:
        check = check_of(group)
        result = self._probes.take(key)
        if result is not None:
            self._passed_or_failed(key, Outcome(result.status, result.timed_out, result.connected), check)
        if self._probes.is_running(key):
            return None
        health = self._health(key)
        if health is None or health.state == "draining":
            return 0.0
        last = self._started.get(key)
        left = 0.0 if last is None else last + pause(health, check, self._clock.now()) - self._clock.monotonic()
        if left > 0:
            return left
        self._started[key] = self._clock.monotonic()
        target = record["target"]
        own_port = group["group"]["HealthCheckPort"]
        port = target["Port"] if own_port == "traffic-port" else int(own_port)
        allowed = await self._allowed(key[0], group["group"]["VpcId"], target["Id"], port, balancer)
        self._model.targets.update(key, _blocked(not allowed))
        self._change(key, lambda health, now: checking(health))
        if not allowed:
            self._passed_or_failed(key, Outcome(timed_out=True), check)
            return pause(health, check, self._clock.now())
        host, reached = self._reach(group["group"]["VpcId"], target["Id"], port)
        authority = f"{target['Id']}:{port}"
        self._probes.start(key, _probe(group, host, reached, authority, check.timeout))
        return None

    def _passed_or_failed(self, key: Key, outcome: Outcome, check: Check) -> None:
        self._change(key, lambda health, now: after(health, outcome, check, now))

    async def _allowed(self, region: str, vpc_id: str, address: str, port: int, balancer: BalancerRecord) -> bool:
        """Return whether security groups let the load balancer reach a port; an address without them is open."""
        ec2 = self._calls.as_service(SERVICE, region)
        filters = [
            {"Name": "vpc-id", "Values": [vpc_id]},
            {"Name": "addresses.private-ip-address", "Values": [address]},
        ]
        interfaces = (await ec2("ec2", "describe_network_interfaces", Filters=filters))["NetworkInterfaces"]
        if not interfaces:
            return True
        own = balancer["balancer"].get("SecurityGroups", [])
        others = [each["GroupId"] for each in interfaces[0]["Groups"]]
        try:
            answer = await ec2("ec2", "describe_security_groups", GroupIds=[*own, *others])
        except ServiceError as error:
            if error.code == "InvalidGroup.NotFound":
                return False  # one of them was deleted between the two questions
            raise
        groups = {each["GroupId"]: each for each in answer["SecurityGroups"]}
        return allows(
            [groups[each] for each in own],
            [each["address"] for each in balancer["interfaces"]],
            [groups[each] for each in others],
            address,
            port,
        )

    async def _drain(self, key: Key, record: TargetRecord, group: GroupRecord) -> float | None:
        """Let a target go when its requests are done, or its time is over."""
        target = record["target"]
        host, port = self._reach(group["group"]["VpcId"], target["Id"], target["Port"])
        cluster = cluster_name(group["group"]["TargetGroupArn"])
        requests: int | None = 0
        if self._envoy.is_running():
            requests = None
            if self._envoy.drains(cluster, host, port):
                activity = (await self._envoy.activity(cluster)).get((host, port))
                requests = 0 if activity is None else activity.requests
        moment = self._clock.monotonic()
        if requests == 0:
            idle_for = moment - self._idle.setdefault(key, moment)
        else:
            self._idle.pop(key, None)
            idle_for = None
        decision = drain(
            since=self._clock.steady(record["since"]),
            now=self._clock.now(),
            delay=float(group["attributes"]["deregistration_delay.timeout_seconds"]),
            requests=requests,
            idle_for=DRAIN_PAUSE if not self._envoy.is_running() else idle_for,
        )
        if not decision.done:
            return decision.again
        present = self._model.targets.get(*key)
        if present is not None and (present["state"], present["since"]) == ("draining", record["since"]):
            self._model.targets.delete(*key)
            self._forget(key)
        return None

    def _health(self, key: Key) -> Health | None:
        record = self._model.targets.get(*key)
        return None if record is None else health_of(record)

    def _change(self, key: Key, change: Callable[[Health, datetime], Health]) -> None:
        """Change a target's health as it is now; one that has begun to drain stays as it is."""
        now = self._clock.now()

        def write(record: TargetRecord) -> None:
            if record["state"] != "draining":
                record.update(record_of(record["target"], change(health_of(record), now)))
                if record["state"] != "healthy":
                    record.pop("routed", None)

        self._model.targets.update(key, write)


def _unusable(record: TargetRecord, balancer: BalancerRecord | None) -> str | None:
    """Return why a load balancer does not use a target, or None."""
    if balancer is None:
        return NO_LISTENER
    zone = record["target"].get("AvailabilityZone", "all")
    zones = {each["ZoneName"] for each in balancer["balancer"]["AvailabilityZones"]}
    return None if zone == "all" or zone in zones else OTHER_ZONE


def check_of(group: GroupRecord) -> Check:
    """Return how a target group's targets are checked."""
    settings = group["group"]
    return Check(
        interval=settings["HealthCheckIntervalSeconds"],
        timeout=settings["HealthCheckTimeoutSeconds"],
        healthy_after=settings["HealthyThresholdCount"],
        unhealthy_after=settings["UnhealthyThresholdCount"],
        codes=codes_of({**settings}),
    )


def _probe(group: GroupRecord, host: str, port: int, authority: str, timeout: float) -> Probe:
    """Return what is asked of a target."""
    settings = group["group"]
    protocol = settings["HealthCheckProtocol"]
    versions: dict[str, Any] = {"HTTP1": "http1", "HTTP2": "http2", "GRPC": "grpc"}
    return Probe(
        host,
        port,
        settings.get("HealthCheckPath", "/"),
        authority,
        timeout,
        _AGENT,
        speaks="tcp" if protocol == "TCP" else versions[settings.get("ProtocolVersion", "HTTP1")],
        tls=protocol == "HTTPS",
    )


def _blocked(blocked: bool) -> Callable[[TargetRecord], None]:
    def change(record: TargetRecord) -> None:
        if blocked or "blocked" in record:
            record["blocked"] = blocked

    return change
