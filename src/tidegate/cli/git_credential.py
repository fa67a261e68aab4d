"""`tidegate git-credential`: what git asks when the remote `tidegate` wants a password."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from tidegate.cli.context import Env, Profile, Region
from tidegate.cli.output import say
from tidegate.deploy.local_cloud import default_data_dir


def git_credential(
    action: Annotated[str, typer.Argument(help="What git wants: get, store or erase.")],
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Answer git's credential protocol with a signature that is good for minutes (gitcredentials(7))."""
    if action != "get":
        return
    from tidegate.deploy.repository import git_password
    from tidegate.deploy.session import open_session

    asked = dict(line.split("=", 1) for line in sys.stdin.read().splitlines() if "=" in line)
    url = f"{asked.get('protocol', '')}://{asked.get('host', '')}/{asked.get('path', '')}"
    session = open_session(environment, os.environ, default_data_dir(os.environ), region=region, profile=profile)
    user, password = git_password(url, session)
    say(f"username={user}")
    say(f"password={password}")
