"""`tidegate doctor`: what would fail, found before anything is made."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.context import AsJson, Env, Folder, Profile, Region, load_manifest
from tidegate.cli.output import say, show_json, stopped
from tidegate.cli.progress import Lines, make_progress
from tidegate.deploy.errors import UserError

if TYPE_CHECKING:
    from tidegate.cli.progress import Screen
    from tidegate.deploy.doctor import Patient
    from tidegate.deploy.progress import Progress
    from tidegate.judge.finding import Finding

_SIGNS = {"fault": "✗", "warning": "!", "note": "·", "fine": "✓"}


class _Quiet(Lines):
    """Progress that nobody reads: where the output is for a program or a file, only what was found counts."""

    def step(self, name: str, text: str) -> None:
        """Say nothing."""

    def done(self, name: str, text: str, seconds: float) -> None:
        """Say nothing."""

    def line(self, name: str, text: str) -> None:
        """Say nothing."""


def doctor(
    folder: Folder = Path(),
    environment: Env = "local",
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    trial: Annotated[
        bool, typer.Option("--trial/--no-trial", help="Build and run the services on this machine, too.")
    ] = True,
    roles: Annotated[
        bool,
        typer.Option("--roles", help="Prove the roles instead: no action is missing, none is superfluous. Minutes."),
    ] = False,
) -> None:
    """Find what would fail, and say how to mend it. Exit 1: something would. Example: tidegate doctor --env staging"""
    from tidegate.deploy.doctor import examine
    from tidegate.judge.finding import ordered

    if roles:
        if region is not None or profile is not None:
            why = "it makes a local cloud of its own, and asks no account"
            raise UserError("doctor --roles", why, "the same command without --region and --profile")
        _prove(folder, environment, as_json=as_json)
        return
    progress: Lines | Screen = _Quiet() if as_json or not sys.stdout.isatty() else make_progress()
    try:
        patient, first = _patient(folder, environment, region, profile, progress)
        found = ordered([*first, *(examine(patient, progress, run=trial) if patient is not None else [])])
    finally:
        progress.close()
    if as_json:
        show_json([each.document() for each in found])
    else:
        for line in told(found):
            say(line)
    if any(each.level == "fault" for each in found):
        raise typer.Exit(1)


def _prove(folder: Path, environment: str, *, as_json: bool) -> None:
    """Prove the roles and tell of it; exit 1 where one is too wide or too narrow."""
    from tidegate.cli.roles import prove_roles
    from tidegate.judge import roles

    progress: Lines | Screen = _Quiet() if as_json else make_progress()
    try:
        proof = prove_roles(folder, environment, progress)
    except KeyboardInterrupt:
        raise stopped() from None
    finally:
        progress.close()
    if as_json:
        show_json(proof.document)
    else:
        for line in roles.told(proof):
            say(line)
    if not proof.sound:
        raise typer.Exit(1)


def _patient(
    folder: Path, environment: str, region: str | None, profile: str | None, progress: Progress
) -> tuple[Patient | None, list[Finding]]:
    """Return what is to be examined, as far as there is anything, and what is found on the way to it."""
    from tidegate.deploy.doctor import Patient
    from tidegate.deploy.local_cloud import default_data_dir
    from tidegate.deploy.progress import Pace
    from tidegate.deploy.project import Project
    from tidegate.deploy.repository import Repository
    from tidegate.deploy.session import open_session
    from tidegate.judge.finding import Finding
    from tidegate.manifest.model import LOCAL

    try:
        repository = Repository.containing(folder, os.environ)
        manifest = load_manifest(repository.root, environment)
    except UserError as error:
        return None, [Finding("fault", error.what, error.why, error.next_step)]
    place, at_home = manifest.place_of(environment), manifest.home_of(environment)
    project, found = None, []
    try:
        data_dir = default_data_dir(os.environ)
        session = open_session(environment, os.environ, data_dir, region=region or place.region, profile=profile)
        session.account()
        project = Project(manifest, environment, repository, session, session.at(at_home.region), progress, Pace())
    except UserError as error:
        # the local cloud is started by the next command that needs it
        level = "note" if environment == LOCAL and error.what == "local cloud" else "fault"
        found.append(Finding(level, error.what, error.why, error.next_step))  # type: ignore[arg-type]
    return Patient(repository, manifest, environment, os.environ, project), found


def told(found: list[Finding]) -> list[str]:
    """Return findings as lines for people, the worst first."""
    lines = []
    for each in found:
        lines.append(f"{_SIGNS[each.level]} {each.topic}: {each.what}")
        if each.fix and each.level != "fine":
            lines.append(f"    fix: {each.fix}")
    counts = {level: sum(each.level == level for each in found) for level in ("fault", "warning", "note")}
    words = [f"{number} {level}{'' if number == 1 else 's'}" for level, number in counts.items() if number]
    verdict = "Something would fail" if counts["fault"] else "Nothing would fail"
    return [*lines, "", f"{verdict}: {', '.join(words) if words else 'no remarks'}"]
