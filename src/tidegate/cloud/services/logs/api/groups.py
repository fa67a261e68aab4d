"""Log groups: create, describe, retention, tags, delete.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.logs.api.shared import (
    GROUP,
    find_group,
    group_arn,
    group_name,
    invalid,
    milliseconds,
    name_in,
    resource_arn,
)
from tidegate.cloud.services.logs.model import GroupRecord, LogsModel

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as t

_PAGE = 50
_MOST_TAGS = 50
_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def _request_tags(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {f"aws:RequestTag/{key}": value for key, value in request.get("tags", {}).items()}


class GroupsApi:
    """Groups, by name in a region."""

    def __init__(self, model: LogsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=group_arn, conditions=_request_tags, refuse=("kmsKeyId", "deletionProtectionEnabled"))
    async def create_log_group(self, context: Context, request: t.CreateLogGroupRequestTypeDef) -> Mapping[str, Any]:
        """Create a group whose events never expire."""
        name = request["logGroupName"]
        if request.get("logGroupClass", "STANDARD") != "STANDARD":
            raise not_offered(f"logs:CreateLogGroup logGroupClass {request['logGroupClass']}")
        if name.startswith("aws/"):
            raise invalid("Log groups starting with AWS/ are reserved for AWS.")
        if self.model.groups.get(context.region, name) is not None:
            raise ServiceError("ResourceAlreadyExistsException", "The specified log group already exists")
        tags = dict(request.get("tags", {}))
        _check_tags(context, tags, tags)
        self.model.groups.put(
            (context.region, name), {"name": name, "created": milliseconds(self._clock), "tags": tags}
        )
        return {}

    @operation(resource=group_arn)
    async def delete_log_group(self, context: Context, request: t.DeleteLogGroupRequestTypeDef) -> Mapping[str, Any]:
        """Delete a group with all that is in it."""
        find_group(self.model, context, request["logGroupName"])
        self.model.delete_group(context.region, request["logGroupName"])
        return {}

    @operation(
        resource=lambda api, context, request: context.arn("logs", "log-group::log-stream:"),
        refuse=("accountIdentifiers", "includeLinkedAccounts"),
    )
    async def describe_log_groups(
        self, context: Context, request: t.DescribeLogGroupsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe groups: by prefix, by a part of the name, or those that are listed."""
        prefix, part = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
        if prefix is not None and part is not None:
            raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
        listed = request.get("logGroupIdentifiers")
        found = [
            group
            for group in self.model.groups.values(context.region)
            if group["name"].startswith(prefix or "") and (part or "") in group["name"]
        ]
        if listed is not None:
            names = {name_in(each) for each in listed}
            found = [group for group in found if group["name"] in names]
        if request.get("logGroupClass", "STANDARD") != "STANDARD":
            found = []
        chosen, token = page(
            found,
            request.get("nextToken"),
            request.get("limit", _PAGE),
            key=lambda group: group["name"],
            invalid="InvalidParameterException",
        )
        answer: dict[str, Any] = {"logGroups": [self._described(context, group) for group in chosen]}
        return answer if token is None else {**answer, "nextToken": token}

    @operation(resource=group_arn)
    async def put_retention_policy(
        self, context: Context, request: t.PutRetentionPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set for how many days a group keeps events; what is older goes at once."""
        group, days = find_group(self.model, context, request["logGroupName"]), request["retentionInDays"]
        if days not in _DAYS:
            allowed = ", ".join(map(str, _DAYS))
            raise invalid(
                f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{allowed}]"
            )
        group["retention"] = days
        self.model.groups.put((context.region, group["name"]), group)
        return {}

    @operation(resource=group_arn)
    async def delete_retention_policy(
        self, context: Context, request: t.DeleteRetentionPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have a group keep events for ever."""
        group = find_group(self.model, context, request["logGroupName"])
        group.pop("retention", None)
        self.model.groups.put((context.region, group["name"]), group)
        return {}

    @operation(resource=resource_arn)
    async def tag_resource(self, context: Context, request: t.TagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Add tags to a group."""
        return self._tag(context, _named(request), request["tags"])

    @operation(resource=resource_arn)
    async def untag_resource(self, context: Context, request: t.UntagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags from a group."""
        return self._untag(context, _named(request), request["tagKeys"])

    @operation(resource=resource_arn)
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a group's tags."""
        return {"tags": find_group(self.model, context, _named(request))["tags"]}

    @operation(resource=group_arn)
    async def tag_log_group(self, context: Context, request: t.TagLogGroupRequestTypeDef) -> Mapping[str, Any]:
        """Add tags to a group, in the older way."""
        return self._tag(context, group_name(request), request["tags"])

    @operation(resource=group_arn)
    async def untag_log_group(self, context: Context, request: t.UntagLogGroupRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags from a group, in the older way."""
        return self._untag(context, group_name(request), request["tags"])

    @operation(resource=group_arn)
    async def list_tags_log_group(
        self, context: Context, request: t.ListTagsLogGroupRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a group's tags, in the older way."""
        return {"tags": find_group(self.model, context, group_name(request))["tags"]}

    def _tag(self, context: Context, name: str, tags: Mapping[str, str]) -> dict[str, Any]:
        group = find_group(self.model, context, name)
        group["tags"] = {**group["tags"], **tags}
        _check_tags(context, tags, group["tags"])
        self.model.groups.put((context.region, name), group)
        return {}

    def _untag(self, context: Context, name: str, keys: Any) -> dict[str, Any]:
        group = find_group(self.model, context, name)
        group["tags"] = {key: value for key, value in group["tags"].items() if key not in keys}
        self.model.groups.put((context.region, name), group)
        return {}

    def _described(self, context: Context, group: GroupRecord) -> dict[str, Any]:
        arn = context.arn("logs", f"log-group:{group['name']}")
        answer: dict[str, Any] = {
            "logGroupName": group["name"],
            "creationTime": group["created"],
            "metricFilterCount": 0,
            "arn": f"{arn}:*",
            "logGroupArn": arn,
            "storedBytes": self.model.size_of(context.region, group["name"]),
            "logGroupClass": "STANDARD",
            "deletionProtectionEnabled": False,
        }
        return {**answer, "retentionInDays": group["retention"]} if "retention" in group else answer


def _named(request: Mapping[str, Any]) -> str:
    arn = str(request["resourceArn"])
    if GROUP not in arn:
        raise invalid("The resource ARN is not that of a log group.")
    return name_in(arn)


def _check_tags(context: Context, given: Mapping[str, str], merged: Mapping[str, str]) -> None:
    if sum(not key.startswith("aws:") for key in merged) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A resource can have at most {_MOST_TAGS} tags.")
    own = [key for key in given if context.for_cloudformation and key.startswith("aws:cloudformation:")]
    if any(key.lower().startswith("aws:") and key not in own for key in given):
        raise invalid("aws: prefixed tag key names are not allowed for external use.")
