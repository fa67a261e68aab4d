"""Delivers events to targets, again and again for as long as the target's retry policy says; and what is scheduled.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.schedule import next_after, parse
from tidegate.cloud.services.events.model import DeliveryRecord, EventsModel, RuleRecord
from tidegate.cloud.services.events.start import start
from tidegate.cloud.services.events.target_input import document
from tidegate.cloud.store import Key

_MOST_ATTEMPTS = 185
_LONGEST_AGE = 86_400  # seconds
_LONGEST_PAUSE = 600  # seconds
_LATE = timedelta(minutes=1)  # what was due longer ago, while the local cloud was off, is left out
_LATER = frozenset(  # what the target cannot do now and may be able to do later
    {
        "AccountLimitExceededException",
        "ConcurrentModificationException",
        "ConcurrentPipelineExecutionsLimitExceededException",
        "ConflictException",
        "LimitExceededException",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "InternalFailure",
    }
)

log = logging.getLogger(__name__)


class Deliveries:
    """Takes each event to its target, as the target's role."""

    def __init__(self, model: EventsModel, calls: Calls, clock: Clock) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Attempt a delivery that is due; it is forgotten once it was made or cannot be made."""
        delivery = self._model.deliveries.get(*key)
        if delivery is None:
            return None
        now = self._clock.now()
        if delivery["due"] > now:
            return (delivery["due"] - now).total_seconds()
        try:
            await self._deliver(key, delivery)
        except ServiceError as error:
            pause = self._pause(delivery, error, now)
            log.warning("%s -> %s: %s", delivery["rule"], delivery["target"]["Arn"], error)
            if pause is not None:
                self._model.deliveries.update(key, lambda record: _postpone(record, now, pause))
                return pause
        self._model.deliveries.delete(*key)
        return None

    def _pause(self, delivery: DeliveryRecord, error: ServiceError, now: datetime) -> float | None:
        """Return the seconds until another attempt, or None where there is none to be."""
        policy = delivery["target"].get("RetryPolicy", {})
        if error.code not in _LATER or delivery["attempts"] >= policy.get("MaximumRetryAttempts", _MOST_ATTEMPTS):
            return None
        pause = min(2 ** delivery["attempts"], _LONGEST_PAUSE)
        age = (now - delivery["accepted"]).total_seconds() + pause
        return pause if age < policy.get("MaximumEventAgeInSeconds", _LONGEST_AGE) else None

    async def _deliver(self, key: Key, delivery: DeliveryRecord) -> None:
        target, region = delivery["target"], key[0]
        session = await self._calls.as_role(
            target["RoleArn"], "events.amazonaws.com", f"events-{key[1]}"[:64], region, source=delivery["rule"]
        )
        told = document(target, delivery["rule"], delivery["event"], delivery["accepted"].isoformat())
        own = told if isinstance(told, Mapping) and told is not delivery["event"] else {}
        # told twice after a kill, the target recognizes the token
        token = hashlib.sha256("/".join(key).encode()).hexdigest()[:48]
        await start(session, target, own, token, delivery["rule"])


class Schedules:
    """The controller of `events.schedule`: its keys are those of rules."""

    def __init__(self, model: EventsModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Send the event of a rule that is due; return the seconds until it is."""
        record = self._model.rules.get(*key)
        if record is None or "since" not in record or record["rule"]["State"] != "ENABLED":
            return None
        now, since = self._clock.now(), record["since"]
        schedule = parse(record["rule"]["ScheduleExpression"])
        due = next_after(schedule, record.get("told", since), created=since)
        if due is None:
            return None
        if now < due:
            return (due - now).total_seconds()
        if now - due < _LATE:
            event = {
                "version": "0",
                "id": self._clock.new_id(),
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": self._model.account,
                "time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": key[0],
                "resources": [record["rule"]["Arn"]],
                "detail": {},
            }
        else:
            event, due = None, now

        def told(record: RuleRecord) -> None:
            record["told"] = due

        with self._model.store.transaction():
            if event is not None:
                self._model.send(key[0], record, event, now)
            self._model.rules.update(key, told)  # which brings us here again
        return None


def _postpone(record: DeliveryRecord, now: datetime, pause: float) -> None:
    record["attempts"] += 1
    record["due"] = now + timedelta(seconds=pause)
