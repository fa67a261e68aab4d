"""`tidegate down`: takes everything away again."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from tidegate.cli.context import Env, Folder, Profile, Region, Yes, opened
from tidegate.cli.output import say
from tidegate.deploy.errors import UserError


def down(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
) -> None:
    """Remove everything that `up` made, images and artifacts included. Example: tidegate down --env staging"""
    from tidegate.deploy.down import Teardown

    with opened(folder, environment, region, profile) as project:
        teardown = Teardown(project)
        stacks = teardown.existing()
        if stacks and not yes:
            project.progress.close()
            say("This removes the stacks " + ", ".join(stacks) + " with all that is in them.")
            if not sys.stdin.isatty():
                raise UserError("down", "there is no terminal to ask on", "tidegate down --yes")
            if not typer.confirm(f"Remove {project.app} from {environment}?"):
                raise typer.Exit(1)
        kept = teardown.run()
    for each in kept:
        say(f"Kept: {each}")
    say(f"{project.app} is gone from {environment}.")
