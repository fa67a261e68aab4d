"""Commits made through the API: PutFile, DeleteFile, CreateCommit."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codecommit.api.shared import (
    MODE_NUMBERS,
    MODES,
    checked_branch_name,
    checked_path,
    find_repository,
    is_full_id,
    named_reference,
    no_branch,
    repository_arn,
)
from tidegate.cloud.services.codecommit.contents import Commits, Edit, Entry, Objects, Refresh, Repositories
from tidegate.cloud.services.codecommit.model import BRANCHES, CodeCommitModel

if TYPE_CHECKING:
    from types_boto3_codecommit import type_defs as t

_MOST_ENTRIES = 100
_KEEP = ".gitkeep"


class _Draft:
    """A commit in the making: what is there, and what changes."""

    def __init__(self, identity: str, branch: str, parent: str | None, files: dict[str, Entry]) -> None:
        self.identity = identity
        self.branch = branch
        self.parent = parent
        self.files = files
        self.edits: dict[str, Edit | None] = {}

    def edit(self, path: str, edit: Edit | None) -> None:
        """Write (mode, blob id) at a path, or None to remove it; one path is edited once."""
        if path in self.edits:
            raise ServiceError("SamePathRequestException", f"The path {path} is given more than once")
        self.edits[path] = edit

    def check_conflicts(self) -> None:
        """Raise where a file would be where a folder is, or the other way round."""
        after = {path for path in self.files if self.edits.get(path, True) is not None}
        after |= {path for path, edit in self.edits.items() if edit is not None}
        folders = {folder for path in after for folder in _folders(path)}
        for path, edit in self.edits.items():
            if edit is None:
                continue
            if path in folders:
                raise ServiceError("FileNameConflictsWithDirectoryNameException", f"{path} is the name of a folder")
            for folder in _folders(path):
                if folder in after:
                    raise ServiceError("DirectoryNameConflictsWithFileNameException", f"{folder} is the name of a file")


class EditsApi:
    """https://docs.aws.amazon.com/codecommit/latest/APIReference/API_CreateCommit.html and its siblings."""

    def __init__(
        self,
        model: CodeCommitModel,
        repositories: Repositories,
        objects: Objects,
        commits: Commits,
        refresh: Refresh,
        clock: Clock,
    ) -> None:
        self.model = model
        self._repositories = repositories
        self._objects = objects
        self._commits = commits
        self._refresh = refresh
        self._clock = clock

    @operation(resource=repository_arn, conditions=named_reference)
    async def put_file(self, context: Context, request: t.PutFileInputTypeDef) -> Mapping[str, Any]:
        """Commit one file, added or changed."""
        draft = await self._draft(context, request)
        path, mode = checked_path(request["filePath"]), MODE_NUMBERS[request.get("fileMode", "NORMAL")]
        before = draft.files.get(path)
        blob = await self._commits.store(draft.identity, _bytes(request["fileContent"]))
        if before is not None and (before.id, before.mode) == (blob, mode):
            raise ServiceError("SameFileContentException", f"The file {path} has the same content and mode already")
        draft.edit(path, (mode, blob))
        message = request.get("commitMessage") or f"{'Edited' if before else 'Added'} {path}"
        commit, tree = await self._write(context, request, draft, message, request.get("name"))
        return {"commitId": commit, "blobId": blob, "treeId": tree}

    @operation(resource=repository_arn, conditions=named_reference)
    async def delete_file(self, context: Context, request: t.DeleteFileInputTypeDef) -> Mapping[str, Any]:
        """Commit the removal of one file."""
        draft = await self._draft(context, request)
        path = checked_path(request["filePath"])
        before = _existing(draft, path)
        draft.edit(path, None)
        if request.get("keepEmptyFolders"):
            await self._keep_folders(draft)
        message = request.get("commitMessage") or f"Deleted {path}"
        commit, tree = await self._write(context, request, draft, message, request.get("name"))
        return {"commitId": commit, "blobId": before.id, "treeId": tree, "filePath": path}

    @operation(resource=repository_arn, conditions=named_reference)
    async def create_commit(self, context: Context, request: t.CreateCommitInputTypeDef) -> Mapping[str, Any]:
        """Commit any number of additions, changes, removals and changes of mode."""
        entries = sum(len(request.get(name, ())) for name in ("putFiles", "deleteFiles", "setFileModes"))  # type: ignore[misc,arg-type]
        if not entries:
            raise ServiceError("FileEntryRequiredException", "A commit needs at least one file to put, delete or set")
        if entries > _MOST_ENTRIES:
            raise ServiceError("MaximumFileEntriesExceededException", f"A commit takes at most {_MOST_ENTRIES} entries")
        draft = await self._draft(context, request)
        for put in request.get("putFiles", []):
            await self._put(draft, put)
        for delete in request.get("deleteFiles", []):
            path = checked_path(delete["filePath"])
            _existing(draft, path)
            draft.edit(path, None)
        for mode in request.get("setFileModes", []):
            path = checked_path(mode["filePath"])
            draft.edit(path, (MODE_NUMBERS[mode["fileMode"]], _existing(draft, path).id))
        if request.get("keepEmptyFolders"):
            await self._keep_folders(draft)
        _drop_unchanged(draft)
        if not draft.edits:
            raise ServiceError("NoChangeException", "The commit would change nothing")
        message = request.get("commitMessage") or "Commit made through the API"
        commit, tree = await self._write(context, request, draft, message, request.get("authorName"))
        return {"commitId": commit, "treeId": tree, **_summary(draft)}

    async def _draft(self, context: Context, request: Mapping[str, Any]) -> _Draft:
        """Begin a commit on a branch that is still where the client saw it; a first commit makes its branch."""
        name, branch, given = request["repositoryName"], request["branchName"], request.get("parentCommitId")
        identity = find_repository(self.model, context, name)["metadata"]["repositoryId"]
        checked_branch_name(branch)
        info = self.model.branches.get(context.region, name, branch)
        if given is not None:
            if not is_full_id(given):
                raise ServiceError("InvalidParentCommitIdException", f"The parent commit ID is not valid: {given}")
            if await self._objects.commit(identity, given) is None:
                raise ServiceError("ParentCommitDoesNotExistException", f"The parent commit {given} does not exist")
        if info is None:
            if self.model.branches.items(context.region, name):
                raise no_branch(branch)
            return _Draft(identity, branch, None, {})
        if given is None:
            raise ServiceError(
                "ParentCommitIdRequiredException", f"A parent commit ID is required: {branch} is at {info['commitId']}"
            )
        if given != info["commitId"]:
            raise _outdated(branch)
        files = {each.path: each for each in await self._objects.files(identity, given)}
        return _Draft(identity, branch, given, files)

    async def _put(self, draft: _Draft, put: t.PutFileEntryTypeDef) -> None:
        path, mode = checked_path(put["filePath"]), MODE_NUMBERS[put.get("fileMode", "NORMAL")]
        if "sourceFile" in put and "fileContent" in put:
            raise ServiceError("FileContentAndSourceFileSpecifiedException", f"{path}: give a content or a source file")
        if "sourceFile" in put:
            source = checked_path(put["sourceFile"]["filePath"])
            entry = _existing(draft, source)
            draft.edit(path, (mode if "fileMode" in put else entry.mode, entry.id))
            if put["sourceFile"].get("isMove"):
                draft.edit(source, None)
        elif "fileContent" in put:
            draft.edit(path, (mode, await self._commits.store(draft.identity, _bytes(put["fileContent"]))))
        else:
            raise ServiceError(
                "SourceFileOrContentRequiredException", f"{path}: a content or a source file is required"
            )

    async def _keep_folders(self, draft: _Draft) -> None:
        """Put a `.gitkeep` into each folder that would be empty."""
        removed = {posixpath.dirname(path) for path, edit in draft.edits.items() if edit is None}
        left = {path for path in draft.files if draft.edits.get(path, True) is not None}
        left |= {path for path, edit in draft.edits.items() if edit is not None}
        for folder in sorted(removed - {""}):
            if not any(path.startswith(f"{folder}/") for path in left):
                draft.edits[f"{folder}/{_KEEP}"] = ("100644", await self._commits.store(draft.identity, b""))

    async def _write(
        self, context: Context, request: Mapping[str, Any], draft: _Draft, message: str, author: str | None
    ) -> tuple[str, str]:
        draft.check_conflicts()
        name = author or context.principal.arn.rpartition("/")[2]
        stamp = (name, request.get("email", ""), f"{int(self._clock.now().timestamp())} +0000")
        tree = await self._commits.tree(draft.identity, draft.parent, draft.edits)
        parents = () if draft.parent is None else (draft.parent,)
        commit = await self._commits.commit(draft.identity, tree, parents, message, stamp, stamp)
        if not await self._repositories.move(draft.identity, BRANCHES + draft.branch, commit, draft.parent):
            raise _outdated(draft.branch)
        await self._refresh(context.region, request["repositoryName"], context.principal.arn)
        return commit, tree


def _bytes(content: Any) -> bytes:
    return content if isinstance(content, bytes) else bytes(content)


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _existing(draft: _Draft, path: str) -> Entry:
    entry = draft.files.get(path)
    if entry is None:
        raise ServiceError("FileDoesNotExistException", f"The file {path} does not exist on {draft.branch}")
    return entry


def _drop_unchanged(draft: _Draft) -> None:
    for path, edit in list(draft.edits.items()):
        before = draft.files.get(path)
        if before is not None and edit == (before.mode, before.id):
            del draft.edits[path]


def _outdated(branch: str) -> ServiceError:
    return ServiceError("ParentCommitIdOutdatedException", f"The parent commit is no longer the head of {branch}")


def _summary(draft: _Draft) -> dict[str, Any]:
    added: list[t.FileMetadataTypeDef] = []
    updated: list[t.FileMetadataTypeDef] = []
    deleted: list[t.FileMetadataTypeDef] = []
    for path, edit in sorted(draft.edits.items()):
        before = draft.files.get(path)
        if edit is None:
            assert before is not None
            deleted.append({"absolutePath": path, "blobId": before.id, "fileMode": MODES[before.mode]})
        else:
            (added if before is None else updated).append(
                {"absolutePath": path, "blobId": edit[1], "fileMode": MODES[edit[0]]}
            )
    return {"filesAdded": added, "filesUpdated": updated, "filesDeleted": deleted}
