"""CloudWatch Logs: its operations, retention applied, what was deleted removed."""

from __future__ import annotations

from tidegate.cloud.services.logs import api as logs
from tidegate.cloud.services.logs.model import LogsModel
from tidegate.cloud.services.logs.reconciler import Removal as LogRemoval
from tidegate.cloud.services.logs.reconciler import Retention as LogRetention
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
    retention, removal = LogRetention(model, parts.clock), LogRemoval(model)
    parts.loop.add("logs.retention", retention.reconcile, keys=retention.keys)
    parts.loop.watch("logs.group", "logs.retention")
    parts.loop.add("logs.removal", removal.reconcile, keys=removal.keys)
    parts.loop.watch("logs.removal", "logs.removal")
