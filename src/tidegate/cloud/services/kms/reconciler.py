"""Keys that go for good when their time has come, and keys that are rotated."""

from __future__ import annotations

from datetime import timedelta

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.kms.lifecycle import rotate
from tidegate.cloud.services.kms.model import DOOMED, WAITING, KeyRecord, KmsModel
from tidegate.cloud.store import Key


class Keeper:
    """Looks after one key (region, id) that is scheduled for deletion or rotation."""

    def __init__(self, model: KmsModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Delete or rotate the key once it is due; return the seconds until then."""
        record, now = self._model.keys.get(*key), self._clock.now()
        if record is None:
            return None
        due = record.get("deletion") or record.get("rotation", {}).get("due")
        if due is None:
            return None
        if due > now:
            return (due - now).total_seconds()
        if "deletion" not in record:
            rotate(self._model, record, now, "AUTOMATIC")
            return 0.0
        with self._model.transaction():
            self._model.delete(key[0], record)
            self._release(record)
        return None

    def _release(self, gone: KeyRecord) -> None:
        """Let a primary key go that has waited for this last replica."""
        left = self._model.siblings(gone)
        primary = left.get(gone["primary"])
        if len(left) == 1 and primary is not None and primary["state"] == WAITING:
            primary["state"] = DOOMED
            primary["deletion"] = self._clock.now() + timedelta(days=primary.get("window", 30))
            self._model.keys.put((gone["primary"], gone["id"]), primary)
