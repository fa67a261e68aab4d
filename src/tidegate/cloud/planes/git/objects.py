"""Reading commits, trees, blobs, differences and archives of a bare repository."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from tidegate.cloud.planes.git.process import GitError, run, stream
from tidegate.cloud.planes.git.repositories import GitRepositories

_OBJECT_ID = re.compile(r"^[0-9a-f]{40}$")
_STAMP = re.compile(r"^(?P<name>.*?) ?<(?P<email>[^>]*)> (?P<date>\d+ [+-]\d{4})$")
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


Identity = tuple[str, str, str]  # name, e-mail address, `SECONDS +ZONE`


class Stamp(NamedTuple):
    """Who and when, as git writes it; `date` is `SECONDS +ZONE`."""

    name: str
    email: str
    date: str


class Commit(NamedTuple):
    """One commit."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: Stamp
    committer: Stamp
    message: str


class Entry(NamedTuple):
    """One entry of a tree. `mode` is six octal digits, `kind` blob, tree or commit, `path` from the root."""

    mode: str
    kind: str
    id: str
    size: int
    path: str


class Change(NamedTuple):
    """One path that differs between two trees; mode and id are None on the side where it is not."""

    path: str
    old_mode: str | None
    old_id: str | None
    new_mode: str | None
    new_id: str | None


class GitObjects:
    """What is in the repositories of a root folder."""

    def __init__(self, repositories: GitRepositories) -> None:
        self._repositories = repositories

    async def resolve(self, repository: str, specifier: str) -> str | None:
        """Return the id of the commit that a full id, a branch, a tag or HEAD names, or None."""
        if _OBJECT_ID.match(specifier) or specifier == "HEAD" or specifier.startswith("refs/"):
            candidates = [specifier]
        else:
            candidates = [f"refs/heads/{specifier}", f"refs/tags/{specifier}"]
        for each in candidates:
            if each != "HEAD" and not _OBJECT_ID.match(each) and not await self._is_reference(repository, each):
                continue
            try:
                output = await self._run(
                    repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{each}^{{commit}}"
                )
            except GitError:
                continue
            return output.decode().split()[-1]
        return None

    async def commit(self, repository: str, commit: str) -> Commit | None:
        """Return a commit by its id, or None."""
        content = await self._content(repository, commit, "commit")
        if content is None:
            return None
        head, _, message = content.decode("utf-8", "replace").partition("\n\n")
        fields: dict[str, list[str]] = {}
        for line in head.splitlines():
            key, _, value = line.partition(" ")
            fields.setdefault(key, []).append(value)
        return Commit(
            commit,
            fields["tree"][0],
            tuple(fields.get("parent", [])),
            _stamp(fields["author"][0]),
            _stamp(fields["committer"][0]),
            message,
        )

    async def entry(self, repository: str, commit: str, path: str) -> Entry | None:
        """Return the entry at a path of a commit, or None."""
        entries = await self._entries(repository, commit, "--", path)
        return next((each for each in entries if each.path == path), None)

    async def folder(self, repository: str, commit: str, path: str) -> list[Entry] | None:
        """Return the entries of a folder (`""`: the root) of a commit, or None where it is no folder."""
        if path:
            entry = await self.entry(repository, commit, path)
            if entry is None or entry.kind != "tree":
                return None
            return await self._entries(repository, commit, "--", f"{path}/")
        return await self._entries(repository, commit)

    async def files(self, repository: str, commit: str) -> list[Entry]:
        """Return every file of a commit."""
        return await self._entries(repository, "-r", commit)

    async def size(self, repository: str, blob: str) -> int | None:
        """Return a blob's size in bytes, or None where there is no such blob."""
        if not _OBJECT_ID.match(blob):
            return None
        output = await self._run(repository, "cat-file", "--batch-check", given=f"{blob}\n".encode())
        parts = output.decode().split()
        return int(parts[2]) if len(parts) == 3 and parts[1] == "blob" else None

    async def blob(self, repository: str, blob: str) -> bytes | None:
        """Return a blob's content, or None."""
        return await self._content(repository, blob, "blob")

    async def changes(self, repository: str, old: str | None, new: str, path: str = "") -> list[Change]:
        """Return what differs from one commit (None: nothing at all) to another, below a path, by path."""
        arguments = ["diff-tree", "-r", "-z", "--no-renames", "--end-of-options", old or _EMPTY_TREE, new]
        fields = (
            (await self._run(repository, *arguments, *(["--", path] if path else [])))
            .decode("utf-8", "replace")
            .split("\0")
        )
        changes = []
        for head, name in zip(fields[::2], fields[1::2], strict=False):
            old_mode, new_mode, old_id, new_id, kind = head.lstrip(":").split(" ")
            changes.append(
                Change(
                    name,
                    None if kind == "A" else old_mode,
                    None if kind == "A" else old_id,
                    None if kind == "D" else new_mode,
                    None if kind == "D" else new_id,
                )
            )
        return changes

    async def common(self, repository: str, one: str, other: str) -> str | None:
        """Return the commit that two commits have both come from, or None."""
        try:
            return (await self._run(repository, "merge-base", "--end-of-options", one, other)).decode().strip()
        except GitError:
            return None

    def archive(self, repository: str, commit: str) -> AsyncIterator[bytes]:
        """Yield a commit as a zip: its files with their modes, no `.git`."""
        if not _OBJECT_ID.match(commit):
            raise GitError(f"{commit!r} is not the id of a commit")
        return stream(self._repositories.path(repository), "archive", "--format=zip", commit)

    async def _is_reference(self, repository: str, name: str) -> bool:
        try:
            await self._run(repository, "show-ref", "--verify", "--quiet", "--", name)
        except GitError:
            return False
        return True

    async def _entries(self, repository: str, *arguments: str) -> list[Entry]:
        try:
            output = await self._run(repository, "ls-tree", "-z", "--long", "--full-tree", *arguments)
        except GitError:
            return []
        entries = []
        for line in output.decode("utf-8", "replace").split("\0"):
            if line:
                head, _, path = line.partition("\t")
                mode, kind, identity, size = head.split()
                entries.append(Entry(mode, kind, identity, int(size) if size.isdigit() else 0, path))
        return entries

    async def _content(self, repository: str, identity: str, kind: str) -> bytes | None:
        if not _OBJECT_ID.match(identity):
            return None
        output = await self._run(repository, "cat-file", "--batch", given=f"{identity}\n".encode())
        head, _, rest = output.partition(b"\n")
        parts = head.decode().split()
        if len(parts) != 3 or parts[1] != kind:
            return None
        return rest[: int(parts[2])]

    async def _run(self, repository: str, *arguments: str, given: bytes = b"") -> bytes:
        return await run(self._repositories.path(repository), *arguments, given=given)


class GitCommits:
    """Makes commits without a working tree."""

    def __init__(self, repositories: GitRepositories) -> None:
        self._repositories = repositories

    async def store(self, repository: str, content: bytes) -> str:
        """Write a blob and return its id."""
        output = await run(self._repositories.path(repository), "hash-object", "-w", "--stdin", given=content)
        return output.decode().strip()

    async def tree(self, repository: str, base: str | None, edits: dict[str, tuple[str, str] | None]) -> str:
        """Return the id of a commit's tree after `edits`: path to (mode, blob id), or to None for a removal."""
        path = self._repositories.path(repository)
        lines = "".join(
            f"0 {'0' * 40}\t{name}\0" if edit is None else f"{edit[0]} {edit[1]}\t{name}\0"
            for name, edit in edits.items()
        )
        with tempfile.TemporaryDirectory(prefix="index-", dir=path) as folder:
            variables = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if base is not None:
                await run(path, "read-tree", base, variables=variables)
            await run(path, "update-index", "-z", "--index-info", given=lines.encode(), variables=variables)
            return (await run(path, "write-tree", variables=variables)).decode().strip()

    async def commit(
        self, repository: str, tree: str, parents: tuple[str, ...], message: str, author: Identity, committer: Identity
    ) -> str:
        """Write a commit and return its id. No reference moves."""
        variables = {
            "GIT_AUTHOR_NAME": author[0],
            "GIT_AUTHOR_EMAIL": author[1],
            "GIT_AUTHOR_DATE": author[2],
            "GIT_COMMITTER_NAME": committer[0],
            "GIT_COMMITTER_EMAIL": committer[1],
            "GIT_COMMITTER_DATE": committer[2],
        }
        arguments = [part for parent in parents for part in ("-p", parent)]
        output = await run(
            self._repositories.path(repository),
            "commit-tree",
            tree,
            *arguments,
            given=message.encode(),
            variables=variables,
        )
        return output.decode().strip()


def _stamp(text: str) -> Stamp:
    match = _STAMP.match(text)
    return Stamp(match["name"], match["email"], match["date"]) if match else Stamp(text, "", "")
