"""A container engine that runs nothing: it answers as one does, at once, and says what became of each container.

For simulations of more tasks than a machine can run. Containers run when they are started, until they are stopped or
`fail` ends one; some do not start at all.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.docker import Docker
from tidegate.cloud.planes.docker.endpoint import Endpoint
from tidegate.cloud.planes.docker.engine import Engine
from tidegate.cloud.planes.docker.images import Image, Images
from tidegate.cloud.planes.docker.networks import Network, Networks
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.planes.docker.reach import Range
from tidegate.cloud.planes.docker.values import (
    ContainerError,
    ContainerSpec,
    ContainerState,
    LogLine,
    Phase,
    PodSpec,
    RegistryLogin,
    Usage,
)

_IMAGE = Image("sha256:" + "0" * 64, "sha256:" + "1" * 64, {}, 1)


class SimulatedDocker(Docker):
    """What `Docker` is to the services. `chance` says of each start whether it fails."""

    def __init__(self, data_dir: Path, clock: Clock, chance: random.Random) -> None:
        super().__init__(data_dir)
        self.engine = _Engine(data_dir)
        self.networks = _Networks(self.engine, self.reach)
        self.images = _Images(self.engine)
        self.simulated = self.pods = SimulatedPods(self, clock, chance)
        self.endpoint = _Endpoint(self.engine)


class _Engine(Engine):
    async def run(self) -> None:
        await asyncio.Event().wait()

    def tell(self, pod: str) -> None:
        for changed in self._listeners:
            changed(pod)


class _Endpoint(Endpoint):
    async def ensure(self) -> str | None:
        return None


class _Images(Images):
    async def pull(self, name: str, login: RegistryLogin | None = None) -> Image:
        return _IMAGE

    async def inspect(self, name: str) -> Image:
        return _IMAGE


class _Networks(Networks):
    async def ensure(self, name: str, asked: str) -> Network:
        return Network(name, Range(asked), Range(asked), "")

    async def remove(self, name: str) -> None: ...

    async def names(self) -> set[str]:
        return set()


class SimulatedPods(Pods):
    """The pods, and what has become of their containers. `failing` is the share of starts that fail."""

    failing = 0.0

    def __init__(self, docker: Docker, clock: Clock, chance: random.Random) -> None:
        super().__init__(docker.engine, docker.images, docker.reach)
        assert isinstance(docker.engine, _Engine)
        self._tell = docker.engine.tell
        self._clock = clock
        self._chance = chance
        self._pods: dict[str, dict[str, ContainerState]] = {}
        self._open: set[str] = set()
        self._ended: dict[tuple[str, str], asyncio.Event] = {}

    def running(self) -> list[str]:
        """Return the pods in which a container runs."""
        return [
            pod
            for pod, containers in self._pods.items()
            if any(each.phase is Phase.RUNNING for each in containers.values())
        ]

    def fail(self, pod: str) -> None:
        """Have a pod's containers end by themselves."""
        for name in self._pods[pod]:
            self._end(pod, name, 1)
        self._tell(pod)

    async def create(self, spec: PodSpec, network: Network) -> None:
        self._pods.setdefault(spec.name, {})

    async def open(self, spec: PodSpec) -> None:
        self._open.add(spec.name)

    async def add(self, pod: str, spec: ContainerSpec, image: str, log_driver: str = "json-file") -> None:
        state = ContainerState(spec.name, self._clock.hex(64), Phase.CREATED, image)
        self._pods[pod].setdefault(spec.name, state)

    async def start(self, pod: str, container: str) -> None:
        if self._chance.random() < self.failing:
            raise ContainerError("the simulation wants this start to fail")
        now = self._clock.now()
        self._pods[pod][container] = replace(self._pods[pod][container], phase=Phase.RUNNING, started_at=now)
        self._tell(pod)

    async def stop(self, pod: str, container: str, *, grace: int) -> None:
        if container in self._pods.get(pod, {}):
            self._end(pod, container, 0)
            self._tell(pod)

    async def ensure_volumes(self, pod: str, names: Iterable[str]) -> dict[str, str]:
        return {name: f"{pod}-{name}" for name in names}

    async def remove(self, pod: str) -> None:
        for name in self._pods.get(pod, {}):
            self._end(pod, name, 137)
        self._pods.pop(pod, None)
        self._open.discard(pod)

    async def states(self, pod: str) -> dict[str, ContainerState] | None:
        return dict(self._pods[pod]) if pod in self._open else None

    async def names(self) -> set[str]:
        return set(self._pods)

    async def logs(self, pod: str, container: str, since: datetime | None) -> AsyncIterator[LogLine]:
        await self._ended.setdefault((pod, container), asyncio.Event()).wait()
        self._ended.pop((pod, container), None)
        for _ in ():
            yield _

    async def usage(self, pod: str, container: str) -> Usage | None:
        return Usage(0.0, 0)

    def _end(self, pod: str, container: str, code: int) -> None:
        state = self._pods[pod][container]
        if state.phase is Phase.RUNNING:
            ended = replace(state, phase=Phase.EXITED, exit_code=code, finished_at=self._clock.now())
            self._pods[pod][container] = ended
        ending = self._ended.get((pod, container))
        if ending is not None:
            ending.set()
