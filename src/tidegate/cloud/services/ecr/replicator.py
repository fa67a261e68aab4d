"""ECR's controller of replication: images, tags and deletions are carried over to other regions.

Content is one for all regions, so that a copy is records only: nothing is written twice.
"""

from __future__ import annotations

import logging
from typing import Protocol

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecr.creation import Creation
from tidegate.cloud.services.ecr.images import Failure, Images, PushedManifest
from tidegate.cloud.services.ecr.model import EcrModel
from tidegate.cloud.store import Key

_AGAIN = 1.0  # seconds until an image is looked at again whose index is still to be deleted

log = logging.getLogger(__name__)


class ManifestReader(Protocol):
    """Reads manifests."""

    def __call__(self, text: str, media_type: str | None, digest: str | None) -> PushedManifest:
        """Return what it says."""


class ReplicationController:
    """Makes copies; its keys are (region, repository, digest, region of the copy)."""

    def __init__(self, model: EcrModel, images: Images, creation: Creation, read: ManifestReader) -> None:
        self._model = model
        self._images = images
        self._creation = creation
        self._read = read

    async def reconcile(self, key: Key) -> float | None:
        """Make one copy what the image is; where its repository may not be made, say that it failed."""
        region, name, digest, destination = key
        record = self._model.replications.get(*key)
        if record is None or record["status"] != "IN_PROGRESS":
            return None
        there = self._model.repositories.get(destination, name) is not None
        if not there and record["copy"] and self._model.images.get(region, name, digest) is not None:
            template = self._creation.template(destination, name, "REPLICATION")
            try:
                await self._creation.create(destination, name, template)
            except ServiceError as error:
                log.warning("%s: not replicated: %s", "/".join(key), error)
                self._end(key, error.code)
                return None
        try:
            with self._model.store.transaction():
                self._carry_over(region, name, digest, destination)
        except Failure as failure:
            if failure.code == "ImageReferencedByManifestList" and self._going(key):
                return _AGAIN
            log.warning("%s: deletion not replicated: %s", "/".join(key), failure)
            self._model.replications.delete(*key)
        return None

    def _carry_over(self, region: str, name: str, digest: str, destination: str) -> None:
        key = (region, name, digest, destination)
        record, image = self._model.replications.get(*key), self._model.images.get(region, name, digest)
        if record is None:
            return
        if image is None:
            if record["deletes"] and self._model.images.get(destination, name, digest) is not None:
                self._images.remove(destination, name, digest, source=region)
            self._model.replications.delete(*key)
            return
        if record["copy"] and self._model.repositories.get(destination, name) is not None:
            self._copy(region, name, digest, destination, None)
            for tag in record["tags"]:
                if tag in image["tags"]:
                    self._copy(region, name, digest, destination, tag)
        for tag in record["untagged"]:
            there = self._model.tags.get(destination, name, tag)
            if tag not in image["tags"] and there is not None and there["digest"] == digest:
                self._images.untag(destination, name, tag, source=region)
        self._end(key, None)

    def _copy(self, region: str, name: str, digest: str, destination: str, tag: str | None) -> None:
        """Put an image into the other region, what it needs before it. A tag that may not move there stays."""
        image, text = self._model.images.get(region, name, digest), self._model.manifests.get(region, name, digest)
        assert image is not None
        assert text is not None
        for child in image["children"]:
            self._copy(region, name, child, destination, None)
        for blob in image["blobs"]:
            layer = self._model.layers.get(region, name, blob)
            if layer is not None:
                self._model.layers.put((destination, name, blob), layer)
        manifest = self._read(text, image["detail"]["imageManifestMediaType"], digest)
        try:
            self._images.put(destination, name, manifest, tag, source=region)
        except ServiceError as error:
            if error.code != "ImageTagAlreadyExistsException":
                raise

    def _going(self, key: Key) -> bool:
        """Return whether an index of the copy is to be deleted, too."""
        region, name, digest, destination = key
        copy = self._model.images.get(destination, name, digest)
        parents = [] if copy is None else copy["parents"]
        pending = [self._model.replications.get(region, name, parent, destination) for parent in parents]
        return bool(pending) and all(each is not None and each["deletes"] for each in pending)

    def _end(self, key: Key, failure: str | None) -> None:
        self._model.replications.put(
            key,
            {
                "status": "COMPLETE" if failure is None else "FAILED",
                "failure": failure,
                "copy": False,
                "tags": [],
                "untagged": [],
                "deletes": False,
            },
        )
