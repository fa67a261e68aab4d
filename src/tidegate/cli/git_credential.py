"""`tidegate git-credential`: what git asks when the remote `tidegate` wants a password.

Every `git push` waits for it, so it imports next to nothing: no typer, and boto3 only for an account's keys.
"""

from __future__ import annotations

import argparse
import os
import sys

from tidegate.cli.output import say
from tidegate.deploy.git_password import git_password
from tidegate.deploy.local_cloud import default_data_dir
from tidegate.deploy.session import LOCAL, find_keys


def git_credential() -> None:
    """Answer git's credential protocol with a signature that is good for minutes (gitcredentials(7))."""
    options = _options().parse_args(sys.argv[2:])
    if options.action != "get":
        return
    asked = dict(line.split("=", 1) for line in sys.stdin.read().splitlines() if "=" in line)
    url = f"{asked.get('protocol', '')}://{asked.get('host', '')}/{asked.get('path', '')}"
    data_dir = default_data_dir(os.environ)
    keys = find_keys(options.env, os.environ, data_dir, region=options.region, profile=options.profile)
    user, password = git_password(url, keys)
    say(f"username={user}")
    say(f"password={password}")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("tidegate git-credential", description="What git asks for a password.")
    parser.add_argument("action", help="what git wants: get, store or erase")
    parser.add_argument("--env", default=LOCAL, help="the environment; default: local, this machine")
    parser.add_argument("--region", help="the AWS region, if not that of the credentials")
    parser.add_argument("--profile", help="the profile of the AWS credentials")
    return parser
