"""`tidegate exec`: a shell, or another command, in a task that runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.completion import services
from tidegate.cli.context import Env, Folder, Profile, Region, chosen_service, opened
from tidegate.cli.output import note
from tidegate.cli.trailing import trailing

_SHELL = ["/bin/sh"]


def execute(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="The service.", autocompletion=services)],
    task: Annotated[
        str | None, typer.Option("--task", help="The task, by the start of its id. Default: the newest.")
    ] = None,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Open a shell in a running task, or run a command there. Example: tidegate exec web -- ls -l /app

    tidegate.yml has to allow it: `exec: true` at the service. No session-manager-plugin is needed. AWS does not tell
    with which exit code a command ended; where it is told, it is the exit code here.
    """
    from tidegate.cli.terminal import lent
    from tidegate.deploy.data_channel import connected
    from tidegate.deploy.tasks import execute as execute_in_task

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        chosen = chosen_service(project, service)
        session = execute_in_task(project, chosen, trailing(context) or _SHELL, task)
        note(f"Task {session.task} of {chosen} in {environment}")
        with connected(session.url) as channel, lent(channel.write, channel.resize):
            code, last_word = channel.run(session.token, _show)
    if last_word:
        note(last_word)
    if code:
        raise typer.Exit(code)


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
