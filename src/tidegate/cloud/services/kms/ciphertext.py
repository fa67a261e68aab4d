"""The form of what KMS encrypts: it names the key and the material, and is bound to its encryption context.

    version, length of the key's id, the key's id, the material's number (4 bytes), what was sealed

https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_VERSION = 1
_NUMBER = 4  # bytes


class MalformedError(Exception):
    """Bytes that were never a ciphertext of here."""


class Ciphertext(NamedTuple):
    """A ciphertext, taken apart."""

    key_id: str
    material: int
    sealed: bytes


def packed(ciphertext: Ciphertext) -> bytes:
    """Return a ciphertext as one blob."""
    identity = ciphertext.key_id.encode()
    head = bytes([_VERSION, len(identity)]) + identity
    return head + ciphertext.material.to_bytes(_NUMBER, "big") + ciphertext.sealed


def unpacked(blob: bytes) -> Ciphertext:
    """Return what `packed` made a blob of; raise `MalformedError`."""
    if len(blob) < 2 or blob[0] != _VERSION:
        raise MalformedError
    end = 2 + blob[1]
    try:
        identity = blob[2:end].decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError from None
    number, sealed = blob[end : end + _NUMBER], blob[end + _NUMBER :]
    if not identity or len(number) < _NUMBER or not sealed:
        raise MalformedError
    return Ciphertext(identity, int.from_bytes(number, "big"), sealed)


def bound(context: Mapping[str, str]) -> bytes:
    """Return an encryption context as bytes, the same however its pairs are ordered."""
    pairs = [part.encode() for pair in sorted(context.items()) for part in pair]
    return b"".join(len(part).to_bytes(4, "big") + part for part in pairs)
