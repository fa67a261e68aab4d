"""Finding events in all streams of a group.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import heapq
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.cloud.call import Context, operation
from tidegate.cloud.documents import from_json
from tidegate.cloud.services.logs.api.events import PAGE_BYTES, PAGE_EVENTS
from tidegate.cloud.services.logs.api.shared import find_group, find_stream, group_arn, group_name, invalid
from tidegate.cloud.services.logs.model import (
    OVERHEAD,
    START,
    Event,
    LogsModel,
    Position,
    StreamRecord,
    just_after,
    just_before,
)
from tidegate.cloud.services.logs.patterns import InvalidPatternError, Matches, compiled

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as t

_SCANNED = 20_000  # events that are looked at for one page, which may therefore be empty
_TURN = 500  # events until others get a turn


class _Place(NamedTuple):
    """Where a search has come to: the events of all streams in order of time, then name, then number."""

    time: int
    stream: str
    sequence: int
    newest_first: bool


class SearchApi:
    """FilterLogEvents, which `aws logs tail` follows with."""

    def __init__(self, model: LogsModel) -> None:
        self.model = model

    @operation(resource=group_arn, refuse=("unmask",))
    async def filter_log_events(self, context: Context, request: t.FilterLogEventsRequestTypeDef) -> Mapping[str, Any]:
        """Find events by pattern, time and stream, interleaved in order of time.

        `interleaved` has no say since 2019: it is taken to be true.
        """
        streams = self._streams(context, request)
        try:
            matches = compiled(request.get("filterPattern", ""))
        except InvalidPatternError as error:
            raise invalid(f"Invalid filter pattern: {error}") from None
        token = request.get("nextToken")
        place = None if token is None else _read_token(token)
        newest_first = place.newest_first if place is not None else not request.get("startFromHead", True)
        events = self._merged(streams, request, place, newest_first)
        found, place = await _page(events, matches, request.get("limit", PAGE_EVENTS), newest_first)
        answer: dict[str, Any] = {"events": [_answered(each) for each in found], "searchedLogStreams": []}
        return answer if place is None else {**answer, "nextToken": _token(place)}

    def _streams(self, context: Context, request: Mapping[str, Any]) -> list[StreamRecord]:
        group = group_name(request)
        find_group(self.model, context, group)
        names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
        if names is not None and prefix is not None:
            raise invalid("logStreamNames and logStreamNamePrefix are mutually exclusive.")
        if names is not None:
            return [find_stream(self.model, context, group, name) for name in dict.fromkeys(names)]
        return [
            each for each in self.model.streams.values(context.region, group) if each["name"].startswith(prefix or "")
        ]

    def _merged(
        self, streams: list[StreamRecord], request: Mapping[str, Any], place: _Place | None, newest_first: bool
    ) -> Iterator[Event]:
        first = START if request.get("startTime") is None else just_before(request["startTime"])
        last = None if request.get("endTime") is None else just_after(request["endTime"])
        sources = []
        for stream in streams:
            if (
                "last" not in stream
                or stream["last"] < first.time
                or (last is not None and stream["first"] > last.time)
            ):
                continue
            after, before = first, last
            if place is not None:
                here = _resumed(stream["name"], place)
                if newest_first:
                    before = here if before is None else min(before, here)
                else:
                    after = max(after, here)
            sources.append(self.model.events(stream, after, before, newest_first=newest_first))
        return heapq.merge(*sources, key=_order, reverse=newest_first)


async def _page(
    events: Iterator[Event], matches: Matches, limit: int, newest_first: bool
) -> tuple[list[Event], _Place | None]:
    """Return the events of a page, and where the next one goes on, or None where there is none."""
    found: list[Event] = []
    size = 0
    last: Event | None = None
    for number, event in enumerate(events):
        if number >= _SCANNED or len(found) >= limit or size > PAGE_BYTES:
            assert last is not None
            return found, _Place(last.position.time, last.stream["name"], last.position.sequence, newest_first)
        if number % _TURN == _TURN - 1:
            await asyncio.sleep(0)
        last = event
        if matches(event.message):
            found.append(event)
            size += len(event.message.encode()) + OVERHEAD
    return found, None


def _order(event: Event) -> tuple[int, str, int]:
    return event.position.time, event.stream["name"], event.position.sequence


def _resumed(stream: str, place: _Place) -> Position:
    """Return where one stream goes on after a place in the order of all."""
    if stream == place.stream:
        return Position(place.time, place.sequence)
    seen = (
        stream < place.stream
    )  # of that very time, its events came before; if the latest come first, they are to come
    return just_after(place.time) if seen else just_before(place.time)


def _answered(event: Event) -> dict[str, Any]:
    number = int(event.stream["id"].replace("-", ""), 16) % 10**18
    return {
        "logStreamName": event.stream["name"],
        "timestamp": event.position.time,
        "message": event.message,
        "ingestionTime": event.ingested,
        "eventId": f"{event.position.time:020d}{event.position.sequence:018d}{number:018d}",
    }


def _token(place: _Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_token(token: str) -> _Place:
    try:
        time, stream, sequence, newest_first = from_json(base64.urlsafe_b64decode(token))
        return _Place(int(time), str(stream), int(sequence), bool(newest_first))
    except (binascii.Error, ValueError, TypeError):
        raise invalid("The specified nextToken is invalid.") from None
