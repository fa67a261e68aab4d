"""EventBridge: its operations, and the delivery of events."""

from __future__ import annotations

from tidegate.cloud.services.events import api as events
from tidegate.cloud.services.events.model import EventsModel
from tidegate.cloud.services.events.reconciler import Deliveries, Schedules
from tidegate.cloud.wiring.parts import Parts


def add_events(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = EventsModel(parts.store, parts.account)
    deliveries = Deliveries(model, parts.calls, parts.clock)
    parts.dispatcher.register(
        "events",
        events.RulesApi(model, parts.calls, parts.clock),
        events.TargetsApi(model, parts.calls),
        events.PublishingApi(model, parts.clock),
    )
    parts.loop.add("events.delivery", deliveries.reconcile, keys=model.delivery_keys)
    parts.loop.watch("events.delivery", "events.delivery")
    parts.loop.add("events.schedule", Schedules(model, parts.clock).reconcile, keys=model.rule_keys)
    parts.loop.watch("events.rule", "events.schedule")
