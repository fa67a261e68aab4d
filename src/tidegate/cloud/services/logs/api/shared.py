"""What the operations of CloudWatch Logs have in common: finding groups and streams, by name or ARN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Context
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.logs.model import GroupRecord, LogsModel, StreamRecord

GROUP = ":log-group:"


def milliseconds(clock: Clock) -> int:
    """Return the present moment as the API gives times."""
    return int(clock.now().timestamp() * 1000)


def invalid(why: str) -> ServiceError:
    """Refuse a request."""
    return ServiceError("InvalidParameterException", why)


def name_in(identifier: str) -> str:
    """Return the group's name of a name or an ARN, with `:*` at its end or without."""
    name = identifier.partition(GROUP)[2] if identifier.startswith("arn:") else identifier
    return name.removesuffix(":*")


def group_name(request: Mapping[str, Any]) -> str:
    """Return the name of the group that a request is about, by logGroupName or logGroupIdentifier."""
    given = [request[member] for member in ("logGroupName", "logGroupIdentifier") if request.get(member) is not None]
    if len(given) != 1:
        raise invalid("You must specify either logGroupName or logGroupIdentifier, and not both.")
    return name_in(given[0])


def group_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a group is authorized on: that of all its streams, as on AWS."""
    return context.arn("logs", f"log-group:{group_name(request)}:log-stream:")


def stream_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a stream is authorized on."""
    return context.arn("logs", f"log-group:{group_name(request)}:log-stream:{request['logStreamName']}")


def resource_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on tags is authorized on."""
    return str(request["resourceArn"]).removesuffix(":*")


def find_group(model: LogsModel, context: Context, name: str) -> GroupRecord:
    """Return a group or raise ResourceNotFoundException."""
    group = model.groups.get(context.region, name)
    if group is None:
        raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def find_stream(model: LogsModel, context: Context, group: str, name: str) -> StreamRecord:
    """Return a stream or raise ResourceNotFoundException."""
    find_group(model, context, group)
    stream = model.streams.get(context.region, group, name)
    if stream is None:
        raise ServiceError("ResourceNotFoundException", "The specified log stream does not exist.")
    return stream
