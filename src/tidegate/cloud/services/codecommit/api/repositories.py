"""Repositories: create, describe, rename, delete, tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.codecommit.api.shared import (
    find_branch,
    find_repository,
    no_repository,
    repository_arn,
)
from tidegate.cloud.services.codecommit.contents import Repositories
from tidegate.cloud.services.codecommit.model import CodeCommitModel, RepositoryRecord

if TYPE_CHECKING:
    from types_boto3_codecommit import type_defs as t

_PAGE = 1000
_MOST_NAMES = 25
_MOST_TAGS = 50


class RepositoriesApi:
    """https://docs.aws.amazon.com/codecommit/latest/APIReference/API_CreateRepository.html and its siblings."""

    def __init__(self, model: CodeCommitModel, repositories: Repositories, clock: Clock) -> None:
        self.model = model
        self._repositories = repositories
        self._clock = clock

    @operation(resource=repository_arn, refuse=("kmsKeyId",))
    async def create_repository(self, context: Context, request: t.CreateRepositoryInputTypeDef) -> Mapping[str, Any]:
        """Create an empty repository, ready to be pushed to."""
        name = request["repositoryName"]
        if name.endswith(".git"):
            raise ServiceError("InvalidRepositoryNameException", f"The repository name {name} is not valid")
        tags = _checked_tags(context, {}, request.get("tags", {}))
        self._check_free(context, name)
        identity, now = self._clock.new_id(), self._clock.now()
        await self._repositories.create(identity)
        self._check_free(context, name)
        metadata: t.RepositoryMetadataTypeDef = {
            "accountId": self.model.account,
            "repositoryId": identity,
            "repositoryName": name,
            "creationDate": now,
            "lastModifiedDate": now,
            **self._addresses(context.region, name),
        }
        if request.get("repositoryDescription"):
            metadata["repositoryDescription"] = request["repositoryDescription"]
        self.model.repositories.put((context.region, name), {"metadata": metadata, "tags": tags})
        return {"repositoryMetadata": metadata}

    @operation(resource=repository_arn)
    async def get_repository(self, context: Context, request: t.GetRepositoryInputTypeDef) -> Mapping[str, Any]:
        """Return a repository."""
        record = find_repository(self.model, context, request["repositoryName"])
        return {"repositoryMetadata": record["metadata"]}

    @operation(
        resource=lambda api, context, request: [
            api.model.arn(context.region, name) for name in request["repositoryNames"]
        ]
    )
    async def batch_get_repositories(
        self, context: Context, request: t.BatchGetRepositoriesInputTypeDef
    ) -> Mapping[str, Any]:
        """Return several repositories, and the names of those that do not exist."""
        names = request["repositoryNames"]
        if len(names) > _MOST_NAMES:
            raise ServiceError(
                "MaximumRepositoryNamesExceededException", f"At most {_MOST_NAMES} repository names can be given"
            )
        found = {name: self.model.repositories.get(context.region, name) for name in names}
        return {
            "repositories": [record["metadata"] for record in found.values() if record is not None],
            "repositoriesNotFound": [name for name, record in found.items() if record is None],
        }

    @operation()
    async def list_repositories(self, context: Context, request: t.ListRepositoriesInputTypeDef) -> Mapping[str, Any]:
        """List the region's repositories, by name or by their last change."""
        records = [record["metadata"] for record in self.model.repositories.values(context.region)]
        if request.get("sortBy") == "lastModifiedDate":
            records.sort(key=lambda each: each["lastModifiedDate"])
        if request.get("order") == "descending":
            records.reverse()
        ordered = [(f"{place:09d}", each) for place, each in enumerate(records)]
        chosen, token = page(
            ordered,
            request.get("nextToken"),
            _PAGE,
            key=lambda each: each[0],
            invalid="InvalidContinuationTokenException",
        )
        names = [{"repositoryName": each["repositoryName"], "repositoryId": each["repositoryId"]} for _, each in chosen]
        return {"repositories": names, **({"nextToken": token} if token else {})}

    @operation(resource=lambda api, context, request: api.model.arn(context.region, request["oldName"]))
    async def update_repository_name(
        self, context: Context, request: t.UpdateRepositoryNameInputTypeDef
    ) -> Mapping[str, Any]:
        """Rename a repository; its clone URL changes with it."""
        old, new = request["oldName"], request["newName"]
        record = find_repository(self.model, context, old)
        self._check_free(context, new)
        record["metadata"] = {
            **record["metadata"],
            "repositoryName": new,
            "lastModifiedDate": self._clock.now(),
            **self._addresses(context.region, new),
        }
        self.model.rename(context.region, old, record)
        return {}

    @operation(resource=repository_arn)
    async def update_repository_description(
        self, context: Context, request: t.UpdateRepositoryDescriptionInputTypeDef
    ) -> Mapping[str, Any]:
        """Describe a repository anew; without a text, no more."""
        record = find_repository(self.model, context, request["repositoryName"])
        record["metadata"].pop("repositoryDescription", None)
        if request.get("repositoryDescription"):
            record["metadata"]["repositoryDescription"] = request["repositoryDescription"]
        self._put(context, record)
        return {}

    @operation(resource=repository_arn)
    async def update_default_branch(
        self, context: Context, request: t.UpdateDefaultBranchInputTypeDef
    ) -> Mapping[str, Any]:
        """Name the branch that a clone checks out."""
        name, branch = request["repositoryName"], request["defaultBranchName"]
        record = find_repository(self.model, context, name)
        find_branch(self.model, context, name, branch)
        record["metadata"]["defaultBranch"] = branch
        self._put(context, record)
        await self._repositories.set_head(record["metadata"]["repositoryId"], branch)
        return {}

    @operation(resource=repository_arn)
    async def delete_repository(self, context: Context, request: t.DeleteRepositoryInputTypeDef) -> Mapping[str, Any]:
        """Delete a repository with all that is in it; one that does not exist is no error."""
        name = request["repositoryName"]
        record = self.model.repositories.get(context.region, name)
        if record is None:
            return {}
        identity = record["metadata"]["repositoryId"]
        self.model.delete(context.region, name)
        self._repositories.remove(identity)
        return {"repositoryId": identity}

    @operation(resource=lambda api, context, request: request["resourceArn"])
    async def tag_resource(self, context: Context, request: t.TagResourceInputTypeDef) -> Mapping[str, Any]:
        """Put tags on a repository."""
        record = self._by_arn(context, request["resourceArn"])
        record["tags"] = _checked_tags(context, record["tags"], request["tags"])
        self.model.repositories.put((context.region, record["metadata"]["repositoryName"]), record)
        return {}

    @operation(resource=lambda api, context, request: request["resourceArn"])
    async def untag_resource(self, context: Context, request: t.UntagResourceInputTypeDef) -> Mapping[str, Any]:
        """Take tags off a repository."""
        record = self._by_arn(context, request["resourceArn"])
        record["tags"] = {key: value for key, value in record["tags"].items() if key not in request["tagKeys"]}
        self.model.repositories.put((context.region, record["metadata"]["repositoryName"]), record)
        return {}

    @operation(resource=lambda api, context, request: request["resourceArn"])
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceInputTypeDef
    ) -> Mapping[str, Any]:
        """List a repository's tags: all of them, there is never a nextToken."""
        return {"tags": self._by_arn(context, request["resourceArn"])["tags"]}

    def _by_arn(self, context: Context, arn: str) -> RepositoryRecord:
        name = arn.rpartition(":")[2]
        if arn != self.model.arn(context.region, name):
            raise ServiceError(
                "InvalidResourceArnException", f"{arn} is not the ARN of a repository in {context.region}"
            )
        record = self.model.repositories.get(context.region, name)
        if record is None:
            raise no_repository(name)
        return record

    def _check_free(self, context: Context, name: str) -> None:
        if self.model.repositories.get(context.region, name) is not None:
            raise ServiceError("RepositoryNameExistsException", f"Repository named {name} already exists")

    def _put(self, context: Context, record: RepositoryRecord) -> None:
        record["metadata"]["lastModifiedDate"] = self._clock.now()
        self.model.repositories.put((context.region, record["metadata"]["repositoryName"]), record)

    def _addresses(self, region: str, name: str) -> t.RepositoryMetadataTypeDef:
        return {
            "Arn": self.model.arn(region, name),
            "cloneUrlHttp": self.model.clone_url(region, name),
            # there is no SSH here: the name that AWS answers with leads nowhere, and says so
            "cloneUrlSsh": f"ssh://git-codecommit.{region}.localhost/v1/repos/{name}",
        }


def _checked_tags(context: Context, tags: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    own = [key for key in more if context.for_cloudformation and key.startswith("aws:cloudformation:")]
    if any(key.lower().startswith("aws:") and key not in own for key in more):
        raise ServiceError("InvalidSystemTagUsageException", "Tag keys cannot start with aws:")
    merged = {**tags, **more}
    if sum(not key.startswith("aws:") for key in merged) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A repository has at most {_MOST_TAGS} tags")
    return merged
