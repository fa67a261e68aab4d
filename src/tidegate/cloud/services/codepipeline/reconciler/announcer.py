"""Tells EventBridge of what changed: once, or twice where a kill comes between."""

from __future__ import annotations

import json

from tidegate.cloud.call import Calls
from tidegate.cloud.services.codepipeline.model import CodePipelineModel
from tidegate.cloud.services.codepipeline.reconciler.run import SERVICE
from tidegate.cloud.store import Key


class Announcer:
    """The controller of changes that EventBridge has still to hear of, by (region, id)."""

    def __init__(self, model: CodePipelineModel, calls: Calls) -> None:
        self._model = model
        self._calls = calls

    def keys(self) -> list[Key]:
        """Return all that is left to tell."""
        return [key for key, _ in self._model.changes.items()]

    async def reconcile(self, key: Key) -> None:
        """Tell one change, then forget it."""
        change = self._model.changes.get(*key)
        if change is None:
            return
        entry = {
            "Source": "aws.codepipeline",
            "DetailType": change["type"],
            "Time": change["time"],
            "Resources": [self._model.arn(key[0], change["pipeline"])],
            "Detail": json.dumps(change["detail"]),
        }
        await self._calls.as_service(SERVICE, key[0])("events", "put_events", Entries=[entry])
        self._model.changes.delete(*key)
