"""What a build context takes into an image that nobody wants there."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from tidegate.judge.finding import Finding

_WHOLE = re.compile(r"^\s*(COPY|ADD)\s+(--\S+\s+)*\.{1,2}/?\s", re.IGNORECASE | re.MULTILINE)
_SECRET = (".env", ".env.*", "*.pem", "id_rsa", "id_ed25519", ".aws", ".ssh", ".npmrc", ".pypirc")
_BULK = (".git", "node_modules", ".venv", "venv", "__pycache__", "target", "dist")
_HARMLESS = (".env.example", ".env.sample", ".env.template")


def faults(dockerfile: str, ignored: str | None, names: Iterable[str]) -> list[Finding]:
    """Return what is wrong with a context of these names (files and folders at its top) and this .dockerignore."""
    if not _WHOLE.search(dockerfile):
        return []
    patterns = _patterns(ignored or "")
    found = [name for name in sorted(names) if not _is_ignored(name, patterns)]
    secret = [name for name in found if name not in _HARMLESS and any(fnmatch.fnmatch(name, each) for each in _SECRET)]
    bulk = [name for name in found if name in _BULK]
    findings = []
    if secret:
        what = f"the whole context is copied into the image, and {', '.join(secret)} with it"
        findings.append(Finding("warning", ".dockerignore", what, f"put into .dockerignore: {' '.join(secret)}"))
    if bulk:
        what = f"{', '.join(bulk)} is sent to every build and copied into the image, whose layers it changes"
        findings.append(Finding("warning", ".dockerignore", what, f"put into .dockerignore: {' '.join(bulk)}"))
    if ignored is None and not findings:
        what = "there is none, and the whole context is copied into the image"
        findings.append(Finding("note", ".dockerignore", what, "echo .git > .dockerignore"))
    return findings


def _patterns(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _is_ignored(name: str, patterns: list[str]) -> bool:
    """Return whether a name at the top is left out; the last pattern that fits decides."""
    ignored = False
    for pattern in patterns:
        negated, plain = (
            pattern.startswith("!"),
            pattern.lstrip("!").strip("/").removeprefix("**/").removesuffix("/**").removesuffix("/*"),
        )
        if fnmatch.fnmatch(name, plain):
            ignored = not negated
    return ignored
