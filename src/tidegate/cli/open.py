"""`tidegate open`: what the browser shows of it."""

from __future__ import annotations

from pathlib import Path

from tidegate.cli.context import Env, Folder, OneService, Profile, Region, chosen_service, opened
from tidegate.cli.output import note, say


def open_service(
    service: OneService = None,
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Open a service in the browser; where there is none, print its address. Example: tidegate open --env staging"""
    import webbrowser

    from tidegate.deploy.address import address

    with opened(folder, environment, region, profile) as project:
        project.progress.close()
        url = address(project, None if service is None else chosen_service(project, service))
    say(url)
    if not webbrowser.open(url):
        note("There is no browser here: open it elsewhere.")
