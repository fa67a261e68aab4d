"""`tidegate stop`: ends a deployment that will not work out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.context import Env, Folder, OneService, Profile, Region, chosen_service, opened
from tidegate.cli.output import say


def stop(
    service: OneService = None,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    abort: Annotated[
        bool, typer.Option("--abort", help="Leave everything as it is at this moment, instead of going back.")
    ] = False,
) -> None:
    """End the deployment under way at once, and the pipeline that waits for it. Example: tidegate stop web"""
    from tidegate.deploy.deployments import stop as stop_deployment

    with opened(folder, environment, region, profile) as project:
        chosen = chosen_service(project, service)
        stopped = stop_deployment(project, chosen, abort=abort)
    if stopped.execution:
        say(f"The pipeline does not wait for it any more: execution {stopped.execution[:8]} is abandoned.")
    if stopped.deployment is None:
        say(f"{chosen} has no deployment under way.")
    elif abort:
        say(f"The deployment of {chosen} has ended; its tasks stay as they are. To go on: tidegate rollback")
    else:
        say(f"The deployment of {chosen} has ended; the release before it serves. See tidegate history {chosen}")
