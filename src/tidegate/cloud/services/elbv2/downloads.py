"""What can be fetched for ten minutes by who knows the address: as the presigned addresses of AWS's own buckets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.elbv2.model import ElbModel

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PATH = "/_tidegate-elbv2/"
_LASTS = timedelta(minutes=10)


class Downloads:
    """An ASGI application below `PATH`; `allows` says whether a Host header names this daemon."""

    def __init__(self, model: ElbModel, clock: Clock, endpoint: str, allows: Callable[[str], bool]) -> None:
        self._model = model
        self._clock = clock
        self._endpoint = endpoint
        self._allows = allows

    def offer(self, content: str) -> str:
        """Return the address of a text; offers whose time is over are forgotten."""
        now = self._clock.now()
        with self._model.store.transaction():
            for key, offer in self._model.downloads.items():
                if offer["until"] <= now:
                    self._model.downloads.delete(*key)
            token = self._clock.secret()
            self._model.downloads.put((token,), {"content": content, "until": now + _LASTS})
        seconds = int(_LASTS.total_seconds())
        return f"http://{self._endpoint}{PATH}{token}?X-Amz-Expires={seconds}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Answer with the text, or 403 where there is none (any more)."""
        from starlette.requests import Request
        from starlette.responses import PlainTextResponse

        request = Request(scope, receive)
        offer = self._model.downloads.get(request.url.path.removeprefix(PATH))
        fits = self._allows(request.headers.get("host", "")) and request.method in ("GET", "HEAD")
        if not fits or offer is None or offer["until"] <= self._clock.now():
            response = PlainTextResponse("Request has expired", 403)
        else:
            response = PlainTextResponse(offer["content"], media_type="application/x-pem-file")
        await response(scope, receive, send)
