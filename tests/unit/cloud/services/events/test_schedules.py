"""Scheduled rules, with a clock that is put forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.events.model import EventsModel
from tidegate.cloud.services.events.reconciler import Schedules
from tidegate.cloud.store import Store

KEY = ("us-east-1", "r")


class SetClock(Clock):
    """Stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.time = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


async def test_a_rule_is_due_again_and_again(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "state.db"), SetClock()
    model = EventsModel(store, "000000000000")
    rule: Any = {"Name": "r", "Arn": "arn:rule/r", "State": "ENABLED", "ScheduleExpression": "cron(0/10 * * * ? *)"}
    target: Any = {"Id": "t", "Arn": "arn:x"}
    model.rules.put(KEY, {"rule": rule, "tags": {}, "targets": {"t": target}, "since": clock.now()})
    schedules = Schedules(model, clock)

    def delivered() -> list[Any]:
        return [each["event"] for each in model.deliveries.values()]

    assert await schedules.reconcile(KEY) == 570
    clock.time += timedelta(seconds=571)
    assert await schedules.reconcile(KEY) is None
    assert await schedules.reconcile(KEY) == 599
    (event,) = delivered()
    assert (event["source"], event["detail-type"], event["time"]) == (
        "aws.events",
        "Scheduled Event",
        "2026-01-01T12:10:00Z",
    )
    assert event["resources"] == ["arn:rule/r"]
    clock.time += timedelta(hours=8)  # the lid was closed
    assert await schedules.reconcile(KEY) is None
    assert await schedules.reconcile(KEY) == 599
    assert len(delivered()) == 1, "what was missed does not come late"
    rule["State"] = "DISABLED"
    model.rules.put(KEY, {"rule": rule, "tags": {}, "targets": {"t": target}, "since": clock.now()})
    assert await schedules.reconcile(KEY) is None
    store.close()
