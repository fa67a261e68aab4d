"""Secrets at rest: AES-256-GCM with a key in a file of the data folder that only the user can read.

It stands for the keys `aws/ssm` and `aws/secretsmanager`. What is encrypted is bound to what it belongs to, a parameter
or a version of a secret, as by the encryption context of KMS: a value that is copied elsewhere cannot be read.

https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

_SIZE = 32  # bytes of the key
_NONCE = 12  # bytes, as NIST SP 800-38D has it
_VERSION = b"\x01"  # of the form: version, nonce, ciphertext with its tag


class DecryptionError(Exception):
    """What was encrypted cannot be read: the key file is another one, or the value is not this context's."""


def new_key() -> bytes:
    """Return a key, by unguessable chance."""
    return os.urandom(_SIZE)


def sealed(key: bytes, plain: bytes, context: bytes) -> bytes:
    """Return what only the same key and context open again."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # here: a start needs it not

    nonce = os.urandom(_NONCE)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plain, context)


def opened(key: bytes, raw: bytes, context: bytes) -> bytes:
    """Return what was sealed; raise `DecryptionError`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if raw[:1] != _VERSION:
        raise DecryptionError("its form is not known")
    try:
        return AESGCM(key).decrypt(raw[1 : 1 + _NONCE], raw[1 + _NONCE :], context)
    except (InvalidTag, ValueError) as error:
        raise DecryptionError("the key does not open it") from error


class DataKey:
    """The key of one data folder: made when it is first needed, read whenever it is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def encrypt(self, plain: bytes, context: str) -> str:
        """Return the ciphertext as base64; only `decrypt` with the same context gives it back."""
        return base64.b64encode(sealed(self._key(), plain, context.encode())).decode()

    def decrypt(self, ciphertext: str, context: str) -> bytes:
        """Return what was encrypted; raise `DecryptionError`."""
        try:
            raw = base64.b64decode(ciphertext)
        except binascii.Error as error:
            raise DecryptionError("its form is not known") from error
        return opened(self._key(), raw, context.encode())

    def forget(self) -> None:
        """Remove the key: what it has encrypted is gone for good."""
        self._path.unlink(missing_ok=True)

    def _key(self) -> bytes:
        if not self._path.exists():
            self._make()
        if self._path.stat().st_mode & 0o077:
            self._path.chmod(0o600)
        key = self._path.read_bytes()
        if len(key) != _SIZE:
            raise DecryptionError(f"{self._path} is not a key")
        return key

    def _make(self) -> None:
        """Write a new key, whole and on the disk before anything is encrypted with it."""
        temporary = self._path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(new_key())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
