"""The folder of bare repositories: made, removed, their references and HEAD.

A repository is named by an id that its owner made up (a UUID), never by anything that came from a client, so no
path can lead outside the root.
"""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

from tidegate.cloud.planes.git.process import GitError, run

_ID = re.compile(r"^[0-9a-zA-Z][0-9a-zA-Z_-]{0,63}$")
_ZERO = "0" * 40
_ATTRIBUTES = "* -export-ignore -export-subst\n"  # an archive is the commit, whole and as it is


class GitRepositories:
    """Bare repositories below one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, repository: str) -> Path:
        """Return a repository's folder; raise `GitError` for what is no id."""
        if not _ID.match(repository):
            raise GitError(f"{repository!r} is not the id of a repository")
        return self.root / f"{repository}.git"

    def exists(self, repository: str) -> bool:
        """Return whether a repository is there."""
        return self.path(repository).exists()

    async def create(self, repository: str) -> None:
        """Make an empty repository, whole or not at all; one that is there stays as it is."""
        path = self.path(repository)
        if path.exists():
            return
        fresh = path.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        await run(fresh, "init", "--quiet", "--bare", "--template=")
        (fresh / "info").mkdir(exist_ok=True)
        (fresh / "info" / "attributes").write_text(_ATTRIBUTES)
        fresh.rename(path)

    def remove(self, repository: str) -> None:
        """Remove a repository; at once for whoever asks for it, then from the disk."""
        path = self.path(repository)
        gone = path.with_suffix(".gone")
        if path.exists():
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def clear(self) -> None:
        """Remove every repository: at once for whoever looks, from the disk behind it."""
        gone = self.root.with_name(f"{self.root.name}.gone")
        if self.root.exists() and not gone.exists():
            self.root.rename(gone)
            threading.Thread(target=shutil.rmtree, args=(gone, True), name="remove repositories").start()
        else:
            shutil.rmtree(self.root, ignore_errors=True)
            shutil.rmtree(gone, ignore_errors=True)

    def ids(self) -> list[str]:
        """Return the ids of the repositories that are there."""
        return sorted(path.stem for path in self.root.glob("*.git"))

    async def references(self, repository: str) -> dict[str, str]:
        """Return the branches and tags: full name to object id (a tag's own, where it is annotated)."""
        lines = await run(
            self.path(repository), "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"
        )
        return dict(line.rsplit(" ", 1) for line in lines.decode().splitlines())

    async def move(self, repository: str, reference: str, new: str | None, old: str | None) -> bool:
        """Move a reference from `old` to `new` at once (None: not there); return False if it is elsewhere."""
        try:
            if new is None:
                await run(self.path(repository), "update-ref", "-d", "--end-of-options", reference, old or _ZERO)
            else:
                await run(self.path(repository), "update-ref", "--end-of-options", reference, new, old or _ZERO)
        except GitError as error:
            if "cannot lock ref" in str(error) or "unable to resolve" in str(error):
                return False
            raise
        return True

    async def set_head(self, repository: str, branch: str) -> None:
        """Let HEAD (what a clone checks out) name a branch."""
        path, wanted = self.path(repository), f"refs/heads/{branch}"
        if (path / "HEAD").read_text().strip() != f"ref: {wanted}":  # git writes it anew in any case: no disk, no push
            await run(path, "symbolic-ref", "HEAD", wanted)
