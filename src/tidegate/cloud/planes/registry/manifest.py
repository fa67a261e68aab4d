"""Manifests: what an image, an index or an artifact is made of.

https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md and image-index.md,
https://distribution.github.io/distribution/spec/manifest-v2-2/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.cloud.planes.registry import digest as digests
from tidegate.cloud.planes.registry.errors import RegistryError

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LIMIT = 4 << 20  # bytes of a manifest, as registries should accept at least and need not accept more

_IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
_INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest and what it says.

    `blobs` are the digests of the configuration and the layers that must be in the repository (not the layers that
    live elsewhere, by their `urls`), `children` those of an index's manifests. `size` is what the blobs weigh
    together in bytes; an index has none of its own. `config_type` is the media type of the configuration.
    """

    content: bytes
    digest: str
    media_type: str
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    size: int = 0
    config_type: str | None = None
    artifact_type: str | None = None
    subject: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


def read_manifest(content: bytes, media_type: str | None, *, digest: str | None = None) -> Manifest:
    """Return what a manifest says; raise MANIFEST_INVALID, or DIGEST_INVALID where it is not what `digest` names.

    `media_type` is what the sender calls it; without it, the manifest has to say so itself.
    """
    if len(content) > LIMIT:
        raise RegistryError("SIZE_INVALID", f"the manifest has more than {LIMIT} bytes")
    name = digests.of(content, digests.algorithm(digests.checked(digest)) if digest else "sha256")
    if digest is not None and name != digest:
        raise RegistryError("DIGEST_INVALID", f"the manifest's digest is {name}, not {digest}")
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError):
        raise _invalid("it is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise _invalid("it is not a JSON object")
    if document.get("schemaVersion") != 2:
        raise _invalid(f"its schemaVersion is {document.get('schemaVersion')!r}, and only 2 is supported")
    stated = document.get("mediaType")
    if stated is not None and media_type is not None and stated != media_type:
        raise _invalid(f"it was sent as {media_type} and says it is {stated}")
    kind = stated or media_type
    children: list[Any] = []
    parts: list[Any] = []
    config: Mapping[str, Any] = {}
    if kind in _INDEXES:
        children = _list(document, "manifests")
    elif kind in _IMAGES:
        config = _mapping(document, "config")
        parts = [config, *(each for each in _list(document, "layers") if not _elsewhere(each))]
    else:
        raise _invalid(f"manifests of type {kind} are not supported")
    return Manifest(
        content=content,
        digest=name,
        media_type=kind,
        blobs=tuple(dict.fromkeys(_digest(each, "config or layers") for each in parts)),
        children=tuple(dict.fromkeys(_digest(each, "manifests") for each in children)),
        size=sum(_size(each) for each in parts),
        config_type=config.get("mediaType"),
        artifact_type=document.get("artifactType") or None,
        subject=_digest(document["subject"], "subject") if document.get("subject") else None,
        annotations={str(key): str(value) for key, value in _mapping(document, "annotations").items()},
    )


def _elsewhere(descriptor: Any) -> bool:
    """Return whether a layer is not for this registry to hold: it may not be distributed, and says where it is."""
    return isinstance(descriptor, dict) and bool(descriptor.get("urls"))


def _digest(descriptor: Any, where: str) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(digest, str):
        raise _invalid(f"a descriptor in {where} has no digest")
    return digests.checked(digest)


def _size(descriptor: Mapping[str, Any]) -> int:
    size = descriptor.get("size")
    if not isinstance(size, int) or size < 0:
        raise _invalid(f"the descriptor of {descriptor.get('digest')} has no size")
    return size


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    if not isinstance(value, list):
        raise _invalid(f"{name} is not a list")
    return value


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name) or {}
    if not isinstance(value, dict):
        raise _invalid(f"{name} is not an object")
    return value


def _invalid(why: str) -> RegistryError:
    return RegistryError("MANIFEST_INVALID", f"the manifest cannot be accepted: {why}")
