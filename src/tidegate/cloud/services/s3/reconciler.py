"""What S3 does by itself: applies lifecycle rules at every midnight, and removes the files of what is gone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.s3.blobs import Blobs
from tidegate.cloud.services.s3.model import BucketRecord, S3Model, unescaped
from tidegate.cloud.services.s3.plan import abortion, plan
from tidegate.cloud.store import Key

_STILL_READ = 2.0  # seconds until a blob that is being read is looked at again
_BATCH = 500  # keys that are worked before others get a turn


class Lifecycle:
    """Keeps one bucket (key: its name) to its lifecycle rules."""

    def __init__(self, model: S3Model, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    def keys(self) -> list[Key]:
        """Return the buckets that have rules."""
        return [key for key, bucket in self._model.buckets.items() if bucket.get("lifecycle")]

    async def reconcile(self, key: Key) -> float | None:
        """Remove what is due now; nothing else gets due before the next midnight (UTC)."""
        (name,) = key
        after = ""
        while True:
            bucket = self._model.buckets.get(name)
            if bucket is None or not any(rule["Status"] == "Enabled" for rule in bucket.get("lifecycle", ())):
                return None
            keys, more = self._keys_after(name, after)
            for each in keys:
                self._apply(bucket, each)
            if not more:
                break
            after = keys[-1]
            await asyncio.sleep(0)
        now = self._clock.now()
        for (_, upload_key, upload_id), upload in self._model.uploads.items(name):
            due = abortion(bucket.get("lifecycle", ()), unescaped(upload_key), upload)
            if due is not None and due.at <= now:
                self._model.end_upload(name, unescaped(upload_key), upload_id)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - now).total_seconds() + 1

    def _keys_after(self, bucket: str, after: str) -> tuple[list[str], bool]:
        """Return the next stored keys of a bucket, of objects and versions, in order; and whether there are more."""
        objects = [key[1] for key, _ in self._model.objects.items(bucket, after=after, limit=_BATCH)]
        behind = f"{after}\x20" if after else ""  # past all versions of that key
        versions = [key[1] for key, _ in self._model.versions.items(bucket, after=behind, limit=_BATCH)]
        cut = [keys[-1] for keys in (objects, versions) if len(keys) == _BATCH]
        found = sorted({*objects, *versions})
        return [key for key in found if key <= min(cut)] if cut else found, bool(cut)

    def _apply(self, bucket: BucketRecord, stored: str) -> None:
        name, key, now = bucket["name"], unescaped(stored), self._clock.now()
        current = self._model.current(name, key)
        behind = self._model.versions.values(name, stored)
        todo = plan(bucket.get("lifecycle", ()), key, current, behind, now)
        with self._model.transaction():
            for version in todo.remove:
                self._model.remove(name, key, version)
            if todo.expire and current is not None:
                self._model.delete(bucket, key, self._clock.secret(24), now)


class Removal:
    """Removes the file of one blob (key: its id) that no record refers to any more."""

    def __init__(self, model: S3Model, blobs: Blobs) -> None:
        self._model = model
        self._blobs = blobs

    def keys(self) -> list[Key]:
        """Return the blobs that are to go."""
        return [key for key, _ in self._model.removals.items()]

    async def reconcile(self, key: Key) -> float | None:
        """Remove the file; later, where somebody still reads it."""
        if self._model.removals.get(*key) is None:
            return None
        if not self._blobs.remove(key[0]):
            return _STILL_READ
        self._model.removals.delete(*key)
        return None
