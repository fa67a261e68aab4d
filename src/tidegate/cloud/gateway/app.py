"""The gateway: an ASGI application that answers AWS's APIs.

The way of a request is `Gateway._answer`, top to bottom.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.model import ServiceModel

from tidegate.cloud.call import Credential, Dispatcher
from tidegate.cloud.checksums import HEADERS as CHECKSUM_HEADERS
from tidegate.cloud.checksums import checksum_of
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
from tidegate.cloud.gateway.wire import HttpRequest, HttpResponse, RequestBody

_BODY_LIMIT = 64 << 20  # bytes of a request that is not a stream
_READ_TIMEOUT = 60.0  # seconds to wait for the next piece of a body that was announced
_HEX64 = re.compile(r"^[0-9a-f]{64}$")
_VIRTUAL_HOST = re.compile(
    r"^(?!s3(\.[a-z0-9-]+)?\.localhost$)(?P<bucket>[a-z0-9][a-z0-9.-]*?)(\.s3(\.[a-z0-9-]+)?)?\.localhost$"
)
_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

access = logging.getLogger("tidegate.access")
log = logging.getLogger(__name__)


class Gateway:
    """Answers AWS API requests by way of the dispatcher."""

    def __init__(
        self,
        models: Models,
        dispatcher: Dispatcher,
        credentials: Callable[[str], Credential | None],
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
        if "expect" in request.headers and not request.body.started:
            response.headers["connection"] = "close"  # else the client may keep its body back and the two lose step
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
            if given.service == "s3":
                request.bucket = _bucket_in(host)
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
                _check_content(request, given, of_body=route is not None and bool(route.operation.http_checksum))
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


def _bucket_in(host: str) -> str | None:
    """Return the bucket that a virtual host names: `BUCKET.localhost`, `BUCKET.s3.localhost`, or with a region."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    match = _VIRTUAL_HOST.match(name)
    return match["bucket"] if match else None


def _check_content(request: HttpRequest, given: Signature, *, of_body: bool) -> None:
    """Hold a whole body against what is said of it; `of_body`: the checksums in the head are the body's."""
    content = request.content
    if given.payload.startswith("STREAMING-"):
        raise ServiceError("InvalidRequest", "this operation does not take an aws-chunked body")
    if _HEX64.match(given.payload) and not hmac.compare_digest(hashlib.sha256(content).hexdigest(), given.payload):
        raise payload_mismatch()
    digest = request.headers.get("content-md5")
    if digest is not None and digest != base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode():
        raise ServiceError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    for name, algorithm in CHECKSUM_HEADERS.items() if of_body else ():
        if name in request.headers and request.headers[name] != checksum_of(algorithm, content):
            raise ServiceError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def _checked_stream(request: HttpRequest, given: Signature, credential: Credential) -> RequestBody:
    """Return the body held, while it streams, against what the signature says of it."""
    body = request.body
    if given.payload.startswith("STREAMING-"):
        key = signing_key(credential.secret, given) if given.payload.startswith(_SIGNED_CHUNKS) else None
        announced = request.headers.get("x-amz-trailer", "").lower().split(",")
        trailers = {name.strip(): "" for name in announced if name.strip()}
        decoded = ChunkedDecoder(given, key).decode(aiter(body), trailers)
        length = request.headers.get("x-amz-decoded-content-length", "")
        if not length.isdigit():
            raise _no_length()
        return RequestBody(decoded, int(length), trailers)
    if body.length is None:
        raise _no_length()
    if _HEX64.match(given.payload):
        return RequestBody(hashed(aiter(body), given.payload), body.length)
    return body


def _no_length() -> ServiceError:
    return ServiceError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)


def read_head(scope: Any, receive: Any) -> HttpRequest:
    """Return the request that an ASGI server hands on, its body still to be read."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), _header_text(value)
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


def _header_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


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
    size = len(content) if isinstance(content, bytes) else content.length
    if size is not None:
        response.headers.setdefault("content-length", str(size))
    headers = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if bodiless or isinstance(content, bytes):
        await send({"type": "http.response.body", "body": b"" if bodiless else content})
        return
    async for chunk in content:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
