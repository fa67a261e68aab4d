"""`tidegate up` and `tidegate plan`: from the manifest to running services with their pipeline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tidegate.cli.context import AsJson, Env, Folder, Profile, Region, Yes, opened
from tidegate.cli.output import say, show_json
from tidegate.deploy.errors import UserError

if TYPE_CHECKING:
    from tidegate.deploy.up import Plans

_SIGNS = {"Add": "+", "Modify": "~", "Replace": "!", "Remove": "-"}
_CHANGES = 2  # the exit code of a plan that is not empty


def plan(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show what `up` would change, and change nothing. Exit 0: nothing to do, 2: changes. Example: tidegate plan"""
    from tidegate.deploy.up import Deployment

    with opened(folder, environment, region, profile, start=True) as project:
        deployment = Deployment(project)
        deployment.check()
        plans = deployment.plan()
        deployment.discard(plans)
    if as_json:
        show_json({each.name: [vars_of(change) for change in each.changes] for each in plans.all})
    else:
        _show(plans)
    if not plans.empty:
        raise typer.Exit(_CHANGES)


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
            _show(plans)
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


def vars_of(change: object) -> dict[str, object]:
    """Return a change's fields for JSON."""
    from dataclasses import asdict

    return asdict(change)  # type: ignore[call-overload, no-any-return]


def _show(plans: Plans) -> None:
    if plans.empty:
        say("Nothing to change.")
        return
    for each in plans.all:
        if not each.changes:
            say(f"{each.name}: nothing to change")
            continue
        say(f"{each.name}:" + ("" if each.exists else " new"))
        for change in each.changes:
            word = "replace" if change.action == "Replace" else ""
            properties = f" ({', '.join(change.properties)})" if change.properties else ""
            kind = change.type.removeprefix("AWS::")
            say(f"  {_SIGNS[change.action]} {change.resource}  {kind}{properties} {word}".rstrip())
