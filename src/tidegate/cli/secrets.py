"""`tidegate secrets`: what services are not to have in their settings for everybody to read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.context import AsJson, Env, Folder, Profile, Region, Yes, agreed, opened
from tidegate.cli.output import note, say, show_json
from tidegate.deploy.errors import UserError

app = typer.Typer(
    help="Secrets, in SSM's parameter store, encrypted: set, list, rm.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[
    str,
    typer.Argument(help="The variable in tidegate.yml, or the parameter's name. A new NAME is /APP/ENV/NAME."),
]


@app.command("set")
def set_secret(
    name: Name,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Replace the tasks of the services that use it, so that they read it.")
    ] = False,
) -> None:
    """Write a secret; its value is asked for, or comes by standard input. Example: tidegate secrets set API_KEY"""
    from tidegate.deploy.parameters import Parameters

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        parameters = Parameters(project)
        parameter = parameters.name(name)
        version = parameters.write(parameter, _value(parameter))
        say(f"{parameter} is set, version {version}")
        readers = parameters.used_by(parameter)
        if not readers:
            say(f"No service reads it yet. In tidegate.yml: secrets: {{{_variable(name)}: ssm:{parameter}}}")
        for service in sorted({each.service for each in readers}):
            if restart:
                say(f"{service} has it after {parameters.restart(service):.1f} s")
            else:
                say(f"{service} reads it when a task starts: with the next deployment, or now with --restart")


@app.command("list")
def list_secrets(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show names, versions, dates, and who uses them; never values. Example: tidegate secrets list --json"""
    from tidegate.deploy.parameters import Parameters

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        found = Parameters(project).listed()
    if as_json:
        show_json([each.document() for each in found])
        return
    if not found:
        say(f"There are none in {environment}. To make one: tidegate secrets set NAME")
    for each in found:
        users = ", ".join(f"{use.service} as {use.variable}" for use in each.used_by) or "nobody"
        if each.changed is None:
            say(f"✗ {each.name}  missing, but used by {users}: tidegate secrets set {each.name}")
        else:
            say(f"  {each.name}  version {each.version}, {each.changed.astimezone():%Y-%m-%d %H:%M}, used by {users}")


@app.command("rm")
def remove_secret(
    name: Name,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
) -> None:
    """Remove a secret with all its versions. Example: tidegate secrets rm DATABASE_URL --env staging"""
    from tidegate.deploy.parameters import Parameters

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        parameters = Parameters(project)
        parameter = parameters.name(name)
        if not parameters.exists(parameter):
            raise UserError(f"secret {parameter}", "there is none", "tidegate secrets list")
        for use in parameters.used_by(parameter):
            note(f"tidegate.yml still uses it: {use.service} reads it as {use.variable}, and no new task will start.")
        agreed(f"Remove {parameter} from {environment}?", "secrets rm", yes=yes)
        parameters.remove(parameter)
    say(f"{parameter} is gone.")


def _value(parameter: str) -> str:
    """Return the value, which is never on a command line and never printed."""
    if sys.stdin.isatty():
        value = str(
            typer.prompt(f"Value of {parameter} (it is not shown)", hide_input=True, default="", show_default=False)
        )
    else:
        value = sys.stdin.read().removesuffix("\n")
    if not value:
        raise UserError(
            f"secret {parameter}", "its value is empty", "the same command, with the value on standard input"
        )
    return value


def _variable(name: str) -> str:
    """Return the variable that a parameter would be: `/hello/database-url` -> DATABASE_URL."""
    return name.rpartition("/")[2].upper().replace("-", "_").replace(".", "_")
