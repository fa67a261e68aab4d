"""Digests: `sha256:…`, what names a content and proves it.

https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from tidegate.cloud.planes.registry.errors import RegistryError

_READ_SIZE = 1 << 20
_REGISTERED = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def checked(text: str) -> str:
    """Return a digest of a registered algorithm; raise DIGEST_INVALID for anything else."""
    if not _REGISTERED.fullmatch(text):
        raise RegistryError("DIGEST_INVALID", f"{text!r} is no sha256 or sha512 digest")
    return text


def algorithm(digest: str) -> str:
    """Return `sha256` of `sha256:…`."""
    return digest.partition(":")[0]


def hasher(name: str = "sha256") -> Any:
    """Return a running hash of an algorithm."""
    return hashlib.new(name)


def of(content: bytes, name: str = "sha256") -> str:
    """Return the digest of a content."""
    return f"{name}:{hashlib.new(name, content).hexdigest()}"


def of_file(path: Path, name: str) -> Any:
    """Return the running hash of a whole file, read piece by piece; takes time, so run it in a thread."""
    running = hashlib.new(name)
    with path.open("rb") as file:
        while chunk := file.read(_READ_SIZE):
            running.update(chunk)
    return running
