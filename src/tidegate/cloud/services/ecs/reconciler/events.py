"""Hands ECS's events to the event bus, once each has been written."""

from __future__ import annotations

from tidegate.cloud.bus import hand_on
from tidegate.cloud.call import Calls
from tidegate.cloud.services.ecs.model import EcsModel
from tidegate.cloud.store import Key


class EventReconciler:
    """The controller of `ecs.event`; its keys are (region, id). One that was handed on is forgotten."""

    def __init__(self, model: EcsModel, calls: Calls) -> None:
        self._model = model
        self._calls = calls

    async def reconcile(self, key: Key) -> float | None:
        """Hand on one event: at least once, should the daemon die in between."""
        event = self._model.events.get(*key)
        if event is None:
            return None
        await hand_on(
            self._calls,
            "ecs",
            key[0],
            at=event["at"],
            detail_type=event["detail_type"],
            detail=event["detail"],
            resources=event["resources"],
        )
        self._model.events.delete(*key)
        return None
