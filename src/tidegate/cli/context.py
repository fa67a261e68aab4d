"""From the folder that one stands in to a project: repository, manifest, environment, session."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli import completion
from tidegate.cli.output import note, stopped
from tidegate.cli.progress import make_progress
from tidegate.deploy.errors import UserError
from tidegate.deploy.local_cloud import LocalCloud, default_data_dir, find, last_port, require, runs_on

if TYPE_CHECKING:
    from tidegate.deploy.project import Project
    from tidegate.manifest import Manifest

Env = Annotated[
    str,
    typer.Option(
        "--env", help="The environment. Default: local, this machine.", autocompletion=completion.environments
    ),
]
OneService = Annotated[
    str | None, typer.Argument(help="The service. Default: the only one.", autocompletion=completion.services)
]
Region = Annotated[str | None, typer.Option("--region", help="The AWS region, if not that of the credentials.")]
Profile = Annotated[str | None, typer.Option("--profile", help="The profile of the AWS credentials.")]
AsJson = Annotated[bool, typer.Option("--json", help="For other programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Folder = Annotated[Path, typer.Option("--directory", "-C", help="The repository. Default: where you stand.")]

LOCAL = "local"
PIPELINE_PROFILE = "TIDEGATE_PIPELINE_PROFILE"  # where the pipeline is in another account than the environment
_START_TIMEOUT = 20.0  # seconds that one that another command has started may take


@contextmanager
def opened(
    folder: Path, environment: str, region: str | None, profile: str | None, *, start: bool = False
) -> Iterator[Project]:
    """Yield the project of a folder; with `start`, start the local cloud if it is needed and does not run.

    Ctrl-C ends every wait in it at once, and is told with the command that goes on.
    """
    from tidegate.deploy.progress import Pace, StoppedError
    from tidegate.deploy.project import Project
    from tidegate.deploy.repository import Repository
    from tidegate.deploy.session import open_session

    repository = Repository.containing(folder, os.environ)
    manifest = load_manifest(repository.root, environment)
    data_dir = default_data_dir(os.environ)
    if start and environment == LOCAL and "AWS_ENDPOINT_URL" not in os.environ:
        started = ensure_local_cloud(data_dir)
        ensure_engine(data_dir, started=started)
    place, at_home = manifest.place_of(environment), manifest.home_of(environment)
    session = open_session(environment, os.environ, data_dir, region=region or place.region, profile=profile)
    home = session if at_home.region == place.region else session.at(at_home.region)
    if at_home.account != place.account:
        pipeline_profile = os.environ.get(PIPELINE_PROFILE)
        if pipeline_profile is None:
            why = f"the pipeline is in account {at_home.account}, and {environment} in {place.account}"
            next_step = f"{PIPELINE_PROFILE}=… with a profile of the first, --profile with one of the second"
            raise UserError("AWS credentials", why, next_step)
        home = open_session(environment, os.environ, data_dir, region=at_home.region, profile=pipeline_profile)
    progress, pace = make_progress(), Pace()
    for each in (session, home):
        each.throttled = lambda operation: progress.step("AWS", f"has enough of {operation} for now: waiting")
    try:
        yield Project(manifest, environment, repository, session, home, progress, pace)
    except (KeyboardInterrupt, StoppedError):
        pace.stop()
        progress.close()
        raise stopped() from None
    except Exception as error:
        gone = session.unreachable(error)
        if gone is None:
            raise
        raise gone from error
    finally:
        progress.close()


def chosen_service(project: Project, name: str | None) -> str:
    """Return the service that is meant: the one that is named, or the only one; raise `UserError` otherwise."""
    known = list(project.manifest.services)
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        raise UserError("service", f"which one? tidegate.yml has {', '.join(known)}", "the same command with its name")
    if name not in known:
        why = f"tidegate.yml has none of this name; it has {', '.join(known)}"
        raise UserError(f"service {name}", why, "tidegate status")
    return name


def agreed(question: str, command: str, *, yes: bool) -> None:
    """Ask whether to go on, and end the command where the answer is no; raise `UserError` where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UserError(command, "there is no terminal to ask on", f"tidegate {command} --yes")
    if not typer.confirm(question):
        raise typer.Exit(1)


def load_manifest(root: Path, environment: str | None) -> Manifest:
    """Return the manifest at a repository's root; raise `UserError` with every fault in it."""
    from tidegate.manifest import FILE_NAME, ManifestError, load

    try:
        return load(root / FILE_NAME, environment)
    except ManifestError as error:
        faults = [str(fault) for fault in error.faults]
        first, *more = faults
        if first.startswith(FILE_NAME):
            what, _, rest = first.partition(": ")
            why, _, next_step = rest.partition("; run ")
            raise UserError(what, why, next_step) from None
        raise UserError(FILE_NAME, "\n  ".join([first, *more]), f"edit {root / FILE_NAME}") from None


def ensure_local_cloud(data_dir: Path) -> bool:
    """Start the local cloud if none runs on this folder; return whether it was started."""
    if _running(data_dir) is not None:
        return False
    from tidegate.cli.local import DEFAULT_ACCOUNT, DEFAULT_PORT, DEFAULT_REGION, start_detached

    note("The local cloud does not run: starting it")
    port = last_port(data_dir) or DEFAULT_PORT
    try:
        start_detached(data_dir, port, DEFAULT_ACCOUNT, DEFAULT_REGION)
    except UserError as error:
        if error.what == f"port {port}":
            next_step = f"stop that program, or tidegate local start --detach --port {port + 1}"
            raise UserError(error.what, error.why, next_step) from None
        raise
    return True


def _running(data_dir: Path) -> LocalCloud | None:
    """Return the local cloud that runs, once it answers; None where there is none. One may be starting or ending."""
    deadline = time.monotonic() + _START_TIMEOUT
    while runs_on(data_dir):
        cloud = find(data_dir)
        if cloud is not None and cloud.answers():
            return cloud
        if time.monotonic() > deadline:
            next_step = f"see {data_dir / 'daemon.log'}, then tidegate local stop"
            raise UserError("local cloud", f"it runs on {data_dir}, but does not answer", next_step)
        time.sleep(0.02)
    return None


def ensure_engine(data_dir: Path, *, started: bool) -> None:
    """Raise `UserError` where the local cloud has no container engine to run anything on.

    It takes DOCKER_HOST when it starts. So one that was `started` for nothing ends again, and the next command
    starts it with what is set then.
    """
    cloud = require(data_dir)
    fault = cloud.engine_fault()
    if not fault:
        return
    what, _, rest = fault.partition(": ")
    why, _, next_step = rest.partition("; ")
    if started:
        from tidegate.cli.local import stop_running

        stop_running(cloud)
        raise UserError(what, why, next_step)
    raise UserError(what, why, f"{next_step}, then tidegate local stop and this command again")
