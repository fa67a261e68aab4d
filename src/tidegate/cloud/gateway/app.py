"""The gateway: an ASGI application that answers AWS's APIs.

The way of a request is `Gateway._answer`, top to bottom.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from botocore.model import ServiceModel

from tidegate.cloud.call import Credential, Dispatcher
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, StateError
from tidegate.cloud.gateway.models import Models
from tidegate.cloud.gateway.route import Router
from tidegate.cloud.gateway.signature import (
    ChunkedDecoder,
    Signature,
    hashed,
    payload_mismatch,
    read_signature,
    signing_key,
    verify,
)
from tidegate.cloud.gateway.wire import READ_SIZE, FileSlice, HttpRequest, HttpResponse, RequestBody

_BODY_LIMIT = 64 << 20  # bytes of a request that is not a stream
_READ_TIMEOUT = 60.0  # seconds to wait for the next piece of a body that was announced
_HEX64 = re.compile(r"^[0-9a-f]{64}$")
_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

access = logging.getLogger("tidegate.access")
log = logging.getLogger(__name__)


class Credentials(Protocol):
    """Finds an access key."""

    def __call__(self, access_key: str) -> Credential | None:
        """Return what proves the key, or None for a key that is not known."""


class Gateway:
    """Answers AWS API requests by way of the dispatcher."""

    def __init__(
        self,
        models: Models,
        dispatcher: Dispatcher,
        credentials: Credentials,
        allowed_host: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._router = Router(models)
        self._dispatcher = dispatcher
        self._credentials = credentials
        self._allowed_host = allowed_host
        self._clock = clock

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request (ASGI 3)."""
        started = self._clock.monotonic()
        request = read_head(scope, receive)
        request_id = self._clock.new_id()
        notes: list[str] = []  # who and what, for the access log
        response = await self._answer(request, request_id, notes)
        await send_response(response, send, bodiless=request.method == "HEAD")
        what = " ".join(notes) or f"{request.method} {request.path}"
        milliseconds = (self._clock.monotonic() - started) * 1000
        access.info("%s %s %d %.1fms %s", request.client, what, response.status, milliseconds, request_id)

    async def _answer(self, request: HttpRequest, request_id: str, notes: list[str]) -> HttpResponse:
        protocol = self._router.protocol_of(request, None)
        model = None
        try:
            host = request.headers.get("host", "")
            if not self._allowed_host(host):
                raise ServiceError("InvalidHost", f"{host!r} is not a name of this daemon", 421)
            given = read_signature(request)
            protocol = self._router.protocol_of(request, given.service)
            route = self._router.find_rest(request) if given.service == "s3" else None
            streamed = route is not None and route.operation.has_streaming_input
            if not streamed:
                request.content = await request.body.read(_BODY_LIMIT)
            credential = self._credentials(given.access_key)
            principal = verify(request, given, credential, self._clock)
            assert credential is not None
            notes.append(principal.arn)
            if streamed:
                request.body = _checked_stream(request, given, credential)
            else:
                _check_content(request.content, given)
            route = route or self._router.find(request, given.service)
            protocol, model = route.protocol, route.operation.service_model
            notes.append(f"{route.service}:{route.operation.name}")
            parameters = protocol.parse(request, route.operation)
            context = self._dispatcher.context(principal, given.region, **{"aws:sourceip": request.client})
            answer = await self._dispatcher.dispatch(context, route.service, route.name, parameters)
            return protocol.serialize(answer, route.operation, request_id)
        except ServiceError as error:
            notes.append(error.code)
            error.status = _status(error, model)
            return protocol.error(error, request_id)
        except StateError as error:
            log.error("request %s: %s", request_id, error)
            return protocol.error(ServiceError("ServiceUnavailable", str(error), 503), request_id)
        except Exception:
            log.exception("request %s (%s) failed", request_id, " ".join(notes))
            message = f"tidegate local failed on this request; the daemon's log has the reason under {request_id}"
            return protocol.error(ServiceError("InternalFailure", message, 500), request_id)


def _status(error: ServiceError, model: ServiceModel | None) -> int:
    """Return the status that the service model gives this error, where the handler left it open."""
    if error.status == 400 and model is not None:
        for shape in model.error_shapes:
            if error.code in (shape.name, shape.metadata.get("error", {}).get("code")):
                return int(shape.metadata.get("error", {}).get("httpStatusCode", 400))
    return error.status


def _check_content(content: bytes, given: Signature) -> None:
    if given.payload.startswith("STREAMING-"):
        raise ServiceError("InvalidRequest", "this operation does not take an aws-chunked body")
    if _HEX64.match(given.payload) and not hmac.compare_digest(hashlib.sha256(content).hexdigest(), given.payload):
        raise payload_mismatch()


def _checked_stream(request: HttpRequest, given: Signature, credential: Credential) -> RequestBody:
    """Return the body held, while it streams, against what the signature says of it."""
    body = request.body
    if given.payload.startswith("STREAMING-"):
        key = signing_key(credential.secret, given) if given.payload.startswith(_SIGNED_CHUNKS) else None
        trailers: dict[str, str] = {}
        decoded = ChunkedDecoder(given, key).decode(aiter(body), trailers)
        length = request.headers.get("x-amz-decoded-content-length", "")
        return RequestBody(decoded, int(length) if length.isdigit() else None, trailers)
    if _HEX64.match(given.payload):
        return RequestBody(hashed(aiter(body), given.payload), body.length)
    return body


def read_head(scope: Any, receive: Any) -> HttpRequest:
    """Return the request that an ASGI server hands on, its body still to be read."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    query_string = scope["query_string"].decode("latin-1")
    raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    length = headers.get("content-length", "")
    return HttpRequest(
        method=scope["method"],
        raw_path=raw_path,
        path=unquote(raw_path),
        query_string=query_string,
        query=parse_qsl(query_string, keep_blank_values=True),
        headers=headers,
        client=(scope.get("client") or ("", 0))[0],
        body=RequestBody(_chunks(receive), int(length) if length.isdigit() else None),
    )


async def _chunks(receive: Any) -> AsyncIterator[bytes]:
    more = True
    while more:
        try:
            async with asyncio.timeout(_READ_TIMEOUT):
                message = await receive()
        except TimeoutError:
            raise ServiceError("RequestTimeout", f"no byte of the body came for {_READ_TIMEOUT:.0f} s") from None
        if message["type"] == "http.disconnect":
            raise ServiceError("IncompleteBody", "the client went away before the end of the body")
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]


async def send_response(response: HttpResponse, send: Any, *, bodiless: bool = False) -> None:
    """Send a response, or only its head, to an ASGI server."""
    content = response.content
    size = content.length if isinstance(content, FileSlice) else len(content)
    response.headers.setdefault("content-length", str(size))
    headers = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if bodiless or not size:
        await send({"type": "http.response.body", "body": b""})
    elif isinstance(content, FileSlice):
        with content.path.open("rb") as file:
            file.seek(content.offset)
            left = content.length
            while left:
                chunk = file.read(min(READ_SIZE, left))
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
                if not chunk:
                    break
    else:
        await send({"type": "http.response.body", "body": content})
