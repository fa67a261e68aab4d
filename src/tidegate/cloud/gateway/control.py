"""The daemon's own interface, below `/_tidegate/`: is it alive, empty it, stop it.

Signed by the administrator, or with `Authorization: Bearer TOKEN` (the token of `tidegate local status --json`).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tidegate.cloud.call import Credential
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway.app import read_head, send_response
from tidegate.cloud.gateway.signature import read_signature, verify
from tidegate.cloud.gateway.wire import HttpRequest, HttpResponse

PREFIX = "/_tidegate/"

Action = Callable[[Mapping[str, str]], Awaitable[Mapping[str, Any]]]


class Control:
    """An ASGI application with one action a path; each answers JSON."""

    def __init__(
        self,
        actions: Mapping[tuple[str, str], Action],
        token: str,
        administrator: str,
        credentials: Callable[[str], Credential | None],
        allowed_host: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        """`actions` maps method and name (`("POST", "reset")`) to what is done, by the request's query.

        `administrator` is a key id.
        """
        self._actions = actions
        self._token = token
        self._administrator = administrator
        self._credentials = credentials
        self._allowed_host = allowed_host
        self._clock = clock

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request (ASGI 3)."""
        request = read_head(scope, receive)
        try:
            if not self._allowed_host(request.headers.get("host", "")):
                raise ServiceError("InvalidHost", "that is not a name of this daemon", 421)
            await self._admit(request)
            action = self._actions.get((request.method, request.path.removeprefix(PREFIX)))
            if action is None:
                raise ServiceError("NotFound", f"{request.method} {request.path} is nothing here", 404)
            status, answer = 200, await action(dict(request.query))
        except ServiceError as error:
            status, answer = error.status, {"error": error.code, "message": error.message}
        content = json.dumps(answer).encode()
        await send_response(HttpResponse(status, {"content-type": "application/json"}, content), send)

    async def _admit(self, request: HttpRequest) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if not hmac.compare_digest(token.strip().encode(), self._token.encode()):
                raise ServiceError("AccessDenied", "the token is not this daemon's", 403)
            return
        request.content = await request.body.read(1 << 20)
        given = read_signature(request)
        verify(request, given, self._credentials(given.access_key), self._clock)
        if given.access_key != self._administrator:
            raise ServiceError("AccessDenied", "only the administrator may do this", 403)
