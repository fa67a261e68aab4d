"""What a repository says of itself: its name, its Dockerfile, the port that it exposes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_EXPOSE = re.compile(r"^\s*EXPOSE\s+(\d+)(?:/tcp)?\b", re.IGNORECASE | re.MULTILINE)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9-]+")
_LONGEST_NAME = 30


@dataclass(frozen=True, slots=True)
class Found:
    """What was found. `port` None: nothing says that it listens."""

    app: str
    service: str
    dockerfile: str
    port: int | None
    branch: str = "main"

    def manifest(self) -> str:
        """Return the smallest manifest that works."""
        lines = [f"app: {self.app}"]
        if self.branch != "main":
            lines.append(f"source: {{branch: {self.branch}}}")
        lines += ["services:", f"  {self.service}:"]
        settings = []
        if self.dockerfile != "Dockerfile":
            settings.append(f"    build: {{dockerfile: {self.dockerfile}}}")
        if self.port is not None:
            settings.append(f"    port: {self.port}")
        return "\n".join([*lines, *(settings or ["    {}"])]) + "\n"


def detect(root: Path) -> Found | None:
    """Return what a repository says of itself, None where it has no Dockerfile."""
    dockerfile = root / "Dockerfile"
    if not dockerfile.is_file():
        return None
    exposed = _EXPOSE.search(dockerfile.read_text(errors="replace"))
    port = int(exposed[1]) if exposed else None
    return Found(_name(root.name), "web" if port is not None else "worker", "Dockerfile", port)


def _name(text: str) -> str:
    """Return a folder's name as the name of an app."""
    name = _NOT_IN_NAMES.sub("-", text.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return name if name and name[0].isalpha() else f"app-{name}".strip("-")
