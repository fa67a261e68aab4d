"""`tidegate eject`: the CloudFormation of all stacks as files, with the commands that need no Tidegate."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.context import Env, Folder, Yes, load_manifest
from tidegate.cli.output import say
from tidegate.deploy.errors import UserError


def eject(
    to: Annotated[Path, typer.Argument(help="The folder to write to.")] = Path("eject"),
    folder: Folder = Path(),
    environment: Env = "local",
    yes: Yes = False,
) -> None:
    """Write the CloudFormation of all stacks, usable with the plain AWS CLI. Example: tidegate eject infrastructure"""
    from tidegate.deploy.repository import Repository
    from tidegate.template.eject import ejected

    repository = Repository.containing(folder, os.environ)
    manifest = load_manifest(repository.root, environment)
    target = to.absolute()
    inside = target.is_relative_to(repository.root)
    named = target.relative_to(repository.root) if inside else target
    files = ejected(manifest, manifest.stages_of(environment), repository.text("buildspec.yml"), str(named))
    _ask(to, [name for name, text in files.items() if _differs(target / name, text)], yes=yes)
    for name, text in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        say(f"{to / name} written")
    say(f"Read {to / 'README.md'}: it has the commands in their order. Tidegate goes on working as before.")


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(errors="replace") != text


def _ask(to: Path, differing: list[str], *, yes: bool) -> None:
    if not differing or yes:
        return
    told = f"{', '.join(differing[:3])}{' and more' if len(differing) > 3 else ''}"
    if not sys.stdin.isatty():
        why = f"there are other files of these names already ({told}), and no terminal to ask on"
        raise UserError(str(to), why, "tidegate eject --yes writes them anew, or name another folder")
    if not typer.confirm(f"{to} has other files of these names already ({told}). Write them anew?"):
        raise typer.Exit(1)
