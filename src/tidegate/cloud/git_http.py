"""Git over HTTP: who is it, may they, and then git itself. What is served, and to whom, is a `Place`'s to say.

The user name and password of Basic authentication are one of
- an access key's id and its secret; for temporary keys the id is followed by `%` and the session token;
- the same user name with a signature for the password, as the AWS CLI's credential helper and git-remote-codecommit
  make it: `20261123T173800Z` and the hexadecimal signature;
- an IAM user's service-specific credential for CodeCommit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import re
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import unquote

from tidegate.cloud.call import Context, Credential, Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.git.process import GitError
from tidegate.cloud.planes.git.push import Push, PushError, declined, read_push
from tidegate.cloud.planes.git.smart_http import GitHttp, GitRequest

PULL, PUSH = "git-upload-pack", "git-receive-pack"

_ENDPOINT = re.compile(r"^(?P<place>.+?)/(?P<endpoint>info/refs|git-upload-pack|git-receive-pack)$")
_SIGNED_PASSWORD = re.compile(r"^(?P<stamp>\d{8}T\d{6})Z(?P<signature>[0-9a-f]{64})$")
_SIGNATURE_LIFE = timedelta(minutes=15)
_MOST_REFERENCES = 4000  # https://docs.aws.amazon.com/codecommit/latest/userguide/limits.html
_NO_CACHE = {"cache-control": "no-cache, max-age=0, must-revalidate"}

log = logging.getLogger(__name__)


class Place(Protocol):
    """A repository as its address names it."""

    @property
    def regions(self) -> Sequence[str]:
        """The regions that a signature may be of; requests are made in the first."""

    @property
    def missing(self) -> str:
        """What is said where there is no such repository."""

    def authorize(self, context: Context, service: str, reference: str | None) -> None:
        """Return when a `git-upload-pack` or `git-receive-pack` (that moves a reference) is allowed, or raise."""

    async def find(self, service: str) -> str | None:
        """Return the repository's id in the git plane; None where there is none."""

    async def moved(self, caller: str) -> None:
        """Take note of a push by the ARN of who made it; git's answer ends when this returns."""


@dataclass(frozen=True, slots=True)
class Identities:
    """Who is who: access keys by their ids, and the owners of service-specific credentials."""

    credential: Callable[[str], Credential | None]
    git_credential: Callable[[str, str], Principal | None]
    allowed_host: Callable[[str], bool]


class _RefusedError(Exception):
    """An answer that git shows its user."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class _GoneError(Exception):
    """The client went away, or sent nonsense, before the end of its request."""


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    place: str  # what is between the prefix and the endpoint
    endpoint: str
    query: str
    headers: Mapping[str, str]
    client: str
    body: AsyncIterator[bytes]

    @property
    def service(self) -> str:
        """Return the git service that is asked for."""
        return self.query.removeprefix("service=") if self.endpoint == "info/refs" else self.endpoint


class GitOverHttp:
    """An ASGI application that serves repositories to git."""

    def __init__(
        self, prefix: str, find: Callable[[str], Place], git: GitHttp, identities: Identities, clock: Clock
    ) -> None:
        """`prefix` is where it is mounted; `find` reads the rest of a path and raises `ServiceError` for nonsense."""
        self._prefix = prefix
        self._find = find
        self._git = git
        self._identities = identities
        self._clock = clock

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request (ASGI 3)."""
        try:
            await self._serve(_read(scope, receive, self._prefix), send)
        except _RefusedError as refused:
            headers = {"content-type": "text/plain; charset=utf-8", **_NO_CACHE}
            if refused.status == 401:
                headers["www-authenticate"] = 'Basic realm="codecommit"'
            await _send(send, refused.status, headers, f"{refused.message}\n".encode())
        except _GoneError:
            log.info("a git client went away")
        except GitError as error:
            log.error("git: %s", error)
            await _send(send, 500, {"content-type": "text/plain; charset=utf-8"}, f"{error}\n".encode())

    async def _serve(self, request: _Request, send: Any) -> None:
        if not self._identities.allowed_host(request.headers.get("host", "")):
            raise _RefusedError(421, "that is not a name of this daemon")
        try:
            place = self._find(request.place)
        except ServiceError as error:
            raise _RefusedError(error.status, error.message) from error
        principal = self._principal(request, place)
        if request.service not in (PULL, PUSH) or request.method != (
            "GET" if request.endpoint == "info/refs" else "POST"
        ):
            raise _RefusedError(403, "only git's smart HTTP protocol is served here")
        context = Context(principal, place.regions[0], self._clock.new_id(), {"aws:sourceip": request.client})
        body = request.body
        push: Push | None = None
        if request.endpoint == PUSH:
            push = await _push(body)
            body = push.body
        else:
            _authorize(place, context, request.service)
        identity = await place.find(request.service)
        if identity is None:
            raise _RefusedError(404, place.missing)
        if push is not None:
            answer = _declined(place, context, push)
            if answer is not None:
                async for _ in body:  # git reads no answer before it has sent all
                    continue
                headers = {"content-type": "application/x-git-receive-pack-result", **_NO_CACHE}
                await _send(send, 200, headers, answer)
                return
        if push is not None and not push.commands:  # a client sees whether it may, before it sends a large pack
            await _send(send, 200, {"content-type": "application/x-git-receive-pack-result", **_NO_CACHE}, b"")
            return
        git_request = GitRequest(
            identity,
            request.endpoint,
            request.method,
            request.query,
            request.headers.get("content-type", ""),
            request.headers.get("git-protocol", ""),
            principal.arn,
            body,
        )
        try:
            await self._answer(git_request, send, None if push is None else lambda: place.moved(principal.arn))
        except _GoneError:
            if push is not None:
                await place.moved(principal.arn)
            raise

    async def _answer(self, request: GitRequest, send: Any, moved: Callable[[], Any] | None) -> None:
        """Hand git's answer on; its end waits until the records say what the push did."""
        answer = await self._git.answer(request)
        headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for chunk in answer.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if moved is not None:
            await moved()
        await send({"type": "http.response.body", "body": b""})

    def _principal(self, request: _Request, place: Place) -> Principal:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise _RefusedError(
                401, "Authenticate with an access key's id and secret, or with Git credentials of an IAM user."
            )
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, ValueError):
            raise _RefusedError(401, "The Authorization header cannot be read.") from None
        access_key, _, token = user.partition("%")
        credential = self._identities.credential(access_key)
        principal = None
        if credential is None:
            principal = self._identities.git_credential(user, password)
        elif self._proves(credential, token, password, request, place.regions):
            principal = credential.principal
        if principal is None:
            raise _RefusedError(401, "The user name or the password is wrong, or the credentials have expired.")
        return principal

    def _proves(
        self, credential: Credential, token: str, password: str, request: _Request, regions: Sequence[str]
    ) -> bool:
        now = self._clock.now()
        if credential.token is not None:
            if not hmac.compare_digest(token.encode(), credential.token.encode()):
                return False
            if credential.expires is not None and now >= credential.expires:
                return False
        if hmac.compare_digest(password.encode(), credential.secret.encode()):
            return True
        signed = _SIGNED_PASSWORD.match(password)
        if signed is None:
            return False
        at = datetime.strptime(signed["stamp"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        if abs(now - at) > _SIGNATURE_LIFE:
            return False
        host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        path = f"{self._prefix}{request.place}"
        expected = [signature(credential.secret, region, host, path, signed["stamp"]) for region in regions]
        return any(hmac.compare_digest(each, signed["signature"]) for each in expected)


def _authorize(place: Place, context: Context, service: str) -> None:
    try:
        place.authorize(context, service, None)
    except ServiceError as error:
        raise _RefusedError(403, error.message) from error


def _declined(place: Place, context: Context, push: Push) -> bytes | None:
    """Return the answer to a push that may not move all its references, or None."""
    reasons = {}
    if len(push.commands) > _MOST_REFERENCES:
        reasons = dict.fromkeys((each.name for each in push.commands), "too many references in one push")
        return declined(push, reasons, f"A push moves at most {_MOST_REFERENCES} references.")
    for reference in {each.name for each in push.commands}:
        try:
            place.authorize(context, PUSH, reference)
        except ServiceError as error:
            reasons[reference] = error.message
    if not push.commands:
        _authorize(place, context, PUSH)
    if not reasons:
        return None
    remark = "\n".join(sorted(set(reasons.values())))
    rest = {each.name: "another reference of this push was declined" for each in push.commands}
    return declined(push, {**rest, **reasons}, remark)


def signature(secret: str, region: str, host: str, path: str, stamp: str) -> str:
    """Return the signature that CodeCommit's credential helpers give as a password.

    It is Signature Version 4 over the method `GIT`, the repository's path and the host without its port; the time
    stamp is written without `Z`.
    """
    canonical = f"GIT\n{path}\n\nhost:{host}\n\nhost\n"
    scope = f"{stamp[:8]}/{region}/codecommit/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (stamp[:8], region, "codecommit", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


async def _push(body: AsyncIterator[bytes]) -> Push:
    try:
        return await read_push(body)
    except PushError as error:
        raise _RefusedError(400, str(error)) from error


def _read(scope: Any, receive: Any, prefix: str) -> _Request:
    path = unquote((scope.get("raw_path") or scope["path"].encode()).decode("latin-1")).removeprefix(prefix)
    match = _ENDPOINT.match(path)
    if match is None:
        raise _RefusedError(404, "There is nothing here: a repository's URL ends with its name.")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    body = _chunks(receive)
    if headers.get("content-encoding") in ("gzip", "x-gzip"):
        body = _inflated(body)
    elif "content-encoding" in headers:
        raise _RefusedError(415, f"the encoding {headers['content-encoding']} is not understood")
    return _Request(
        scope["method"],
        match["place"],
        match["endpoint"],
        scope["query_string"].decode("latin-1"),
        headers,
        (scope.get("client") or ("", 0))[0],
        body,
    )


async def _chunks(receive: Any) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]


async def _inflated(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    async for chunk in chunks:
        left = chunk
        while left:
            try:
                piece = inflater.decompress(left, 1 << 16)
            except zlib.error:
                raise _GoneError from None
            if piece:
                yield piece
            left = inflater.unconsumed_tail
    yield inflater.flush()


async def _send(send: Any, status: int, headers: Mapping[str, str], content: bytes) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    pairs.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
