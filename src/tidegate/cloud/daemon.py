"""The composition root of the local cloud: everything is made here, handed to what needs it, run in one TaskGroup.

`assemble` is the house on one page: which service gets which model, which planes, which controllers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
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
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import uvloop

from tidegate.cloud.call import Calls, Credential, Dispatcher
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, StateError
from tidegate.cloud.gateway.app import Gateway
from tidegate.cloud.gateway.control import PREFIX, Control
from tidegate.cloud.gateway.models import Models
from tidegate.cloud.gateway.server import LOOPBACK, App, HttpServer, PortTakenError, bind, by_path
from tidegate.cloud.gateway.validate import RequestValidator
from tidegate.cloud.planes.docker.engine import Engine
from tidegate.cloud.planes.docker.images import Images as EngineImages
from tidegate.cloud.planes.docker.networks import Networks
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.planes.git.objects import GitCommits, GitObjects
from tidegate.cloud.planes.git.repositories import GitRepositories
from tidegate.cloud.planes.git.smart_http import GitHttp
from tidegate.cloud.planes.registry import Blobs, Registry, Uploads
from tidegate.cloud.reconcile import Loop
from tidegate.cloud.services.codebuild.api import BuildsApi, ProjectsApi
from tidegate.cloud.services.codebuild.model import CodeBuildModel
from tidegate.cloud.services.codebuild.reconciler import BuildHost, Builds
from tidegate.cloud.services.codecommit import api as codecommit
from tidegate.cloud.services.codecommit.model import CodeCommitModel
from tidegate.cloud.services.codecommit.reconciler import References
from tidegate.cloud.services.codecommit.smart_http import PREFIX as GIT_PREFIX
from tidegate.cloud.services.codecommit.smart_http import GitOverHttp
from tidegate.cloud.services.codepipeline import api as codepipeline
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import CodePipelineModel
from tidegate.cloud.services.codepipeline.reconciler.actions import Actions
from tidegate.cloud.services.codepipeline.reconciler.announcer import Announcer
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts
from tidegate.cloud.services.codepipeline.reconciler.pipelines import Pipelines
from tidegate.cloud.services.codepipeline.reconciler.providers import providers
from tidegate.cloud.services.codepipeline.reconciler.run import Sessions
from tidegate.cloud.services.codepipeline.reconciler.sources import Sources
from tidegate.cloud.services.ecr.api import ImagesApi, LayersApi, RegistryApi, RepositoriesApi
from tidegate.cloud.services.ecr.api import PoliciesApi as EcrPoliciesApi
from tidegate.cloud.services.ecr.images import Images
from tidegate.cloud.services.ecr.model import EcrModel
from tidegate.cloud.services.ecr.reconciler import (
    REGISTRY,
    EventController,
    GarbageController,
    LifecycleController,
    PreviewController,
)
from tidegate.cloud.services.ecr.registry import LayerContent, RegistryAccess, RegistryRecords
from tidegate.cloud.services.ecr.tokens import Tokens
from tidegate.cloud.services.ecs.api import ClustersApi, ServicesApi, TagsApi, TaskDefinitionsApi, TasksApi
from tidegate.cloud.services.ecs.model import EcsModel, task_key_of
from tidegate.cloud.services.ecs.reconciler.launch import Launcher
from tidegate.cloud.services.ecs.reconciler.logs import LogShipper
from tidegate.cloud.services.ecs.reconciler.roles import Roles
from tidegate.cloud.services.ecs.reconciler.service import ServiceReconciler
from tidegate.cloud.services.ecs.reconciler.task import TaskReconciler
from tidegate.cloud.services.events import api as events
from tidegate.cloud.services.events.model import EventsModel
from tidegate.cloud.services.events.reconciler import Deliveries
from tidegate.cloud.services.iam.api import (
    InstanceProfilesApi,
    PoliciesApi,
    RolePoliciesApi,
    RolesApi,
    SimulationApi,
    UsersApi,
)
from tidegate.cloud.services.iam.authorize import IamAuthorizer, ResourcePolicy
from tidegate.cloud.services.iam.model import IamModel
from tidegate.cloud.services.iam.policy import MalformedPolicyError, is_resource_policy
from tidegate.cloud.services.iam.policy import parse as parse_policy
from tidegate.cloud.services.logs import api as logs
from tidegate.cloud.services.logs.model import LogsModel
from tidegate.cloud.services.logs.reconciler import Retention
from tidegate.cloud.services.s3 import api as s3
from tidegate.cloud.services.s3.blobs import Blobs as S3Blobs
from tidegate.cloud.services.s3.model import S3Model
from tidegate.cloud.services.s3.reconciler import Lifecycle, Removal
from tidegate.cloud.services.sts.api import StsApi
from tidegate.cloud.services.sts.model import StsModel
from tidegate.cloud.store import Key, Store

STATE_FILE = "daemon.json"
LOG_FILE = "daemon.log"
LOCK_FILE = "lock"
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
    """The assembled local cloud: one `_add_` method a service, in the order in which they need each other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock()
        self.keys = Keys.of(settings, self.clock)
        self.store = Store(settings.data_dir / "state.db")
        self.loop = Loop()
        self.store.subscribe(self.loop.notice)
        self.models = Models()
        self.registry = f"{LOOPBACK}:{settings.port}"

        self._resource_policies: dict[str, ResourcePolicy] = {}  # service in an ARN -> finds a resource's own policy
        self._routes: dict[str, App] = {}  # path prefix -> what answers there instead of the gateway
        self._background: dict[str, Callable[[], Awaitable[None]]] = {}  # name -> runs as long as the daemon does
        self._resets: list[Callable[[], None]] = []  # empty what lives outside the store, at once
        self._closes: list[Callable[[], Awaitable[None]]] = []  # stop what runs outside this process
        self._stopping = asyncio.Event()

        self._git = GitRepositories(settings.data_dir / "git")

        self._iam = IamModel(self.store, settings.account)
        self._sts = StsModel(self.store, settings.account)
        authorizer = IamAuthorizer(self._iam, self.clock, self._resource_policies)
        self.dispatcher = Dispatcher(self.clock, authorizer, RequestValidator(self.models))
        self.calls = Calls(self.dispatcher, settings.account)
        self._add_iam_and_sts(authorizer)
        self._add_s3()
        self._add_logs()
        self._add_events()
        self._add_ecr()
        self._add_codecommit()
        self._add_codebuild()
        self._add_ecs()
        self._add_codepipeline()

        gateway = Gateway(self.models, self.dispatcher, self._credential, self._allows, self.clock)
        self._routes[PREFIX] = Control(
            {("GET", "status"): self._status, ("POST", "reset"): self._reset, ("POST", "stop"): self._stop},
            self.keys.token,
            self.keys.access_key,
            self._credential,
            self._allows,
            self.clock,
        )
        self.server = HttpServer(by_path(self._routes, gateway), settings.port)
        self._ensure_administrator()

    def _add_iam_and_sts(self, authorizer: IamAuthorizer) -> None:
        self.dispatcher.register(
            "iam",
            RolesApi(self._iam, self.clock),
            RolePoliciesApi(self._iam),
            PoliciesApi(self._iam, self.clock),
            UsersApi(self._iam, self.clock),
            InstanceProfilesApi(self._iam, self.clock),
            SimulationApi(self._iam, authorizer),
        )
        self.dispatcher.register("sts", StsApi(self._sts, self.calls, self.clock))

    def _add_codepipeline(self) -> None:
        model = CodePipelineModel(self.store, self.settings.account)
        lifecycle = ExecutionLifecycle(model, self.clock)
        self.dispatcher.register(
            "codepipeline",
            codepipeline.PipelinesApi(model, lifecycle, self.calls, self.clock),
            codepipeline.ExecutionsApi(model, lifecycle),
            codepipeline.StagesApi(model, lifecycle, self.clock),
            codepipeline.StateApi(model),
            codepipeline.ActionTypesApi(),
            codepipeline.TagsApi(model),
        )
        artifacts = Artifacts(self.settings.data_dir / "codepipeline")
        actions = Actions(
            model,
            lifecycle,
            Sessions(self.calls, self.clock),
            self.clock,
            providers(artifacts, GitObjects(self._git), self.calls, self.clock),
        )
        pipelines = Pipelines(model, lifecycle, self.clock)
        sources = Sources(model, lifecycle, self.calls)
        announcer = Announcer(model, self.calls)
        self.loop.add("codepipeline.pipeline", pipelines.reconcile, keys=model.busy_pipelines)
        self.loop.add("codepipeline.action", actions.reconcile, keys=model.all_running_actions)
        self.loop.add("codepipeline.source", sources.reconcile, keys=model.watching_pipelines)
        self.loop.add("codepipeline.change", announcer.reconcile, keys=announcer.keys)
        self.loop.watch("codepipeline.execution", "codepipeline.pipeline", lambda key: [key[:2]])
        self.loop.watch("codepipeline.execution", "codepipeline.action", model.running_actions)
        self.loop.watch("codepipeline.pipeline", "codepipeline.pipeline")
        self.loop.watch("codepipeline.pipeline", "codepipeline.source", model.if_watching)
        self.loop.watch("codepipeline.open", "codepipeline.source", model.if_watching)
        self.loop.watch("codepipeline.change", "codepipeline.change")
        self.loop.watch("codecommit.branch", "codepipeline.source", partial(model.pipelines_of_source, "CodeCommit"))
        self.loop.watch("s3.object", "codepipeline.source", partial(model.pipelines_of_source, "S3"))
        for kind in ("codebuild.build", "ecs.service", "cloudformation.stack"):
            self.loop.watch(kind, "codepipeline.action", partial(model.actions_waiting_for, kind))

    def _add_ecs(self) -> None:
        model = EcsModel(self.store)
        self.dispatcher.register(
            "ecs",
            ClustersApi(model),
            TaskDefinitionsApi(model, self.calls, self.clock, self.registry),
            ServicesApi(model, self.calls, self.clock),
            TasksApi(model, self.calls, self.clock),
            TagsApi(model),
        )
        engine = Engine(self.settings.data_dir)
        networks, images = Networks(engine), EngineImages(engine)
        pods = Pods(engine, networks, images)
        roles = Roles(model, self.calls)
        shipper = LogShipper(model, pods, roles)
        launcher = Launcher(model, pods, images, roles, shipper, self.registry, self.settings.region)
        tasks = TaskReconciler(
            model,
            self.calls,
            self.clock,
            pods,
            networks,
            launcher,
            shipper,
            lambda key: self.loop.enqueue("ecs.logs", key),
        )
        services = ServiceReconciler(model, self.calls, self.clock)

        def task_keys() -> list[Key]:
            return [key for key, _ in model.tasks.items()]

        self.loop.add("ecs.task", tasks.reconcile, keys=task_keys, workers=64)
        self.loop.add("ecs.service", services.reconcile, keys=lambda: [key for key, _ in model.services.items()])
        self.loop.add("ecs.logs", shipper.reconcile, keys=model.writing_containers, workers=10_000)
        self.loop.add("ecs.sweep", tasks.sweep)
        self.loop.watch("ecs.task", "ecs.task")
        self.loop.watch("ecs.task", "ecs.service", model.service_of_task)
        self.loop.watch("ecs.service", "ecs.service")
        self.loop.watch("elbv2.target", "ecs.task", lambda key: model.tasks_at(key[0], key[2]))
        self.loop.watch("elbv2.target", "ecs.service", lambda key: model.services_of_target_group(key[0], key[1]))

        def engine_returned() -> None:
            self.loop.enqueue("ecs.sweep", ("all",))
            for key in task_keys():
                self.loop.enqueue("ecs.task", key)

        engine.listen(lambda pod: self.loop.enqueue("ecs.task", task_key_of(pod)), engine_returned)
        self._background["engine"] = engine.run
        self._closes.append(engine.close)

    def _add_codecommit(self) -> None:
        model = CodeCommitModel(self.store, self.settings.account, self.settings.region, self.settings.port)
        repositories = self._git
        objects, commits = GitObjects(repositories), GitCommits(repositories)
        references = References(model, repositories, self.calls, self.clock)
        self.dispatcher.register(
            "codecommit",
            codecommit.RepositoriesApi(model, repositories, self.clock),
            codecommit.BranchesApi(model, repositories, objects, references.refresh),
            codecommit.CommitsApi(model, objects),
            codecommit.FilesApi(model, objects),
            codecommit.EditsApi(model, repositories, objects, commits, references.refresh, self.clock),
        )
        self.loop.add("codecommit.repository", references.reconcile, keys=references.keys)
        self.loop.add("codecommit.change", references.publish, keys=model.change_keys)
        self.loop.watch("codecommit.change", "codecommit.change")
        self._routes[GIT_PREFIX] = GitOverHttp(
            model,
            GitHttp(repositories),
            references.refresh,
            self.calls,
            self.clock,
            self._credential,
            self._iam.git_credential,
            self._allows,
        )
        self._resets.append(repositories.clear)

    def _add_events(self) -> None:
        model = EventsModel(self.store, self.settings.account)
        deliveries = Deliveries(model, self.calls, self.clock)
        self.dispatcher.register(
            "events",
            events.RulesApi(model, self.calls),
            events.TargetsApi(model, self.calls),
            events.PublishingApi(model, self.clock),
        )
        self.loop.add("events.delivery", deliveries.reconcile, keys=model.delivery_keys)
        self.loop.watch("events.delivery", "events.delivery")

    def _add_s3(self) -> None:
        model = S3Model(self.store, self.settings.account)
        blobs = S3Blobs(self.settings.data_dir / "s3", self.store, self.clock)
        self.dispatcher.register(
            "s3",
            s3.BucketsApi(model, self.clock),
            s3.SettingsApi(model, self.clock),
            s3.UnsetApi(model),
            s3.PoliciesApi(model, _check_bucket_policy),
            s3.ObjectsApi(model, blobs, self.calls, self.clock),
            s3.CopiesApi(model, blobs, self.calls, self.clock),
            s3.FacetsApi(model, self.calls),
            s3.UploadsApi(model, blobs, self.calls, self.clock),
            s3.ListsApi(model),
        )
        self._resource_policies["s3"] = model.policy_of
        lifecycle, removal = Lifecycle(model, self.clock), Removal(model, blobs)
        self.loop.add("s3.lifecycle", lifecycle.reconcile, keys=lifecycle.keys)
        self.loop.watch("s3.bucket", "s3.lifecycle")
        self.loop.add("s3.removal", removal.reconcile, keys=removal.keys)
        self.loop.watch("s3.removal", "s3.removal")
        self._resets.append(blobs.reset)

    def _add_codebuild(self) -> None:
        model = CodeBuildModel(self.store, self.settings.account)
        self.dispatcher.register(
            "codebuild", ProjectsApi(model, self.calls, self.clock), BuildsApi(model, self.calls, self.clock)
        )
        builds = Builds(
            model,
            self.calls,
            self.clock,
            BuildHost(self.settings.data_dir / "builds", os.environ.get("DOCKER_HOST")),
            f"http://{LOOPBACK}:{self.settings.port}",
            self.settings.region,
            lambda key: self.loop.enqueue("codebuild.build", key),
        )
        self.loop.add("codebuild.build", builds.reconcile, keys=model.open_keys)
        self.loop.watch("codebuild.build", "codebuild.build")
        self._background["codebuild"] = builds.serve
        self._resets.append(builds.reset)

    def _add_logs(self) -> None:
        model = LogsModel(self.store)
        self.dispatcher.register(
            "logs",
            logs.GroupsApi(model, self.clock),
            logs.StreamsApi(model, self.clock),
            logs.EventsApi(model, self.clock),
            logs.SearchApi(model),
        )
        retention = Retention(model, self.clock)
        self.loop.add("logs.retention", retention.reconcile, keys=retention.keys)
        self.loop.watch("logs.group", "logs.retention")

    def _add_ecr(self) -> None:
        endpoint = f"{LOOPBACK}:{self.settings.port}"
        model = EcrModel(self.store, self.settings.account, self.settings.region, endpoint)
        blobs = Blobs(self.settings.data_dir / "registry" / "blobs")
        uploads = Uploads(self.settings.data_dir / "registry" / "uploads", blobs, self.clock.new_id)
        images, tokens, content = Images(model, self.clock), Tokens(model, self.clock), LayerContent(uploads)
        self._resource_policies["ecr"] = model.policy_of
        self.dispatcher.register(
            "ecr",
            RepositoriesApi(model, self.calls, self.clock),
            EcrPoliciesApi(model, self.calls, is_resource_policy),
            ImagesApi(model, images, content.read),
            LayersApi(model, content, tokens),
            RegistryApi(model, tokens),
        )
        self._routes["/v2/"] = Registry(
            RegistryRecords(model, images),
            RegistryAccess(model, tokens, self.calls, self.clock),
            blobs,
            uploads,
            challenge=f'Basic realm="http://{endpoint}/",service="ecr.amazonaws.com"',
            allowed_host=self._allows,
        )
        lifecycle, previews = LifecycleController(model, images, self.clock), PreviewController(model, self.clock)
        self.loop.add(
            "ecr.lifecycle", lifecycle.reconcile, keys=lambda: [key for key, _ in model.lifecycle_policies.items()]
        )
        self.loop.add("ecr.preview", previews.reconcile, keys=lambda: [key for key, _ in model.previews.items()])
        self.loop.add(
            "ecr.event",
            EventController(model, self.calls).reconcile,
            keys=lambda: [key for key, _ in model.events.items()],
        )
        garbage = GarbageController(model, tokens, blobs, uploads, self.clock)
        self.loop.add("ecr.garbage", garbage.reconcile, keys=lambda: [REGISTRY])
        self.loop.watch(model.lifecycle_policies.kind, "ecr.lifecycle")
        self.loop.watch(model.images.kind, "ecr.lifecycle", keys=lambda key: [key[:2]])
        self.loop.watch(model.previews.kind, "ecr.preview")
        self.loop.watch(model.events.kind, "ecr.event")
        self._resets += [blobs.clear, uploads.clear, lambda: self.loop.enqueue("ecr.garbage", REGISTRY)]

    async def run(self, sock: socket.socket, ready: Callable[[], None]) -> None:
        """Serve until a signal or a stop request; `ready` is called once requests are answered."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self.server.run(sock), name="http"),
                    group.create_task(self.loop.run(), name="reconcile"),
                    *(group.create_task(_forever(run), name=name) for name, run in self._background.items()),
                ]
                ready()
                await self._stopping.wait()
                log.info("stopping")
                for task in tasks:
                    task.cancel()
            for close in self._closes:
                await close()
        finally:
            self.store.close()

    def _credential(self, access_key: str) -> Credential | None:
        return self._iam.credential(access_key) or self._sts.credential(access_key)

    def _allows(self, host: str) -> bool:
        return self.server.allows(host)

    def _ensure_administrator(self) -> None:
        self._iam.ensure_administrator(self.keys.access_key, self.keys.secret, self.clock.now())

    async def _status(self) -> Mapping[str, Any]:
        return {"pid": os.getpid(), "account": self.settings.account, "region": self.settings.region}

    async def _reset(self) -> Mapping[str, Any]:
        self.loop.forget_all()
        self.store.clear()
        for reset in self._resets:
            reset()
        self._ensure_administrator()
        log.info("reset")
        return {"reset": True}

    async def _stop(self) -> Mapping[str, Any]:
        self._stopping.set()
        return {"stopping": True}


def _check_bucket_policy(document: str) -> None:
    """Raise MalformedPolicy for a document that IAM could not evaluate."""
    try:
        parse_policy(document)
    except MalformedPolicyError as error:
        raise ServiceError("MalformedPolicy", str(error)) from None


async def _forever(run: Callable[[], Awaitable[None]]) -> None:
    await run()


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon in the foreground (`python -m tidegate.cloud.daemon`, as `tidegate local start` does)."""
    parser = argparse.ArgumentParser(prog="tidegate local start", description="Run the local cloud.")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--account", default=DEFAULT_ACCOUNT)
    parser.add_argument("--region", default=DEFAULT_REGION)
    options = parser.parse_args(arguments)
    try:
        start(Settings(options.data_dir.absolute(), options.port, options.account, options.region))
    except (StartError, StateError, PortTakenError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the daemon's own last word
        return 1
    return 0


def start(settings: Settings) -> None:
    """Take the data folder, bind the port and serve; raise StartError, StateError or PortTakenError."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"{settings.data_dir}: {error.strerror}; choose another folder with --data-dir") from error
    with _locked(settings.data_dir):
        _log_to(settings.data_dir / LOG_FILE)
        sock = bind(LOOPBACK, settings.port)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, sock))


def purge(data_dir: Path) -> None:
    """Remove everything that a daemon made on this folder, and the folder; raise StartError while one runs."""
    if not data_dir.exists():
        return
    with _locked(data_dir):
        shutil.rmtree(data_dir)


async def _run(settings: Settings, sock: socket.socket) -> None:
    cloud = Cloud(settings)
    state = settings.data_dir / STATE_FILE
    port = sock.getsockname()[1]

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
            },
        )
        log.info("serving on port %d", port)

    try:
        await cloud.run(sock, ready)
    finally:
        state.unlink(missing_ok=True)


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


def _log_to(path: Path) -> None:
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=10 << 20, backupCount=2)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)


if __name__ == "__main__":
    sys.exit(main())
