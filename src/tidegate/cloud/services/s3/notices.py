"""What EventBridge hears of a bucket whose notifications to it are on: objects that were created and deleted.

A notice is written together with what it tells of, and told by the reconciler afterwards: once, or twice where a kill
comes between. Changes of tags and ACLs, restores and transitions are not told.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

from typing import Any

from tidegate.cloud.call import Context
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.s3.model import BucketRecord, ObjectRecord, S3Model

_SERVICE = "s3.amazonaws.com"


class Notices:
    """Writes notices, where a bucket has them told."""

    def __init__(self, model: S3Model, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    def created(self, context: Context, bucket: BucketRecord, key: str, record: ObjectRecord, reason: str) -> None:
        """Tell of a new object, or a new version of one; `reason` is the operation."""
        about = {"size": record["size"], "etag": record["etag"]}
        self._tell(context, bucket, "Object Created", key, record["version"], about, {"reason": reason})

    def deleted(
        self, context: Context | None, bucket: BucketRecord, key: str, version: str | None, *, marked: bool
    ) -> None:
        """Tell of an object that is gone for good, or that a delete marker hides; without a context a rule did it."""
        reason = "Lifecycle Expiration" if context is None else "DeleteObject"
        kind = "Delete Marker Created" if marked else "Permanently Deleted"
        detail = {"reason": reason, "deletion-type": kind}
        self._tell(context, bucket, "Object Deleted", key, version, {}, detail)

    def _tell(
        self,
        context: Context | None,
        bucket: BucketRecord,
        kind: str,
        key: str,
        version: str | None,
        about: dict[str, Any],
        more: dict[str, str],
    ) -> None:
        if not bucket.get("event_bridge"):
            return
        now = self._clock.now()
        sequencer = self._model.sequencer(now)
        thing = {"key": key, **about, "sequencer": sequencer}
        if "versioning" in bucket and version is not None:
            thing["version-id"] = version
        detail: dict[str, Any] = {
            "version": "0",
            "bucket": {"name": bucket["name"]},
            "object": thing,
            "request-id": self._clock.token(16) if context is None else context.request_id,
            "requester": _SERVICE if context is None else context.account,
            **more,
        }
        if context is not None and "aws:sourceip" in context.conditions:
            detail["source-ip-address"] = context.conditions["aws:sourceip"]
        notice = {"time": now, "region": bucket["region"], "type": kind, "bucket": bucket["name"], "detail": detail}
        self._model.notices.put((sequencer,), notice)
