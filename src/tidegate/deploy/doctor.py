"""Preflight: everything that would fail, found before anything is made. Each finding comes with its fix."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tidegate.deploy import account
from tidegate.deploy.errors import UserError
from tidegate.deploy.progress import Progress
from tidegate.deploy.project import Project
from tidegate.deploy.repository import Repository
from tidegate.deploy.trial import Engine, Trial, shell_findings
from tidegate.judge import buildspec, context, dockerfile_faults
from tidegate.judge.finding import Finding, ordered
from tidegate.manifest import Manifest, Service
from tidegate.manifest.model import FILE_NAME, LOCAL
from tidegate.template.stacks import all_stacks

_DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. `project` None: there is no way to AWS (yet)."""

    repository: Repository
    manifest: Manifest
    environment: str
    environ: Mapping[str, str]
    project: Project | None = None


def examine(patient: Patient, progress: Progress, *, run: bool = True) -> list[Finding]:
    """Return what was found, the worst first; with `run`, services are built and tried on the container engine.

    What takes time is done at once.
    """
    checks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("git", lambda: list(_git(patient))),
        ("files", lambda: list(_files(patient))),
        ("templates", lambda: list(_templates(patient))),
    ]
    engine = Engine(patient.environ)
    fault = engine.fault()
    engine_findings = list(_engine(patient, fault))
    if run and fault is None:
        for name, service in patient.manifest.services.items():
            if (patient.repository.root / service.build.dockerfile).is_file():
                checks.append((f"trial of {name}", _trial(engine, patient, name, service)))
    if patient.project is not None:
        for title, check in account.CHECKS:
            checks.append((title, _asked(check, title, patient.project)))
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="doctor") as pool:
        futures = [pool.submit(_told, title, check, progress) for title, check in checks]
        found = [finding for future in futures for finding in future.result()]
    return ordered([*engine_findings, *found])


def _told(title: str, check: Callable[[], list[Finding]], progress: Progress) -> list[Finding]:
    from tidegate.deploy.progress import Pace

    began = Pace.now()
    progress.step(title, "looking")
    found = check()
    progress.done(title, "looked at", Pace.now() - began)
    return found


def _trial(engine: Engine, patient: Patient, name: str, service: Service) -> Callable[[], list[Finding]]:
    trial = Trial(engine, patient.repository.root, name, service)
    return lambda: [*trial.findings(), *shell_findings(engine, name, service)]


def _asked(check: Callable[[Project], Iterator[Finding]], title: str, project: Project) -> Callable[[], list[Finding]]:
    return lambda: account.checked(check, title, project)


def _engine(patient: Patient, fault: str | None) -> Iterator[Finding]:
    if fault is None:
        yield Finding("fine", "engine", "the container engine answers")
        return
    needed = patient.environment == LOCAL
    what = f"{fault}; " + ("the local cloud runs everything on it" if needed else "services are not tried")
    yield Finding("fault" if needed else "warning", "engine", what, "install or start Docker, or set DOCKER_HOST")


def _git(patient: Patient) -> Iterator[Finding]:
    repository, source = patient.repository, patient.manifest.source
    try:
        head = repository.head()
    except UserError as error:
        yield Finding("fault", "git", error.why, error.next_step)
        return
    # tidegate.yml alone is read as it lies in the folder
    uncommitted = [each for each in repository.uncommitted() if each != FILE_NAME]
    if uncommitted:
        told = ", ".join(uncommitted[:3]) + (" and more" if len(uncommitted) > 3 else "")
        what = f"not committed, so not deployed: {told}"
        yield Finding("warning", "git", what, "git add …, git commit")
    branch = repository.branch()
    if branch != source.branch and source.provider != "s3":
        what = f"{branch} is checked out, and the pipeline takes {source.branch}"
        yield Finding("note", "git", what, f"git switch {source.branch}, or source.branch: {branch}")
    if source.connected and repository.origin() is None:
        what = f"there is no remote origin, and the pipeline takes the code from {source.provider}"
        yield Finding("warning", "git", what, f"git remote add origin …/{source.repository}")
    if not uncommitted:
        yield Finding("fine", "git", f"commit {head.short} is what would be deployed")


def _files(patient: Patient) -> Iterator[Finding]:
    """Read the files that a build needs, as the commit has them."""
    repository, manifest = patient.repository, patient.manifest
    try:
        yield from buildspec.faults(repository.text("buildspec.yml"), list(manifest.services))
    except UserError as error:
        yield Finding("fault", "buildspec.yml", error.why, "tidegate init, then git add buildspec.yml && git commit")
    for name, service in manifest.services.items():
        file = service.build.dockerfile
        try:
            text = repository.text(file)
        except UserError as error:
            yield Finding("fault", f"services.{name}.build.dockerfile", error.why, error.next_step)
            continue
        build = service.build
        yield from dockerfile_faults.faults(
            text, topic=file, port=service.port, target=build.target, args=dict(build.args)
        )
        folder = repository.root / build.context
        ignore = folder / ".dockerignore"
        ignored = ignore.read_text(errors="replace") if ignore.is_file() else None
        yield from context.faults(text, ignored, _names(folder))


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _templates(patient: Patient) -> Iterator[Finding]:
    """Hold the templates against AWS's own rules, where cfn-lint is installed."""
    if importlib.util.find_spec("cfnlint") is None:
        yield Finding("note", "templates", "not checked: cfn-lint is not installed", "pip install cfn-lint")
        return
    from cfnlint.api import lint

    manifest = patient.manifest
    stacks = all_stacks(manifest, manifest.stages_of(patient.environment), [patient.environment])
    bad = False
    for stack in stacks:
        # each stack is told where it is; without a place it is checked for one that has everything
        for match in lint(stack.template.to_json(), regions=[stack.place.region or _DEFAULT_REGION]):
            bad = True
            level, where = match.rule.severity, "/".join(map(str, match.path or []))
            what = f"{match.rule.id} {where}: {match.message}"
            yield Finding("fault" if level == "error" else "note", f"stack {stack.name}", what, match.rule.source_url)
    if not bad:
        yield Finding("fine", "templates", f"cfn-lint finds nothing in {len(stacks)} stacks")
