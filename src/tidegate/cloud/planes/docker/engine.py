"""The connection to the container engine: found when first needed, watched, and found again when lost."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.cloud.planes.docker.values import EngineError, NotFoundError, RefusedError

if TYPE_CHECKING:
    import aiodocker

OWNER_LABEL = "dev.tidegate.data-dir"
POD_LABEL = "dev.tidegate.pod"
CONTAINER_LABEL = "dev.tidegate.container"

_EVENTS = ["start", "die", "oom", "destroy", "health_status"]
_FRACTION = re.compile(r"(\.\d{6})\d+")
_UNREACHABLE = 900  # the client library's status for an engine that it cannot connect to
_FIRST_RETRY = 0.25
_LONGEST_RETRY = 5.0

log = logging.getLogger(__name__)


def read_time(text: str) -> datetime | None:
    """Read one of the engine's times, whose fractions have nine digits; the year 1 stands for never."""
    parsed = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
    return None if parsed.year == 1 else parsed


class Engine:
    """One container engine, and what this data folder's local cloud owns on it."""

    def __init__(self, data_dir: Path, url: str | None = None) -> None:
        """`url` is the engine's address (`unix:///run/docker.sock`); None finds it as Docker's own client does."""
        self.owner = str(data_dir)
        self._url = url
        self._docker: aiodocker.Docker | None = None
        self._needed = asyncio.Event()
        self._listeners: list[Callable[[str], None]] = []
        self._returns: list[Callable[[], None]] = []
        self._info: Mapping[str, Any] | None = None

    @property
    def in_use(self) -> bool:
        """Whether the engine has been needed since the daemon started."""
        return self._needed.is_set()

    @property
    def labels(self) -> dict[str, str]:
        """The label that everything made for this data folder carries."""
        return {OWNER_LABEL: self.owner}

    @property
    def is_local(self) -> bool:
        """Whether the engine is reached through a socket of this machine, on an operating system that it shares."""
        address = self._url or "unix://"
        return sys.platform.startswith("linux") and address.startswith("unix://")

    @property
    def filters(self) -> dict[str, list[str]]:
        """The filter that finds what carries it."""
        return {"label": [f"{OWNER_LABEL}={self.owner}"]}

    def listen(self, changed: Callable[[str], None], returned: Callable[[], None]) -> None:
        """Hear of changes.

        `changed(pod)` is called when a pod's container starts, dies or changes health; `returned()` whenever the
        engine was out of reach and is back, for anything may have happened meanwhile.
        """
        self._listeners.append(changed)
        self._returns.append(returned)

    async def connect(self) -> aiodocker.Docker:
        """Return the engine's client; raise `EngineError` where there is none."""
        self._needed.set()
        if self._docker is None:
            # slow to import, and not needed before there is something to run: beside the loop, not in its way
            aiodocker = await asyncio.to_thread(importlib.import_module, "aiodocker")
            try:
                self._docker = aiodocker.Docker(self._url)
            except (ValueError, AssertionError, aiodocker.DockerError):
                raise EngineError(
                    "container engine: none was found; install Docker (on Debian or Ubuntu: apt install docker.io) "
                    "or start it, or name its address in DOCKER_HOST"
                ) from None
        return self._docker

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[aiodocker.Docker]:
        """Use the client; raise `RefusedError` for what the engine refuses, `EngineError` for a lost connection."""
        docker = await self.connect()
        import aiodocker
        import aiohttp

        try:
            yield docker
        except aiodocker.DockerError as error:
            if error.status == _UNREACHABLE:
                raise EngineError(
                    f"container engine: it does not answer at {self._url or 'its usual address'}; start it (Docker "
                    "Desktop, or: systemctl start docker), or name another in DOCKER_HOST"
                ) from error
            kind = NotFoundError if error.status == 404 else RefusedError
            raise kind(error.status, error.message) from error
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:  # also an answer that was cut short
            raise EngineError(f"container engine: it does not answer ({error}); start it again") from error

    async def ping(self) -> None:
        """Return if the engine answers; raise `EngineError` if not."""
        async with self.client() as docker:
            await docker.version()

    async def info(self) -> Mapping[str, Any]:
        """Return what the engine says of itself (`Architecture`, `OperatingSystem`, `OSType`)."""
        if self._info is None:
            async with self.client() as docker:
                self._info = await docker.system.info()
        return self._info

    async def run(self) -> None:
        """Follow the engine's events for as long as the daemon runs, once somebody needed the engine."""
        await self._needed.wait()
        delay = _FIRST_RETRY
        while True:
            try:
                await self._follow()
                delay = _FIRST_RETRY
            except EngineError as error:
                log.warning("%s", error)
                delay = min(delay * 2, _LONGEST_RETRY)
            await asyncio.sleep(delay)

    async def _follow(self) -> None:
        filters = {**self.filters, "event": _EVENTS, "type": ["container"]}
        async with self.client() as docker:
            # from a moment before the look around on: nothing falls between the two
            now = read_time((await docker.system.info())["SystemTime"])
            since = "" if now is None else f"{now.timestamp():.3f}"
            subscriber = docker.events.subscribe(create_task=False)  # type: ignore[no-untyped-call]
            stream = asyncio.create_task(docker.events.run(filters=json.dumps(filters), since=since))
            try:
                for returned in self._returns:
                    returned()
                while (event := await subscriber.get()) is not None:
                    pod = event.get("Actor", {}).get("Attributes", {}).get(POD_LABEL)
                    for changed in self._listeners if pod else ():
                        changed(pod)
                await stream
            finally:
                stream.cancel()
                await asyncio.gather(stream, return_exceptions=True)

    async def close(self) -> None:
        """Let go of the engine; what runs on it runs on."""
        if self._docker is not None:
            await self._docker.close()
            self._docker = None
