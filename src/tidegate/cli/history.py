"""`tidegate history`: the releases that ran."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.context import AsJson, Env, Folder, OneService, Profile, Region, chosen_service, opened
from tidegate.cli.output import say, show_json

if TYPE_CHECKING:
    from tidegate.deploy.releases import Release

_SIGNS = {"live": "✓", "replaced": " ", "deploying": "…"}


def history(
    service: OneService = None,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=100, help="How many releases.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the releases: commit, image, who, when, how long, and what became of them. Example: tidegate history web"""
    from tidegate.deploy.releases import releases

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        chosen = list(project.manifest.services) if service is None else [chosen_service(project, service)]
        found = {name: releases(project, name, number) for name in chosen}
    if as_json:
        show_json({name: [each.document() for each in some] for name, some in found.items()})
        return
    for name, some in found.items():
        say(f"{name} in {environment}")
        for each in some:
            _show(each)


def _show(release: Release) -> None:
    copy = f" = {release.copy_of}" if release.copy_of else ""
    took = f"{release.seconds:.1f} s" if release.seconds is not None else ""
    say(
        f"  {_SIGNS.get(release.outcome, '✗')} {release.number}{copy:<6} {release.outcome:<10} "
        f"{release.started.astimezone():%Y-%m-%d %H:%M:%S}  {took:>8}  {release.commit or '-':<8} "
        f"{release.digest[:19] or '-'}  {release.by}"
    )
    if release.message:
        say(f"        {release.message}")
    if release.image_gone:
        say("        the registry does not have its image any more: it cannot be gone back to")
    if release.why:
        say(f"        why: {release.why}")
