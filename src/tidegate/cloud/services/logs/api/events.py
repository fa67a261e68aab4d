"""Events: put into a stream, and read from it.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.logs.api.shared import (
    find_group,
    find_stream,
    group_name,
    invalid,
    milliseconds,
    stream_arn,
)
from tidegate.cloud.services.logs.api.streams import sequence_token
from tidegate.cloud.services.logs.model import OVERHEAD, START, Event, LogsModel, Position, just_before

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as t

_LARGEST_BATCH = 1_048_576  # bytes
_LONGEST_BATCH = 24 * 3_600_000  # milliseconds between a batch's first and last event
_DAY = 86_400_000
_OLDEST = 14 * _DAY
_NEWEST = 2 * 3_600_000
PAGE_EVENTS = 10_000
PAGE_BYTES = 1 << 20
_TOKEN = re.compile(r"^([fb])/(\d{20})(\d{36})/s$")


class EventsApi:
    """A stream's events, in the order of their times."""

    def __init__(self, model: LogsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=stream_arn, refuse=("entity",))
    async def put_log_events(self, context: Context, request: t.PutLogEventsRequestTypeDef) -> Mapping[str, Any]:
        """Append a batch of events; those that are too old or too new are left out, and the answer says which.

        A sequenceToken is accepted, whatever it is: since 2023 AWS does not look at it.
        """
        group = find_group(self.model, context, request["logGroupName"])
        stream = find_stream(self.model, context, request["logGroupName"], request["logStreamName"])
        events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
        _check_batch(events)
        now = milliseconds(self._clock)
        accepted, rejected = _sorted_out(events, now, group.get("retention"))
        if accepted:
            self.model.append(context.region, group["name"], stream["name"], accepted, now)
        answer: dict[str, Any] = {"nextSequenceToken": sequence_token(stream)}
        return {**answer, "rejectedLogEventsInfo": rejected} if rejected else answer

    @operation(resource=stream_arn, refuse=("unmask",))
    async def get_log_events(self, context: Context, request: t.GetLogEventsRequestTypeDef) -> Mapping[str, Any]:
        """Read a stream, the latest events first to be had unless `startFromHead`; each page is in order of time.

        The tokens go on from either end of a page; at the end of the stream the one that was given comes back.
        """
        stream = find_stream(self.model, context, group_name(request), request["logStreamName"])
        after, before = START, None
        if request.get("startTime") is not None:
            after = just_before(request["startTime"])
        if request.get("endTime") is not None:
            before = just_before(request["endTime"])
        token, backward = request.get("nextToken"), not request.get("startFromHead", False)
        position: Position | None = None
        if token is not None:
            position, backward = _read_token(token)
            if backward:
                before = position if before is None else min(before, position)
            else:
                after = max(after, position)
        limit = request.get("limit", PAGE_EVENTS)
        events = _fitting(self.model.page(stream, after, before, limit, newest_first=backward))
        if backward:
            events.reverse()
        first, last = _ends(events, position, backward, after, before)
        return {
            "events": [
                {"timestamp": each.position.time, "message": each.message, "ingestionTime": each.ingested}
                for each in events
            ],
            "nextForwardToken": _token("f", last),
            "nextBackwardToken": _token("b", first),
        }


def _check_batch(events: Sequence[tuple[int, str]]) -> None:
    size = sum(len(message.encode()) + OVERHEAD for _, message in events)
    if size > _LARGEST_BATCH:
        raise invalid(f"Upload too large: {size} bytes exceeds limit of {_LARGEST_BATCH}")
    if any(later < earlier for (earlier, _), (later, _) in pairwise(events)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if events[-1][0] - events[0][0] > _LONGEST_BATCH:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")


def _sorted_out(
    events: list[tuple[int, str]], now: int, retention: int | None
) -> tuple[list[tuple[int, str]], dict[str, int]]:
    """Return the events that are kept, and where those end that are too old and begin that are too new."""
    rejected = {}
    expired = sum(time < now - retention * _DAY for time, _ in events) if retention is not None else 0
    too_old = sum(time < now - _OLDEST for time, _ in events)
    too_new = sum(time > now + _NEWEST for time, _ in events)
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    if too_new:
        rejected["tooNewLogEventStartIndex"] = len(events) - too_new
    return events[max(too_old, expired) : len(events) - too_new], rejected


def _fitting(events: list[Event]) -> list[Event]:
    """Return as many events as a page holds."""
    size = 0
    for number, event in enumerate(events):
        size += len(event.message.encode()) + OVERHEAD
        if size > PAGE_BYTES and number:
            return events[:number]
    return events


def _ends(
    events: Sequence[Event], given: Position | None, backward: bool, after: Position, before: Position | None
) -> tuple[Position, Position]:
    """Return what the backward token goes before, and what the forward token goes after.

    A page without events leaves the reader where it is: the token of its direction stays, and the other one turns
    around at that very place.
    """
    if events:
        return events[0].position, events[-1].position
    if given is None:
        at = max(after, Position(0, 0)) if not backward or before is None else before
        return at, at
    if backward:
        return given, Position(given.time, max(given.sequence - 1, 0))
    return Position(given.time, given.sequence + 1), given


def _token(kind: str, position: Position) -> str:
    return f"{kind}/{position.time:020d}{position.sequence:036d}/s"


def _read_token(token: str) -> tuple[Position, bool]:
    match = _TOKEN.match(token)
    if match is None:
        raise invalid("The specified nextToken is invalid.")
    return Position(int(match[2]), int(match[3])), match[1] == "b"
