"""The records of alarms: what they are like, in which state, what changes of it have still to be told, history."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from tidegate.cloud.services.cloudwatch.alarm_rule import names_in, parse
from tidegate.cloud.services.cloudwatch.alarm_text import updated
from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as t

Kind = Literal["MetricAlarm", "CompositeAlarm"]
HISTORY_KEPT = 30 * 86_400_000  # milliseconds
_MOST = 100_000  # entries of history that are read at once
_STATE = ("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp")
ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


class AlarmRecord(TypedDict):
    """An alarm as AWS shows it (MetricAlarm or CompositeAlarm), and its tags."""

    kind: Kind
    alarm: dict[str, Any]
    tags: dict[str, str]


class ChangeRecord(TypedDict):
    """A change of state on its way to those who are told: the alarm as it was right after it, the state before it."""

    kind: Kind
    alarm: dict[str, Any]
    previous: dict[str, Any]
    announced: bool  # whether its event is out
    actions: list[str]  # ARNs of what is still to be done


class Alarms:
    """Alarms by region and name; changes by region, alarm and id; history in one journal a region."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.transaction = store.transaction
        self.records = Collection[AlarmRecord](store, "cloudwatch.alarm")
        self.changes = Collection[ChangeRecord](store, "cloudwatch.alarm-change")

    def tags_of(self, arn: str) -> dict[str, str]:
        """Return the tags of the alarm of an ARN; none where there is none."""
        record = self.records.get(arn.split(":")[3], arn.split(":", 6)[6])
        return {} if record is None else record["tags"]

    def composites(self, region: str) -> list[Key]:
        """Return the keys of a region's composite alarms."""
        return [key for key, record in self.records.items(region) if record["kind"] == "CompositeAlarm"]

    def children(self, record: AlarmRecord) -> set[str]:
        """Return the names of the alarms that a composite alarm looks at."""
        return names_in(parse(record["alarm"]["AlarmRule"])) if record["kind"] == "CompositeAlarm" else set()

    def states(self, region: str) -> dict[str, str]:
        """Return the states of a region's alarms by their names."""
        return {key[1]: record["alarm"]["StateValue"] for key, record in self.records.items(region)}

    def move(self, key: Key, state: str, reason: str, data: str | None, now: datetime, identity: str) -> None:
        """Put an alarm into a state; a change of it is written down for those who have to be told."""
        with self.transaction():
            record = self.records.get(*key)
            if record is None:
                return
            alarm = record["alarm"]
            previous = {name: alarm[name] for name in _STATE if name in alarm}
            self._describe(alarm, reason, data)
            alarm["StateUpdatedTimestamp"] = now
            if alarm["StateValue"] == state:
                self.records.put(key, record)
                return
            alarm |= {"StateValue": state, "StateTransitionedTimestamp": now}
            self.records.put(key, record)
            summary, text = updated(alarm, previous)
            self.note(key, record["kind"], "StateUpdate", summary, text, now)
            actions = list(alarm[ACTIONS[state]]) if alarm["ActionsEnabled"] else []
            self.changes.put(
                (*key, f"{now.timestamp():017.3f} {identity}"),
                {
                    "kind": record["kind"],
                    "alarm": alarm,
                    "previous": previous,
                    "announced": False,
                    "actions": list(dict.fromkeys(actions)),
                },
            )

    def say_again(self, key: Key, reason: str, data: str | None) -> None:
        """Give the reason of a state that goes on, with its latest datapoints."""

        def change(record: AlarmRecord) -> None:
            self._describe(record["alarm"], reason, data)

        self.records.update(key, change)

    def note(self, key: Key, kind: Kind, what: str, summary: str, data: str, now: datetime) -> None:
        """Add to the history: `what` is StateUpdate, ConfigurationUpdate or Action."""
        item = {
            "AlarmName": key[1],
            "AlarmType": kind,
            "HistoryItemType": what,
            "HistorySummary": summary,
            "HistoryData": data,
        }
        self._store.append(_journal(key[0]), [(int(now.timestamp() * 1000), json.dumps(item))])

    def history(
        self, region: str, start: int, end: int | None, *, newest_first: bool
    ) -> list[tuple[int, int, t.AlarmHistoryItemTypeDef]]:
        """Return the history from `start` to `end` (epoch milliseconds): sequence number, time, item."""
        entries = self._store.entries_by_time(
            _journal(region),
            after=(start, 0),
            before=None if end is None else (end + 1, 0),
            limit=_MOST,
            newest_first=newest_first,
        )
        return [(entry.sequence, entry.time, json.loads(entry.body)) for entry in entries]

    def expire(self, region: str, now: datetime) -> None:
        """Forget history that is older than 30 days."""
        self._store.expire(_journal(region), int(now.timestamp() * 1000) - HISTORY_KEPT)

    def _describe(self, alarm: dict[str, Any], reason: str, data: str | None) -> None:
        alarm["StateReason"] = reason
        if data is None:
            alarm.pop("StateReasonData", None)
        else:
            alarm["StateReasonData"] = data


def _journal(region: str) -> str:
    return f"alarm-history:{region}"
