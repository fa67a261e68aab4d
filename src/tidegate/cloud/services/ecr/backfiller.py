"""ECR's controller of replication backfills: a few copies at a time, so that a backfill can be stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecr.model import BackfillRecord, EcrModel
from tidegate.cloud.services.ecr.replication import Replications
from tidegate.cloud.store import Key

_AT_ONCE = 50  # copies
_LOOK_AGAIN = 0.2  # seconds
_KEPT = timedelta(days=90)


class BackfillController:
    """Has images copied; its keys are (region, backfill)."""

    def __init__(self, model: EcrModel, clock: Clock) -> None:
        self._model = model
        self._replications = Replications(model)
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Note which copies have ended, begin others; at last end the backfill, and after 90 days forget it."""
        record = self._model.backfills.get(*key)
        if record is None:
            return None
        if record["ended"] is not None:
            left = (record["ended"] + _KEPT - self._clock.now()).total_seconds()
            if left > 0:
                return left
            self._model.backfills.delete(*key)
            return None
        with self._model.store.transaction():
            ended = self._go_on(key[0], record)
            self._model.backfills.put(key, record)
        return None if ended else _LOOK_AGAIN

    def _go_on(self, region: str, record: BackfillRecord) -> bool:
        running, destination = [], record["destination"]
        for name, digest, tag in record["running"]:
            result = self._result(region, name, digest, tag, destination)
            if result is None:
                running.append((name, digest, tag))
            else:
                record["results"].append(result)
        if record["status"] == "IN_PROGRESS":
            room = _AT_ONCE - len(running)
            for name, digest, tag in record["waiting"][:room]:
                if self._model.images.get(region, name, digest) is not None:
                    self._replications.copied(region, name, digest, tag or None, destination)
                running.append((name, digest, tag))
            record["waiting"] = record["waiting"][room:]
        record["running"] = running
        if running:
            return False
        record["status"] = "STOPPED" if record["status"] == "STOPPING" else "COMPLETE"
        record["ended"] = self._clock.now()
        return True

    def _result(self, region: str, name: str, digest: str, tag: str, destination: str) -> dict[str, Any] | None:
        """Return what has become of a copy, or None while it is being made."""
        image = self._model.images.get(region, name, digest)
        copy = self._model.replications.get(region, name, digest, destination)
        if image is not None and copy is not None and copy["status"] == "IN_PROGRESS":
            return None
        failure = "ImageNotFound" if image is None or copy is None else copy["failure"]
        return {
            "repositoryName": name,
            "imageId": {"imageDigest": digest, **({"imageTag": tag} if tag else {})},
            "status": "COMPLETE" if failure is None else "FAILED",
            **({} if failure is None else {"failureCode": failure}),
            **({"subImageFailureCodes": []} if image is not None and image["children"] else {}),
        }
