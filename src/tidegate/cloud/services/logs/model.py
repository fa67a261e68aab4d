"""The records of CloudWatch Logs: groups and streams by region; each stream's events in a journal of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, NotRequired, TypedDict

from tidegate.cloud.store import Collection, Entry, Store

OVERHEAD = 26  # bytes that an event counts beside its message
_BATCH = 1000
_LAST = 2**63 - 1


class GroupRecord(TypedDict):
    """A log group. Times are epoch milliseconds, as the API gives them."""

    name: str
    created: int
    retention: NotRequired[int]  # days; not there: events never expire
    tags: dict[str, str]


class StreamRecord(TypedDict):
    """A log stream; `id` names its journal, so that one made anew under its name begins empty."""

    name: str
    id: str
    created: int
    bytes: int  # of its events, with the overhead
    first: NotRequired[int]  # the earliest event's time
    last: NotRequired[int]  # the latest event's time
    ingested: NotRequired[int]  # when events were put last


class Position(NamedTuple):
    """Where an event stands within its stream: its time, and its number among those of that time."""

    time: int
    sequence: int


class Event(NamedTuple):
    """An event as it was put."""

    stream: StreamRecord
    position: Position
    ingested: int
    message: str


START = Position(-1, 0)


class LogsModel:
    """Groups by region and name, streams by region, group and name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.transaction = store.transaction
        self.groups = Collection[GroupRecord](store, "logs.group")
        self.streams = Collection[StreamRecord](store, "logs.stream")
        self.removals = Collection[dict[str, str]](store, "logs.removal")  # id of a stream that was deleted

    def size_of(self, region: str, group: str) -> int:
        """Return the bytes stored in a group."""
        return sum(stream["bytes"] for stream in self.streams.values(region, group))

    def append(self, region: str, group: str, stream: str, events: list[tuple[int, str]], now: int) -> None:
        """Append `(time, message)` events to a stream that exists and note it in its record."""

        def note(record: StreamRecord) -> None:
            times = [time for time, _ in events]
            record["first"] = min(record.get("first", times[0]), *times)
            record["last"] = max(record.get("last", times[0]), *times)
            record["ingested"] = now
            record["bytes"] += sum(len(message.encode()) + OVERHEAD for _, message in events)

        with self.transaction():
            changed = self.streams.update((region, group, stream), note)
            if changed is not None:
                self._store.append(_journal(changed), [(time, f"{now}:{message}") for time, message in events])

    def page(
        self, stream: StreamRecord, after: Position, before: Position | None, limit: int, *, newest_first: bool
    ) -> list[Event]:
        """Return at most `limit` events between two positions, both exclusive."""
        entries = self._store.entries_by_time(
            _journal(stream), after=after, before=before, limit=limit, newest_first=newest_first
        )
        return [_event(stream, entry) for entry in entries]

    def events(
        self, stream: StreamRecord, after: Position, before: Position | None, *, newest_first: bool
    ) -> Iterator[Event]:
        """Yield the events between two positions, both exclusive, reading them as they are asked for."""
        while True:
            batch = self.page(stream, after, before, _BATCH, newest_first=newest_first)
            yield from batch
            if len(batch) < _BATCH:
                return
            if newest_first:
                before = batch[-1].position
            else:
                after = batch[-1].position

    def expire(self, region: str, group: str, stream: str, before: int) -> bool:
        """Remove a stream's events that are older than `before`, and note it; return whether there may be more."""
        record = self.streams.get(region, group, stream)
        if record is None or record.get("first", before) >= before:
            return False
        with self.transaction():
            number, size = self._store.expire(_journal(record), before)
            record["bytes"] -= size + number * (OVERHEAD - _BESIDE)
            left = self.page(record, START, None, 1, newest_first=False)
            if left:
                record["first"] = left[0].position.time
            else:
                record.pop("first", None)
                record.pop("last", None)
            self.streams.put((region, group, stream), record)
        return number > 0

    def delete_stream(self, region: str, group: str, stream: str) -> None:
        """Delete a stream; its events are removed after that, for nobody can reach them any more."""
        record = self.streams.get(region, group, stream)
        if record is not None:
            with self.transaction():
                self.removals.put((record["id"],), {})
                self.streams.delete(region, group, stream)

    def remove_events(self, stream_id: str) -> bool:
        """Remove some of the events of a stream that was deleted; return whether there may be more."""
        if self._store.drop(f"logs:{stream_id}")[0]:
            return True
        self.removals.delete(stream_id)
        return False

    def delete_group(self, region: str, group: str) -> None:
        """Delete a group with its streams."""
        with self.transaction():
            for record in self.streams.values(region, group):
                self.delete_stream(region, group, record["name"])
            self.groups.delete(region, group)


_BESIDE = len("1700000000000:")  # what an entry holds beside the message


def _journal(stream: StreamRecord) -> str:
    return f"logs:{stream['id']}"


def _event(stream: StreamRecord, entry: Entry) -> Event:
    ingested, _, message = entry.body.partition(":")
    return Event(stream, Position(entry.time, entry.sequence), int(ingested), message)


def just_before(time: int) -> Position:
    """Return the position right before all events of a time."""
    return Position(time, 0)


def just_after(time: int) -> Position:
    """Return the position right after all events of a time."""
    return Position(time, _LAST)
