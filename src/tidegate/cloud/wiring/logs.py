"""CloudWatch Logs: its operations, and retention applied."""

from __future__ import annotations

from tidegate.cloud.services.logs import api as logs
from tidegate.cloud.services.logs.model import LogsModel
from tidegate.cloud.services.logs.reconciler import Retention
from tidegate.cloud.wiring.parts import Parts


def add_logs(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = LogsModel(parts.store)
    parts.dispatcher.register(
        "logs",
        logs.GroupsApi(model, parts.clock),
        logs.StreamsApi(model, parts.clock),
        logs.EventsApi(model, parts.clock),
        logs.SearchApi(model),
    )
    retention = Retention(model, parts.clock)
    parts.loop.add("logs.retention", retention.reconcile, keys=retention.keys)
    parts.loop.watch("logs.group", "logs.retention")
