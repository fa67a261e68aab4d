"""Files, folders and blobs, read."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codecommit.api.shared import (
    FILE_LIMIT,
    MODES,
    checked_path,
    find_commit,
    find_repository,
    is_full_id,
    repository_arn,
)
from tidegate.cloud.services.codecommit.contents import Entry, Objects
from tidegate.cloud.services.codecommit.model import CodeCommitModel

if TYPE_CHECKING:
    from types_boto3_codecommit import type_defs as t


class FilesApi:
    """https://docs.aws.amazon.com/codecommit/latest/APIReference/API_GetFile.html and its siblings."""

    def __init__(self, model: CodeCommitModel, objects: Objects) -> None:
        self.model = model
        self._objects = objects

    @operation(resource=repository_arn)
    async def get_file(self, context: Context, request: t.GetFileInputTypeDef) -> Mapping[str, Any]:
        """Return a file's content at a commit, or at the head of the default branch."""
        identity, commit = await self._commit(context, request["repositoryName"], request.get("commitSpecifier"))
        path = checked_path(request["filePath"])
        entry = await self._objects.entry(identity, commit, path)
        if entry is None or entry.kind != "blob":
            raise ServiceError(
                "FileDoesNotExistException", f"Could not find path {path} in the repository at commit {commit}"
            )
        return {
            "commitId": commit,
            "blobId": entry.id,
            "filePath": path,
            "fileMode": MODES.get(entry.mode, "NORMAL"),
            "fileSize": entry.size,
            "fileContent": await self._content(identity, entry.id),
        }

    @operation(resource=repository_arn)
    async def get_folder(self, context: Context, request: t.GetFolderInputTypeDef) -> Mapping[str, Any]:
        """List what is in a folder at a commit, or at the head of the default branch."""
        identity, commit = await self._commit(context, request["repositoryName"], request.get("commitSpecifier"))
        path = "" if request["folderPath"] in ("", "/") else checked_path(request["folderPath"])
        entries = await self._objects.folder(identity, commit, path)
        if entries is None:
            raise ServiceError("FolderDoesNotExistException", f"Could not find folder {path} at commit {commit}")
        tree = await self._tree(identity, commit, path)
        return {"commitId": commit, "folderPath": path, "treeId": tree, **_listing(entries)}

    @operation(resource=repository_arn)
    async def get_blob(self, context: Context, request: t.GetBlobInputTypeDef) -> Mapping[str, Any]:
        """Return a blob's content by its id."""
        identity = find_repository(self.model, context, request["repositoryName"])["metadata"]["repositoryId"]
        if not is_full_id(request["blobId"]):
            raise ServiceError("InvalidBlobIdException", f"The specified blob ID is not valid: {request['blobId']}")
        return {"content": await self._content(identity, request["blobId"])}

    async def _content(self, identity: str, blob: str) -> bytes:
        size = await self._objects.size(identity, blob)
        if size is not None and size > FILE_LIMIT:
            raise ServiceError("FileTooLargeException", f"The file is larger than {FILE_LIMIT} bytes; clone to read it")
        content = None if size is None else await self._objects.blob(identity, blob)
        if content is None:
            raise ServiceError("BlobIdDoesNotExistException", f"The blob {blob} does not exist")
        return content

    async def _commit(self, context: Context, name: str, specifier: str | None) -> tuple[str, str]:
        metadata = find_repository(self.model, context, name)["metadata"]
        specifier = specifier or metadata.get("defaultBranch")
        if specifier is None:
            raise ServiceError("CommitDoesNotExistException", f"The repository {name} has no commits")
        return metadata["repositoryId"], await find_commit(self._objects, metadata["repositoryId"], specifier)

    async def _tree(self, identity: str, commit: str, path: str) -> str:
        if path:
            entry = await self._objects.entry(identity, commit, path)
            assert entry is not None
            return entry.id
        found = await self._objects.commit(identity, commit)
        assert found is not None
        return found.tree


def _listing(entries: Sequence[Entry]) -> dict[str, Any]:
    folders, files, links, modules = [], [], [], []
    for each in entries:
        place = {"absolutePath": each.path, "relativePath": posixpath.basename(each.path)}
        if each.kind == "tree":
            folders.append({"treeId": each.id, **place})
        elif each.kind == "commit":
            modules.append({"commitId": each.id, **place})
        elif each.mode == "120000":
            links.append({"blobId": each.id, **place, "fileMode": "SYMLINK"})
        else:
            files.append({"blobId": each.id, **place, "fileMode": MODES.get(each.mode, "NORMAL")})
    return {"subFolders": folders, "files": files, "symbolicLinks": links, "subModules": modules}
