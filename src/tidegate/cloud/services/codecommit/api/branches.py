"""Branches: create, get, list, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.codecommit.api.shared import (
    checked_branch_name,
    find_branch,
    find_repository,
    is_full_id,
    named_reference,
    repository_arn,
)
from tidegate.cloud.services.codecommit.contents import Objects, Refresh, Repositories
from tidegate.cloud.services.codecommit.model import BRANCHES, CodeCommitModel

if TYPE_CHECKING:
    from types_boto3_codecommit import type_defs as t

_PAGE = 1000


class BranchesApi:
    """https://docs.aws.amazon.com/codecommit/latest/APIReference/API_CreateBranch.html and its siblings."""

    def __init__(self, model: CodeCommitModel, repositories: Repositories, objects: Objects, refresh: Refresh) -> None:
        self.model = model
        self._repositories = repositories
        self._objects = objects
        self._refresh = refresh

    @operation(resource=repository_arn, conditions=named_reference)
    async def create_branch(self, context: Context, request: t.CreateBranchInputTypeDef) -> Mapping[str, Any]:
        """Create a branch at a commit."""
        name, branch, commit = request["repositoryName"], request["branchName"], request["commitId"]
        identity = find_repository(self.model, context, name)["metadata"]["repositoryId"]
        checked_branch_name(branch)
        if not is_full_id(commit):
            raise ServiceError("InvalidCommitIdException", f"The specified commit ID is not valid: {commit}")
        if await self._objects.commit(identity, commit) is None:
            raise ServiceError("CommitDoesNotExistException", f"The commit {commit} does not exist")
        if not await self._repositories.move(identity, BRANCHES + branch, commit, None):
            taken = self.model.branches.get(context.region, name, branch) is not None
            why = (
                f"Branch {branch} already exists" if taken else f"Branch {branch} conflicts with another branch's name"
            )
            raise ServiceError("BranchNameExistsException", why)
        await self._refresh(context.region, name, context.principal.arn)
        return {}

    @operation(resource=repository_arn)
    async def get_branch(self, context: Context, request: t.GetBranchInputTypeDef) -> Mapping[str, Any]:
        """Return where a branch is."""
        if "repositoryName" not in request:
            raise ServiceError("RepositoryNameRequiredException", "A repository name is required")
        if "branchName" not in request:
            raise ServiceError("BranchNameRequiredException", "A branch name is required")
        name, branch = request["repositoryName"], request["branchName"]
        find_repository(self.model, context, name)
        return {"branch": {"branchName": branch, "commitId": find_branch(self.model, context, name, branch)}}

    @operation(resource=repository_arn)
    async def list_branches(self, context: Context, request: t.ListBranchesInputTypeDef) -> Mapping[str, Any]:
        """List the names of a repository's branches."""
        name = request["repositoryName"]
        find_repository(self.model, context, name)
        names = [key[2] for key, _ in self.model.branches.items(context.region, name)]
        chosen, token = page(
            names, request.get("nextToken"), _PAGE, key=str, invalid="InvalidContinuationTokenException"
        )
        return {"branches": chosen, **({"nextToken": token} if token else {})}

    @operation(resource=repository_arn, conditions=named_reference)
    async def delete_branch(self, context: Context, request: t.DeleteBranchInputTypeDef) -> Mapping[str, Any]:
        """Delete a branch, unless it is the default; one that does not exist is no error."""
        name, branch = request["repositoryName"], checked_branch_name(request["branchName"])
        metadata = find_repository(self.model, context, name)["metadata"]
        if metadata.get("defaultBranch") == branch:
            raise ServiceError(
                "DefaultBranchCannotBeDeletedException",
                f"The branch {branch} is the default branch of {name} and cannot be deleted",
            )
        info = self.model.branches.get(context.region, name, branch)
        if info is None:
            return {}
        await self._repositories.move(metadata["repositoryId"], BRANCHES + branch, None, info["commitId"])
        await self._refresh(context.region, name, context.principal.arn)
        return {"deletedBranch": info}
