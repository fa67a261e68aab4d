"""Connections: create, get, list, delete, tags.

https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_CreateConnection.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.mirrors import HOSTS
from tidegate.cloud.paging import page
from tidegate.cloud.services.codeconnections.model import (
    CodeConnectionsModel,
    ConnectionRecord,
    connection_key,
    service_of,
)

if TYPE_CHECKING:
    from types_boto3_codeconnections import type_defs as t

_MOST = 250  # connections of an account in a region
_MOST_TAGS = 50
_PAGE = 100
_MANY_TAGS = "A connection has at most {} tags"


def _arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return str(request.get("ConnectionArn") or request["ResourceArn"])


def _action(name: str) -> Callable[[Any, Context, Any], str]:
    """Return the action of an operation, whose prefix is that of the connection's ARN.

    https://docs.aws.amazon.com/dtconsole/latest/userguide/rename.html
    """
    return lambda api, context, request: f"{service_of(_arn(api, context, request))}:{name}"


def _conditions(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tags of a request and of the connection that it is about, and the provider, as condition keys."""
    keys: dict[str, Any] = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in request.get("Tags", [])}
    keys["aws:TagKeys"] = [*(tag["Key"] for tag in request.get("Tags", [])), *request.get("TagKeys", [])]
    if "ProviderType" in request:
        keys[f"{api.service}:ProviderType"] = request["ProviderType"]
    record = api.model.find(_arn(api, context, request)) if {"ConnectionArn", "ResourceArn"} & request.keys() else None
    for tag in () if record is None else record["tags"]:
        keys[f"aws:ResourceTag/{tag['Key']}"] = tag["Value"]
    return keys


class ConnectionsApi:
    """Serves both names of the service: connections are the same, their ARNs tell through which they were made."""

    def __init__(self, model: CodeConnectionsModel, clock: Clock, service: str) -> None:
        """`service` is the name that is asked for: codeconnections or codestar-connections."""
        self.model = model
        self.service = service
        self._clock = clock

    @operation(conditions=_conditions, refuse=("HostArn",))
    async def create_connection(self, context: Context, request: t.CreateConnectionInputTypeDef) -> Mapping[str, Any]:
        """Create a connection, which can be used at once: there is nobody here who would have to confirm it."""
        provider = request.get("ProviderType")
        if provider is None:
            raise ServiceError("ValidationException", "Must specify one of either ProviderType or HostArn")
        if provider not in HOSTS:
            raise not_offered(f"{self.service}:CreateConnection ProviderType {provider}")
        tags = _checked(context, request.get("Tags", []))
        if len(self.model.connections.items(context.region)) >= _MOST:
            raise ServiceError("LimitExceededException", f"An account has at most {_MOST} connections in a region")
        identity = self._clock.new_id()
        arn = self.model.arn(self.service, context.region, identity)
        record: ConnectionRecord = {
            "connection": {
                "ConnectionName": request["ConnectionName"],
                "ConnectionArn": arn,
                "ProviderType": provider,
                "OwnerAccountId": context.account,
                "ConnectionStatus": "AVAILABLE",
            },
            "tags": tags,
        }
        self.model.connections.put((context.region, identity), record)
        return {"ConnectionArn": arn, **({"Tags": tags} if tags else {})}

    @operation(action=_action("GetConnection"), resource=_arn, conditions=_conditions)
    async def get_connection(self, context: Context, request: t.GetConnectionInputTypeDef) -> Mapping[str, Any]:
        """Return a connection."""
        return {"Connection": self._find(context, request["ConnectionArn"])["connection"]}

    @operation()
    async def list_connections(self, context: Context, request: t.ListConnectionsInputTypeDef) -> Mapping[str, Any]:
        """List the connections of a region, made through either name; none of them has a host."""
        provider = request.get("ProviderTypeFilter")
        found = [
            record["connection"]
            for record in self.model.connections.values(context.region)
            if provider in (None, record["connection"].get("ProviderType")) and "HostArnFilter" not in request
        ]
        chosen, token = page(
            found,
            request.get("NextToken"),
            request.get("MaxResults") or _PAGE,
            key=lambda each: str(connection_key(each.get("ConnectionArn", ""))[1]),
            invalid="InvalidInputException",
        )
        return {"Connections": chosen, **({"NextToken": token} if token else {})}

    @operation(action=_action("DeleteConnection"), resource=_arn, conditions=_conditions)
    async def delete_connection(self, context: Context, request: t.DeleteConnectionInputTypeDef) -> Mapping[str, Any]:
        """Delete a connection; the copies of the repositories that it led to stay."""
        self._find(context, request["ConnectionArn"])
        self.model.connections.delete(*connection_key(request["ConnectionArn"]))
        return {}

    @operation(action=_action("TagResource"), resource=_arn, conditions=_conditions)
    async def tag_resource(self, context: Context, request: t.TagResourceInputTypeDef) -> Mapping[str, Any]:
        """Add tags, or replace the values of those that are there."""
        record = self._find(context, request["ResourceArn"])
        record["tags"] = _checked(context, request["Tags"], present=record["tags"])
        self.model.connections.put(connection_key(request["ResourceArn"]), record)
        return {}

    @operation(action=_action("UntagResource"), resource=_arn, conditions=_conditions)
    async def untag_resource(self, context: Context, request: t.UntagResourceInputTypeDef) -> Mapping[str, Any]:
        """Remove tags by their keys."""
        record = self._find(context, request["ResourceArn"])
        record["tags"] = [tag for tag in record["tags"] if tag["Key"] not in request["TagKeys"]]
        self.model.connections.put(connection_key(request["ResourceArn"]), record)
        return {}

    @operation(action=_action("ListTagsForResource"), resource=_arn, conditions=_conditions)
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceInputTypeDef
    ) -> Mapping[str, Any]:
        """List the tags of a connection."""
        return {"Tags": self._find(context, request["ResourceArn"])["tags"]}

    def _find(self, context: Context, arn: str) -> ConnectionRecord:
        record = self.model.find(arn)
        if record is None or connection_key(arn)[0] != context.region:
            raise ServiceError("ResourceNotFoundException", f"Connection {arn} not found")
        return record


def _checked(
    context: Context, tags: Sequence[t.TagTypeDef], *, present: Sequence[t.TagTypeDef] = ()
) -> list[t.TagTypeDef]:
    """Return tags put over those that are there, or raise where they cannot be."""
    if any(tag["Key"].lower().startswith("aws:") for tag in tags) and not context.for_cloudformation:
        raise ServiceError("ValidationException", "Tag keys cannot begin with aws:")
    merged = list({tag["Key"]: tag for tag in [*present, *tags]}.values())
    if sum(not tag["Key"].startswith("aws:") for tag in merged) > _MOST_TAGS:
        raise ServiceError("LimitExceededException", _MANY_TAGS.format(_MOST_TAGS))
    return merged
