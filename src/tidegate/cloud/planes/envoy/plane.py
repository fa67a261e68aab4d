"""Envoy as a plane: told what it should be like, it is made so, and nothing is lost on the way.

Files are written beside and renamed; Envoy reads them when that happens. What is new comes before what refers to
it, what is gone goes after what referred to it, and every step waits until Envoy has accepted it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.cloud.planes.envoy import documents, routing
from tidegate.cloud.planes.envoy.admin import Admin
from tidegate.cloud.planes.envoy.config import Cluster, Config, Listener, TcpListener
from tidegate.cloud.planes.envoy.logs import Pieces
from tidegate.cloud.planes.envoy.process import Process

_START_PATIENCE, _ACCEPT_PATIENCE, _LEFT_PATIENCE = 20.0, 10.0, 2.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1  # seconds between two looks at what Envoy has accepted
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VERSIONS = r"\.(version_text|update_rejected|update_failure)$|warming"


class EnvoyError(Exception):
    """Envoy cannot be started, or does not answer."""


class RejectedError(EnvoyError):
    """Envoy did not take a configuration. `listeners` has the reason for each that is not as it should be."""

    def __init__(self, message: str, listeners: dict[str, str]) -> None:
        super().__init__(message)
        self.listeners = listeners


@dataclass(frozen=True, slots=True)
class Activity:
    """What goes on at an endpoint now."""

    requests: int
    connections: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What was counted since Envoy started, by name: counters and gauges, and times in milliseconds with their counts.

    `cluster.NAME.upstream_rq_completed`, `http.NAME.downstream_rq_5xx`, …; `cluster.NAME.upstream_rq_time`.
    """

    counters: Mapping[str, int]
    times: Mapping[str, Mapping[float, int]]


class EnvoyPlane:
    """All balancers of one data folder. `lost` is called when Envoy ended without having been told to."""

    def __init__(self, data_dir: Path, lost: Callable[[], None]) -> None:
        self._directory = data_dir / "envoy"
        self._lost = lost
        self._process = Process(self._directory)
        self._admin = Admin(self._process.socket)
        self._pieces = Pieces(self._directory)
        self._lock = asyncio.Lock()
        self._applied: Config | None = None
        self._pid: int | None = None

    async def apply(self, config: Config) -> None:
        """Make Envoy be like `config`; raise EnvoyError, and RejectedError for what Envoy does not take.

        Without a listener there is no Envoy. Applying what is applied already costs nothing.
        """
        _check_names(config)
        self._pieces.make_room()
        async with self._lock:
            pid = self._process.pid()
            if not config.listeners:
                if pid is not None:
                    await self._end()
                return
            if config == self._applied and pid is not None and pid == self._pid:
                return
            known, self._applied = self._applied, None
            try:
                if pid is None or not await self._admin.ready():
                    await self._start(config)
                else:
                    await self._change(config, known)
            except TimeoutError:
                raise EnvoyError(f"Envoy takes too long: {self._process.last_words()}") from None
            self._pid = self._process.pid()
            self._process.watch(self._ended)
            self._applied = config

    def is_running(self) -> bool:
        """Return whether there is an Envoy."""
        return self._process.pid() is not None

    def holds(self, address: str, port: int) -> bool:
        """Return whether Envoy has been told to listen on a port, by this plane or one before it."""
        if not self.is_running():
            return False
        try:
            present = json.loads((self._directory / "listeners.json").read_text())["resources"]
        except OSError:
            return False
        sockets = (each["address"]["socket_address"] for each in present)
        return any((each["address"], each["port_value"]) == (address, port) for each in sockets)

    def drains(self, cluster: str, address: str, port: int) -> bool:
        """Return whether it is sure that an endpoint gets no new request."""
        clusters = () if self._applied is None else self._applied.clusters
        members = [each for found in clusters if found.name == cluster for each in found.endpoints]
        states = [each.state for each in members if (each.address, each.port) == (address, port)]
        return self._applied is not None and "healthy" not in states

    async def activity(self, cluster: str) -> dict[tuple[str, int], Activity]:
        """Return what goes on at each endpoint of a cluster; nothing where there is no Envoy."""
        if not self.is_running():
            return {}
        try:
            hosts = await self._admin.hosts(cluster)
        except (OSError, TimeoutError) as error:
            raise EnvoyError(f"Envoy does not answer: {error}") from error
        return {host: Activity(counts["rq_active"], counts["cx_active"]) for host, counts in hosts.items()}

    async def counters(self, cluster: str) -> dict[str, int]:
        """Return a cluster's counters and gauges: `upstream_rq_total`, `upstream_rq_5xx`, `membership_healthy`, …"""
        if not self.is_running():
            return {}
        prefix = f"cluster.{cluster}."
        try:
            stats = await self._admin.stats(f"^{re.escape(prefix)}")
        except (OSError, TimeoutError) as error:
            raise EnvoyError(f"Envoy does not answer: {error}") from error
        return {name.removeprefix(prefix): value for name, value in stats.items() if isinstance(value, int)}

    async def flows(self, clusters: Iterable[str], listeners: Iterable[str]) -> Mapping[str, int]:
        """Return what was counted of listeners of connections, and of handshakes; nothing where there is no Envoy.

        `listener.NAME.downstream_cx_active`, `tcp.NAME.downstream_cx_rx_bytes_total`, `cluster.NAME.ssl.…`.
        """
        wanted = [rf"(listener|tcp)\.{re.escape(each)}\.(downstream_cx_|ssl\.)" for each in listeners]
        wanted += [rf"cluster\.{re.escape(each)}\.ssl\." for each in clusters]
        if not wanted or not self.is_running():
            return {}
        try:
            stats = await self._admin.stats(f"^({'|'.join(wanted)})")
        except (OSError, TimeoutError) as error:
            raise EnvoyError(f"Envoy does not answer: {error}") from error
        return {name: value for name, value in stats.items() if isinstance(value, int)}

    async def measured(self, clusters: Iterable[str], listeners: Iterable[str]) -> Measured:
        """Return what was counted of clusters and of listeners of requests; nothing where there is no Envoy."""
        names = [
            *(rf"cluster\.{re.escape(each)}" for each in clusters),
            *(rf"http\.{re.escape(each)}" for each in listeners),
        ]
        if not names or not self.is_running():
            return Measured({}, {})
        wanted = f"^({'|'.join(names)})\\."
        try:
            stats = await self._admin.stats(f"{wanted}(upstream|downstream)_(rq|cx)_")
            times = await self._admin.histograms(f"{wanted}upstream_rq_time$")
        except (OSError, TimeoutError) as error:
            raise EnvoyError(f"Envoy does not answer: {error}") from error
        return Measured({name: value for name, value in stats.items() if isinstance(value, int)}, times)

    async def cut_log(self, name: str, mark: str) -> list[tuple[str, Path]]:
        """Cut off what is in a log, and return all its pieces with their marks: Envoy writes to none of them any more.

        Who has read a piece removes it. `mark` is new every time, and orders by time.
        """
        async with self._lock:
            log = self._pieces.cut(name, mark)
            pieces = self._pieces.of(name)
            if not pieces or not self.is_running():
                return pieces
            try:
                await self._admin.reopen_logs()
                # a listener that is gone may still finish requests: its log comes again, if Envoy is the same
                async with asyncio.timeout(_ACCEPT_PATIENCE if self._writes(log) else _LEFT_PATIENCE):
                    while True:
                        if log.exists() or not self.is_running():
                            break
                        await asyncio.sleep(_FIRST_PAUSE)
            except (OSError, TimeoutError) as error:
                if self._writes(log):
                    raise EnvoyError(f"Envoy does not open its logs again: {error}") from error
            return pieces

    def _writes(self, log: Path) -> bool:
        """Return whether Envoy has been told to write to a log."""
        try:
            return str(log) in (self._directory / "listeners.json").read_text()
        except OSError:
            return False

    def remove_log(self, name: str) -> None:
        """Remove a log with all its pieces: nobody wants them any more."""
        self._pieces.remove(name)

    async def close(self) -> None:
        """End Envoy: the whole local cloud stops."""
        async with self._lock:
            await self._end()

    def reset(self) -> None:
        """End Envoy at once: what it served is gone."""
        self._process.end(patiently=False)
        self._pieces.clear()
        self._applied = None

    def _ended(self) -> None:
        self._applied = None
        self._lost()

    async def _end(self) -> None:
        self._applied = None
        await self._admin.close()
        await asyncio.to_thread(self._process.end)

    async def _start(self, config: Config) -> None:
        """Start Envoy anew, with everything in its files; one that does not answer is ended first."""
        await self._end()
        listeners, clusters = self._listeners(config), self._clusters(config)
        for cluster in config.clusters:
            self._write(documents.endpoints_file(self._directory, cluster.name), _endpoints(cluster))
        for listener in _routed(config):
            self._write(documents.routes_file(self._directory, listener.name), _routes(listener))
        self._write(self._directory / "clusters.json", clusters)
        self._write(self._directory / "listeners.json", listeners)
        start = json.dumps(documents.bootstrap(self._directory, self._process.socket))
        self._write(self._directory / "bootstrap.json", start)
        self._remove_leftovers(config)
        self._process.start()
        async with asyncio.timeout(_START_PATIENCE):
            while not await self._admin.ready():
                if self._process.pid() is None:
                    raise EnvoyError(f"Envoy ended while it started: {self._process.last_words()}")
                await asyncio.sleep(0.01)
        await self._accepted(self._expected(config, listeners, clusters), rejections=0)
        await self._listening(config.listeners)

    async def _change(self, config: Config, known: Config | None) -> None:
        """Change what a running Envoy does, step by step; `known` is what it surely does now."""
        present = await self._versions()
        rejections, files = _rejections(present), self._directory
        both, new, listeners = self._with_present(config), self._clusters(config), self._listeners(config)

        async def step(wanted: Iterable[tuple[Path, str, str]]) -> None:
            expected = {}
            for path, text, name in wanted:
                version = documents.version_of(text)
                if present.get(f"{name}.version_text") != version:
                    self._write(path, text)
                    expected[name] = present[f"{name}.version_text"] = version
            if expected:
                await self._accepted(expected, rejections)

        members = [
            (documents.endpoints_file(files, each.name), _endpoints(each), f"cluster.{each.name}")
            for each in config.clusters
        ]
        # a cluster that is new is accepted together with its endpoints
        await step([*members, (files / "clusters.json", both, "cluster_manager.cds")])
        lists = [
            (documents.routes_file(files, each.name), _routes(each), f"http.{each.name}.rds.{each.name}")
            for each in _routed(config)
        ]
        await step([*lists, (files / "listeners.json", listeners, "listener_manager.lds")])
        await step([(files / "clusters.json", new, "cluster_manager.cds")])
        self._remove_leftovers(config)
        await self._listening(each for each in config.listeners if known is None or each not in known.listeners)

    async def _accepted(self, expected: dict[str, str], rejections: int) -> None:
        """Wait until Envoy runs these versions and warms nothing; raise RejectedError when it refused one."""
        pause = _FIRST_PAUSE
        try:
            async with asyncio.timeout(_ACCEPT_PATIENCE):
                while True:
                    stats = await self._admin.stats(_VERSIONS)
                    if _rejections(stats) > rejections:
                        raise RejectedError(*await self._refusal())
                    warming = stats.get("cluster_manager.warming_clusters", 0)
                    warming += stats.get("listener_manager.total_listeners_warming", 0)
                    if not warming and all(
                        stats.get(f"{name}.version_text") == each for name, each in expected.items()
                    ):
                        return
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
        except TimeoutError:
            raise EnvoyError(f"Envoy did not take its configuration within {_ACCEPT_PATIENCE:.0f} s") from None
        except OSError as error:
            raise EnvoyError(f"Envoy does not answer: {error}") from error

    async def _refusal(self) -> tuple[str, dict[str, str]]:
        errors = await self._admin.listener_errors()
        reasons = "; ".join(f"{name}: {why}" for name, why in errors.items()) or self._process.last_words()
        return f"Envoy refused its configuration: {reasons}", errors

    async def _versions(self) -> dict[str, Any]:
        try:
            return await self._admin.stats(_VERSIONS)
        except (OSError, TimeoutError) as error:
            raise EnvoyError(f"Envoy does not answer: {error}") from error

    async def _listening(self, listeners: Iterable[Listener | TcpListener]) -> None:
        """Wait until somebody can connect: a listener that is accepted begins to listen a moment later."""
        async with asyncio.timeout(_ACCEPT_PATIENCE):
            for each in listeners:
                while True:
                    try:
                        _, writer = await asyncio.open_connection(each.address, each.port)
                    except OSError:
                        await asyncio.sleep(_FIRST_PAUSE)
                    else:
                        writer.close()
                        break

    def _listeners(self, config: Config) -> str:
        return documents.discovery([documents.listener(each, config, self._directory) for each in config.listeners])

    def _clusters(self, config: Config) -> str:
        return documents.discovery([documents.cluster(each, self._directory) for each in config.clusters])

    def _with_present(self, config: Config) -> str:
        """Return the clusters that there shall be, and those that there are and some route may still name."""
        wanted = [documents.cluster(each, self._directory) for each in config.clusters]
        names = {each["name"] for each in wanted}
        try:
            present = json.loads((self._directory / "clusters.json").read_text())["resources"]
        except OSError:
            present = []
        return documents.discovery([*wanted, *(each for each in present if each["name"] not in names)])

    def _expected(self, config: Config, listeners: str, clusters: str) -> dict[str, str]:
        """Return the versions that Envoy has to run, by the names of its statistics."""
        return {
            "cluster_manager.cds": documents.version_of(clusters),
            "listener_manager.lds": documents.version_of(listeners),
            **{f"cluster.{each.name}": documents.version_of(_endpoints(each)) for each in config.clusters},
            **{f"http.{each.name}.rds.{each.name}": documents.version_of(_routes(each)) for each in _routed(config)},
        }

    def _write(self, path: Path, text: str) -> None:
        """Put a file in its place by renaming: Envoy reads it when that happens, whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(path)

    def _remove_leftovers(self, config: Config) -> None:
        kept = {documents.endpoints_file(self._directory, each.name) for each in config.clusters}
        kept |= {documents.routes_file(self._directory, each.name) for each in _routed(config)}
        for folder in ("endpoints", "routes"):
            for path in (self._directory / folder).glob("*.json"):
                if path not in kept:
                    path.unlink()


def _routed(config: Config) -> list[Listener]:
    """Return the listeners that have routes: those of requests."""
    return [each for each in config.listeners if isinstance(each, Listener)]


def _endpoints(each: Cluster) -> str:
    return documents.discovery([documents.endpoints(each)])


def _routes(each: Listener) -> str:
    return documents.discovery([routing.routes(each)])


def _rejections(stats: dict[str, Any]) -> int:
    return sum(value for name, value in stats.items() if name.endswith((".update_rejected", ".update_failure")))


def _check_names(config: Config) -> None:
    for name in [*(each.name for each in config.listeners), *(each.name for each in config.clusters)]:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} cannot be the name of a listener or cluster")
