"""Whose hand an operation's calls are made by: the stack's role, or whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from tidegate.cloud.call import CLOUDFORMATION, Caller, Calls, Principal, RoleSession
from tidegate.cloud.clock import Clock

_MARGIN = timedelta(minutes=5)


class Callers:
    """Callers of operations; the sessions of roles are kept for as long as they are valid."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self._sessions: dict[tuple[str, str], RoleSession] = {}

    async def of(self, stack_id: str, principal: Mapping[str, Any], role: str | None) -> Caller:
        """Return the hand; raise `ServiceError` where the role cannot be assumed."""
        region = stack_id.split(":")[3]
        if role is None:
            return self._calls.as_principal(restored(principal), region, via=CLOUDFORMATION)
        key = (stack_id, role)
        session = self._sessions.get(key)
        if session is None or session.credentials["Expiration"] - self._clock.now() < _MARGIN:
            session = await self._calls.as_role(role, CLOUDFORMATION, "AWSCloudFormation", region, source=stack_id)
            self._sessions[key] = session
        return session


def stored(principal: Principal) -> dict[str, Any]:
    """Return a principal as a record keeps it."""
    return asdict(principal)


def restored(record: Mapping[str, Any]) -> Principal:
    """Return the principal of a record."""
    return Principal(**{**record, "policies": tuple(record["policies"])})
