"""ECR's controllers: lifecycle policies, their dry runs, garbage, and the events that pushes and deletions are."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.cloud.bus import hand_on
from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.registry import Blobs, Uploads
from tidegate.cloud.services.ecr.images import Failure, Images
from tidegate.cloud.services.ecr.model import EcrModel, PreviewRecord
from tidegate.cloud.services.ecr.plan import Image, plan, read_policy
from tidegate.cloud.services.ecr.tokens import Tokens
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

REGISTRY = ("registry",)  # the key of what is collected
_COLLECTED_EVERY = 600.0  # seconds
_UNREFERENCED_LIFE = 3600.0  # seconds that a layer waits for an image to refer to it
_IDLE_UPLOAD_LIFE = 86_400.0  # seconds that an upload may wait to be resumed
_EVALUATED_EVERY = 86_400.0  # seconds; AWS promises 24 hours

log = logging.getLogger(__name__)


class LifecycleController:
    """Applies lifecycle policies; its keys are (region, repository)."""

    def __init__(self, model: EcrModel, images: Images, clock: Clock) -> None:
        self._model = model
        self._images = images
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Expire what the policy says, and come back when it will say more."""
        region, name = key
        policy = self._model.lifecycle_policies.get(region, name)
        if policy is None:
            return None
        now = self._clock.now()
        decided = plan(read_policy(policy["text"]), seen_by_policies(self._model, region, name), now)
        for digest, priority in decided.expired:
            try:
                self._images.remove(region, name, digest)
            except Failure as failure:
                log.warning("%s %s@%s: not expired: %s", region, name, digest, failure)
            else:
                log.info("%s %s@%s: expired by lifecycle rule %d", region, name, digest, priority)
        self._model.evaluations.put((region, name), {"at": now})
        wait = _EVALUATED_EVERY if decided.next is None else (decided.next - now).total_seconds()
        return min(wait, _EVALUATED_EVERY)


class PreviewController:
    """Carries out dry runs; its keys are (region, repository)."""

    def __init__(self, model: EcrModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Evaluate the policy of a dry run and record the result."""
        region, name = key
        preview = self._model.previews.get(region, name)
        if preview is None or preview["status"] != "IN_PROGRESS":
            return None
        images = {image.digest: image for image in seen_by_policies(self._model, region, name)}
        decided = plan(read_policy(preview["text"]), images.values(), self._clock.now(), grace=timedelta())
        results: list[t.LifecyclePolicyPreviewResultTypeDef] = [
            {
                "imageTags": list(images[digest].tags),
                "imageDigest": digest,
                "imagePushedAt": images[digest].pushed_at,
                "action": {"type": "EXPIRE"},
                "appliedRulePriority": priority,
                "storageClass": "STANDARD",
            }
            for digest, priority in decided.expired
        ]

        def complete(record: PreviewRecord) -> None:
            record["results"] = sorted(results, key=lambda each: each["imageDigest"])
            record["status"] = "COMPLETE"

        self._model.previews.update((region, name), complete)
        return None


class GarbageController:
    """Removes the content that nothing refers to; its one key is ("registry",).

    A layer is dropped from a repository when no image of it refers to it and nobody pushed it or asked for it in
    the last hour; a blob when no repository has it any more.
    """

    def __init__(self, model: EcrModel, tokens: Tokens, blobs: Blobs, uploads: Uploads, clock: Clock) -> None:
        self._model = model
        self._tokens = tokens
        self._blobs = blobs
        self._uploads = uploads
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Collect once."""
        now = self._clock.now().timestamp()
        self._tokens.purge()
        await asyncio.to_thread(self._uploads.expire, now - _IDLE_UPLOAD_LIFE)
        limit = now - _UNREFERENCED_LIFE
        aged = await asyncio.to_thread(self._blobs.aged, limit)
        # from here on there is no await: what a push records meanwhile is seen, or comes after
        self._drop_layers(limit)
        kept = {layer[2] for layer, _ in self._model.layers.items()}
        for digest in aged:
            if digest not in kept and self._blobs.promised_before(digest, limit):
                self._blobs.remove(digest)
                log.info("%s: collected", digest)
        return _COLLECTED_EVERY

    def _drop_layers(self, limit: float) -> None:
        referred = {
            (region, name, blob) for (region, name, _), image in self._model.images.items() for blob in image["blobs"]
        }
        for layer in [key for key, _ in self._model.layers.items()]:
            if layer not in referred and self._blobs.promised_before(layer[2], limit):
                self._model.layers.delete(*layer)


class EventController:
    """Hands events to the event bus, once each has been written; its keys are (region, id)."""

    def __init__(self, model: EcrModel, calls: Calls) -> None:
        self._model = model
        self._calls = calls

    async def reconcile(self, key: Key) -> float | None:
        """Hand on one event and forget it."""
        event = self._model.events.get(*key)
        if event is None:
            return None
        action = "Replication" if event["detail"]["action-type"] == "REPLICATE" else "Image"
        await hand_on(
            self._calls,
            "ecr",
            key[0],
            at=event["at"],
            detail_type=f"ECR {action} Action",
            detail=event["detail"],
            resources=[self._model.arn(key[0], event["detail"]["repository-name"])],
        )
        self._model.events.delete(*key)
        return None


def seen_by_policies(model: EcrModel, region: str, name: str) -> list[Image]:
    """Return a repository's images as lifecycle policies see them."""
    return [
        Image(
            digest,
            tuple(record["tags"]),
            record["detail"]["imagePushedAt"],
            tuple(record["children"]),
            record["detail"].get("subjectManifestDigest"),
        )
        for digest, record in model.images_of(region, name).items()
    ]
