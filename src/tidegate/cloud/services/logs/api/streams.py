"""Log streams: create, describe, delete.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.logs.api.shared import (
    find_group,
    find_stream,
    group_arn,
    group_name,
    invalid,
    milliseconds,
    stream_arn,
)
from tidegate.cloud.services.logs.model import LogsModel, StreamRecord

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as t

_PAGE = 50


class StreamsApi:
    """Streams, by name in a group."""

    def __init__(self, model: LogsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=stream_arn)
    async def create_log_stream(self, context: Context, request: t.CreateLogStreamRequestTypeDef) -> Mapping[str, Any]:
        """Create a stream."""
        group, name = request["logGroupName"], request["logStreamName"]
        find_group(self.model, context, group)
        if self.model.streams.get(context.region, group, name) is not None:
            raise ServiceError("ResourceAlreadyExistsException", "The specified log stream already exists")
        self.model.streams.put(
            (context.region, group, name),
            {"name": name, "id": self._clock.new_id(), "created": milliseconds(self._clock), "bytes": 0},
        )
        return {}

    @operation(resource=stream_arn)
    async def delete_log_stream(self, context: Context, request: t.DeleteLogStreamRequestTypeDef) -> Mapping[str, Any]:
        """Delete a stream with its events."""
        find_stream(self.model, context, request["logGroupName"], request["logStreamName"])
        self.model.delete_stream(context.region, request["logGroupName"], request["logStreamName"])
        return {}

    @operation(resource=group_arn)
    async def describe_log_streams(
        self, context: Context, request: t.DescribeLogStreamsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe a group's streams, ordered by name or by the time of their last event."""
        group = group_name(request)
        find_group(self.model, context, group)
        by_time = request.get("orderBy", "LogStreamName") == "LastEventTime"
        prefix = request.get("logStreamNamePrefix")
        if by_time and prefix is not None:
            raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")

        def place(stream: StreamRecord) -> tuple[int, str]:
            return (stream.get("last", 0) if by_time else 0, stream["name"])

        found = [
            each for each in self.model.streams.values(context.region, group) if each["name"].startswith(prefix or "")
        ]
        found.sort(key=place, reverse=request.get("descending", False))
        chosen, token = page(
            found,
            request.get("nextToken"),
            request.get("limit", _PAGE),
            key=lambda stream: f"{place(stream)[0]:020d}{stream['name']}",
            descending=request.get("descending", False),
        )
        answer: dict[str, Any] = {"logStreams": [_described(context, group, each) for each in chosen]}
        return answer if token is None else {**answer, "nextToken": token}


def _described(context: Context, group: str, stream: StreamRecord) -> dict[str, Any]:
    """AWS gives a stream's storedBytes as zero since 2019; its group has the real number."""
    answer: dict[str, Any] = {
        "logStreamName": stream["name"],
        "creationTime": stream["created"],
        "arn": context.arn("logs", f"log-group:{group}:log-stream:{stream['name']}"),
        "storedBytes": 0,
        "uploadSequenceToken": sequence_token(stream),
    }
    for name, member in (
        ("firstEventTimestamp", "first"),
        ("lastEventTimestamp", "last"),
        ("lastIngestionTime", "ingested"),
    ):
        if member in stream:
            answer[name] = stream[member]  # type: ignore[literal-required]
    return answer


def sequence_token(stream: StreamRecord) -> str:
    """Return a sequence token: clients still expect one, and any is accepted."""
    return f"{int(stream['id'].replace('-', ''), 16):056d}"[-56:]
