"""Tags of alarms. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_TagResource.html"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudwatch.alarms import AlarmRecord, Alarms

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as t

_MOST_TAGS = 50


class TagsApi:
    """Puts tags on alarms and takes them off."""

    def __init__(self, alarms: Alarms) -> None:
        self.alarms = alarms

    @operation(resource=lambda api, context, request: request["ResourceARN"])
    async def tag_resource(self, context: Context, request: t.TagResourceInputTypeDef) -> Mapping[str, Any]:
        """Put tags on an alarm."""
        key, record = self._find(context, request["ResourceARN"])
        record["tags"] = checked_tags(record["tags"], request["Tags"])
        self.alarms.records.put(key, record)
        return {}

    @operation(resource=lambda api, context, request: request["ResourceARN"])
    async def untag_resource(self, context: Context, request: t.UntagResourceInputTypeDef) -> Mapping[str, Any]:
        """Take tags off an alarm."""
        key, record = self._find(context, request["ResourceARN"])
        record["tags"] = {name: value for name, value in record["tags"].items() if name not in request["TagKeys"]}
        self.alarms.records.put(key, record)
        return {}

    @operation(resource=lambda api, context, request: request["ResourceARN"])
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceInputTypeDef
    ) -> Mapping[str, Any]:
        """List an alarm's tags."""
        _, record = self._find(context, request["ResourceARN"])
        return {"Tags": [{"Key": name, "Value": value} for name, value in record["tags"].items()]}

    def _find(self, context: Context, arn: str) -> tuple[tuple[str, str], AlarmRecord]:
        key = (context.region, arn.split(":", 6)[-1])
        record = self.alarms.records.get(*key)
        if record is None or record["alarm"]["AlarmArn"] != arn:
            raise ServiceError(
                "ResourceNotFoundException",
                f"Unknown resource: {arn}",
                404,
                ResourceType="cloudwatch:alarm",
                ResourceId=key[1],
            )
        return key, record


def alarm_arn(context: Context, name: str) -> str:
    """Return the ARN of an alarm."""
    return context.arn("cloudwatch", f"alarm:{name}")


def checked_tags(tags: Mapping[str, str], more: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return tags with others added; raise where they become too many."""
    result = {**tags, **{tag["Key"]: tag["Value"] for tag in more}}
    if len(result) > _MOST_TAGS:
        raise ServiceError("ValidationError", f"A resource can have at most {_MOST_TAGS} tags.")
    return result
