"""Copies of repositories that somebody else keeps: what they are copies of, and how git's folder of them names them.

A name comes from a client's URL. What becomes a path is a digest of it, so that none can lead outside the folder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

FOLDER = "mirrors"  # of the data folder
# where the repositories of a connection's provider are
HOSTS: Mapping[str, str] = {"GitHub": "github.com", "GitLab": "gitlab.com", "Bitbucket": "bitbucket.org"}

_PARTS = {"gitlab.com": range(2, 21)}  # groups have groups there
_USUAL = range(2, 3)  # owner/name
_PART = re.compile(r"^[a-z0-9_][a-z0-9_.-]{0,254}$")


def repository_name(host: str, path: str) -> str | None:
    """Return a repository's name (`owner/name`, in small letters: hosts tell none apart by them) or None for nonsense.

    `path` is what follows the host in its address, with or without `.git`.
    """
    name = path.removesuffix("/").removesuffix(".git").lower()
    parts = name.split("/")
    fits = host in HOSTS.values() and len(parts) in _PARTS.get(host, _USUAL) and all(map(_PART.match, parts))
    return name if fits else None


def mirror_id(host: str, name: str) -> str:
    """Return the id of a repository's copy among the bare repositories."""
    return hashlib.sha256(f"{host}/{name}".encode()).hexdigest()[:40]


def no_copy(host: str, name: str, endpoint: str) -> str:
    """Say that nobody has pushed a repository here yet, and how; `endpoint` is the daemon's address."""
    url = f"{endpoint}/{FOLDER}/{host}/{name}.git"
    return f"the local cloud has no copy of https://{host}/{name} yet: run `tidegate push`, or `git push {url}`"
