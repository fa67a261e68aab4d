"""Retention: metrics are kept for 15 days, as AWS keeps those of a minute's resolution; alarm history for 30."""

from __future__ import annotations

import asyncio

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.cloudwatch.alarms import Alarms
from tidegate.cloud.services.cloudwatch.model import CloudWatchModel
from tidegate.cloud.store import Key

_KEPT = 15 * 86_400_000  # milliseconds
_AGAIN = 3600.0  # seconds


class Retention:
    """Removes a region's (the key) old samples, the metrics that have none left, and what alarms did long ago."""

    def __init__(self, model: CloudWatchModel, alarms: Alarms, clock: Clock) -> None:
        self._model = model
        self._alarms = alarms
        self._clock = clock

    def keys(self) -> list[Key]:
        """Return the regions that have metrics."""
        return sorted({key[:1] for key, _ in self._model.metrics.items()})

    async def reconcile(self, key: Key) -> float | None:
        """Remove what is too old; look again in an hour, as long as there are metrics."""
        self._alarms.expire(key[0], self._clock.now())
        before = int(self._clock.now().timestamp() * 1000) - _KEPT
        metrics = self._model.metrics.items(*key)
        for number, (metric, _) in enumerate(metrics):
            self._model.expire(metric, before)
            if number % 100 == 99:
                await asyncio.sleep(0)
        return _AGAIN if metrics else None
