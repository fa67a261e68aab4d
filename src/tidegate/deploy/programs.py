"""Other programs: git, and the container engine's command. The only module of the product that starts a process."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

Ended = subprocess.CompletedProcess[str]


class TooLongError(Exception):
    """A program did not end in time, and was ended."""


def run(command: Sequence[str], environ: Mapping[str, str], *, timeout: float | None = None) -> Ended:
    """Run a program without a terminal and return how it ended, with what it wrote.

    Raises `FileNotFoundError` where there is no such program, `TooLongError` after `timeout` seconds.
    """
    try:
        return subprocess.run(
            list(command),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise TooLongError(f"{command[0]} did not end within {timeout:g} s") from error


def output(command: Sequence[str], environ: Mapping[str, str]) -> bytes:
    """Run a program that has to succeed, and return what it wrote as it is."""
    return subprocess.run(list(command), env=dict(environ), capture_output=True, check=True).stdout
