"""Makes mirrors real and keeps the records of their branches and tags at what git has."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from tidegate.cloud.clock import Clock
from tidegate.cloud.mirrors import mirror_id
from tidegate.cloud.planes.git.repositories import GitRepositories
from tidegate.cloud.services.codeconnections.model import CodeConnectionsModel
from tidegate.cloud.store import Key

_BRANCHES = "refs/heads/"
_FIRST_BRANCHES = ("main", "master")  # which of several first branches a clone checks out


class Mirrors:
    """Follows git. A mirror is there from the moment somebody is about to push to it for the first time."""

    def __init__(self, model: CodeConnectionsModel, repositories: GitRepositories, clock: Clock) -> None:
        self._model = model
        self._repositories = repositories
        self._clock = clock
        self._locks: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    def keys(self) -> list[Key]:
        """Return all mirrors; what is on disk and no mirror (any more) is removed."""
        known = {mirror_id(*key) for key in self._model.mirror_keys()}
        for identity in self._repositories.ids():
            if identity not in known:
                self._repositories.remove(identity)
        return self._model.mirror_keys()

    async def reconcile(self, key: Key) -> None:
        """Make sure of a mirror on disk and of its records: once at start, for what a kill came between."""
        if self._model.mirrors.get(*key) is not None:
            await self.ensure(*key)
            await self.refresh(*key)

    async def ensure(self, host: str, name: str) -> str:
        """Make a mirror, empty, unless it is there, and return its id."""
        identity = mirror_id(host, name)
        async with self._locks[host, name]:
            if self._model.mirrors.get(host, name) is None:  # first, so that no start takes it for a leftover
                self._model.mirrors.put((host, name), {"created": self._clock.now(), "head": ""})
            await self._repositories.create(identity)
        return identity

    async def refresh(self, host: str, name: str) -> None:
        """Bring the records of branches and tags up to git's; whoever watches them is told."""
        identity = mirror_id(host, name)
        async with self._locks[host, name]:
            actual = await self._repositories.references(identity)
            record = self._model.mirrors.get(host, name)
            if record is None:  # reset meanwhile
                return
            branches = [each.removeprefix(_BRANCHES) for each in sorted(actual) if each.startswith(_BRANCHES)]
            if branches and not record["head"]:
                record["head"] = next((each for each in _FIRST_BRANCHES if each in branches), branches[0])
                await self._repositories.set_head(identity, record["head"])
            known = {key[2]: each["commitId"] for key, each in self._model.references.items(host, name)}
            with self._model.transaction():
                self._model.mirrors.put((host, name), record)
                for reference in sorted(known.keys() - actual.keys()):
                    self._model.references.delete(host, name, reference)
                for reference, commit in sorted(actual.items()):
                    if known.get(reference) != commit:
                        self._model.references.put((host, name, reference), {"commitId": commit})
