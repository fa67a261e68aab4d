"""The checksums that S3's requests and objects carry, in base64.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any, Protocol

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5")
HEADERS = {f"x-amz-checksum-{name.lower()}": name for name in ALGORITHMS}
# those whose value for a whole follows from its parts': the catalogue's name, bytes
_CRCS = {"CRC32": ("CRC32-ISO-HDLC", 4), "CRC32C": ("CRC32-ISCSI", 4), "CRC64NVME": ("CRC64-NVME", 8)}
LINEAR = frozenset(_CRCS)


class Digest(Protocol):
    """A checksum in the making."""

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""

    def digest(self) -> bytes:
        """Return the checksum of all that was taken in; once only."""


class _Crc:
    def __init__(self, algorithm: str) -> None:
        self._calculate = _model(algorithm).calc
        self._size = _CRCS[algorithm][1]
        self._value = 0

    def update(self, data: bytes, /) -> None:
        if data:
            self._value = self._calculate(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def _model(algorithm: str) -> Any:
    import anycrc  # where it is needed: most of what the daemon does needs none

    return anycrc.Model(_CRCS[algorithm][0])


def new(algorithm: str) -> Digest:
    """Return an empty checksum of one of `ALGORITHMS`."""
    return _Crc(algorithm) if algorithm in LINEAR else hashlib.new(algorithm.lower(), usedforsecurity=False)


def checksum_of(algorithm: str, content: bytes) -> str:
    """Return the checksum of some bytes, in base64."""
    digest = new(algorithm)
    digest.update(content)
    return encoded(digest)


def encoded(digest: Digest) -> str:
    """Return a finished checksum in base64."""
    return base64.b64encode(digest.digest()).decode()


def combined(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """Return the checksum of a whole from the base64 checksums and the sizes of its parts (`LINEAR` ones only)."""
    model, value = _model(algorithm), 0
    for text, size in parts:
        value = model.combine(value, int.from_bytes(base64.b64decode(text), "big"), size)
    return base64.b64encode(value.to_bytes(_CRCS[algorithm][1], "big")).decode()


def composite(algorithm: str, parts: Iterable[str]) -> str:
    """Return the checksum of the parts' checksums with their number, as multipart objects carry it: `…==-3`."""
    values = [base64.b64decode(text) for text in parts]
    return f"{checksum_of(algorithm, b''.join(values))}-{len(values)}"
