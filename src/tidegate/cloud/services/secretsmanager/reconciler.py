"""Secrets that were deleted go for good when their recovery window is over."""

from __future__ import annotations

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.secretsmanager.model import SecretsModel
from tidegate.cloud.store import Key


class Deletion:
    """Looks after one secret (key: region, name) that is scheduled for deletion."""

    def __init__(self, model: SecretsModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Remove the secret once its time has come; return the seconds until then."""
        record = self._model.secrets.get(*key)
        if record is None or "deletion" not in record:
            return None
        left = (record["deletion"] - self._clock.now()).total_seconds()
        if left > 0:
            return left
        self._model.delete(*key)
        return None
