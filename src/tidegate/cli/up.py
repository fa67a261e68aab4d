"""`tidegate up`: from the manifest to running services with their pipeline."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from tidegate.cli.context import Env, Folder, Profile, Region, Yes, opened
from tidegate.cli.output import say
from tidegate.cli.plan import expect, show
from tidegate.deploy.errors import UserError


def up(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
) -> None:
    """Make it so: stacks, first image, services, pipeline. Safe to run again. Example: tidegate up --env staging"""
    from tidegate.deploy.up import Deployment

    with opened(folder, environment, region, profile, start=True) as project:
        deployment = Deployment(project)
        deployment.check()
        plans = deployment.plan()
        if not plans.empty and not yes:
            project.progress.close()
            show(plans, expect(project, plans))
            if not sys.stdin.isatty():
                deployment.discard(plans)
                raise UserError("up", "there are changes, and no terminal to ask on", "tidegate up --yes")
            if not typer.confirm(f"Change {project.app} in {environment}?"):
                deployment.discard(plans)
                raise typer.Exit(1)
        url = deployment.run(plans)
    say()
    say(f"{project.app} runs in {environment}" + (f" at {url}" if url else ""))
    say("Change something, commit it, and take it live: tidegate push")
