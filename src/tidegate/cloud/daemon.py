"""The daemon: takes the data folder, puts the local cloud together, runs it in one TaskGroup, ends it.

It is the composition root, together with `wiring`, which has a file for each service.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import logging.handlers
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import uvloop

from tidegate.cloud.call import Calls, Dispatcher
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import StateError
from tidegate.cloud.gateway.app import Gateway
from tidegate.cloud.gateway.authority import PATH as AUTHORITY_PATH
from tidegate.cloud.gateway.authority import Authority
from tidegate.cloud.gateway.control import PREFIX, Control
from tidegate.cloud.gateway.models import Models
from tidegate.cloud.gateway.server import LOOPBACK, HttpServer, PortTakenError, bind, by_path
from tidegate.cloud.gateway.validate import RequestValidator
from tidegate.cloud.planes.certificates import Certificates
from tidegate.cloud.planes.docker import Docker
from tidegate.cloud.planes.docker.values import EngineError
from tidegate.cloud.planes.envoy.process import end_envoy
from tidegate.cloud.planes.resolver import end_resolvers
from tidegate.cloud.reconcile import Loop
from tidegate.cloud.services.iam.authorize import IamAuthorizer, ResourcePolicy, ResourceTags
from tidegate.cloud.services.iam.model import IamModel
from tidegate.cloud.services.sts.model import StsModel
from tidegate.cloud.store import Store
from tidegate.cloud.wiring import SERVICES, Parts, add_iam_and_sts
from tidegate.cloud.wiring.codebuild import remove_builds

STATE_FILE = "daemon.json"
LOG_FILE = "daemon.log"
LOCK_FILE = "lock"
ENDPOINTS_FILE = "endpoints"  # every address the registry has had, the last at the end: image names begin with them
DEFAULT_PORT = 4650
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
_LOCK_PATIENCE = 0.5  # seconds

log = logging.getLogger(__name__)


class StartError(Exception):
    """The daemon cannot start; the message says `what: why` and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the daemon is started with. `data_dir` holds everything that lasts."""

    data_dir: Path
    port: int = DEFAULT_PORT
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    docker_host: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{12}", self.account):
            raise StartError(f"--account {self.account}: an account is 12 digits; leave it out for {DEFAULT_ACCOUNT}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The local administrator's keys and the control token: made at first start, kept in the data folder."""

    account: str
    access_key: str
    secret: str
    token: str

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> Keys:
        """Return the data folder's keys, made now if it has none; raise StartError where it is another account's."""
        path = settings.data_dir / "credentials.json"
        if not path.exists():
            keys = cls(settings.account, f"AKIA{clock.token(16)}", clock.secret(30), clock.secret(24))
            write_private(path, asdict(keys))
            return keys
        keys = cls(**json.loads(path.read_text()))
        if keys.account != settings.account:
            raise StartError(
                f"--account {settings.account}: the state in {settings.data_dir} belongs to account {keys.account}; "
                "choose another folder with --data-dir, or run `tidegate local reset`"
            )
        return keys


class Cloud:
    """The assembled local cloud. `docker` is its container engine, where not the one that the settings name."""

    def __init__(self, settings: Settings, docker: Docker | None = None) -> None:
        clock = Clock()
        self.keys = Keys.of(settings, clock)
        self.settings = settings
        self.models = Models()
        self._loop = Loop()
        self._store = Store(settings.data_dir / "state.db")
        self._store.subscribe(self._loop.notice)
        self._stopping = asyncio.Event()

        iam, sts = IamModel(self._store, settings.account), StsModel(self._store, settings.account)
        resource_policies: dict[str, ResourcePolicy] = {}
        resource_tags: dict[str, ResourceTags] = {}
        authorizer = IamAuthorizer(iam, clock, resource_policies, resource_tags)
        self.dispatcher = Dispatcher(clock, authorizer, RequestValidator(self.models))
        self.parts = Parts(
            data_dir=settings.data_dir,
            account=settings.account,
            region=settings.region,
            port=settings.port,
            endpoint=f"{LOOPBACK}:{settings.port}",
            clock=clock,
            store=self._store,
            loop=self._loop,
            dispatcher=self.dispatcher,
            calls=Calls(self.dispatcher, settings.account),
            docker=Docker(settings.data_dir, settings.docker_host) if docker is None else docker,
            docker_host=settings.docker_host,
            allows=lambda host: self._server.allows(host),
            listen=lambda address: self._server.listen(address),
            credential=lambda access_key: iam.credential(access_key) or sts.credential(access_key),
            git_credential=iam.git_credential,
            resource_policies=resource_policies,
            resource_tags=resource_tags,
        )
        add_iam_and_sts(self.parts, iam, sts, authorizer)
        for add_service in SERVICES:
            add_service(self.parts)
        certificates = Certificates(settings.data_dir)
        certificates.ensure_authority()
        self.authority_file = certificates.authority_file
        self.parts.routes[AUTHORITY_PATH] = Authority(certificates.authority, self.parts.allows)
        self.parts.routes[PREFIX] = Control(
            {
                ("GET", "status"): lambda asked: self._status(),
                ("GET", "engine"): lambda asked: self._engine(),
                ("POST", "reset"): lambda asked: self._reset(),
                ("POST", "stop"): lambda asked: self._stop(),
                **self.parts.controls,
            },
            self.keys.token,
            self.keys.access_key,
            self.parts.credential,
            self.parts.allows,
            clock,
        )
        gateway = Gateway(self.models, self.dispatcher, self.parts.credential, self.parts.allows, clock)
        self._server = HttpServer(by_path(self.parts.routes, gateway, self.parts.sockets), settings.port)
        self._iam = iam
        self._ensure_administrator()

    async def run(self, sock: socket.socket, ready: Callable[[], None]) -> None:
        """Serve until a signal or a stop request; `ready` is called once requests are answered."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._server.run(sock), name="http"),
                    group.create_task(self._loop.run(), name="reconcile"),
                    *(group.create_task(run(), name=name) for name, run in self.parts.background.items()),
                ]
                ready()
                await self._stopping.wait()
                log.info("stopping")
                for task in tasks:
                    task.cancel()
            for stop in self.parts.stops:
                await stop()
        finally:
            self.close()

    def _ensure_administrator(self) -> None:
        self._iam.ensure_administrator(self.keys.access_key, self.keys.secret, self.parts.clock.now())

    def close(self) -> None:
        """Let go of the state."""
        self._store.close()

    async def _status(self) -> Mapping[str, Any]:
        return {"pid": os.getpid(), "account": self.settings.account, "region": self.settings.region}

    async def _engine(self) -> Mapping[str, Any]:
        """Say whether the container engine answers, and if not, why and what to do."""
        try:
            await self.parts.docker.engine.ping()
        except EngineError as error:
            return {"answers": False, "why": str(error)}
        return {"answers": True, "why": ""}

    async def _reset(self) -> Mapping[str, Any]:
        self._loop.forget_all()
        self._store.clear()
        for reset in self.parts.resets:
            reset()
        self._ensure_administrator()
        self._loop.begin()
        log.info("reset")
        return {"reset": True}

    async def _stop(self) -> Mapping[str, Any]:
        self._stopping.set()
        return {"stopping": True}


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon in the foreground (`python -m tidegate.cloud.daemon`, as `tidegate local start` does)."""
    parser = argparse.ArgumentParser(prog="tidegate local start", description="Run the local cloud.")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--account", default=DEFAULT_ACCOUNT)
    parser.add_argument("--region", default=DEFAULT_REGION)
    options = parser.parse_args(arguments)
    folder, docker_host = options.data_dir.absolute(), os.environ.get("DOCKER_HOST")
    try:
        start(Settings(folder, options.port, options.account, options.region, docker_host))
    except (StartError, StateError, PortTakenError) as error:
        why, _, next_step = str(error).partition("; ")
        print(f"error: {why}\n  next: {next_step}", file=sys.stderr)  # noqa: T201 - the daemon's own last word
        return 1
    return 0


def start(settings: Settings) -> None:
    """Take the data folder, bind the port and serve; raise StartError, StateError or PortTakenError."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{settings.data_dir}: {error.strerror}; choose another folder with --data-dir") from error
    try:
        with _locked(settings.data_dir):
            _log_to(settings.data_dir / LOG_FILE)
            sock = bind(LOOPBACK, settings.port)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_run(settings, sock))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise StartError(f"{settings.data_dir}: {error.strerror}; free some space, then start it again") from error


def purge(data_dir: Path) -> None:
    """Remove everything that a daemon made on this folder, and the folder; raise StartError while one runs."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # containers may have outlived it
    with _locked(data_dir):
        endpoints = data_dir / ENDPOINTS_FILE
        registries = endpoints.read_text().split() if endpoints.exists() else []
        end_envoy(data_dir)
        end_resolvers(data_dir)
        remove_builds(data_dir)
        asyncio.run(_purge(data_dir, registries))
        shutil.rmtree(data_dir)


async def _purge(data_dir: Path, registries: Sequence[str]) -> None:
    """Remove what runs outside the daemon; without an engine in reach there is nothing to remove on it."""
    docker = Docker(data_dir, os.environ.get("DOCKER_HOST"))
    try:
        await docker.purge(registries)
    except EngineError as error:
        log.warning("%s", error)
    finally:
        await docker.engine.close()


async def _run(settings: Settings, sock: socket.socket) -> None:
    cloud = Cloud(settings)
    state = settings.data_dir / STATE_FILE
    state.unlink(missing_ok=True)  # of one that was killed
    port = sock.getsockname()[1]

    _remember_endpoint(settings.data_dir, f"{LOOPBACK}:{port}")

    def ready() -> None:
        write_private(
            state,
            {
                "endpoint": f"http://{LOOPBACK}:{port}",
                "console": None,
                "registry": f"{LOOPBACK}:{port}",
                "pid": os.getpid(),
                "data_dir": str(settings.data_dir),
                "account": settings.account,
                "region": settings.region,
                "token": cloud.keys.token,
                "access_key": cloud.keys.access_key,
                "secret": cloud.keys.secret,
                "ca": str(cloud.authority_file),
            },
        )
        log.info("serving on port %d", port)

    try:
        await cloud.run(sock, ready)
    finally:
        state.unlink(missing_ok=True)


def _remember_endpoint(data_dir: Path, endpoint: str) -> None:
    path = data_dir / ENDPOINTS_FILE
    known = path.read_text().split() if path.exists() else []
    others = [each for each in known if each != endpoint]
    if known[-1:] != [endpoint]:
        temporary = path.with_suffix(".new")
        temporary.write_text("\n".join([*others, endpoint]) + "\n")
        temporary.replace(path)


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[TextIO]:
    """Hold the data folder for this process alone; the lock ends with the process, however it ends."""
    deadline = time.monotonic() + _LOCK_PATIENCE
    with (data_dir / LOCK_FILE).open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # a daemon, or somebody who looks whether there is one
                if time.monotonic() > deadline:
                    raise StartError(
                        f"{data_dir}: another tidegate daemon uses this folder; "
                        "run `tidegate local stop` first, or choose another with --data-dir"
                    ) from None
                time.sleep(0.02)
        yield file


def write_private(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON that only the user can read, whole or not at all."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=1)
    temporary.replace(path)


class _LogFile(logging.handlers.RotatingFileHandler):
    """The daemon's log, which on a full disk lacks what did not fit: there is nowhere to say so."""

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the base class's name
        """Return whether the file is as long as it gets: the base class asks the disk, too, with every line."""
        return self.stream is not None and self.stream.tell() >= self.maxBytes

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def _log_to(path: Path) -> None:
    handler = _LogFile(path, maxBytes=10 << 20, backupCount=2)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)


if __name__ == "__main__":
    sys.exit(main())
