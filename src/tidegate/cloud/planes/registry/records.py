"""What the registry is told by its surroundings: who may do what, and what the repositories hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from tidegate.cloud.planes.registry.manifest import Manifest


class Step(Enum):
    """What a request does; each is authorized on its repository."""

    START_UPLOAD = auto()
    WRITE_UPLOAD = auto()
    FINISH_UPLOAD = auto()
    CHECK_BLOB = auto()
    GET_BLOB = auto()
    PUT_MANIFEST = auto()
    GET_MANIFEST = auto()
    LIST_TAGS = auto()
    LIST_REFERRERS = auto()
    DELETE = auto()


class Access(Protocol):
    """Who a request is made by, and whether that may be."""

    async def prepare(self, who: Any, repository: str) -> None:
        """Make the repository of a push where it is not there and may be made so; raise DENIED where not allowed."""

    def authenticate(self, user: str, password: str, client: str) -> Any | None:
        """Return who has these credentials, as `authorize` wants it, or None for nobody.

        Credentials come as HTTP basic authentication, or as the query parameter `token` (then `user` is empty).
        `client` is the address that the request comes from. Raises DENIED for credentials that are over.
        """

    def authorize(self, who: Any, step: Step, repository: str, reference: str) -> None:
        """Return when allowed; raise DENIED with the sentence that the client shall see.

        `reference` is the digest, tag or upload that the step is about, or empty.
        """


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it was pushed."""

    digest: str
    media_type: str
    content: bytes


class Records(Protocol):
    """What the repositories hold. Every method is short, and raises NAME_UNKNOWN for a repository that is not there."""

    def expect(self, repository: str) -> None:
        """Return if the repository is there."""

    def has_blob(self, repository: str, digest: str) -> bool:
        """Return whether a blob was pushed or mounted into the repository."""

    def mounts(self, repository: str, source: str) -> bool:
        """Return whether blobs of `source` may be mounted into the repository at all."""

    def add_blob(self, repository: str, digest: str, size: int) -> None:
        """Record a blob of the repository."""

    def remove_blob(self, repository: str, digest: str) -> None:
        """Take a blob out of the repository; raise BLOB_UNKNOWN, or UNSUPPORTED while an image needs it."""

    def put_manifest(self, repository: str, tag: str | None, manifest: Manifest) -> None:
        """Record a manifest and its tag, at once; raise MANIFEST_BLOB_UNKNOWN or TAG_INVALID."""

    def manifest(self, repository: str, reference: str, *, puller: Any | None) -> StoredManifest:
        """Return a manifest by tag or digest; raise MANIFEST_UNKNOWN. `puller` is who takes it away, if anybody."""

    def remove_manifest(self, repository: str, digest: str) -> None:
        """Remove a manifest and its tags; raise MANIFEST_UNKNOWN."""

    def remove_tag(self, repository: str, tag: str) -> None:
        """Remove a tag; raise MANIFEST_UNKNOWN."""

    def tags(self, repository: str, after: str, limit: int) -> Sequence[str]:
        """Return at most `limit` tags, in lexical order, after one."""

    def referrers(self, repository: str, subject: str) -> Sequence[Mapping[str, Any]]:
        """Return the descriptors of the manifests whose subject this is."""
