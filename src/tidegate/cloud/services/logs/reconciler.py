"""Removes events: those that a group no longer keeps, and those of streams that were deleted."""

from __future__ import annotations

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.logs.model import LogsModel
from tidegate.cloud.store import Key

_DAY = 86_400_000  # milliseconds
_LONGEST = 3600.0  # seconds between two looks: an event may be put that is old already
_SHORTEST = 10.0


class Retention:
    """Keeps one group (key: region, name) to its retention."""

    def __init__(self, model: LogsModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    def keys(self) -> list[Key]:
        """Return the groups that do not keep events for ever."""
        return [key for key, group in self._model.groups.items() if "retention" in group]

    async def reconcile(self, key: Key) -> float | None:
        """Remove what is too old; return the seconds until the next event is, an hour at most."""
        region, name = key
        group = self._model.groups.get(region, name)
        if group is None or "retention" not in group:
            return None
        now = int(self._clock.now().timestamp() * 1000)
        cutoff = now - group["retention"] * _DAY
        streams = self._model.streams.values(region, name)
        if any(self._model.expire(region, name, stream["name"], cutoff) for stream in streams):
            return 0.0  # there may be more: some at a time, so that others get a turn
        earliest = min(
            (each["first"] for each in self._model.streams.values(region, name) if "first" in each), default=now
        )
        return min(max((earliest - cutoff) / 1000, _SHORTEST), _LONGEST)


class Removal:
    """Removes the events of one deleted stream (key: its id), some at a time: there may be very many."""

    def __init__(self, model: LogsModel) -> None:
        self._model = model

    def keys(self) -> list[Key]:
        """Return the deleted streams that have events left."""
        return [key for key, _ in self._model.removals.items()]

    async def reconcile(self, key: Key) -> float | None:
        """Remove some; come back at once while there may be more."""
        if self._model.removals.get(*key) is not None and self._model.remove_events(*key):
            return 0.0
        return None
