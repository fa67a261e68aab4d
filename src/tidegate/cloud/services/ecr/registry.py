"""The registry plane's surroundings, told by ECR: its repositories, its tokens, IAM's decisions.

Every step of a push or a pull is authorized as the ECR action that it is.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, StateError
from tidegate.cloud.planes.registry import Manifest, RegistryError, Step, StoredManifest, Uploads, read_manifest
from tidegate.cloud.services.ecr.creation import Creation
from tidegate.cloud.services.ecr.images import Failure, Images, PushedManifest, descriptor
from tidegate.cloud.services.ecr.model import EcrModel, resource_conditions
from tidegate.cloud.services.ecr.tokens import USER, Tokens, principal_of

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

_ACTIONS = {
    Step.START_UPLOAD: "ecr:InitiateLayerUpload",
    Step.WRITE_UPLOAD: "ecr:UploadLayerPart",
    Step.FINISH_UPLOAD: "ecr:CompleteLayerUpload",
    Step.CHECK_BLOB: "ecr:BatchCheckLayerAvailability",
    Step.GET_BLOB: "ecr:GetDownloadUrlForLayer",
    Step.PUT_MANIFEST: "ecr:PutImage",
    Step.GET_MANIFEST: "ecr:BatchGetImage",
    Step.LIST_TAGS: "ecr:ListImages",
    Step.LIST_REFERRERS: "ecr:BatchGetImage",
    Step.DELETE: "ecr:BatchDeleteImage",
}
_CODES = {
    "AccessDenied": "DENIED",
    "ImageTagAlreadyExistsException": "TAG_INVALID",
    "LayersNotFoundException": "MANIFEST_BLOB_UNKNOWN",
    "ReferencedImagesNotFoundException": "MANIFEST_BLOB_UNKNOWN",
    "RepositoryNotFoundException": "NAME_UNKNOWN",
    "ImageNotFound": "MANIFEST_UNKNOWN",
    "ImageReferencedByManifestList": "UNSUPPORTED",
}


@dataclass(frozen=True, slots=True)
class _Bearer:
    """Who holds a token, where the request comes from, and the one layer that the token is for, if it is."""

    principal: Principal
    client: str
    layer: tuple[str, str] | None


class RegistryAccess:
    """Tokens for credentials, IAM for permission (`planes.registry.Access`)."""

    def __init__(self, model: EcrModel, tokens: Tokens, calls: Calls, clock: Clock, creation: Creation) -> None:
        self._model = model
        self._tokens = tokens
        self._calls = calls
        self._clock = clock
        self._creation = creation

    def authenticate(self, user: str, password: str, client: str) -> _Bearer | None:
        """Return the bearer of an authorization token (user AWS), or of a token for a layer (no user)."""
        with _as_registry():
            token = self._tokens.find(password)
        if token is None or user != ("" if token["layer"] else USER):
            return None
        if token["expires"] <= self._clock.now():
            raise RegistryError("DENIED", "Your authorization token has expired. Reauthenticate and try again.")
        layer = None if token["layer"] is None else (token["layer"][0], token["layer"][1])
        return _Bearer(principal_of(token, self._model.account), client, layer)

    def authorize(self, who: _Bearer, step: Step, repository: str, reference: str) -> None:
        """Have IAM decide on the action that this step is."""
        if who.layer is not None and (step is not Step.GET_BLOB or who.layer != (repository, reference)):
            raise RegistryError("DENIED", "The token of this address is for downloading one layer.")
        self._authorize(who, _ACTIONS[step], *self._model.located(repository))

    async def prepare(self, who: _Bearer, repository: str) -> None:
        """Make a repository that is not there by its template for pushes, where the pusher may create it."""
        region, name = self._model.located(repository)
        template = self._creation.template(region, name, "CREATE_ON_PUSH")
        if template is None or self._model.repositories.get(region, name) is not None:
            return
        self._authorize(who, "ecr:CreateRepository", region, name)
        with _as_registry():
            await self._creation.create(region, name, template)

    def _authorize(self, who: _Bearer, action: str, region: str, name: str) -> None:
        record = self._model.repositories.get(region, name)
        conditions = resource_conditions([] if record is None else record["tags"])
        context = Context(who.principal, region, self._clock.new_id(), {"aws:sourceip": who.client})
        with _as_registry():
            self._calls.authorize(context, action, self._model.arn(region, name), conditions)


class RegistryRecords:
    """The repositories of all regions (`planes.registry.Records`)."""

    def __init__(self, model: EcrModel, images: Images) -> None:
        self._model = model
        self._images = images

    def expect(self, repository: str) -> None:
        """Return if the repository is there."""
        with _as_registry():
            self._model.repository(*self._model.located(repository))

    def has_blob(self, repository: str, digest: str) -> bool:
        """Return whether a blob was pushed or mounted into the repository."""
        return self._model.layers.get(*self._model.located(repository), digest) is not None

    def mounts(self, repository: str, source: str) -> bool:
        """Return whether both are in one registry, whose repositories share layers.

        https://docs.aws.amazon.com/AmazonECR/latest/userguide/blob-mounting.html
        """
        region = self._model.located(repository)[0]
        return region == self._model.located(source)[0] and self._model.mounts(region)

    def add_blob(self, repository: str, digest: str, size: int) -> None:
        """Record a blob of the repository."""
        with _as_registry():
            located = self._model.located(repository)
            self._model.repository(*located)
            self._model.layers.put((*located, digest), {"size": size})

    def remove_blob(self, repository: str, digest: str) -> None:
        """Take a blob out of the repository, unless an image needs it."""
        located = self._model.located(repository)
        if self._model.layers.get(*located, digest) is None:
            raise RegistryError("BLOB_UNKNOWN", f"{digest} is not in {repository}")
        if any(digest in image["blobs"] for image in self._model.images_of(*located).values()):
            raise RegistryError("UNSUPPORTED", f"an image of {repository} needs {digest}; delete the image instead")
        with _as_registry():
            self._model.layers.delete(*located, digest)

    def put_manifest(self, repository: str, tag: str | None, manifest: Manifest) -> None:
        """Record an image."""
        with _as_registry():
            self._images.put(*self._model.located(repository), manifest, tag)

    def manifest(self, repository: str, reference: str, *, puller: _Bearer | None) -> StoredManifest:
        """Return a manifest by tag or digest."""
        region, name = self._model.located(repository)
        with _as_registry():
            by_digest = ":" in reference
            image_id: t.ImageIdentifierTypeDef = {"imageDigest": reference} if by_digest else {"imageTag": reference}
            digest = self._images.find(region, name, image_id)
            if puller is not None:
                self._images.pulled(region, name, digest, puller.principal)
        record, content = self._model.images.get(region, name, digest), self._model.manifests.get(region, name, digest)
        assert record is not None
        assert content is not None
        return StoredManifest(digest, record["detail"]["imageManifestMediaType"], content.encode())

    def remove_manifest(self, repository: str, digest: str) -> None:
        """Remove an image with its tags."""
        with _as_registry():
            self._images.remove(*self._model.located(repository), digest)

    def remove_tag(self, repository: str, tag: str) -> None:
        """Remove a tag, and with its last one the image."""
        with _as_registry():
            self._images.untag(*self._model.located(repository), tag)

    def tags(self, repository: str, after: str, limit: int) -> Sequence[str]:
        """Return tags in lexical order."""
        located = self._model.located(repository)
        return [key[2] for key, _ in self._model.tags.items(*located, after=after, limit=limit)]

    def referrers(self, repository: str, subject: str) -> Sequence[Mapping[str, Any]]:
        """Return the descriptors of the images whose subject this is."""
        images = self._model.images_of(*self._model.located(repository)).values()
        return [descriptor(image) for image in images if image["detail"].get("subjectManifestDigest") == subject]


class LayerContent:
    """What ECR's own operations on layers and manifests need of the registry (`api.layers.Content`)."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def start(self, address: str) -> str:
        """Begin an upload into a repository and return its id."""
        return self._uploads.start(address)

    def size(self, address: str, upload: str) -> int:
        """Return how many bytes of an upload have come; raise UploadNotFoundException."""
        with _as_service():
            return self._uploads.size(address, upload)

    async def append(self, address: str, upload: str, part: bytes) -> int:
        """Add a part and return the new size; raise UploadNotFoundException."""
        with _as_service():
            return await self._uploads.append(address, upload, _whole(part), offset=None, length=None)

    async def finish(self, address: str, upload: str, digest: str) -> int:
        """Make a layer of an upload and return its size; raise InvalidLayerException where the digest differs."""
        with _as_service():
            return await self._uploads.finish(address, upload, digest)

    def read(self, text: str, media_type: str | None, digest: str | None) -> PushedManifest:
        """Return what a manifest says; raise InvalidParameterException or ImageDigestDoesNotMatchException."""
        with _as_service(DIGEST_INVALID="ImageDigestDoesNotMatchException"):
            return read_manifest(text.encode(), media_type, digest=digest)


async def _whole(part: bytes) -> AsyncIterator[bytes]:
    yield part


@contextmanager
def _as_registry() -> Iterator[None]:
    """Say ECR's errors in the registry's words; the sentence stays."""
    try:
        yield
    except ServiceError as error:
        raise RegistryError(_CODES.get(error.code, "UNKNOWN"), error.message) from error
    except Failure as failure:
        raise RegistryError(_CODES.get(failure.code, "MANIFEST_INVALID"), failure.reason) from failure
    except StateError as error:
        raise RegistryError("UNAVAILABLE", str(error)) from error


_EXCEPTIONS = {
    "BLOB_UPLOAD_UNKNOWN": "UploadNotFoundException",
    "DIGEST_INVALID": "InvalidLayerException",
    "MANIFEST_INVALID": "InvalidParameterException",
    "SIZE_INVALID": "InvalidParameterException",
}


@contextmanager
def _as_service(**exceptions: str) -> Iterator[None]:
    """Say the registry's errors in ECR's words; the sentence stays."""
    try:
        yield
    except RegistryError as error:
        code = {**_EXCEPTIONS, **exceptions}.get(error.code, "ServerException")
        raise ServiceError(code, error.message) from error
