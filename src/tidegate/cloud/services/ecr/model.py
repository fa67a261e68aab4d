"""ECR's records: repositories, images, their manifests and tags, layers, policies, tokens.

An image is what a manifest's digest names, and carries its tags; a tag's own record says where it points. The layers
of a repository are those that were pushed into it, whether an image refers to them (yet) or not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.store import Collection, Store

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

BLOB_MOUNTING = "BLOB_MOUNTING"  # the account setting

# what stands before the repository of another region than the daemon's own, in addresses
_REGIONAL = re.compile(r"aws--(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)/(?P<name>.+)")
_ARN = re.compile(r"arn:aws[\w-]*:ecr:(?P<region>[^:]*):(?P<account>\d{12}):repository/(?P<name>.+)")


class RepositoryRecord(TypedDict):
    """A repository as AWS shows it, without its address (that depends on the port), and its own policy."""

    repository: t.RepositoryTypeDef
    tags: list[t.TagTypeDef]
    policy: str | None  # JSON text


class ImageRecord(TypedDict):
    """An image as AWS shows it, its tags in lexical order, and what its manifest refers to and is referred to by."""

    detail: t.ImageDetailTypeDef
    tags: list[str]
    blobs: list[str]  # digests of its configuration and layers
    children: list[str]  # digests of the images of an index
    parents: list[str]  # digests of the indexes that refer to it
    size: int  # bytes of the manifest
    artifact_type: str | None
    annotations: list[tuple[str, str]]


class TagRecord(TypedDict):
    """Where a tag points."""

    digest: str


class LayerRecord(TypedDict):
    """A blob that was pushed or mounted into a repository."""

    size: int  # bytes


class LifecyclePolicyRecord(TypedDict):
    """A repository's lifecycle policy, as JSON text."""

    text: str


class EvaluationRecord(TypedDict):
    """When a lifecycle policy was last evaluated."""

    at: datetime


class PreviewRecord(TypedDict):
    """A dry run of a lifecycle policy."""

    text: str
    status: Literal["IN_PROGRESS", "COMPLETE"]
    results: list[t.LifecyclePolicyPreviewResultTypeDef]


class TokenRecord(TypedDict):
    """An authorization token: the principal it stands for, and the one layer of one repository it is for, if any."""

    expires: datetime
    arn: str
    id: str
    role_arn: str | None
    policies: list[str]
    service: str | None
    layer: tuple[str, str] | None  # the repository's address and the digest


class EventRecord(TypedDict):
    """An event that is still to be handed to the event bus."""

    at: datetime
    detail: dict[str, str]


class RegistryRecord(TypedDict):
    """The settings of the registry of a region."""

    policy: str | None  # JSON text
    settings: dict[str, str]  # account settings, by name
    rules: list[dict[str, Any]]  # of replication (ReplicationRule)


class TemplateRecord(TypedDict):
    """A repository creation template as AWS shows it."""

    template: t.RepositoryCreationTemplateTypeDef


class ExclusionRecord(TypedDict):
    """Since when the pulls of a principal are not recorded."""

    at: datetime


class ReplicationRecord(TypedDict):
    """What is to be done for an image in another region, and how far that is."""

    status: Literal["IN_PROGRESS", "COMPLETE", "FAILED"]
    failure: str | None  # the code of the error
    copy: bool  # whether the image itself is to be there
    tags: list[str]  # to be set there
    untagged: list[str]  # to be removed there
    deletes: bool  # whether the image is deleted there when it is here


class BackfillRecord(TypedDict):
    """A replication backfill. Its images are repository, digest and tag (or empty)."""

    destination: str  # the region
    status: Literal["IN_PROGRESS", "COMPLETE", "STOPPING", "STOPPED"]
    started: datetime
    ended: datetime | None
    waiting: list[tuple[str, str, str]]
    running: list[tuple[str, str, str]]
    results: list[dict[str, Any]]  # as AWS shows them (ReplicationBackfillResult)


class EcrModel:
    """All of it. Keys start with the region and the repository's name, but for tokens and events."""

    def __init__(self, store: Store, account: str, region: str, registry: str) -> None:
        """`region` is the one whose repositories have the plain addresses; `registry` is `127.0.0.1:PORT`."""
        self.account = account
        self.region = region
        self.registry = registry
        self.store = store
        self.repositories = Collection[RepositoryRecord](store, "ecr.repository")
        self.images = Collection[ImageRecord](store, "ecr.image")
        self.manifests = Collection[str](store, "ecr.manifest")
        self.tags = Collection[TagRecord](store, "ecr.tag")
        self.layers = Collection[LayerRecord](store, "ecr.layer")
        self.lifecycle_policies = Collection[LifecyclePolicyRecord](store, "ecr.lifecycle-policy")
        self.evaluations = Collection[EvaluationRecord](store, "ecr.lifecycle-evaluation")
        self.previews = Collection[PreviewRecord](store, "ecr.lifecycle-preview")
        self.tokens = Collection[TokenRecord](store, "ecr.token")  # by the SHA-256 of the password
        self.events = Collection[EventRecord](store, "ecr.event")  # by region and id
        self.registries = Collection[RegistryRecord](store, "ecr.registry")  # by region
        self.exclusions = Collection[ExclusionRecord](store, "ecr.pull-time-exclusion")  # by region and ARN
        self.templates = Collection[TemplateRecord](store, "ecr.template")  # by region and prefix
        self.backfills = Collection[BackfillRecord](store, "ecr.backfill")  # by region and id
        # by region, repository, digest and the region of the copy
        self.replications = Collection[ReplicationRecord](store, "ecr.replication")

    def arn(self, region: str, name: str) -> str:
        """Return a repository's ARN."""
        return f"arn:aws:ecr:{region}:{self.account}:repository/{name}"

    def located_by_arn(self, arn: str) -> tuple[str, str] | None:
        """Return region and name of the repository of an ARN of this account, or None."""
        match = _ARN.fullmatch(arn)
        return None if match is None or match["account"] != self.account else (match["region"], match["name"])

    def address(self, region: str, name: str) -> str:
        """Return what a repository is called in the registry: its name, in another region with the region before it."""
        return name if region == self.region else f"aws--{region}/{name}"

    def located(self, address: str) -> tuple[str, str]:
        """Return region and name of the repository that the registry calls so."""
        match = _REGIONAL.fullmatch(address)
        return (self.region, address) if match is None else (match["region"], match["name"])

    def uri(self, region: str, name: str) -> str:
        """Return a repository's address for docker."""
        return f"{self.registry}/{self.address(region, name)}"

    def repository(self, region: str, name: str, registry_id: str | None = None) -> RepositoryRecord:
        """Return a repository; raise RepositoryNotFoundException."""
        record = self.repositories.get(region, name) if registry_id in (None, self.account) else None
        if record is None:
            raise ServiceError(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id "
                f"'{registry_id or self.account}'",
            )
        return record

    def policy_of(self, arn: str) -> str | None:
        """Return what the policies of a repository and of its registry say together, as JSON text, or None.

        The registry's is evaluated for every action on its repositories, also on one that is not there (yet).
        https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-permissions.html
        """
        located = self.located_by_arn(arn)
        if located is None:
            return None
        record = self.repositories.get(*located)
        policies = [None if record is None else record["policy"], self.settings_of(located[0])["policy"]]
        given = [policy for policy in policies if policy is not None]
        return given[0] if len(given) == 1 else _together(given)

    def settings_of(self, region: str) -> RegistryRecord:
        """Return the settings of the registry of a region, as they are until somebody changes them."""
        return self.registries.get(region) or {"policy": None, "settings": {}, "rules": []}

    def mounts(self, region: str) -> bool:
        """Return whether the repositories of a region share layers."""
        return self.settings_of(region)["settings"].get(BLOB_MOUNTING) == "ENABLED"

    def images_of(self, region: str, name: str) -> dict[str, ImageRecord]:
        """Return the images of a repository by digest."""
        return {key[2]: record for key, record in self.images.items(region, name)}

    def forget_repository(self, region: str, name: str) -> None:
        """Remove a repository with everything in it."""
        with self.store.transaction():
            parts = (self.images, self.manifests, self.tags, self.layers, self.replications)
            for kind in (part.kind for part in parts):
                for key, _ in self.store.items(kind, (region, name)):
                    self.store.delete(kind, key)
            self.lifecycle_policies.delete(region, name)
            self.evaluations.delete(region, name)
            self.previews.delete(region, name)
            self.repositories.delete(region, name)


def _together(policies: Sequence[str]) -> str | None:
    """Return one policy document with the statements of several, or None for none."""
    if not policies:
        return None
    statements: list[Any] = []
    for policy in policies:
        given = from_json(policy)["Statement"]
        statements += given if isinstance(given, list) else [given]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def resource_conditions(tags: Sequence[t.TagTypeDef]) -> dict[str, str]:
    """Return the condition keys that a repository's tags are."""
    return {f"{service}:ResourceTag/{tag['Key']}": tag["Value"] for tag in tags for service in ("aws", "ecr")}
