"""Time and identity, injected so that decisions can be tested and simulated."""

from __future__ import annotations

import secrets
import string
import time
import uuid
from datetime import UTC, datetime

_ALPHANUMERIC = string.ascii_uppercase + string.digits


class Clock:
    """The wall clock and the source of identifiers. The only module that reads either."""

    def now(self) -> datetime:
        """Return the present moment, in UTC, to the millisecond (what AWS's timestamps carry)."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps, for durations and time-outs."""
        return time.monotonic()

    def new_id(self) -> str:
        """Return a random UUID."""
        return str(uuid.uuid4())

    def hex(self, digits: int) -> str:
        """Return `digits` random hexadecimal digits, as in `vpc-0123456789abcdef0`."""
        return secrets.token_hex((digits + 1) // 2)[:digits]

    def token(self, length: int) -> str:
        """Return `length` random upper-case letters and digits, as in access key ids."""
        return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))

    def text(self, characters: str, length: int) -> str:
        """Return `length` of these characters, each chosen by unguessable chance."""
        return "".join(secrets.choice(characters) for _ in range(length))

    def shuffled(self, text: str) -> str:
        """Return the characters of a text in an order of unguessable chance."""
        return "".join(secrets.SystemRandom().sample(text, len(text)))

    def secret(self, size: int = 30) -> str:
        """Return an unguessable URL-safe string made from `size` random bytes."""
        return secrets.token_urlsafe(size)
