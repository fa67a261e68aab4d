"""`tidegate logs`: what containers and builds write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.context import Env, Folder, Profile, Region, opened
from tidegate.cli.output import say
from tidegate.deploy.errors import UserError

_SINCE = re.compile(r"^(\d+)([smhd])$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def logs(
    service: Annotated[str | None, typer.Argument(help="The service. Default: the only one, or the first.")] = None,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(help="How far back: 30s, 10m, 2h, 1d.")] = "10m",
    build: Annotated[bool, typer.Option("--build", help="The builds' log instead of the containers'.")] = False,
) -> None:
    """Show what a service's containers, or its builds, have written. Example: tidegate logs web -f --since 1h"""
    from tidegate.deploy.logs import build_events, service_events

    begin = datetime.now(UTC) - _duration(since)
    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        name = service or next(iter(project.manifest.services))
        if name not in project.manifest.services:
            raise UserError(f"service {name}", "tidegate.yml has none of this name", "tidegate status")
        events = (build_events if build else service_events)(project, name, begin, follow=follow)
        for event in events:
            say(f"{event.time.astimezone():%H:%M:%S} {event.source} {event.text}")


def _duration(text: str) -> timedelta:
    match = _SINCE.match(text)
    if match is None:
        raise UserError(f"--since {text}", "it is no duration", "write 30s, 10m, 2h or 1d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
