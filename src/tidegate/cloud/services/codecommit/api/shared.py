"""What CodeCommit's operations have in common: not found, names, commits and paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codecommit.contents import Objects
from tidegate.cloud.services.codecommit.model import BRANCHES, CodeCommitModel, RepositoryRecord, is_branch_name

if TYPE_CHECKING:
    from types_boto3_codecommit.literals import FileModeTypeEnumType

FILE_LIMIT = 6 << 20  # bytes that GetFile, GetBlob and PutFile take

_FULL_ID = re.compile(r"^[0-9a-f]{40}$")
MODES: Mapping[str, FileModeTypeEnumType] = {"100644": "NORMAL", "100755": "EXECUTABLE", "120000": "SYMLINK"}
MODE_NUMBERS = {name: number for number, name in MODES.items()}


def find_repository(model: CodeCommitModel, context: Context, name: str) -> RepositoryRecord:
    """Return a repository or raise RepositoryDoesNotExistException."""
    record = model.repositories.get(context.region, name)
    if record is None:
        raise no_repository(name)
    return record


def no_repository(name: str) -> ServiceError:
    """Refuse a repository that does not exist."""
    return ServiceError("RepositoryDoesNotExistException", f"{name} does not exist")


def find_branch(model: CodeCommitModel, context: Context, repository: str, branch: str) -> str:
    """Return the commit that a branch is at, or raise BranchDoesNotExistException."""
    checked_branch_name(branch)
    info = model.branches.get(context.region, repository, branch)
    if info is None:
        raise no_branch(branch)
    return info["commitId"]


def no_branch(branch: str) -> ServiceError:
    """Refuse a branch that does not exist."""
    return ServiceError("BranchDoesNotExistException", f"Branch {branch} does not exist")


def checked_branch_name(name: str) -> str:
    """Return a name that git takes for a branch, or raise InvalidBranchNameException."""
    if not is_branch_name(name):
        raise ServiceError("InvalidBranchNameException", f"{name} is not a valid branch name")
    return name


def is_full_id(text: str) -> bool:
    """Return whether a text is a full object id."""
    return _FULL_ID.match(text) is not None


async def find_commit(objects: Objects, repository: str, specifier: str) -> str:
    """Return the id of the commit that a specifier names, or raise CommitDoesNotExistException."""
    found = await objects.resolve(repository, specifier)
    if found is None:
        raise ServiceError("CommitDoesNotExistException", f"Could not find commit for commit specifier: {specifier}")
    return found


def checked_path(path: str) -> str:
    """Return a path from the root without its leading slash, or raise InvalidPathException."""
    trimmed = path.removeprefix("/").removesuffix("/")
    parts = trimmed.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts) or "\0" in path:
        raise ServiceError("InvalidPathException", f"The specified path is not valid: {path}")
    return trimmed


def repository_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a repository is authorized on."""
    return str(api.model.arn(context.region, request.get("repositoryName") or ""))


def named_reference(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the condition key of an operation on a branch."""
    return {"codecommit:References": BRANCHES + request["branchName"]}
