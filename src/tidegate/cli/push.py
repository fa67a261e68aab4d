"""`tidegate push`: takes a commit live and shows the way."""

from __future__ import annotations

from pathlib import Path

from tidegate.cli.context import Env, Folder, Profile, Region, opened
from tidegate.cli.output import note, say


def push(folder: Folder = Path(), environment: Env = "local", region: Region = None, profile: Profile = None) -> None:
    """Push HEAD to the pipeline's branch and follow it until it is live. Example: git commit -am x && tidegate push"""
    from tidegate.deploy.push import push as push_commit

    with opened(folder, environment, region, profile) as project:
        uncommitted = project.repository.uncommitted()
        if uncommitted:
            note(f"Not pushed, for it is not committed: {', '.join(uncommitted[:5])}")
        pushed = push_commit(project)
    if not pushed.new:
        say(f"Nothing to push: the branch has {pushed.commit.short} already.")
        return
    say()
    say(f"{pushed.commit.short} is live after {pushed.seconds:.1f} s" + (f": {pushed.url}" if pushed.url else ""))
