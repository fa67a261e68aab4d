"""Starts pipelines on pushes to the repositories that connections lead to, as their triggers have it.

What a pipeline has looked at is in its record, by reference. A push is whatever differs from that: one that came while
the daemon was not there is found at its start. A repository's branches and tags of when the pipeline was made are no
pushes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.git.process import GitError
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import CodePipelineModel, PipelineRecord
from tidegate.cloud.services.codepipeline.reconciler.connections import Connected, Connections, UnconnectedError
from tidegate.cloud.services.codepipeline.reconciler.sources import will_take_newest
from tidegate.cloud.services.codepipeline.triggers import BRANCHES, Filter, connected_sources, filters
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_AGAIN = 60.0  # seconds until a pipeline that is full is tried again

log = logging.getLogger(__name__)


class Pushes:
    """The controller of connected sources, by a pipeline's (region, name)."""

    def __init__(self, model: CodePipelineModel, lifecycle: ExecutionLifecycle, connections: Connections) -> None:
        self._model = model
        self._lifecycle = lifecycle
        self._connections = connections

    async def reconcile(self, key: Key) -> float | None:
        """Start an execution for every push that is to start one."""
        record = self._model.pipelines.get(*key)
        again = None
        for action in [] if record is None else connected_sources(record["pipeline"]):
            try:
                repository = await self._connections.find(key[0], action["configuration"])
                references = await self._connections.references(repository)
            except UnconnectedError as error:
                log.warning("%s: its source %s cannot be watched: %s", key[1], action["name"], error)
                continue
            again = await self._follow(key, action, repository, references) or again
        return again

    async def _follow(
        self,
        key: Key,
        action: t.ActionDeclarationOutputTypeDef,
        repository: Connected,
        references: Mapping[str, str],
    ) -> float | None:
        """Look at what has moved since the last time; return the seconds until what could not start is tried again."""
        record = self._model.pipelines.get(*key)
        if record is None:
            return None
        heads = record.get("heads", {}).get(action["name"])
        if heads is None:
            self._note(key, action, references)
            return None
        self._forget(key, action, references)
        for reference, tip in sorted(references.items()):
            if heads.get(reference) == tip:
                continue
            fits = await self._fits(record, action, repository, reference, heads.get(reference), tip)
            commit = await self._connections.objects.resolve(repository.id, tip) if fits else None
            # nothing is awaited from here on
            current = self._model.pipelines.get(*key)
            if current is None:
                return None
            if commit is not None and self._will_be_taken(key, current, action, reference):
                continue  # once it has taken something, this is looked at again
            try:
                with self._model.store.transaction():
                    if commit is not None and not self._is_taken(current, action, reference, commit):
                        self._start(key[0], current, action, reference, commit)
                    self._note(key, action, {reference: tip})
            except ServiceError as error:
                log.warning("%s: a push to %s cannot start it: %s", key[1], reference, error)
                return _AGAIN
        return None

    async def _fits(
        self,
        record: PipelineRecord,
        action: t.ActionDeclarationOutputTypeDef,
        repository: Connected,
        reference: str,
        old: str | None,
        new: str,
    ) -> bool:
        taken = [each for each in filters(record["pipeline"], action) if each.takes(reference)]
        if not taken or any(each.paths is None for each in taken):
            return bool(taken)
        return await self._changes_paths(taken, action, repository, old, new)

    async def _changes_paths(
        self,
        taken: list[Filter],
        action: t.ActionDeclarationOutputTypeDef,
        repository: Connected,
        old: str | None,
        new: str,
    ) -> bool:
        """Return whether a push changes a file that is looked for; a new branch changes what its origin has not."""
        objects = self._connections.objects
        try:
            if old is None:
                main = await objects.resolve(repository.id, BRANCHES + action["configuration"]["BranchName"])
                old = None if main in (None, new) else await objects.common(repository.id, str(main), new)
            paths = [each.path for each in await objects.changes(repository.id, old, new)]
        except GitError as error:
            log.warning("%s: what changed is not known: %s", repository.name, error)
            return True
        return any(each.takes_paths(paths) for each in taken)

    def _will_be_taken(
        self, key: Key, record: PipelineRecord, action: t.ActionDeclarationOutputTypeDef, reference: str
    ) -> bool:
        """Return whether an execution is about to take whatever the action's branch is at."""
        if reference != BRANCHES + action["configuration"]["BranchName"]:
            return False
        stage = record["pipeline"]["stages"][0]["name"]
        undecided = [each for each in self._model.open_executions(*key) if each["at"] == stage]
        return any(will_take_newest(each, stage, action["name"]) for each in undecided)

    def _is_taken(
        self, record: PipelineRecord, action: t.ActionDeclarationOutputTypeDef, reference: str, commit: str
    ) -> bool:
        """Return whether an execution has taken this very commit of the action's branch, by looking there."""
        own = reference == BRANCHES + action["configuration"]["BranchName"]
        return own and record["seen"].get(action["name"]) == commit

    def _start(
        self,
        region: str,
        record: PipelineRecord,
        action: t.ActionDeclarationOutputTypeDef,
        reference: str,
        commit: str,
    ) -> None:
        trigger: t.ExecutionTriggerTypeDef = {
            "triggerType": "WebhookV2",
            "triggerDetail": action["configuration"]["ConnectionArn"],
        }
        pinned = {"COMMIT_ID": commit}
        if reference.startswith(BRANCHES):
            pinned["BRANCH"] = reference.removeprefix(BRANCHES)
            if pinned["BRANCH"] == action["configuration"]["BranchName"]:
                record["seen"][action["name"]] = commit
        self._lifecycle.begin(region, record, trigger, pinned={action["name"]: pinned})

    def _note(self, key: Key, action: t.ActionDeclarationOutputTypeDef, references: Mapping[str, str]) -> None:
        def change(record: PipelineRecord) -> None:
            heads = record.setdefault("heads", {}).setdefault(action["name"], {})
            heads.update(references)

        self._model.pipelines.update(key, change)

    def _forget(self, key: Key, action: t.ActionDeclarationOutputTypeDef, references: Mapping[str, str]) -> None:
        """Forget branches that are gone: made again, they are new."""

        def change(record: PipelineRecord) -> None:
            known = record.setdefault("heads", {}).setdefault(action["name"], {})
            record["heads"][action["name"]] = {name: tip for name, tip in known.items() if name in references}

        self._model.pipelines.update(key, change)
