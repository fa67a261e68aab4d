"""What a build specification says, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed phase is run again, and what its error has to match (an extended regular expression)."""

    count: int
    pattern: str


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase's commands. `on_failure`: what a failure means; None: what is usual for the phase."""

    commands: Sequence[str] = ()
    final: Sequence[str] = ()
    on_failure: str | None = None  # ABORT or CONTINUE
    retry: Retry | None = None
    run_as: str | None = None
    runtimes: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """What is taken out of a build. `name`, `base`, `prefix` and `files` may hold shell expressions."""

    files: Sequence[str]
    name: str | None = None
    base: str = "."
    excludes: Sequence[str] = ()
    discard_paths: bool = False
    keep_links: bool = False
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """The files that one report of a build is made of. `format` is AWS's name for their format, in capitals."""

    group: str  # a report group's name without the project's, or its ARN
    files: Sequence[str]
    format: str
    base: str = "."
    discard_paths: bool = False


@dataclass(frozen=True, slots=True)
class Cache:
    """What is kept from one build to the next. `key` and `fallbacks` may hold shell expressions."""

    paths: Sequence[str] = ()
    key: str | None = None
    fallbacks: Sequence[str] = ()
    restores: bool = True
    saves: bool = True


@dataclass(frozen=True, slots=True)
class Buildspec:
    """A whole build specification."""

    version: str
    shell: str
    run_as: str | None
    variables: Mapping[str, str]
    elsewhere: Mapping[str, Mapping[str, str]]  # by the kind of place: variables and where their values are
    exported: Sequence[str]
    git_credential_helper: bool
    phases: Mapping[str, Phase]
    artifacts: Artifact | None
    secondary_artifacts: Mapping[str, Artifact]
    reports: Sequence[ReportFiles]
    cache: Cache = field(default_factory=Cache)

    def user(self, phase: Phase | None = None) -> str | None:
        """Return who a phase's commands run as, None for the environment's own user."""
        return (phase.run_as if phase is not None else None) or self.run_as

    def users(self) -> set[str]:
        """Return everybody that commands run as by the specification."""
        return {user for user in (self.run_as, *(phase.run_as for phase in self.phases.values())) if user}
