"""The certificate of the local authority, for clients that are to trust it: `GET /_tidegate/ca.pem`, by anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.cloud.gateway.app import read_head, send_response
from tidegate.cloud.gateway.wire import HttpResponse

PATH = "/_tidegate/ca.pem"


class Authority:
    """An ASGI application with one answer: a certificate is no secret, so it wants no signature."""

    def __init__(self, certificate: Callable[[], str], allowed_host: Callable[[str], bool]) -> None:
        self._certificate = certificate
        self._allowed_host = allowed_host

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request (ASGI 3)."""
        request = read_head(scope, receive)
        if not self._allowed_host(request.headers.get("host", "")):
            response = HttpResponse(421, {"content-type": "text/plain"}, b"that is not a name of this daemon\n")
        elif request.method not in ("GET", "HEAD") or request.path != PATH:
            response = HttpResponse(404, {"content-type": "text/plain"}, b"there is only GET /_tidegate/ca.pem\n")
        else:
            headers = {"content-type": "application/x-pem-file"}
            response = HttpResponse(200, headers, self._certificate().encode())
        await send_response(response, send, bodiless=request.method == "HEAD")
