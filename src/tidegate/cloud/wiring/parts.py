"""What every service is made with, and where it leaves what the daemon has to know of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.cloud.call import Calls, Credential, Dispatcher, Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.git_http import Identities
from tidegate.cloud.planes.docker import Docker
from tidegate.cloud.reconcile import Loop
from tidegate.cloud.store import Store

App = Callable[[Any, Any, Any], Awaitable[None]]  # an ASGI application


@dataclass(frozen=True, slots=True)
class Parts:
    """The local cloud in the making."""

    data_dir: Path
    account: str
    region: str  # the one that plain names of the registry and of git stand for
    port: int  # the one port: the APIs, the registry, git
    endpoint: str  # 127.0.0.1:4650: that port's address
    clock: Clock
    store: Store
    loop: Loop
    dispatcher: Dispatcher
    calls: Calls
    docker: Docker
    docker_host: str | None  # the engine's address where the user named one
    allows: Callable[[str], bool]  # whether a Host header names this daemon
    listen: Callable[[str], None]  # serve the one port at another address of this machine, too
    credential: Callable[[str], Credential | None]  # finds an access key
    git_credential: Callable[[str, str], Principal | None]  # whose service-specific credential it is
    resource_policies: dict[str, Callable[[str], str | None]] = field(default_factory=dict)  # by service in an ARN
    # tags by ARN, by service in it; None: it is to be made with the tags of the request
    resource_tags: dict[str, Callable[[str], Mapping[str, str] | None]] = field(default_factory=dict)
    routes: dict[str, App] = field(default_factory=dict)  # path prefix -> what answers there, not the gateway
    # method and name below `/_tidegate/` -> what the administrator can have done there, by the query
    controls: dict[tuple[str, str], Callable[[Mapping[str, str]], Awaitable[Mapping[str, Any]]]] = field(
        default_factory=dict
    )
    sockets: dict[str, App] = field(default_factory=dict)  # path prefix -> what takes websockets there
    background: dict[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)  # run until the end
    resets: list[Callable[[], None]] = field(default_factory=list)  # empty at once what lives outside the store
    stops: list[Callable[[], Awaitable[None]]] = field(default_factory=list)  # stop what runs outside the process

    @property
    def identities(self) -> Identities:
        """Who may sign in to git."""
        return Identities(self.credential, self.git_credential, self.allows)
