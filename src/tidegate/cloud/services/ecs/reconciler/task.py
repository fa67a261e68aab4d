"""Makes one task real: a network interface, containers, registrations; and takes it down again.

A task goes PROVISIONING -> PENDING -> ACTIVATING -> RUNNING, and DEACTIVATING -> STOPPING -> DEPROVISIONING -> STOPPED
once its desired status is STOPPED. Each step can be done again after a kill.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.planes.docker.values import ContainerError, ContainerState, EngineError, Phase, PodSpec
from tidegate.cloud.services.ecs.containers import container_ports, log_target, stop_timeout
from tidegate.cloud.services.ecs.lifecycle import Container, Stage, ended, health, next_starts, restarts, stop_layers
from tidegate.cloud.services.ecs.model import (
    ACTIVATING,
    DEACTIVATING,
    DEPROVISIONING,
    PENDING,
    PROVISIONING,
    RUNNING,
    STOPPED,
    STOPPING,
    EcsModel,
    TaskRecord,
    pod_name,
)
from tidegate.cloud.services.ecs.reconciler.discovery import Discovery
from tidegate.cloud.services.ecs.reconciler.launch import Launcher, TaskFailedError
from tidegate.cloud.services.ecs.reconciler.logs import LogShipper
from tidegate.cloud.services.ecs.reconciler.network import TaskNetwork
from tidegate.cloud.services.ecs.reconciler.targets import Targets
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

log = logging.getLogger(__name__)

_STOP_GRACE = 5  # seconds that containers get when the local cloud itself stops
KEPT = timedelta(hours=1)  # a stopped task can be described that long
_LOG_PATIENCE = 5.0  # seconds that a stopped task waits for its last lines
_LEAST = 0.05  # seconds between two looks for the sake of time alone
_MOMENT = 0.1  # seconds until Cloud Map is asked again
_WATCH = 30.0  # seconds between looks at a running task, besides the engine's notices
_STAGES = {Phase.CREATED: Stage.CREATED, Phase.RUNNING: Stage.RUNNING, Phase.EXITED: Stage.EXITED}


class TaskReconciler:
    """The controller of `ecs.task`."""

    def __init__(
        self,
        model: EcsModel,
        calls: Calls,
        clock: Clock,
        pods: Pods,
        network: TaskNetwork,
        discovery: Discovery,
        launcher: Launcher,
        shipper: LogShipper,
        follow: Callable[[Key], None],
    ) -> None:
        """`follow` has the shipper begin with a container: (region, cluster, task, container)."""
        self._model = model
        self._targets = Targets(calls)
        self._clock = clock
        self._pods = pods
        self._network = network
        self._discovery = discovery
        self._launcher = launcher
        self._shipper = shipper
        self._follow = follow

    async def reconcile(self, key: Key) -> float | None:
        """Take the task's next steps, as far as it goes without waiting."""
        while True:
            record = self._model.tasks.get(*key)
            if record is None:
                return None
            status = record["task"]["lastStatus"]
            try:
                again = await self._step(key, record, status)
            except TaskFailedError as failure:
                self._stop_because(key, failure.code, failure.reason, failure.container)
                continue
            except EngineError as error:
                if "startedAt" in record["task"] or record["task"]["desiredStatus"] == STOPPED:
                    raise  # what runs, or is to be taken down, waits for the engine
                self._stop_because(key, "TaskFailedToStart", str(error))
                continue
            after = self._model.tasks.get(*key)
            if after is None or (
                after["task"]["lastStatus"] == status
                and after["task"]["desiredStatus"] == record["task"]["desiredStatus"]
            ):
                return again

    async def _step(self, key: Key, record: TaskRecord, status: str) -> float | None:
        if record["task"]["desiredStatus"] == STOPPED:
            return await self._stop(key, record, status)
        if status == PROVISIONING:
            return await self._provision(key, record)
        if status == PENDING:
            return await self._start(key, record)
        if status == ACTIVATING:
            return await self._activate(key, record)
        return await self._watch(key, record)

    async def stop_all(self) -> None:
        """Stop and remove every task's containers, as far as the engine answers: the local cloud is stopping.

        The records stay as they are; at the next start services find their tasks gone and start new ones.
        """

        async def stop(key: Key, record: TaskRecord) -> None:
            names = [container["name"] for container in record["task"]["containers"]]
            await asyncio.gather(*(self._pods.stop(pod_name(key), name, grace=_STOP_GRACE) for name in names))
            await self._pods.remove(pod_name(key))

        live = [(key, each) for key, each in self._model.tasks.items() if each["task"]["lastStatus"] != STOPPED]
        work = [stop(*each) for each in live] + [self._pods.remove(pod) for pod in self._model.standby_pods()]
        for result in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(result, BaseException):
                log.warning("a task's containers could not be removed: %s", result)

    async def sweep(self, key: Key) -> float | None:
        """Remove the pods that belong to no task: what a reset or a kill left on the engine."""
        found = await self._pods.names()
        # the records after the engine: a pod comes after its record, so what was made meanwhile is not taken for lost
        live = {pod_name(key) for key, each in self._model.tasks.items() if each["task"]["lastStatus"] != STOPPED}
        for pod in found - live - self._model.standby_pods():
            await self._pods.remove(pod)
        return None

    # on the way up

    async def _provision(self, key: Key, record: TaskRecord) -> float | None:
        """Give the task its network interface."""
        interface = await self._network.interface(key[0], record["task"]["taskArn"], record["network"])

        def provisioned(record: TaskRecord) -> None:
            record["secret"] = self._clock.secret(24)
            record["interface"] = interface["NetworkInterfaceId"]
            record["vpc"] = interface["VpcId"]
            record["address"] = interface["PrivateIpAddress"]
            task = record["task"]
            task["availabilityZone"] = interface["AvailabilityZone"]
            task["attachments"] = [_attachment(self._clock.new_id(), interface)]
            attachment = task["attachments"][0]["id"]
            for container in task["containers"]:
                container["networkInterfaces"] = [
                    {"attachmentId": attachment, "privateIpv4Address": interface["PrivateIpAddress"]}
                ]
            task["lastStatus"] = PENDING

        self._update(key, provisioned)
        return None

    async def _start(self, key: Key, record: TaskRecord) -> float | None:
        """Pull, create and start containers in the order of their dependencies."""
        definition = self._definition(record)
        found = await self._pods.states(pod_name(key))
        states = found or {}
        containers = definition["containerDefinitions"]
        step = next_starts(containers, self._actual(states))
        if step.hopeless:
            raise TaskFailedError(step.hopeless)
        if step.ready:
            self._update(key, _set_status(ACTIVATING))
            return None
        missing = [each for each in containers if each["name"] not in states]
        if found is None:
            await self._open(key, record, definition, missing)
        elif missing:
            await self._create(key, record, definition, missing)
        if step.start and self._is_to_stop(key):
            return None  # as it has not begun, nobody has to wait until it has ended
        starts = (self._start_container(key, name) for name in step.start)
        for result in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        actual = self._actual(await self._note_states(key))
        late = ended(containers, actual)
        if late is not None and late in step.start:
            return await self._watch(key, record)
        step = next_starts(containers, actual)
        if step.ready:
            self._update(key, _set_status(ACTIVATING))
            return None
        return 0.0 if step.start else min(_WATCH, _WATCH if step.again is None else max(step.again, _LEAST))

    def _actual(self, states: Mapping[str, ContainerState]) -> dict[str, Container]:
        now = self._clock.now()
        return {
            name: Container(_STAGES[state.phase], state.exit_code, state.health, _ran(state, now))
            for name, state in states.items()
        }

    async def _start_container(self, key: Key, name: str) -> None:
        try:
            await self._pods.start(pod_name(key), name)
        except ContainerError as error:
            raise TaskFailedError(f"CannotStartContainerError: {error}", container=name) from error
        self._follow((*key, name))

    def _is_to_stop(self, key: Key) -> bool:
        record = self._model.tasks.get(*key)
        return record is None or record["task"]["desiredStatus"] == STOPPED

    async def _open(
        self,
        key: Key,
        record: TaskRecord,
        definition: t.TaskDefinitionTypeDef,
        containers: Sequence[Mapping[str, Any]],
    ) -> None:
        """Make the task's network while its images are pulled and its containers created."""
        pod = asyncio.create_task(self._create_pod(key, record, definition), name=f"pod of {key[2]}")
        work = (self._open_pod(pod), self._create(key, record, definition, containers, pod))
        for result in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _create_pod(self, key: Key, record: TaskRecord, definition: t.TaskDefinitionTypeDef) -> PodSpec:
        ports = container_ports(definition)
        return await self._network.create(key, record["vpc"], record["address"], ports, record["task"]["group"])

    async def _open_pod(self, created: asyncio.Task[PodSpec]) -> None:
        await self._network.open(await created)

    async def _create(
        self,
        key: Key,
        record: TaskRecord,
        definition: t.TaskDefinitionTypeDef,
        containers: Sequence[Mapping[str, Any]],
        pod: asyncio.Task[PodSpec] | None = None,
    ) -> None:
        """Pull the images of containers and create them, in the pod that is there or will be."""
        self._update(key, self._pull_started)
        images = await self._launcher.pull(key, record, containers)
        self._update(key, self._pull_stopped)
        if pod is not None:
            await pod
        await self._launcher.create(key, record, definition, containers, images)

    async def _activate(self, key: Key, record: TaskRecord) -> float | None:
        """Register the task with its target groups and service registries: from now on it is running."""
        await self._targets.register(key[0], record)
        await self._discovery.register(key, record)
        now = self._clock.now()

        def running(record: TaskRecord) -> None:
            record["registered"] = bool(record["registrations"])
            record["task"]["startedAt"] = now
            record["task"]["lastStatus"] = RUNNING
            for container in record["task"]["containers"]:
                for agent in container.get("managedAgents", ()):
                    agent["lastStatus"], agent["lastStartedAt"] = RUNNING, now

        self._update(key, running)
        return None

    async def _watch(self, key: Key, record: TaskRecord) -> float | None:
        """See whether the task still lives, and how healthy its containers are."""
        states = await self._note_states(key)
        containers = self._definition(record)["containerDefinitions"]
        again = restarts(containers, self._actual(states))
        for each in again:
            await self._start_container(key, each)
        if again:
            return 0.0
        name = ended(containers, self._actual(states))
        if name is not None:
            state = states.get(name)
            if state is None:
                raise TaskFailedError("The containers of the task were removed", "EssentialContainerExited")
            self._stop_because(key, "EssentialContainerExited", "Essential container in task exited")
            return None
        return _WATCH

    # on the way down

    async def _stop(self, key: Key, record: TaskRecord, status: str) -> float | None:
        if status == STOPPED:
            return self._forget(key, record)
        if status in (PROVISIONING, PENDING, ACTIVATING, RUNNING):
            self._update(key, _set_status(DEACTIVATING))
        elif status == DEACTIVATING:
            return await self._deregister(key, record)
        elif status == STOPPING:
            await self._stop_containers(key, record)
        elif status == DEPROVISIONING:
            await self._deprovision(key, record)
        return None

    async def _deregister(self, key: Key, record: TaskRecord) -> float | None:
        """Take the task out of its registries and target groups, and wait until its last request has ended."""
        if not await self._discovery.deregister(key, record):
            return _MOMENT
        waiting = await self._targets.deregister(key[0], record)

        def deregistered(record: TaskRecord) -> None:
            record["draining"] = True
            if not waiting:
                record["registered"] = False
                record["task"]["lastStatus"] = STOPPING

        self._update(key, deregistered)
        return _WATCH if waiting else None

    async def _stop_containers(self, key: Key, record: TaskRecord) -> None:
        """Ask the containers to end, dependents first, and carry their last lines."""
        containers = {each["name"]: each for each in self._definition(record)["containerDefinitions"]}
        for layer in stop_layers(list(containers.values())):
            await asyncio.gather(
                *(self._pods.stop(pod_name(key), name, grace=stop_timeout(containers[name])) for name in layer)
            )
        now = self._clock.now()
        await self._note_states(key)
        for name, container in containers.items():
            if log_target(container, key[2]) is not None:
                await self._shipper.drained((*key, name), _LOG_PATIENCE)

        def stopped(record: TaskRecord) -> None:
            record["task"]["executionStoppedAt"] = now
            record["task"]["lastStatus"] = DEPROVISIONING

        self._update(key, stopped)

    async def _deprovision(self, key: Key, record: TaskRecord) -> None:
        """Remove the containers and the network interface."""
        await self._network.close(key, record.get("interface"))
        now = self._clock.now()

        def gone(record: TaskRecord) -> None:
            record["task"]["stoppedAt"] = now
            record["task"]["lastStatus"] = STOPPED
            for attachment in record["task"]["attachments"]:
                attachment["status"] = "DELETED"
            for container in record["task"]["containers"]:
                container["lastStatus"] = STOPPED

        self._update(key, gone)
        for container in record["task"]["containers"]:
            self._model.log_positions.delete(*key, container["name"])

    def _forget(self, key: Key, record: TaskRecord) -> float | None:
        left = (record["task"]["stoppedAt"] + KEPT - self._clock.now()).total_seconds()
        if left > 0:
            return left
        self._model.tasks.delete(*key)
        return None

    # what the steps share

    def _definition(self, record: TaskRecord) -> t.TaskDefinitionTypeDef:
        found = self._model.definition_by_arn(record["definition"])
        if found is None:
            raise TaskFailedError("The task definition was deleted")
        return found["definition"]

    async def _note_states(self, key: Key) -> dict[str, ContainerState]:
        """Write down what the engine says of the containers, and return it."""
        states = await self._pods.states(pod_name(key)) or {}
        record = self._model.tasks.get(*key)
        definition = None if record is None else self._model.definition_by_arn(record["definition"])

        def note(record: TaskRecord) -> None:
            for container in record["task"]["containers"]:
                state = states.get(container["name"])
                if state is not None:
                    _note(container, state)
            if definition is not None:
                whole: Any = health(definition["definition"]["containerDefinitions"], self._actual(states))
                record["task"]["healthStatus"] = whole

        self._update(key, note)
        return states

    def _pull_started(self, record: TaskRecord) -> None:
        record["task"].setdefault("pullStartedAt", self._clock.now())

    def _pull_stopped(self, record: TaskRecord) -> None:
        record["task"]["pullStoppedAt"] = self._clock.now()

    def _stop_because(self, key: Key, code: str, reason: str, container: str | None = None) -> None:
        now = self._clock.now()

        def stop(record: TaskRecord) -> None:
            task: Any = record["task"]
            if task["desiredStatus"] == STOPPED:
                return
            task["desiredStatus"] = STOPPED
            task["stopCode"] = code
            task["stoppedReason"] = reason
            task["stoppingAt"] = now
            for each in task["containers"]:
                if each["name"] == container:
                    each["reason"] = reason

        self._update(key, stop)

    def _update(self, key: Key, change: Callable[[TaskRecord], None]) -> None:
        def versioned(record: TaskRecord) -> None:
            before = _visible(record)
            change(record)
            if _visible(record) != before:
                record["task"]["version"] += 1

        self._model.tasks.update(key, versioned)


def _visible(record: TaskRecord) -> tuple[str, str, tuple[str, ...]]:
    task = record["task"]
    return task["lastStatus"], task["desiredStatus"], tuple(c["lastStatus"] for c in task["containers"])


def _ran(state: ContainerState, now: datetime) -> float:
    """Return for how many seconds a container has run, or had when it exited."""
    end = now if state.phase is Phase.RUNNING else state.finished_at  # a restarted one has finished before
    return 0.0 if state.started_at is None or end is None else (end - state.started_at).total_seconds()


def _note(container: t.ContainerTypeDef, state: ContainerState) -> None:
    container["runtimeId"] = state.id
    container["lastStatus"] = {Phase.CREATED: "PENDING", Phase.RUNNING: "RUNNING", Phase.EXITED: "STOPPED"}[state.phase]
    if state.exit_code is not None:
        container["exitCode"] = state.exit_code
    else:
        container.pop("exitCode", None)
    if state.out_of_memory:
        container["reason"] = "OutOfMemoryError: Container killed due to memory usage"
    elif state.error:
        container["reason"] = f"CannotStartContainerError: {state.error}"
    words: Any = {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY"}.get(state.health or "", "UNKNOWN")
    container["healthStatus"] = words


def _attachment(attachment_id: str, interface: Mapping[str, Any]) -> t.AttachmentTypeDef:
    details = {
        "subnetId": interface["SubnetId"],
        "networkInterfaceId": interface["NetworkInterfaceId"],
        "macAddress": interface["MacAddress"],
        "privateDnsName": interface.get("PrivateDnsName", ""),
        "privateIPv4Address": interface["PrivateIpAddress"],
    }
    return {
        "id": attachment_id,
        "type": "ElasticNetworkInterface",
        "status": "ATTACHED",
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }


def _set_status(status: str) -> Callable[[TaskRecord], None]:
    def change(record: TaskRecord) -> None:
        record["task"]["lastStatus"] = status

    return change
