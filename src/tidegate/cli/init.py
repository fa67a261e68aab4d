"""`tidegate init`: reads the repository and writes the smallest files that work."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.context import Folder, Yes
from tidegate.cli.output import say
from tidegate.deploy.errors import UserError

if TYPE_CHECKING:
    from tidegate.manifest.detect import Found
    from tidegate.manifest.frameworks import Framework


def init(
    folder: Folder = Path(),
    app: Annotated[str | None, typer.Option(help="The app's name. Default: the folder's.")] = None,
    port: Annotated[int | None, typer.Option(help="The port that the container listens on.")] = None,
    yes: Yes = False,
) -> None:
    """Write tidegate.yml and buildspec.yml for this repository; asks before it overwrites. Example: tidegate init"""
    from tidegate.deploy.repository import Repository
    from tidegate.manifest import FILE_NAME
    from tidegate.manifest.detect import detect
    from tidegate.template.buildspec import BUILDSPEC

    repository = Repository.containing(folder, os.environ)
    root = repository.root
    asks = sys.stdin.isatty() and not yes
    found = detect(root, repository.origin(), repository.branch())
    if found is None:
        raise UserError(
            str(root),
            "there is no Dockerfile",
            "write one (docs.docker.com/build/concepts/dockerfile), then tidegate init",
        )
    found = _with_port(replace(found, app=app or found.app), port, asks=asks)
    files = {FILE_NAME: found.manifest(), "buildspec.yml": BUILDSPEC}
    if found.framework is not None:
        files |= _proposed(root, found.framework, asks=asks, yes=yes)
    written = [name for name, content in files.items() if _write(root / name, content, asks=asks)]
    _tell(found)
    if written:
        say(f"Read them, then commit them: git add {' '.join(written)} && git commit -m 'Deploy with Tidegate'")
    say("To see what would be made: tidegate plan. To make it on this machine: tidegate up")


def _with_port(found: Found, port: int | None, *, asks: bool) -> Found:
    """Return what was found, its port as somebody says where nothing else does."""
    if len(found.services) > 1:
        if port is not None:
            names = ", ".join(service.name for service in found.services)
            raise UserError("--port", f"there are several services: {names}", "tidegate init, then edit tidegate.yml")
        return found
    if port is None and found.services[0].port is None and asks:
        answer = typer.prompt("Which port does the container listen on? (empty: none, a worker)", default="")
        port = int(answer) if answer.isdigit() else None
    return found if port is None else found.with_port(port)


def _proposed(root: Path, framework: Framework, *, asks: bool, yes: bool) -> dict[str, str]:
    """Return the Dockerfile for an app that has none, once somebody has agreed to it."""
    if not asks and not yes:
        raise UserError(
            str(root),
            f"there is no Dockerfile; it looks like {framework.name}",
            "tidegate init --yes, which writes one",
        )
    say(f"There is no Dockerfile. This is {framework.name}, for which this one fits:\n")
    say("\n".join(f"    {line}" for line in framework.dockerfile.splitlines()) + "\n")
    if asks and not typer.confirm("Write it?", default=True):
        raise UserError(str(root), "there is no Dockerfile", "write one, then tidegate init")
    ignore = {} if (root / ".dockerignore").exists() else {".dockerignore": framework.dockerignore}
    return {"Dockerfile": framework.dockerfile, **ignore}


def _tell(found: Found) -> None:
    """Say what was found that somebody may see otherwise."""
    for service in found.services:
        listens = (
            f"listens on {service.port}" if service.port is not None else "a worker, for nothing says that it listens"
        )
        path = f", gets the requests for {service.path}" if service.path is not None else ""
        say(f"service {service.name}: {service.dockerfile}, {listens}{path}")
    if found.remote is not None:
        say(f"source: {found.remote.repository} at {found.remote.provider}, branch {found.branch}")


def _write(path: Path, content: str, *, asks: bool) -> bool:
    if path.exists():
        differs = path.read_text(errors="replace") != content
        if not (differs and asks and typer.confirm(f"{path.name} is there already. Write it anew?", default=False)):
            say(f"{path.name} is there already: it stays as it is")
            return False
    path.write_text(content)
    say(f"{path.name} written")
    return True
