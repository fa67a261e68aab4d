"""`tidegate rollback`: back to a release that ran before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.context import Env, Folder, OneService, Profile, Region, Yes, agreed, chosen_service, opened
from tidegate.cli.output import note, say
from tidegate.deploy.errors import UserError

if TYPE_CHECKING:
    from tidegate.deploy.rollback import Rollback


def rollback(
    number: Annotated[
        str | None,
        typer.Argument(
            metavar="[N]", help="The release, by its number in `tidegate history`. Default: the one before."
        ),
    ] = None,
    service: OneService = None,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    yes: Yes = False,
) -> None:
    """Go back to a release, its image and its settings, and wait until it serves. Example: tidegate rollback 7 web"""
    from tidegate.deploy.rollback import prepare, roll_back

    wanted, service = _arguments(number, service)
    with opened(folder, environment, region, profile) as project:
        chosen = chosen_service(project, service)
        prepared = prepare(project, chosen, wanted)
        agreed(
            f"Take {chosen} in {environment} from release {prepared.current} back to release {prepared.target}?",
            "rollback",
            yes=yes,
        )
        project.progress.step(f"service {chosen}", f"release {prepared.target} takes the place of {prepared.current}")
        done = roll_back(project, prepared)
    say()
    say(f"{chosen} serves release {prepared.target} again, as release {done.number}, after {done.seconds:.1f} s")
    _explain(prepared, environment)


def _explain(prepared: Rollback, environment: str) -> None:
    """Say what this means for what comes next."""
    if prepared.settings:
        say(f"Its settings came back with it; they differ in: {', '.join(prepared.settings)}.")
        say("If tidegate.yml says otherwise, change it there as well: the next `tidegate up` may put them back.")
    say("`tidegate up` keeps its image; the next push deploys over it.")
    if prepared.under_way:
        option = "" if environment == "local" else f" --env {environment}"
        note(
            f"The pipeline is about to deploy {prepared.under_way} over it. "
            f"To hold it: tidegate pipeline disable --reason 'rolled back'{option}"
        )


def _arguments(number: str | None, service: str | None) -> tuple[int | None, str | None]:
    """Return release and service: `rollback 7 web`, `rollback 7`, `rollback web`, `rollback`."""
    if number is None or number.isdigit():
        return (None if number is None else int(number)), service
    if service is None:
        return None, number
    raise UserError(f"release {number}", "it is no number", f"tidegate history {service}")
