"""Where a build's specification is: given inline, a file of the source, or an object in S3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codebuild.buildspec import DEFAULT_NAME, Buildspec, BuildspecError
from tidegate.cloud.services.codebuild.reconciler.artifacts import describe as describe_error
from tidegate.cloud.services.codebuild.reconciler.log import BuildLog

_LIMIT = 1 << 20  # bytes


async def read(given: str | None, source: Path, caller: Caller, say: Callable[[str], None]) -> str:
    """Return the text of a specification; raise `BuildspecError`. `given` is the project's or the override's."""
    given = given or DEFAULT_NAME
    if "\n" in given or given.lstrip().startswith("{"):
        return given
    if given.startswith("arn:aws:s3:::"):
        bucket, _, key = given.removeprefix("arn:aws:s3:::").partition("/")
        try:
            answer = await caller("s3", "get_object", Bucket=bucket, Key=key)
        except ServiceError as error:
            raise BuildspecError(f"{describe_error(error)} for {given}") from error
        _check(answer["ContentLength"])
        return b"".join([chunk async for chunk in answer["Body"]]).decode("utf-8", "replace")
    say(f"YAML location is {source}/{given}")
    return _of_source(source, given)


def _of_source(source: Path, name: str) -> str:
    path = (source / name).resolve()
    if not path.is_relative_to(source.resolve()) or not path.is_file():
        raise BuildspecError("YAML file does not exist")
    _check(path.stat().st_size)
    return path.read_text(encoding="utf-8", errors="replace")


def describe(spec: Buildspec, source: Path, log: BuildLog) -> None:
    """Write into the log what was found."""
    for name, phase in spec.phases.items():
        for runtime, version in (phase.runtimes or {}).items():
            log.say(f"{name} asks for the runtime {runtime} {version}: tidegate local runs what this machine has")
    log.say(f"Moving to directory {source}")
    log.say(f"Phases found in YAML: {len(spec.phases)}")
    for name, phase in spec.phases.items():
        log.say(f" {name.upper()}: {len(phase.commands)} commands")


def _check(size: int) -> None:
    if size > _LIMIT:
        raise BuildspecError(f"the buildspec of {size} bytes is larger than {_LIMIT >> 10} KB")
