"""What S3 does by itself: applies lifecycle rules at every midnight, removes files, tells EventBridge."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.s3.blobs import Blobs
from tidegate.cloud.services.s3.model import BucketRecord, S3Model, unescaped
from tidegate.cloud.services.s3.notices import Notices
from tidegate.cloud.services.s3.plan import abortion, plan
from tidegate.cloud.store import Key

_STILL_READ = 2.0  # seconds until a blob that is being read is looked at again
_BATCH = 500  # keys that are worked before others get a turn


class Lifecycle:
    """Keeps one bucket (key: its name) to its lifecycle rules."""

    def __init__(self, model: S3Model, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self._notices = Notices(model, clock)

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
                self._notices.deleted(None, bucket, key, version, marked=False)
            if todo.expire and current is not None:
                marker = self._model.delete(bucket, key, self._clock.secret(24), now)
                self._notices.deleted(None, bucket, key, marker, marked=marker is not None)


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
        if not await self._blobs.remove(key[0]):
            return _STILL_READ
        self._model.removals.delete(*key)
        return None


class Announcer:
    """Tells EventBridge of one change (key: its notice's), then forgets it."""

    def __init__(self, model: S3Model, calls: Calls) -> None:
        self._model = model
        self._calls = calls

    def keys(self) -> list[Key]:
        """Return all that is left to tell."""
        return [key for key, _ in self._model.notices.items()]

    async def reconcile(self, key: Key) -> None:
        """Tell it, in the bucket's region."""
        notice = self._model.notices.get(*key)
        if notice is None:
            return
        entry = {
            "Source": "aws.s3",
            "DetailType": notice["type"],
            "Time": notice["time"],
            "Resources": [f"arn:aws:s3:::{notice['bucket']}"],
            "Detail": json.dumps(notice["detail"]),
        }
        await self._calls.as_service("s3.amazonaws.com", notice["region"])("events", "put_events", Entries=[entry])
        self._model.notices.delete(*key)
