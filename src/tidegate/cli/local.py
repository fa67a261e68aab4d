"""`tidegate local`: the local cloud on its own."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.output import note, say, show_json
from tidegate.deploy.errors import UserError
from tidegate.deploy.local_cloud import LocalCloud, default_data_dir, find, last_port, require, runs_on

app = typer.Typer(
    help="The local cloud: AWS's APIs on this machine, every resource real.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The folder of its state. Default: $TIDEGATE_DATA_DIR or the user's data folder."),
]
DEFAULT_PORT, DEFAULT_ACCOUNT, DEFAULT_REGION = 4650, "000000000000", "us-east-1"
_START_TIMEOUT = 20.0
_STOP_TIMEOUT = 60.0


@app.command()
def start(
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            help=f"The one port of all APIs, the registry and git. Default: the last one, {DEFAULT_PORT} at first.",
        ),
    ] = None,
    data_dir: DataDir = None,
    account: Annotated[str, typer.Option(help="The account number: 12 digits.")] = DEFAULT_ACCOUNT,
    region: Annotated[str, typer.Option(help="The region that `local env` names.")] = DEFAULT_REGION,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it answers.")] = False,
) -> None:
    """Start the local cloud. Example: tidegate local start --detach"""
    folder = _folder(data_dir)
    running = find(folder)
    port = port or last_port(folder) or DEFAULT_PORT
    if running is not None and detach:
        say(f"The local cloud already answers at {running.endpoint}")
        return
    if detach:
        cloud = start_detached(folder, port, account, region)
        say(f"The local cloud answers at {cloud.endpoint}")
        say('Point any AWS client at it: eval "$(tidegate local env)"')
        return
    from tidegate.cloud import daemon

    if running is None:
        note(f"The local cloud starts on http://127.0.0.1:{port}, until Ctrl-C; its log is {folder / daemon.LOG_FILE}")
    sys.exit(daemon.main(_arguments(folder, port, account, region)))


@app.command()
def stop(data_dir: DataDir = None) -> None:
    """Stop the local cloud and what runs in it; its state stays. Example: tidegate local stop"""
    folder = _folder(data_dir)
    cloud = find(folder)
    if cloud is None:
        say("The local cloud does not run.")
        return
    stop_running(cloud)
    say(f"The local cloud has stopped; its state stays in {folder}")


@app.command()
def status(
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
) -> None:
    """Say whether it runs, and where. Example: tidegate local status --json"""
    cloud = require(_folder(data_dir))
    if as_json:
        names = ("endpoint", "console", "registry", "pid", "data_dir", "account", "region", "token", "ca")
        show_json({name: getattr(cloud, name) for name in names})
        return
    say(f"endpoint  {cloud.endpoint}")
    say(f"registry  {cloud.registry}")
    say(f"authority {cloud.ca}")
    say(f"account   {cloud.account}, region {cloud.region}")
    say(f"process   {cloud.pid}, state in {cloud.data_dir}")


@app.command()
def env(
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
) -> None:
    """Print the variables that point any AWS client at it. Example: eval "$(tidegate local env)"."""
    variables = require(_folder(data_dir)).environment
    if as_json:
        show_json(variables)
        return
    for name, value in variables.items():
        say(f"export {name}={shlex.quote(value)}")


@app.command()
def reset(
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop it and remove all it made: state, containers, networks, image tags. Example: tidegate local reset --yes"""
    folder = _folder(data_dir)
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("reset", "it removes everything, and there is no terminal to ask on", "add --yes")
        typer.confirm(f"Remove all state in {folder} and everything that runs on it?", abort=True)
    remove(folder)
    say("The local cloud is gone: no state, container, network or image tag of it is left.")


def remove(folder: Path) -> None:
    """Stop the local cloud of a folder, and remove it with everything that it made."""
    from tidegate.cloud import daemon

    cloud = find(folder)
    if cloud is not None:
        stop_running(cloud)
    daemon.purge(folder)


def start_detached(folder: Path, port: int, account: str, region: str) -> LocalCloud:
    """Start the daemon as a process of its own and return once it answers; raise `UserError` if it does not."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(str(folder), str(error.strerror), "choose another folder with --data-dir") from error
    output = folder / "start.log"
    command = [sys.executable, "-m", "tidegate.cloud.daemon", *_arguments(folder, port, account, region)]
    with output.open("wb") as log, Path(os.devnull).open("rb") as nothing:
        pid = os.posix_spawn(
            sys.executable,
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
            ],
            setsid=True,
        )
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        cloud = find(folder)
        if cloud is not None and cloud.pid == pid and cloud.answers():
            return cloud
        ended, _ = os.waitpid(pid, os.WNOHANG)
        if ended:
            raise _last_word(output)
        time.sleep(0.01)
    raise UserError("local cloud", f"it did not answer within {_START_TIMEOUT:.0f} s", f"see {folder / 'daemon.log'}")


def stop_running(cloud: LocalCloud) -> None:
    """Stop a daemon and wait until its process has ended; raise `UserError` if it does not."""
    try:
        cloud.stop()
    except OSError:  # it does not answer: ask the process itself
        os.kill(cloud.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT
    while time.monotonic() < deadline:
        if not runs_on(Path(cloud.data_dir)):
            return
        time.sleep(0.02)
    raise UserError("local cloud", f"process {cloud.pid} does not end", f"kill -9 {cloud.pid}")


def _last_word(output: Path) -> UserError:
    """Return the error with which a daemon ended, as it prints it."""
    lines = output.read_text().splitlines()
    if len(lines) > 1 and lines[-1].startswith("  next: "):
        what, _, why = lines[-2].removeprefix("error: ").partition(": ")
        return UserError(what, why, lines[-1].removeprefix("  next: "))
    # it did not foresee this: the last line is that of a traceback
    return UserError("local cloud", lines[-1] if lines else "it ended at its start", f"see {output}")


def _folder(data_dir: Path | None) -> Path:
    return data_dir.absolute() if data_dir is not None else default_data_dir(os.environ)


def _arguments(folder: Path, port: int, account: str, region: str) -> list[str]:
    return ["--data-dir", str(folder), "--port", str(port), "--account", account, "--region", region]
