"""The rules of images: what may be pushed, which tag may move, what may be deleted.

Both ways in, `docker push` and the API, end here. https://docs.aws.amazon.com/AmazonECR/latest/userguide/images.html
"""

from __future__ import annotations

import fnmatch
import re
from bisect import insort
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.cloud.call import Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecr.model import EcrModel, ImageRecord
from tidegate.cloud.services.ecr.replication import Replications
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

_PULL_RECORDED_EVERY = timedelta(hours=24)
_DIGEST = re.compile(r"[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+")


class PushedManifest(Protocol):
    """What a manifest says (read by the registry plane)."""

    @property
    def content(self) -> bytes: ...
    @property
    def digest(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def blobs(self) -> tuple[str, ...]: ...
    @property
    def children(self) -> tuple[str, ...]: ...
    @property
    def size(self) -> int: ...
    @property
    def config_type(self) -> str | None: ...
    @property
    def artifact_type(self) -> str | None: ...
    @property
    def subject(self) -> str | None: ...
    @property
    def annotations(self) -> Mapping[str, str]: ...


class Failure(Exception):  # noqa: N818 - what the API calls it: an ImageFailure
    """Why one image of a batch could not be served: a failure code of the API, and the reason beside it."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Images:
    """Puts, finds and removes images."""

    def __init__(self, model: EcrModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self._replications = Replications(model)

    def put(
        self, region: str, name: str, manifest: PushedManifest, tag: str | None, *, source: str | None = None
    ) -> bool:
        """Record an image and its tag, at once, and return whether that changed anything.

        `source` is the region that it is copied from, if it is: an image is copied once for each time it is pushed.

        Raises RepositoryNotFoundException, ImageTagAlreadyExistsException, LayersNotFoundException and
        ReferencedImagesNotFoundException.
        """
        repository = self._model.repository(region, name)["repository"]
        current = self._model.tags.get(region, name, tag) if tag is not None else None
        if current is not None and tag is not None and not mutable(repository, tag):
            raise ServiceError(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because "
                "the tag is immutable.",
            )
        self._expect_parts(region, name, manifest)
        known = self._model.images.get(region, name, manifest.digest)
        if known is not None and (tag is None or tag in known["tags"]):
            return False
        with self._model.store.transaction():
            if known is None:
                self._add(region, name, manifest)
            if tag is not None:
                if current is not None:
                    self._change((region, name, current["digest"]), lambda image: image["tags"].remove(tag))
                self._change((region, name, manifest.digest), lambda image: insort(image["tags"], tag))
                self._model.tags.put((region, name, tag), {"digest": manifest.digest})
            if source is None:
                self._replications.pushed(region, name, manifest.digest, tag)
            self._announce("PUSH", region, name, manifest.digest, tag or "", source)
        return True

    def find(self, region: str, name: str, image_id: t.ImageIdentifierTypeDef) -> str:
        """Return the digest of the image that a tag, a digest or both name; raise Failure."""
        digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
        if digest is None and tag is None:
            raise Failure("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
        if digest is not None and not _DIGEST.fullmatch(digest):
            raise Failure(
                "InvalidImageDigest",
                "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
            )
        tagged = self._model.tags.get(region, name, tag) if tag is not None else None
        found = tagged["digest"] if tagged is not None else digest
        if found is None or (tag is not None and tagged is None):
            raise _not_found()
        if self._model.images.get(region, name, digest or found) is None:
            raise _not_found()
        if digest is not None and digest != found:
            raise Failure("ImageTagDoesNotMatchDigest", "Requested image tag does not match the image digest")
        return found

    def pulled(self, region: str, name: str, digest: str, by: Principal) -> None:
        """Record that an image was pulled, once a day, unless the principal's pulls are excluded from that."""
        if self._model.exclusions.get(region, by.role_arn or by.arn) is not None:
            return
        now, image = self._clock.now(), self._model.images.get(region, name, digest)
        last = None if image is None else image["detail"].get("lastRecordedPullTime")
        if image is not None and (last is None or now - last >= _PULL_RECORDED_EVERY):
            image["detail"]["lastRecordedPullTime"] = now
            self._model.images.put((region, name, digest), image)

    def untag(self, region: str, name: str, tag: str, *, source: str | None = None) -> None:
        """Remove a tag, and with its last tag the image, unless an index refers to it; raise Failure.

        `source` is the region whose tag was removed before, if that is the cause.
        """
        record = self._model.tags.get(region, name, tag)
        image = None if record is None else self._model.images.get(region, name, record["digest"])
        if record is None or image is None:
            raise _not_found()
        digest = record["digest"]
        with self._model.store.transaction():
            self._model.tags.delete(region, name, tag)
            self._change((region, name, digest), lambda image: image["tags"].remove(tag))
            if source is None:
                self._replications.untagged(region, name, digest, tag)
            if image["tags"] == [tag] and not image["parents"]:
                self._forget(region, name, digest, image, source)
            self._announce("DELETE", region, name, digest, tag)

    def remove(self, region: str, name: str, digest: str, *, source: str | None = None) -> list[str]:
        """Remove an image and return the tags it had; raise Failure where there is none or an index refers to it.

        `source` is the region whose image was removed before, if that is the cause.
        """
        image = self._model.images.get(region, name, digest)
        if image is None:
            raise _not_found()
        if image["parents"]:
            raise Failure(
                "ImageReferencedByManifestList",
                f"Requested image referenced by manifest list: [{', '.join(image['parents'])}]",
            )
        with self._model.store.transaction():
            for tag in image["tags"]:
                self._model.tags.delete(region, name, tag)
            self._forget(region, name, digest, image, source)
            for tag in image["tags"] or [""]:
                self._announce("DELETE", region, name, digest, tag)
        return image["tags"]

    def _add(self, region: str, name: str, manifest: PushedManifest) -> None:
        # an index weighs what the heaviest of its images does
        children = [self._model.images.get(region, name, each) for each in manifest.children]
        sizes = [each["detail"]["imageSizeInBytes"] for each in children if each is not None]
        detail: t.ImageDetailTypeDef = {
            "imageDigest": manifest.digest,
            "imageSizeInBytes": max(sizes) if sizes else manifest.size,
            "imagePushedAt": self._clock.now(),
            "imageManifestMediaType": manifest.media_type,
        }
        artifact = manifest.artifact_type or manifest.config_type
        if artifact is not None:
            detail["artifactMediaType"] = artifact
        if manifest.subject is not None:
            detail["subjectManifestDigest"] = manifest.subject
        record: ImageRecord = {
            "detail": detail,
            "tags": [],
            "blobs": list(manifest.blobs),
            "children": list(manifest.children),
            "parents": [],
            "size": len(manifest.content),
            "artifact_type": artifact,
            "annotations": list(manifest.annotations.items()),
        }
        self._model.images.put((region, name, manifest.digest), record)
        self._model.manifests.put((region, name, manifest.digest), manifest.content.decode())
        for child in manifest.children:
            self._change((region, name, child), lambda image: image["parents"].append(manifest.digest))

    def _forget(self, region: str, name: str, digest: str, image: ImageRecord, source: str | None) -> None:
        for child in image["children"]:
            self._change((region, name, child), lambda image: image["parents"].remove(digest))
        self._model.images.delete(region, name, digest)
        self._model.manifests.delete(region, name, digest)
        if source is None:
            self._replications.removed(region, name, digest)

    def _change(self, key: Key, change: Callable[[ImageRecord], None]) -> None:
        self._model.images.update(key, change)

    def _expect_parts(self, region: str, name: str, manifest: PushedManifest) -> None:
        where = (
            f"required for pushing image into repository with name '{name}' in the registry with id "
            f"'{self._model.account}' do not exist"
        )
        layers = [each for each in manifest.blobs if self._model.layers.get(region, name, each) is None]
        if layers:
            raise ServiceError("LayersNotFoundException", f"Layers with digests '[{', '.join(layers)}]' {where}")
        images = [each for each in manifest.children if self._model.images.get(region, name, each) is None]
        if images:
            raise ServiceError(
                "ReferencedImagesNotFoundException", f"Images with digests '[{', '.join(images)}]' {where}"
            )

    def _announce(self, action: str, region: str, name: str, digest: str, tag: str, source: str | None = None) -> None:
        """Write the event that AWS sends for a push, a copy from elsewhere or a deletion; a controller hands it on.

        https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
        """
        detail = {
            "result": "SUCCESS",
            "repository-name": name,
            "image-digest": digest,
            "action-type": action,
            "image-tag": tag,
        }
        if source is not None:
            detail |= {"action-type": "REPLICATE", "source-account": self._model.account, "source-region": source}
        self._model.events.put((region, self._clock.new_id()), {"at": self._clock.now(), "detail": detail})


def mutable(repository: t.RepositoryTypeDef, tag: str) -> bool:
    """Return whether a tag of this repository may move to another image."""
    setting = repository["imageTagMutability"]
    filters = [each["filter"] for each in repository.get("imageTagMutabilityExclusionFilters", [])]
    excluded = any(fnmatch.fnmatchcase(tag, pattern) for pattern in filters)
    return setting.startswith("MUTABLE") is not excluded


def descriptor(record: ImageRecord) -> dict[str, Any]:
    """Return an image as a list of referrers shows it (an OCI descriptor)."""
    found: dict[str, Any] = {
        "mediaType": record["detail"]["imageManifestMediaType"],
        "digest": record["detail"]["imageDigest"],
        "size": record["size"],
    }
    if record["artifact_type"] is not None:
        found["artifactType"] = record["artifact_type"]
    if record["annotations"]:
        found["annotations"] = dict(record["annotations"])
    return found


def _not_found() -> Failure:
    return Failure("ImageNotFound", "Requested image not found")
