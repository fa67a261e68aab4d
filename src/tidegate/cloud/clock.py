"""Time and identity, injected so that decisions can be tested and simulated."""

from __future__ import annotations

import secrets
import string
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_JUMP = 2.0  # seconds: the wall clock was set, or the machine slept; what is less is the clock being corrected
_ALPHANUMERIC = string.ascii_uppercase + string.digits


class Clock:
    """The wall clock and the source of identifiers. The only module that reads either."""

    def __init__(self, wall: Callable[[], float] = time.time, uptime: Callable[[], float] = time.monotonic) -> None:
        """Both are in seconds: since 1970, and since any moment."""
        self._wall, self._uptime = wall, uptime
        self._ahead = wall() - uptime()
        self._jumps: list[tuple[datetime, datetime]] = []  # from which moment to which

    def now(self) -> datetime:
        """Return the present moment, in UTC, to the millisecond (what AWS's timestamps carry)."""
        wall = self._wall()
        now, ahead = datetime.fromtimestamp(wall, UTC), wall - self._uptime()
        if abs(ahead - self._ahead) > _JUMP:
            self._jumps.append((now - timedelta(seconds=ahead - self._ahead), now))
        self._ahead = ahead
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps, for durations and time-outs."""
        return self._uptime()

    def steady(self, moment: datetime) -> datetime:
        """Return the moment that is as long ago, by the clock as it is set now, as this one really is.

        What was written down before somebody set the clock is moved along with it, so that waits last as long as they
        would have. `moment` is in the past. After the clock was set back the same hour comes twice: a moment in it that
        has come again already is taken for the second one.
        """
        latest, moved = self.now(), timedelta(0)
        for before, after in reversed(self._jumps):
            if after <= moment <= latest:
                break
            latest, moved = before, moved + (after - before)
        return moment + moved

    def elapsed(self, since: datetime) -> timedelta:
        """Return how long ago a moment really was, however the clock was set meanwhile."""
        return self.now() - self.steady(since)

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
