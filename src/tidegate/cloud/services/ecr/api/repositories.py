"""Repositories: create, describe, delete, change, tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ecr.api.shared import (
    invalid,
    no_pages,
    paged,
    repository_arn,
    repository_tags,
)
from tidegate.cloud.services.ecr.model import EcrModel, RepositoryRecord, resource_conditions

if TYPE_CHECKING:
    from types_boto3_ecr import type_defs as t

_MOST_TAGS = 50
_CLOUDFORMATION = "aws:cloudformation:"  # what CloudFormation alone may begin a key with
_LONGEST_KEY, _LONGEST_VALUE = 128, 256


def _request_tags(request: Mapping[str, Any]) -> dict[str, Any]:
    tags = request.get("tags", [])
    keys = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in tags}
    return {**keys, "aws:TagKeys": [tag["Key"] for tag in tags]} if tags else {}


def _resource_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return str(request["resourceArn"])


def _tag_conditions(api: Any, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    located = api.model.located_by_arn(request["resourceArn"])
    record = None if located is None else api.model.repositories.get(*located)
    keys = {"aws:TagKeys": list(request["tagKeys"])} if "tagKeys" in request else _request_tags(request)
    return {**resource_conditions([] if record is None else record["tags"]), **keys}


def _named(api: Any, context: Context, request: Mapping[str, Any]) -> list[str]:
    return [api.model.arn(context.region, name) for name in request.get("repositoryNames") or ["*"]]


class RepositoriesApi:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html and its siblings."""

    def __init__(self, model: EcrModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=repository_arn, conditions=lambda api, context, request: _request_tags(request))
    async def create_repository(self, context: Context, request: t.CreateRepositoryRequestTypeDef) -> Mapping[str, Any]:
        """Create a repository. Encryption is recorded; nothing leaves this machine."""
        name = request["repositoryName"]
        if request.get("registryId", context.account) != context.account:
            raise not_offered("ecr:CreateRepository in the registry of another account")
        if self.model.located(name)[1] != name:
            raise not_offered(f"ecr:CreateRepository repositoryName {name!r}, which is the address of another region")
        aes: t.EncryptionConfigurationTypeDef = {"encryptionType": "AES256"}
        encryption = request.get("encryptionConfiguration", aes)
        if encryption["encryptionType"] != "AES256":
            raise not_offered(f"ecr:CreateRepository encryptionType {encryption['encryptionType']}")
        if "kmsKey" in encryption:
            raise invalid("encryptionConfiguration", "kmsKey can only be used with encryption type KMS")
        tags = merged(context, [], request.get("tags", []))
        arn = self.model.arn(context.region, name)
        if tags:
            self._calls.authorize(context, "ecr:TagResource", arn, _request_tags(request))
        if self.model.repositories.get(context.region, name) is not None:
            raise ServiceError(
                "RepositoryAlreadyExistsException",
                f"The repository with name '{name}' already exists in the registry with id '{context.account}'",
            )
        repository: t.RepositoryTypeDef = {
            "repositoryArn": arn,
            "registryId": context.account,
            "repositoryName": name,
            "createdAt": self._clock.now(),
            "imageScanningConfiguration": {
                "scanOnPush": request.get("imageScanningConfiguration", {}).get("scanOnPush", False)
            },
            "encryptionConfiguration": encryption,
            **mutability(request),
        }
        record: RepositoryRecord = {"repository": repository, "tags": tags, "policy": None}
        self.model.repositories.put((context.region, name), record)
        return {"repository": self._shown(context.region, record)}

    @operation(resource=_named)
    async def describe_repositories(
        self, context: Context, request: t.DescribeRepositoriesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the repositories of a region, or some by name."""
        registry_id = request.get("registryId")
        if "repositoryNames" in request:
            no_pages(request, "repositoryNames")
            found = [self.model.repository(context.region, name, registry_id) for name in request["repositoryNames"]]
            return {"repositories": [self._shown(context.region, record) for record in found]}
        records = self.model.repositories.values(context.region) if registry_id in (None, context.account) else []
        shown = [self._shown(context.region, record) for record in records]
        return paged(request, shown, lambda each: str(each["repositoryName"]), "repositories")

    @operation(resource=repository_arn, conditions=repository_tags)
    async def delete_repository(self, context: Context, request: t.DeleteRepositoryRequestTypeDef) -> Mapping[str, Any]:
        """Delete a repository, with its images only if forced."""
        name = request["repositoryName"]
        record = self.model.repository(context.region, name, request.get("registryId"))
        if not request.get("force") and self.model.images.items(context.region, name, limit=1):
            raise ServiceError(
                "RepositoryNotEmptyException",
                f"The repository with name '{name}' in registry with id '{context.account}' cannot be deleted because "
                "it still contains images",
            )
        self.model.forget_repository(context.region, name)
        return {"repository": self._shown(context.region, record)}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def put_image_tag_mutability(
        self, context: Context, request: t.PutImageTagMutabilityRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say which tags may move."""
        record = self.model.repository(context.region, request["repositoryName"], request.get("registryId"))
        record["repository"].pop("imageTagMutabilityExclusionFilters", None)
        setting = mutability(request)
        record["repository"].update(setting)
        self.model.repositories.put((context.region, request["repositoryName"]), record)
        return {"registryId": context.account, "repositoryName": request["repositoryName"], **setting}

    @operation(resource=repository_arn, conditions=repository_tags)
    async def put_image_scanning_configuration(
        self, context: Context, request: t.PutImageScanningConfigurationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Record whether images should be scanned when pushed."""
        record = self.model.repository(context.region, request["repositoryName"], request.get("registryId"))
        setting: t.ImageScanningConfigurationTypeDef = {
            "scanOnPush": request["imageScanningConfiguration"].get("scanOnPush", False)
        }
        record["repository"]["imageScanningConfiguration"] = setting
        self.model.repositories.put((context.region, request["repositoryName"]), record)
        return {
            "registryId": context.account,
            "repositoryName": request["repositoryName"],
            "imageScanningConfiguration": setting,
        }

    @operation(resource=_resource_arn, conditions=_tag_conditions)
    async def tag_resource(self, context: Context, request: t.TagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Add tags to a repository."""
        key, record = self._by_arn(request["resourceArn"])
        record["tags"] = merged(context, record["tags"], request["tags"])
        self.model.repositories.put(key, record)
        return {}

    @operation(resource=_resource_arn, conditions=_tag_conditions)
    async def untag_resource(self, context: Context, request: t.UntagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags from a repository."""
        key, record = self._by_arn(request["resourceArn"])
        record["tags"] = [tag for tag in record["tags"] if tag["Key"] not in request["tagKeys"]]
        self.model.repositories.put(key, record)
        return {}

    @operation(resource=_resource_arn, conditions=_tag_conditions)
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return a repository's tags."""
        return {"tags": self._by_arn(request["resourceArn"])[1]["tags"]}

    def _by_arn(self, arn: str) -> tuple[tuple[str, str], RepositoryRecord]:
        located = self.model.located_by_arn(arn)
        if located is None:
            raise invalid("resourceArn", "Invalid ARN")
        return located, self.model.repository(*located)

    def _shown(self, region: str, record: RepositoryRecord) -> dict[str, Any]:
        return {
            **record["repository"],
            "repositoryUri": self.model.uri(region, record["repository"]["repositoryName"]),
        }


def mutability(request: Mapping[str, Any]) -> t.RepositoryTypeDef:
    """Return the tag mutability of a request, and what is excluded from it."""
    setting = request.get("imageTagMutability", "MUTABLE")
    filters = request.get("imageTagMutabilityExclusionFilters", [])
    if setting.endswith("_WITH_EXCLUSION") is not bool(filters):
        why = "is required with" if setting.endswith("_WITH_EXCLUSION") else "can only be used with"
        raise invalid("imageTagMutabilityExclusionFilters", f"{why} a mutability setting WITH_EXCLUSION")
    return {
        "imageTagMutability": setting,
        **({"imageTagMutabilityExclusionFilters": list(filters)} if filters else {}),
    }


def merged(context: Context, tags: Sequence[t.TagTypeDef], more: Sequence[t.TagTypeDef]) -> list[t.TagTypeDef]:
    for tag in more:
        if not 1 <= len(tag["Key"]) <= _LONGEST_KEY or len(tag["Value"]) > _LONGEST_VALUE:
            raise ServiceError(
                "InvalidTagParameterException",
                "Tag keys can have a maximum character length of 128 characters, and tag values can have a maximum "
                "length of 256 characters.",
            )
        own = context.for_cloudformation and tag["Key"].startswith(_CLOUDFORMATION)
        if tag["Key"].lower().startswith("aws:") and not own:
            raise ServiceError("InvalidTagParameterException", "Tag keys that start with aws: are reserved.")
    values = {tag["Key"]: tag["Value"] for tag in [*tags, *more]}
    if sum(not key.startswith("aws:") for key in values) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A repository can have at most {_MOST_TAGS} tags.")
    return [{"Key": key, "Value": value} for key, value in values.items()]
