"""`tidegate run`: a command of its own, with a service's image and settings."""

from __future__ import annotations

from pathlib import Path

import typer

from tidegate.cli.context import Env, Folder, OneService, Profile, Region, chosen_service, opened
from tidegate.cli.output import note, say
from tidegate.cli.trailing import trailing


def run(
    context: typer.Context,
    service: OneService = None,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Run a command once in a task of its own, show what it writes, end as it ends. Example: tidegate run web -- ls

    It has the image, settings, secrets, roles and network of the service, and does not get its requests: what
    migrations need. The command takes the place of the image's CMD; an ENTRYPOINT stays before it. Ctrl-C has the
    task end, too.
    """
    from tidegate.deploy.tasks import follow, start

    command = trailing(context)
    if not command:
        raise typer.BadParameter("what is to run? tidegate run [SERVICE] -- CMD...")
    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        chosen = chosen_service(project, service)
        task = start(project, chosen, command)
        title = f"task {task.id[:8]} of {chosen}, release {task.release}"  # beside the output, which is the command's
        code = follow(project, task, say, lambda step: note(f"  … {title}: {step}"))
        note(f"  … {title}: exit code {code}")
    raise typer.Exit(code)
