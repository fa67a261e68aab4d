"""A phase that fails."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

FULL = "no space left on the disk that builds run on"

_HARDLY_ANY = 1 << 20  # bytes


class PhaseError(Exception):
    """A phase that failed: its context's status code and message."""

    def __init__(self, code: str, message: str, status: str = "FAILED") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def is_full(folder: Path) -> bool:
    """Return whether hardly anything is left of the disk that a folder is on."""
    return shutil.disk_usage(folder).free < _HARDLY_ANY


def describe_os(error: OSError) -> str:
    """Return what the system says against a file, without the path that it has on this machine."""
    return FULL if error.errno == errno.ENOSPC else error.strerror or str(error)
