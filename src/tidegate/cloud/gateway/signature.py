"""AWS Signature Version 4, verified: in the Authorization header, in a presigned query, in signed chunks.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_plus

from tidegate.cloud.call import Credential, Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.gateway import signature_v2
from tidegate.cloud.gateway.wire import HttpRequest

_ALGORITHM = "AWS4-HMAC-SHA256"
ANY_REGION = "aws-global"  # botocore's name for S3's endpoint that is no region's: version 2 signs no region
_SKEW = timedelta(minutes=5)
_LONGEST_PRESIGNED = timedelta(days=7)
_EMPTY = hashlib.sha256(b"").hexdigest()
_AUTHORIZATION = re.compile(
    r"^AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+),\s*"
    r"SignedHeaders=(?P<signed>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})\s*$"
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says of its signature. `payload` is the value of x-amz-content-sha256 (or its equivalent)."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: datetime
    token: str | None
    payload: str
    expires: timedelta | None = None
    version: int = 4

    @property
    def scope(self) -> str:
        """Return the credential scope: `20261123/us-east-1/ecs/aws4_request`."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read_signature(request: HttpRequest) -> Signature:
    """Return a request's signature; raise `ServiceError` where there is none or it cannot be read."""
    header = request.headers.get("authorization")
    if header is not None:
        if header.startswith("AWS "):
            why = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
            raise ServiceError("InvalidRequest", why)
        match = _AUTHORIZATION.match(header)
        if match is None:
            raise ServiceError("IncompleteSignature", "Authorization header cannot be read as Signature Version 4", 403)
        stamp = request.headers.get("x-amz-date") or request.headers.get("date", "")
        return _signature(
            match["credential"],
            match["signed"],
            match["signature"],
            stamp,
            token=request.headers.get("x-amz-security-token"),
            payload=request.headers.get("x-amz-content-sha256", ""),
        )
    if request.parameter("X-Amz-Algorithm") == _ALGORITHM:
        try:
            expires = timedelta(seconds=int(request.parameter("X-Amz-Expires") or ""))
        except (ValueError, OverflowError):
            raise ServiceError("AuthorizationQueryParametersError", "X-Amz-Expires should be a number", 400) from None
        if not timedelta(0) <= expires <= _LONGEST_PRESIGNED:
            raise ServiceError(
                "AuthorizationQueryParametersError", "X-Amz-Expires must be between 0 and 604800 seconds", 400
            )
        return _signature(
            request.parameter("X-Amz-Credential") or "",
            request.parameter("X-Amz-SignedHeaders") or "",
            request.parameter("X-Amz-Signature") or "",
            request.parameter("X-Amz-Date") or "",
            token=request.parameter("X-Amz-Security-Token"),
            payload=request.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            expires=expires,
        )
    if request.parameter("AWSAccessKeyId") is not None and request.parameter("Signature") is not None:
        return Signature(
            access_key=request.parameter("AWSAccessKeyId") or "",
            date="",
            region=ANY_REGION,
            service="s3",
            signed_headers=(),
            signature=request.parameter("Signature") or "",
            timestamp=signature_v2.expiry(request),
            token=request.parameter("x-amz-security-token"),
            payload="UNSIGNED-PAYLOAD",
            expires=timedelta(0),
            version=2,
        )
    raise ServiceError("MissingAuthenticationToken", "Missing Authentication Token", 403)


def _signature(
    credential: str,
    signed: str,
    signature: str,
    stamp: str,
    *,
    token: str | None,
    payload: str,
    expires: timedelta | None = None,
) -> Signature:
    parts = credential.split("/")
    try:
        timestamp = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ServiceError("IncompleteSignature", "x-amz-date is not a time such as 20261123T173800Z", 403) from None
    if len(parts) < 5 or parts[-1] != "aws4_request" or parts[-4] != stamp[:8]:
        raise ServiceError("IncompleteSignature", "Credential is not KEY/DATE/REGION/SERVICE/aws4_request", 403)
    headers = tuple(signed.lower().split(";"))
    if "host" not in headers:
        raise ServiceError("IncompleteSignature", "'Host' must be a 'SignedHeader' in the AWS Authorization", 403)
    return Signature(
        "/".join(parts[:-4]), parts[-4], parts[-3], parts[-2], headers, signature, timestamp, token, payload, expires
    )


def verify(request: HttpRequest, given: Signature, credential: Credential | None, clock: Clock) -> Principal:
    """Return whose request it is; raise `ServiceError` for a wrong, old or foreign signature."""
    if credential is None:
        raise ServiceError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    now = clock.now()
    if credential.token is not None:
        if not hmac.compare_digest((given.token or "").encode(), credential.token.encode()):
            raise ServiceError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
        if credential.expires is not None and now >= credential.expires:
            raise ServiceError("ExpiredToken", "The security token included in the request is expired", 403)
    if given.expires is not None:
        if now > given.timestamp + given.expires:
            raise ServiceError("AccessDenied", "Request has expired", 403)
    elif abs(now - given.timestamp) > _SKEW:
        raise ServiceError(
            "RequestTimeTooSkewed",
            f"Signature expired or not yet valid: {given.timestamp:%Y%m%dT%H%M%SZ} is over 5 minutes "
            f"from {now:%Y%m%dT%H%M%SZ}",
            403,
        )
    if given.version == 2:
        expected = signature_v2.signature(request, credential.secret)
    else:
        key = signing_key(credential.secret, given)
        expected = hmac.new(key, _string_to_sign(request, given).encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.signature.encode()):
        raise ServiceError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
            403,
        )
    return credential.principal


def signing_key(secret: str, given: Signature) -> bytes:
    """Return the key derived for the signature's scope."""
    key = f"AWS4{secret}".encode()
    for part in (given.date, given.region, given.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _string_to_sign(request: HttpRequest, given: Signature) -> str:
    path = request.raw_path if given.service == "s3" else quote(request.raw_path, safe="/-_.~")
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in given.signed_headers)
    canonical = "\n".join(
        [
            request.method,
            path or "/",
            _canonical_query(request.query_string),
            headers,
            ";".join(given.signed_headers),
            given.payload or hashlib.sha256(request.content).hexdigest(),
        ]
    )
    return "\n".join(
        [
            _ALGORITHM,
            f"{given.timestamp:%Y%m%dT%H%M%SZ}",
            given.scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )


def _canonical_query(query_string: str) -> str:
    pairs = []
    for part in query_string.split("&"):
        name, _, value = part.partition("=")
        if part and name != "X-Amz-Signature":
            pairs.append((quote(unquote_plus(name), safe="-_.~"), quote(unquote_plus(value), safe="-_.~")))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


async def hashed(chunks: AsyncIterator[bytes], expected: str) -> AsyncIterator[bytes]:
    """Pass chunks on and raise at the end when they do not hash to `expected` (hexadecimal SHA-256)."""
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if not hmac.compare_digest(digest.hexdigest(), expected):
        raise payload_mismatch()


def payload_mismatch() -> ServiceError:
    """Refuse a body that does not hash to what its header says."""
    return ServiceError(
        "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."
    )


class ChunkedDecoder:
    """Decodes an `aws-chunked` body, verifies each chunk's signature where there is one, keeps the trailers.

    With `key` None the chunks are unsigned.
    """

    def __init__(self, given: Signature, key: bytes | None) -> None:
        self._given = given
        self._key = key
        self._previous = given.signature

    async def decode(self, chunks: AsyncIterator[bytes], trailers: dict[str, str]) -> AsyncIterator[bytes]:
        """Yield the payload without its framing; at its end, fill `trailers`."""
        reader = _Reader(chunks)
        while True:
            header = (await reader.line()).decode("ascii", "replace")
            size_text, _, extension = header.partition(";")
            try:
                size = int(size_text, 16)
            except ValueError:
                raise ServiceError("IncompleteBody", "an aws-chunked chunk has no size") from None
            digest = hashlib.sha256()
            async for piece in reader.take(size):
                digest.update(piece)
                yield piece
            if self._key is not None:
                self._check(extension.removeprefix("chunk-signature="), digest.hexdigest())
            if size == 0:
                break
            await reader.line()
        while line := (await reader.line(or_end=True)).decode("utf-8", "replace"):
            name, _, value = line.partition(":")
            trailers[name.strip().lower()] = value.strip()

    def _check(self, signature: str, digest: str) -> None:
        assert self._key is not None
        text = "\n".join(
            [
                f"{_ALGORITHM}-PAYLOAD",
                f"{self._given.timestamp:%Y%m%dT%H%M%SZ}",
                self._given.scope,
                self._previous,
                _EMPTY,
                digest,
            ]
        )
        expected = hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            raise ServiceError("SignatureDoesNotMatch", "a chunk's signature does not match its content", 403)
        self._previous = signature


class _Reader:
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()

    async def _more(self) -> bool:
        async for chunk in self._chunks:
            self._buffer += chunk
            return True
        return False

    async def line(self, *, or_end: bool = False) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > 16_384:
                raise ServiceError("IncompleteBody", "an aws-chunked line is too long")
            if not await self._more():
                if or_end:
                    rest = bytes(self._buffer)
                    self._buffer.clear()
                    return rest
                raise ServiceError("IncompleteBody", "the body ended before its last chunk")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    async def take(self, size: int) -> AsyncIterator[bytes]:
        while size:
            if not self._buffer and not await self._more():
                raise ServiceError("IncompleteBody", "the body ended within a chunk")
            piece = bytes(self._buffer[:size])
            del self._buffer[: len(piece)]
            size -= len(piece)
            yield piece
