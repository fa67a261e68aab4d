"""`tidegate init`: reads the repository and writes the smallest files that work."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.context import Folder, Yes
from tidegate.cli.output import say
from tidegate.deploy.errors import UserError


def init(
    folder: Folder = Path(),
    app: Annotated[str | None, typer.Option(help="The app's name. Default: the folder's.")] = None,
    port: Annotated[int | None, typer.Option(help="The port that the container listens on.")] = None,
    yes: Yes = False,
) -> None:
    """Write tidegate.yml and buildspec.yml for this repository; nothing is overwritten. Example: tidegate init"""
    from tidegate.deploy.repository import Repository
    from tidegate.manifest import FILE_NAME
    from tidegate.manifest.detect import Found, detect
    from tidegate.template.buildspec import BUILDSPEC

    repository = Repository.containing(folder, os.environ)
    root = repository.root
    found = detect(root)
    if found is None:
        raise UserError(
            str(root),
            "there is no Dockerfile",
            "write one (docs.docker.com/build/concepts/dockerfile), then tidegate init",
        )
    name = app or found.app
    chosen = port or found.port
    if chosen is None and sys.stdin.isatty() and not yes:
        answer = typer.prompt("Which port does the container listen on? (empty: none, a worker)", default="")
        chosen = int(answer) if answer else None
    written = [
        _write(root / FILE_NAME, Found(name, found.service, found.dockerfile, chosen, repository.branch()).manifest()),
        _write(root / "buildspec.yml", BUILDSPEC),
    ]
    if any(written):
        say(f"Commit them: git add {FILE_NAME} buildspec.yml && git commit -m 'Deploy with Tidegate'")
    say("To see what would be made: tidegate plan. To make it on this machine: tidegate up")


def _write(path: Path, content: str) -> bool:
    if path.exists():
        say(f"{path.name} is there already: it stays as it is")
        return False
    path.write_text(content)
    say(f"{path.name} written")
    return True
