"""Networks that stand by for a service's next tasks, so that a deployment does not wait for them.

A network is the slowest part of a start: 0.2 to 0.4 s of the engine's work, and it does not depend on what runs in
it. So a service that is steady has an id, an interface and an open pod ready for the tasks that its next deployment
begins with. A task that is made with such an id finds everything there, as after a kill. See ADR 12.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.services.ecs.containers import container_ports
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    CLOSING,
    OPEN,
    OPENING,
    EcsModel,
    ServiceRecord,
    StandbyRecord,
    is_external,
    pod_name,
    primary,
    standby_task,
    task_arn,
)
from tidegate.cloud.services.ecs.reconciler.launch import TaskFailedError
from tidegate.cloud.services.ecs.reconciler.network import TaskNetwork
from tidegate.cloud.store import Key

_MOST = 2  # for each service: what a small deployment begins with
_RETRY = 60.0  # seconds after which one that could not be made is tried again

log = logging.getLogger(__name__)


class _Wanted(NamedTuple):
    """What should stand by for a service."""

    number: int
    network: Any
    ports: list[int]
    now: bool  # whether to make what is missing: while tasks come and go the engine has enough to do


class StandbyReconciler:
    """The controller of `ecs.standby`; its keys are those of services."""

    def __init__(self, model: EcsModel, clock: Clock, pods: Pods, network: TaskNetwork) -> None:
        self._model = model
        self._clock = clock
        self._pods = pods
        self._network = network

    async def reconcile(self, key: Key) -> float | None:
        """Have as many stand by as the service wants, for the network that it has now."""
        service = self._model.services.get(*key)
        wanted = self._wanted(service)
        fitting: list[Key] = []
        for at, record in self._model.standby.items(*key):
            fits = (record["network"], record["ports"]) == (wanted.network, wanted.ports)
            stale = "vpc" in record and self._network.resolves(record["vpc"]) is not record.get("resolves", False)
            if fits and not stale and record["state"] != CLOSING and len(fitting) < wanted.number:
                fitting.append(at)
            else:
                await self._close(at)
        if service is None or not wanted.now:
            return None
        for _ in range(wanted.number - len(fitting)):
            at = (*key, self._clock.hex(32))
            record = StandbyRecord(state=OPENING, network=wanted.network, ports=wanted.ports)
            self._model.standby.put(at, record)
            fitting.append(at)
        try:
            for at in fitting:
                await self._open(at, service)
        except (TaskFailedError, ServiceError) as error:
            log.warning("service %s: no network can stand by for its next tasks: %s", key[2], error)
            for at in fitting:
                await self._close(at)
            return _RETRY
        return None

    def doubt(self) -> list[Key]:
        """Have every network looked at again, as the engine may have lost it; return the keys of their services."""
        for at, _ in self._model.standby.items():  # noqa: PERF102 - a collection has no keys()
            self._model.standby.update(at, _opening)
        return [key for key, _ in self._model.services.items()]

    def _wanted(self, service: ServiceRecord | None) -> _Wanted:
        if service is None or service["service"]["status"] != ACTIVE or is_external(service):
            return _Wanted(0, None, [], now=False)
        desired = service["service"]["desiredCount"]
        configuration: Any = service["service"]["deploymentConfiguration"]
        surge = desired * configuration["maximumPercent"] // 100 - desired
        deployment = primary(service)
        definition = self._model.definition_by_arn(deployment["definition"])
        ports = [] if definition is None else list(container_ports(definition["definition"]))
        return _Wanted(min(desired, surge, _MOST), deployment["network"], ports, now=service["steady"])

    async def _open(self, at: Key, service: ServiceRecord) -> None:
        record = self._model.standby.get(*at)
        if record is None or record["state"] != OPENING:
            return
        task, name = standby_task(at), service["service"]["serviceName"]
        arn = task_arn(service["service"]["clusterArn"], at[3])
        interface = await self._network.interface(at[0], arn, record["network"])

        def opened(record: StandbyRecord) -> None:
            record["interface"] = interface["NetworkInterfaceId"]
            record["vpc"] = interface["VpcId"]
            record["resolves"] = record.get("resolves", False) or resolves
            if record["state"] == OPENING:
                record["state"] = OPEN

        resolves = False
        if await self._pods.states(pod_name(task)) is None:
            resolves = self._network.resolves(interface["VpcId"])
            spec = await self._network.create(
                task, interface["VpcId"], interface["PrivateIpAddress"], tuple(record["ports"]), f"service:{name}"
            )
            await self._network.open(spec)
        self._model.standby.update(at, opened)

    async def _close(self, at: Key) -> None:
        record = self._model.standby.update(at, _closing)
        if record is not None:  # else a task has just taken it
            await self._network.close(standby_task(at), record.get("interface"))
            self._model.standby.delete(*at)


def _opening(record: StandbyRecord) -> None:
    if record["state"] == OPEN:
        record["state"] = OPENING


def _closing(record: StandbyRecord) -> None:
    record["state"] = CLOSING
