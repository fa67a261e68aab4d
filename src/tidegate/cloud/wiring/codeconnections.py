"""CodeConnections: connections under both names of the service, and mirrors, which git reaches."""

from __future__ import annotations

from collections.abc import Callable

from tidegate.cloud.git_http import GitOverHttp, Place
from tidegate.cloud.mirrors import FOLDER, HOSTS
from tidegate.cloud.planes.git.repositories import GitRepositories
from tidegate.cloud.planes.git.smart_http import GitHttp
from tidegate.cloud.services.codeconnections.api import ConnectionsApi
from tidegate.cloud.services.codeconnections.model import NAMES, CodeConnectionsModel
from tidegate.cloud.services.codeconnections.reconciler import Mirrors
from tidegate.cloud.services.codeconnections.smart_http import MIRRORS, MirrorPlace
from tidegate.cloud.wiring.parts import Parts


def add_codeconnections(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = CodeConnectionsModel(parts.store, parts.account, parts.region, f"http://{parts.endpoint}")
    for name in NAMES:
        parts.dispatcher.register(name, ConnectionsApi(model, parts.clock, name))
    repositories = GitRepositories(parts.data_dir / FOLDER)
    mirrors, git = Mirrors(model, repositories, parts.clock), GitHttp(repositories)

    def mirror_of(host: str) -> Callable[[str], Place]:
        return lambda path: MirrorPlace(host, path, model, mirrors, parts.calls)

    for host in HOSTS.values():  # one route a host: a bucket may be called `mirrors`
        prefix = f"{MIRRORS}{host}/"
        parts.routes[prefix] = GitOverHttp(prefix, mirror_of(host), git, parts.identities, parts.clock)
    parts.loop.add("codeconnections.mirror", mirrors.reconcile, keys=mirrors.keys)
    parts.resets.append(repositories.clear)
