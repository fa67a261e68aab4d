"""`tidegate scale`: how many tasks a service has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.completion import services
from tidegate.cli.context import Env, Folder, Profile, Region, chosen_service, opened
from tidegate.cli.output import say
from tidegate.deploy.errors import UserError


def scale(
    service: Annotated[str, typer.Argument(help="The service.", autocompletion=services)],
    minimum: Annotated[
        int | None, typer.Option("--min", min=0, help="The fewest that autoscaling goes down to.")
    ] = None,
    desired: Annotated[int | None, typer.Option("--desired", min=0, help="How many tasks run.")] = None,
    maximum: Annotated[int | None, typer.Option("--max", min=0, help="The most that autoscaling goes up to.")] = None,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Set how many tasks a service has, for now, and wait until they run. Example: tidegate scale web --desired 4"""
    from tidegate.deploy.deployments import settle
    from tidegate.deploy.scaling import scale as set_scale

    if minimum is None and desired is None and maximum is None:
        raise UserError("scale", "nothing is to be changed", f"tidegate scale {service} --desired 2")
    with opened(folder, environment, region, profile) as project:
        chosen = chosen_service(project, service)
        scaled = set_scale(project, chosen, minimum, desired, maximum)
        settle(project, chosen)
    say(f"{chosen} in {environment} has {scaled.after.key} (before: {scaled.before.key})")
    if scaled.kept:
        say("The next `tidegate up` leaves it so.")
    else:
        where = "" if environment == "local" else f" (or environments.{environment}.services.{chosen})"
        say(f"tidegate.yml says {scaled.manifest.key}: the next `tidegate up` goes back to that, and shows it before.")
        say(f"To keep what is now, write services.{chosen}{where}: {{{scaled.after.key}}}")
