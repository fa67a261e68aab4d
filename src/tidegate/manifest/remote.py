"""Who keeps a repository, by the address of its git remote."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidegate.manifest.source import Provider

# git@host:path, ssh://git@host/path, https://user@host/path
_ADDRESS = re.compile(r"^(?:[a-z+]+://)?(?:[^@/]+@)?([\w.-]+)(?::\d+(?=/))?[:/]+(.+?)(?:\.git)?/?$")
_HOSTS: dict[str, Provider] = {"github.com": "github", "gitlab.com": "gitlab", "bitbucket.org": "bitbucket"}
_CODECOMMIT_HOST = re.compile(r"^git-codecommit\.[\w-]+\.amazonaws\.com")
# git-remote-codecommit: codecommit::region://profile@name
_CODECOMMIT = re.compile(r"^codecommit:(?::[\w-]+:)?//(?:[^@/]+@)?([\w.-]+)$")


@dataclass(frozen=True, slots=True)
class Remote:
    """Who keeps a repository, and under which name."""

    provider: Provider
    repository: str


def remote_of(address: str | None) -> Remote | None:
    """Return who keeps a repository; None where nobody does whom a pipeline could ask."""
    if address is None:
        return None
    if match := _CODECOMMIT.match(address):
        return Remote("codecommit", match[1])
    match = _ADDRESS.match(address)
    if match is None:
        return None
    host, path = match[1].lower(), match[2].strip("/")
    if _CODECOMMIT_HOST.match(host):
        return Remote("codecommit", path.removeprefix("v1/repos/"))
    provider = _HOSTS.get(host)
    return Remote(provider, path) if provider is not None and "/" in path else None
