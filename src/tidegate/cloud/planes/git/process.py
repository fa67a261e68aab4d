"""Running git: an environment made from nothing, bounded answers, errors with git's own words."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
from collections.abc import AsyncIterator, Mapping
from functools import cache
from pathlib import Path

_READ_SIZE = 1 << 16
_STDERR_LIMIT = 4096

# What git would read from the user's or the machine's settings, said here instead. No hook ever runs.
_SETTINGS = {
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.quotePath": "false",
    "init.defaultBranch": "main",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.version": "2",
    "receive.denyDeleteCurrent": "refuse",
    "receive.denyNonFastForwards": "false",
    "receive.denyDeletes": "false",
    "receive.advertisePushOptions": "false",
    "receive.autogc": "false",
    "receive.updateServerInfo": "false",
    "receive.fsckObjects": "true",
    "receive.fsck.missingSpaceBeforeDate": "ignore",
    "receive.fsck.zeroPaddedFilemode": "ignore",
    "transfer.hideRefs": "refs/tidegate",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "http.uploadpack": "true",
    "http.receivepack": "true",
}


class GitError(Exception):
    """Git could not do it; the message is what it said."""


@cache
def program() -> str:
    """Return the path of the git binary; raise `GitError` where there is none."""
    found = shutil.which("git")
    if found is None:
        raise GitError("git: it is not installed; install git and try again")
    return found


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment that git runs in: none of the user's settings, these `settings` on top of ours."""
    variables = {
        "PATH": f"{Path(program()).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
    }
    pairs = {**_SETTINGS, **(settings or {})}
    variables["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (key, value) in enumerate(pairs.items()):
        variables[f"GIT_CONFIG_KEY_{number}"] = key
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return variables


async def run(
    repository: Path, *arguments: str, given: bytes = b"", variables: Mapping[str, str] | None = None
) -> bytes:
    """Run git in a bare repository and return what it prints; raise `GitError` when it fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            program(),
            *arguments,
            cwd=repository,
            env={**environment(), "GIT_DIR": str(repository), **(variables or {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        raise GitError("a name or path is longer than git can be told") from None
    assert process.stdin is not None
    try:
        with contextlib.suppress(ConnectionError):  # it failed before it read: its own words say why
            if given and not process.stdin.is_closing():
                process.stdin.write(given)
        process.stdin.close()
        output, complaint = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    if process.returncode != 0:
        raise GitError(complaint.decode("utf-8", "replace").strip()[:_STDERR_LIMIT] or f"git {arguments[0]} failed")
    return output


async def stream(repository: Path, *arguments: str) -> AsyncIterator[bytes]:
    """Run git in a bare repository and yield what it prints as it comes; raise `GitError` at the end if it failed."""
    process = await asyncio.create_subprocess_exec(
        program(),
        *arguments,
        cwd=repository,
        env={**environment(), "GIT_DIR": str(repository)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        while chunk := await process.stdout.read(_READ_SIZE):
            yield chunk
        if await process.wait() != 0:
            raise GitError(f"git {arguments[0]} failed")
    finally:
        if process.returncode is None:
            process.kill()
