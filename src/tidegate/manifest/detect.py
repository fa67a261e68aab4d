"""What a repository says of itself: its name, who keeps it, its Dockerfiles, the ports that they expose."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tidegate.manifest.dockerfiles import context_of, dockerfiles, port_of, variant
from tidegate.manifest.frameworks import Framework, framework_of, health_path
from tidegate.manifest.part import LONGEST_NAME
from tidegate.manifest.remote import Remote, remote_of

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
# what the service is called that gets all requests which no other one wants
_MAIN = ("web", "frontend", "www", "site", "ui", "app", "client")


@dataclass(frozen=True, slots=True)
class FoundService:
    """One service. `port` None: nothing says that it listens. `path`: the beginning of the paths that it gets."""

    name: str
    dockerfile: str = "Dockerfile"
    context: str = "."
    port: int | None = None
    health: str | None = None
    path: str | None = None

    def settings(self) -> list[str]:
        """Return what the manifest has to say of it, and nothing that is so anyway."""
        build = [f"dockerfile: {self.dockerfile}"] if self.dockerfile != "Dockerfile" else []
        build += [f"context: {self.context}"] if self.context != "." else []
        lines = [f"build: {{{', '.join(build)}}}"] if build else []
        if self.port is None:
            return lines
        lines.append(f"port: {self.port}")
        if self.health is not None:
            lines.append(f"health: {{path: {self.health}}}")
        if self.path is not None:
            lines.append(
                f"routes: [{{path: [{self.path}, {self.path}/*]}}]  # they reach it with this path before them"
            )
        return lines


@dataclass(frozen=True, slots=True)
class Found:
    """What was found. `framework`: what the app is made with, where it has no Dockerfile and one can be proposed."""

    app: str
    services: tuple[FoundService, ...]
    remote: Remote | None = None
    branch: str = "main"
    framework: Framework | None = None

    def with_port(self, port: int | None) -> Found:
        """Return it with the port of its only service as somebody said."""
        (service,) = self.services
        name = service.name if port is not None or service.name != "web" else "worker"
        return replace(self, services=(replace(service, name=name, port=port),))

    def manifest(self) -> str:
        """Return the smallest manifest that works."""
        lines = [f"app: {self.app}", *self._source(), "services:"]
        for service in self.services:
            settings = service.settings()
            lines += (
                [f"  {service.name}:", *(f"    {line}" for line in settings)]
                if settings
                else [f"  {service.name}: {{}}"]
            )
        return "\n".join(lines) + "\n"

    def _source(self) -> list[str]:
        said = []
        if self.remote is not None and self.remote.provider != "codecommit":
            said += [f"provider: {self.remote.provider}", f"repository: {self.remote.repository}"]
        elif self.remote is not None and self.remote.repository != self.app:
            said.append(f"repository: {self.remote.repository}")
        if self.branch != "main":
            said.append(f"branch: {self.branch}")
        return [f"source: {{{', '.join(said)}}}"] if said else []


def detect(root: Path, remote: str | None = None, branch: str = "main") -> Found | None:
    """Return what a repository says of itself, None where it has no Dockerfile and nothing is recognised.

    `remote` is the address of the git remote that it came from.
    """
    app, kept = _name(root.name), remote_of(remote)
    paths = dockerfiles(root)
    if not paths:
        framework = framework_of(root)
        if framework is None:
            return None
        service = FoundService("web", port=framework.port, health=health_path(root))
        return Found(app, (service,), kept, branch, framework)
    if len(paths) == 1:
        return Found(app, (_only(root, paths[0]),), kept, branch)
    return Found(app, tuple(_routed([_one_of_several(root, path) for path in paths])), kept, branch)


def _only(root: Path, path: PurePosixPath) -> FoundService:
    service = _one_of_several(root, path)
    return replace(service, name="worker" if service.port is None else "web")


def _one_of_several(root: Path, path: PurePosixPath) -> FoundService:
    port = port_of((root / path).read_text(errors="replace"))
    name = variant(path.name) or (path.parent.name or "web")
    context = context_of(root, path)
    health = health_path(root / path.parent) if port is not None else None
    return FoundService(_name(name), str(path), context, port, health)


def _routed(services: list[FoundService]) -> list[FoundService]:
    """Return several services with names of their own and paths: one gets what no other one wants."""
    named: list[FoundService] = []
    for service in services:
        number = sum(each.name == service.name or each.name.startswith(f"{service.name}-") for each in named)
        named.append(replace(service, name=f"{service.name}-{number + 1}") if number else service)
    listening = [service.name for service in named if service.port is not None]
    main = next((name for name in _MAIN if name in listening), listening[0] if listening else None)
    return [
        replace(service, path=f"/{service.name}") if service.port is not None and service.name != main else service
        for service in named
    ]


def _name(text: str) -> str:
    """Return a folder's name as a name of the manifest."""
    name = _NOT_IN_NAMES.sub("-", text.lower()).strip("-")[:LONGEST_NAME].strip("-")
    return name if name and name[0].isalpha() else f"app-{name}"[:LONGEST_NAME].strip("-")
