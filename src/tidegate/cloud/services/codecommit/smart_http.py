"""Git over HTTP: who is it, may they, and then git itself. Mounted at `/v1/repos/`.

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
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from tidegate.cloud.call import Calls, Context, Credential, Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.git.process import GitError
from tidegate.cloud.planes.git.push import Push, PushError, declined, read_push
from tidegate.cloud.planes.git.smart_http import GitHttp, GitRequest
from tidegate.cloud.services.codecommit.contents import Refresh
from tidegate.cloud.services.codecommit.model import CodeCommitModel

PREFIX = "/v1/repos/"

_ENDPOINT = re.compile(r"^(?P<place>.+?)/(?P<endpoint>info/refs|git-upload-pack|git-receive-pack)$")
_SIGNED_PASSWORD = re.compile(r"^(?P<stamp>\d{8}T\d{6})Z(?P<signature>[0-9a-f]{64})$")
_SIGNATURE_LIFE = timedelta(minutes=15)
_MOST_REFERENCES = 4000  # https://docs.aws.amazon.com/codecommit/latest/userguide/limits.html
_ACTIONS = {"git-upload-pack": "codecommit:GitPull", "git-receive-pack": "codecommit:GitPush"}
_NO_CACHE = {"cache-control": "no-cache, max-age=0, must-revalidate"}

log = logging.getLogger(__name__)


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
    place: str  # what is between /v1/repos/ and the endpoint
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
    """An ASGI application that serves the repositories to git."""

    def __init__(
        self,
        model: CodeCommitModel,
        git: GitHttp,
        refresh: Refresh,
        calls: Calls,
        clock: Clock,
        credential: Callable[[str], Credential | None],
        git_credential: Callable[[str, str], Principal | None],
        allowed_host: Callable[[str], bool],
    ) -> None:
        """`credential` finds an access key, `git_credential` the owner of a service-specific credential."""
        self._model = model
        self._git = git
        self._refresh = refresh
        self._calls = calls
        self._clock = clock
        self._credential = credential
        self._git_credential = git_credential
        self._allowed_host = allowed_host

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request (ASGI 3)."""
        try:
            await self._serve(_read(scope, receive), send)
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
        if not self._allowed_host(request.headers.get("host", "")):
            raise _RefusedError(421, "that is not a name of this daemon")
        principal = self._principal(request)
        region, name = self._model.find_by_path(request.place)
        action = _ACTIONS.get(request.service)
        if action is None or request.method != ("GET" if request.endpoint == "info/refs" else "POST"):
            raise _RefusedError(403, "only git's smart HTTP protocol is served here")
        context = Context(principal, region, self._clock.new_id(), {"aws:sourceip": request.client})
        body = request.body
        push: Push | None = None
        if request.endpoint == "git-receive-pack":
            push = await _push(body)
            body = push.body
        else:
            self._authorize(context, action, name)
        record = self._model.repositories.get(region, name)
        if record is None:
            raise _RefusedError(404, f"The repository {name} does not exist in {region}.")
        if push is not None:
            answer = self._declined(context, name, push)
            if answer is not None:
                async for _ in body:  # git reads no answer before it has sent all
                    continue
                headers = {"content-type": "application/x-git-receive-pack-result", **_NO_CACHE}
                await _send(send, 200, headers, answer)
                return
        git_request = GitRequest(
            record["metadata"]["repositoryId"],
            request.endpoint,
            request.method,
            request.query,
            request.headers.get("content-type", ""),
            request.headers.get("git-protocol", ""),
            principal.arn,
            body,
        )
        try:
            await self._answer(git_request, send, self._moved(region, name, principal) if push else None)
        except _GoneError:
            if push is not None:
                await self._refresh(region, name, principal.arn)
            raise

    def _moved(self, region: str, name: str, principal: Principal) -> Callable[[], Any]:
        return lambda: self._refresh(region, name, principal.arn)

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

    def _authorize(self, context: Context, action: str, name: str) -> None:
        try:
            self._calls.authorize(context, action, self._model.arn(context.region, name))
        except ServiceError as error:
            raise _RefusedError(403, error.message) from error

    def _declined(self, context: Context, name: str, push: Push) -> bytes | None:
        """Return the answer to a push that may not move all its references, or None."""
        arn, reasons = self._model.arn(context.region, name), {}
        if len(push.commands) > _MOST_REFERENCES:
            reasons = dict.fromkeys((each.name for each in push.commands), "too many references in one push")
            return declined(push, reasons, f"A push moves at most {_MOST_REFERENCES} references.")
        for reference in {each.name for each in push.commands}:
            try:
                self._calls.authorize(context, "codecommit:GitPush", arn, {"codecommit:References": reference})
            except ServiceError as error:
                reasons[reference] = error.message
        if not push.commands:
            self._authorize(context, "codecommit:GitPush", name)
        if not reasons:
            return None
        remark = "\n".join(sorted(set(reasons.values())))
        rest = {each.name: "another reference of this push was declined" for each in push.commands}
        return declined(push, {**rest, **reasons}, remark)

    def _principal(self, request: _Request) -> Principal:
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
        credential = self._credential(access_key)
        principal = None
        if credential is None:
            principal = self._git_credential(user, password)
        elif self._proves(credential, token, password, request):
            principal = credential.principal
        if principal is None:
            raise _RefusedError(401, "The user name or the password is wrong, or the credentials have expired.")
        return principal

    def _proves(self, credential: Credential, token: str, password: str, request: _Request) -> bool:
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
        region, _ = self._model.find_by_path(request.place)
        host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        expected = signature(credential.secret, region, host, f"{PREFIX}{request.place}", signed["stamp"])
        return hmac.compare_digest(expected, signed["signature"])


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


def _read(scope: Any, receive: Any) -> _Request:
    path = unquote((scope.get("raw_path") or scope["path"].encode()).decode("latin-1")).removeprefix(PREFIX)
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
