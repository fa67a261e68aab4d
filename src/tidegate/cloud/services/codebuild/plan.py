"""What comes after a phase, decided purely.

https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details.html#view-build-details-phases
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tidegate.cloud.services.codebuild.buildspec import Buildspec

COMMAND_PHASES = {"INSTALL": "install", "PRE_BUILD": "pre_build", "BUILD": "build", "POST_BUILD": "post_build"}

_ORDER = ("PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD", "UPLOAD_ARTIFACTS")


def after(phase: str, succeeded: bool, spec: Buildspec | None) -> str:
    """Return the phase that follows one that succeeded or failed; after the last work comes FINALIZING.

    A failure ends the build, but for BUILD, whose POST_BUILD comes all the same, and for POST_BUILD, whose artifacts
    are still looked for; `on-failure` in the buildspec says otherwise.
    """
    if phase == "UPLOAD_ARTIFACTS":
        return "FINALIZING"
    following = _ORDER[_ORDER.index(phase) + 1]
    if succeeded:
        return following
    wanted = None
    if spec is not None and phase in COMMAND_PHASES:
        described = spec.phases.get(COMMAND_PHASES[phase])
        wanted = None if described is None else described.on_failure
    if wanted is None:
        wanted = "CONTINUE" if phase in ("BUILD", "POST_BUILD") else "ABORT"
    return following if wanted == "CONTINUE" else "FINALIZING"


def outcome(statuses: Sequence[str]) -> str:
    """Return a build's status from those of its phases."""
    for status in ("FAULT", "STOPPED", "TIMED_OUT", "FAILED"):
        if status in statuses:
            return status
    return "SUCCEEDED"


def exportable(names: Sequence[str], secret: Collection[str]) -> tuple[list[str], list[str]]:
    """Return which variables a build exports and which it keeps: secrets, and what begins with AWS_.

    https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec.env.exported-variables
    """
    named = [name for name in names if name.isidentifier()]
    kept = [name for name in named if name in secret or name.startswith("AWS_")]
    return [name for name in named if name not in kept], kept
