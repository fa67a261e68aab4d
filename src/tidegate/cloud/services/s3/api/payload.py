"""The payload of an upload: received while its checksums are made, then held against what the request says."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tidegate.cloud import checksums
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.s3.api.shared import checked_algorithm, given_checksum
from tidegate.cloud.services.s3.blobs import Blobs, Incoming

DEFAULT = "CRC64NVME"  # what S3 makes itself where a request names no algorithm
_LARGEST = 5 << 30  # bytes of one upload


def algorithm_of(request: Mapping[str, Any]) -> str | None:
    """Return the algorithm that a request brings a checksum of, in its head or in a trailer, or None."""
    given = given_checksum(request)
    if given is not None:
        return given[0]
    for name in getattr(request.get("Body"), "trailers", ()):
        if name in checksums.HEADERS:
            return checksums.HEADERS[name]
    return checked_algorithm(request)


@contextlib.asynccontextmanager
async def received(blobs: Blobs, request: Mapping[str, Any], algorithm: str) -> AsyncIterator[Incoming]:
    """Receive a request's body; raise BadDigest where it is not what the request says it is.

    It comes with its checksum of `algorithm` and with that of the request's own.
    """
    body = request.get("Body")
    if (getattr(body, "length", None) or 0) > _LARGEST:
        raise ServiceError(
            "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", MaxSizeAllowed=_LARGEST
        )
    digest = _md5_of(request.get("ContentMD5"))
    own = algorithm_of(request)
    async with blobs.receive(body, {algorithm, own or algorithm}) as incoming:
        if digest is not None and digest != incoming.md5:
            raise ServiceError(
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
                ExpectedDigest=request.get("ContentMD5"),
                CalculatedDigest=base64.b64encode(incoming.md5).decode(),
            )
        given = given_checksum(request)
        trailers: Mapping[str, str] = getattr(body, "trailers", {})
        expected = (
            [given] if given else [(checksums.HEADERS[k], v) for k, v in trailers.items() if k in checksums.HEADERS]
        )
        for name, value in expected:
            if incoming.checksums.get(name) != value:
                raise ServiceError("BadDigest", f"The {name} you specified did not match the calculated checksum.")
        yield incoming


def _md5_of(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise ServiceError("InvalidDigest", "The Content-MD5 you specified is not valid.")
    return digest
