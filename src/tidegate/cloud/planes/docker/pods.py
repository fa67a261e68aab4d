"""Pods: created, started, watched, stopped and removed. Everything can be asked twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

from tidegate.cloud.planes.docker.engine import CONTAINER_LABEL, POD_LABEL, Engine, read_time
from tidegate.cloud.planes.docker.images import Images
from tidegate.cloud.planes.docker.networks import Network
from tidegate.cloud.planes.docker.reach import Reach
from tidegate.cloud.planes.docker.values import (
    ContainerError,
    ContainerSpec,
    ContainerState,
    LogLine,
    NoImageError,
    NotFoundError,
    Phase,
    PodSpec,
    RefusedError,
    Usage,
)

_PAUSE = "pause"
_LOG_OPTIONS = {"max-size": "10m", "max-file": "2"}  # what the engine keeps of a container's output
_LONGEST_LINE = 256 * 1024


class Pods:
    """The pods of this data folder's local cloud, by name."""

    def __init__(self, engine: Engine, images: Images, reach: Reach, *, publish: bool | None = None) -> None:
        """`publish`: reach pods through ports of this machine. None: where the engine runs in another kernel."""
        self._engine = engine
        self._images = images
        self._reach = reach
        self._publish = publish

    async def create(self, spec: PodSpec, network: Network) -> None:
        """Make the pod. Containers can be added to it from now on, and started once it is open."""
        ports = {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}] for port in spec.ports}
        address = network.real(spec.address)
        config: dict[str, Any] = {
            "Hostname": spec.hostname,
            "Labels": {
                **self._labels(spec.name, _PAUSE),
                **spec.labels,
            },
            "HostConfig": {
                "NetworkMode": f"tidegate-{network.name}",
                "ExtraHosts": [f"{name}:{host}" for name, host in spec.hosts.items()],
                "LogConfig": {"Type": "none"},
                "RestartPolicy": {"Name": "no"},
            },
            "NetworkingConfig": {
                "EndpointsConfig": {f"tidegate-{network.name}": {"IPAMConfig": {"IPv4Address": address}}}
            },
        }
        if spec.resolvers:
            config["HostConfig"]["Dns"] = list(spec.resolvers)
        if ports and await self._published():
            config["ExposedPorts"] = {port: {} for port in ports}
            config["HostConfig"]["PortBindings"] = ports
        name = container_name(spec.name, _PAUSE)
        try:
            await self._create(name, {"Image": await self._images.ensure_pause(), **config})
        except NoImageError:  # another local cloud, which thought itself the last, has just taken it along
            await self._create(name, {"Image": await self._images.ensure_pause(), **config})

    async def open(self, spec: PodSpec) -> None:
        """Make the network namespace, with its address, of a pod that was created."""
        await self._start(container_name(spec.name, _PAUSE))
        if spec.ports and await self._published():
            self._reach.note_published(spec.network, spec.address, await self._ports(spec.name))

    async def add(self, pod: str, spec: ContainerSpec, image: str, log_driver: str = "json-file") -> None:
        """Create a container in a pod, from an image (its id) that the engine has; raise `ContainerError`."""
        log_options = dict(_LOG_OPTIONS) if log_driver == "json-file" else {}
        if spec.log_buffer is not None:
            log_options |= {"mode": "non-blocking", "max-buffer-size": spec.log_buffer}
        host: dict[str, Any] = {
            "NetworkMode": f"container:{container_name(pod, _PAUSE)}",
            "ReadonlyRootfs": spec.read_only,
            "Init": spec.init,
            "LogConfig": {"Type": log_driver, "Config": log_options},
            "Ulimits": [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in spec.ulimits.items()],
            "CapAdd": list(spec.add_capabilities),
            "CapDrop": list(spec.drop_capabilities),
            "Tmpfs": dict(spec.tmpfs),
            "Binds": [f"{volume}:{path}:{'ro' if read_only else 'rw'}" for volume, path, read_only in spec.volumes],
            "RestartPolicy": {"Name": "no"},
        }
        if spec.shared_processes:
            host["PidMode"] = host["NetworkMode"]
        if spec.cpus is not None:
            host["NanoCpus"] = int(spec.cpus * 1e9)
        if spec.cpu_shares is not None:
            host["CpuShares"] = spec.cpu_shares
        if spec.memory is not None:
            host["Memory"] = host["MemorySwap"] = spec.memory  # no swap beside it
        if spec.memory_reservation is not None:
            host["MemoryReservation"] = spec.memory_reservation
        config: dict[str, Any] = {
            "Image": image,
            "Env": [f"{name}={value}" for name, value in spec.environment.items()],
            "Labels": {**spec.labels, **self._labels(pod, spec.name)},
            "Tty": spec.tty,
            "OpenStdin": spec.stdin,
            "HostConfig": host,
        }
        for key, value in (
            ("Cmd", spec.command),
            ("Entrypoint", spec.entrypoint),
            ("User", spec.user),
            ("WorkingDir", spec.working_directory),
        ):
            if value is not None:
                config[key] = list(value) if isinstance(value, tuple) else value
        if spec.probe is not None:
            config["Healthcheck"] = {
                "Test": list(spec.probe.command),
                "Interval": spec.probe.interval * 10**9,
                "Timeout": spec.probe.timeout * 10**9,
                "Retries": spec.probe.retries,
                "StartPeriod": spec.probe.start_period * 10**9,
            }
        await self._create(container_name(pod, spec.name), config)

    async def start(self, pod: str, container: str) -> None:
        """Start a container; one that runs stays as it is. Raise `ContainerError` where its command cannot run."""
        await self._start(container_name(pod, container))

    async def stop(self, pod: str, container: str, *, grace: int) -> None:
        """Ask a container to end, by its image's stop signal or SIGTERM, and kill it after `grace` seconds."""
        with contextlib.suppress(NotFoundError):
            async with self._engine.client() as docker:
                await docker.containers.container(container_name(pod, container)).stop(t=grace)

    async def ensure_volumes(self, pod: str, names: Iterable[str]) -> dict[str, str]:
        """Return the engine's names of a pod's volumes, made now where they are missing."""
        made = {}
        for name in names:
            made[name] = container_name(pod, name)
            labels = {**self._engine.labels, POD_LABEL: pod}
            async with self._engine.client() as docker:
                await docker.volumes.create({"Name": made[name], "Labels": labels})  # type: ignore[no-untyped-call]
        return made

    async def remove(self, pod: str) -> None:
        """Remove a pod with all its containers, running or not, and its volumes."""
        ids = [each["Id"] for each in await self._list(pod)]
        await asyncio.gather(*(self._delete(each) for each in ids))
        async with self._engine.client() as docker:
            filters = {"label": [*self._engine.filters["label"], f"{POD_LABEL}={pod}"]}
            found = await docker.volumes.list(filters=filters)  # type: ignore[no-untyped-call]
            for volume in found["Volumes"] or []:
                await (await docker.volumes.get(volume["Name"])).delete()  # type: ignore[no-untyped-call]

    async def states(self, pod: str) -> dict[str, ContainerState] | None:
        """Return the states of a pod's containers by name; None where there is no pod of this name."""
        found = await self._list(pod)
        if not any(each["Labels"][CONTAINER_LABEL] == _PAUSE and each["State"] == "running" for each in found):
            return None
        names = [each["Labels"][CONTAINER_LABEL] for each in found if each["Labels"][CONTAINER_LABEL] != _PAUSE]
        states = await asyncio.gather(*(self._state(pod, name) for name in names))
        return {state.name: state for state in states if state is not None}

    async def names(self) -> set[str]:
        """Return the names of all pods."""
        return {each["Labels"][POD_LABEL] for each in await self._list(None)}

    async def logs(self, pod: str, container: str, since: datetime | None) -> AsyncIterator[LogLine]:
        """Yield what a container writes, from `since` on, until it has ended and all is read."""
        parameters: dict[str, Any] = {"timestamps": True}
        if since is not None:
            parameters["since"] = f"{since.timestamp():.9f}"
        rest = ""
        with contextlib.suppress(NotFoundError):
            async with self._engine.client() as docker:
                stream = docker.containers.container(container_name(pod, container)).log(
                    stdout=True, stderr=True, follow=True, **parameters
                )
                async for text in stream:
                    rest += text
                    *lines, rest = rest.split("\n")
                    for line in lines:
                        yield _log_line(line)
                    if len(rest) > _LONGEST_LINE:
                        yield _log_line(rest)
                        rest = ""
        if rest:
            yield _log_line(rest)

    async def stats(self, pod: str, container: str) -> Mapping[str, Any]:
        """Return what the engine measures of a container; nothing when it does not run."""
        try:
            async with self._engine.client() as docker:
                found: Mapping[str, Any] = await docker._query_json(
                    f"containers/{container_name(pod, container)}/stats",
                    params={"stream": "false", "one-shot": "true"},
                )
        except RefusedError:
            return {}
        return found

    async def usage(self, pod: str, container: str) -> Usage | None:
        """Return what a running container has used; None when it does not run."""
        sample = await self.stats(pod, container)
        memory = sample.get("memory_stats", {})
        if "usage" not in memory:
            return None
        cached = memory.get("stats", {}).get("total_inactive_file", memory.get("stats", {}).get("inactive_file", 0))
        return Usage(sample["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, memory["usage"] - cached)

    def _labels(self, pod: str, container: str) -> dict[str, str]:
        return {**self._engine.labels, POD_LABEL: pod, CONTAINER_LABEL: container}

    async def _published(self) -> bool:
        if self._publish is None:
            info = await self._engine.info()
            self._publish = "Desktop" in info.get("OperatingSystem", "") or not self._engine.is_local
        return self._publish

    async def _ports(self, pod: str) -> dict[int, tuple[str, int]]:
        """Return the ports of this machine that the engine gave a pod's."""
        async with self._engine.client() as docker:
            found = await docker.containers.container(container_name(pod, _PAUSE)).show()
        return {
            int(name.partition("/")[0]): (bindings[0]["HostIp"], int(bindings[0]["HostPort"]))
            for name, bindings in found["NetworkSettings"]["Ports"].items()
            if bindings
        }

    async def _list(self, pod: str | None) -> list[dict[str, Any]]:
        labels = [*self._engine.filters["label"], POD_LABEL if pod is None else f"{POD_LABEL}={pod}"]
        async with self._engine.client() as docker:
            found = await docker.containers.list(all=1, filters=_filters(labels))
            return [each._container for each in found]

    async def _create(self, name: str, config: Mapping[str, Any]) -> None:
        try:
            async with self._engine.client() as docker:
                await docker.containers.create(dict(config), name=name)
        except RefusedError as error:
            if error.status == 409 and "already in use" in error.message:
                return  # made before the daemon was killed
            kind = NoImageError if error.status == 404 and "No such image" in error.message else ContainerError
            raise kind(error.message) from error

    async def _start(self, name: str) -> None:
        try:
            async with self._engine.client() as docker:
                await docker.containers.container(name).start()
        except RefusedError as error:
            if error.status != 304:  # it runs already
                raise ContainerError(error.message) from error

    async def _delete(self, container_id: str) -> None:
        try:
            async with self._engine.client() as docker:
                await docker.containers.container(container_id).delete(force=True, v=True)
        except RefusedError as error:
            if error.status not in (404, 409):  # gone, or already on its way
                raise

    async def _state(self, pod: str, container: str) -> ContainerState | None:
        try:
            async with self._engine.client() as docker:
                found = await docker.containers.container(container_name(pod, container)).show()
        except NotFoundError:
            return None
        state = found["State"]
        phase = {"created": Phase.CREATED, "running": Phase.RUNNING, "paused": Phase.RUNNING}.get(
            state["Status"], Phase.EXITED
        )
        return ContainerState(
            name=container,
            id=found["Id"],
            phase=phase,
            image_id=found["Image"],
            exit_code=state["ExitCode"] if phase is Phase.EXITED else None,
            out_of_memory=state["OOMKilled"],
            error=state["Error"],
            health=(state.get("Health") or {}).get("Status"),
            started_at=read_time(state["StartedAt"]),
            finished_at=read_time(state["FinishedAt"]),
        )


def container_name(pod: str, container: str) -> str:
    """Return what a pod's container is called on the engine."""
    return f"tidegate-{pod}-{container}"


def _filters(labels: Iterable[str]) -> str:
    return json.dumps({"label": list(labels)})


def _log_line(line: str) -> LogLine:
    stamp, _, text = line.partition(" ")
    time = read_time(stamp)
    assert time is not None
    return LogLine(time, text.rstrip("\r"))
