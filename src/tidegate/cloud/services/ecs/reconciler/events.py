"""Hands ECS's events to the event bus, once each has been written."""

from __future__ import annotations

import json
import logging

from tidegate.cloud.call import Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.model import EcsModel
from tidegate.cloud.store import Key

log = logging.getLogger(__name__)


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
        bus = self._calls.as_service("ecs.amazonaws.com", key[0])
        entry = {
            "Time": event["at"],
            "Source": "aws.ecs",
            "DetailType": event["detail_type"],
            "Detail": json.dumps(event["detail"]),
            "Resources": event["resources"],
        }
        try:
            answer = await bus("events", "put_events", Entries=[entry])
        except ServiceError as error:
            if error.code != "NotImplemented":  # without an event bus nobody waits for events
                raise
        else:
            if answer.get("FailedEntryCount"):
                log.warning("event %s: refused by the event bus: %s", "/".join(key), answer["Entries"])
        self._model.events.delete(*key)
        return None
