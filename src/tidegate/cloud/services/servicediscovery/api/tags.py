"""Tags of namespaces and services. https://docs.aws.amazon.com/cloud-map/latest/api/API_TagResource.html"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.servicediscovery.api.shared import checked_tags
from tidegate.cloud.services.servicediscovery.model import DiscoveryModel, bare_id

if TYPE_CHECKING:
    from types_boto3_servicediscovery import type_defs as t

Tags = Sequence[Mapping[str, Any]]


def _arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return str(request["ResourceARN"])


class TagsApi:
    """https://docs.aws.amazon.com/cloud-map/latest/api/API_TagResource.html and its siblings."""

    def __init__(self, model: DiscoveryModel) -> None:
        self.model = model

    @operation(resource=_arn)
    async def tag_resource(self, context: Context, request: t.TagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Add tags, or replace the values of those that are there."""
        self._change(context, request["ResourceARN"], lambda tags: checked_tags(request["Tags"], tags))
        return {}

    @operation(resource=_arn)
    async def untag_resource(self, context: Context, request: t.UntagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags by their keys."""
        gone = request["TagKeys"]
        self._change(context, request["ResourceARN"], lambda tags: [each for each in tags if each["Key"] not in gone])
        return {}

    @operation(resource=_arn)
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the tags of a namespace or a service."""
        return {"Tags": self._change(context, request["ResourceARN"], list)}

    def _change(self, context: Context, arn: str, change: Callable[[Tags], list[Any]]) -> list[Any]:
        """Change the tags of what an ARN names and return them; raise ResourceNotFoundException."""
        key = (context.region, bare_id(arn))
        collection: Any = self.model.namespaces if ":namespace/" in arn else self.model.services
        record = collection.get(*key)
        if record is None or record["namespace" if ":namespace/" in arn else "service"]["Arn"] != arn:
            raise ServiceError("ResourceNotFoundException", f"Resource not found: {arn}", ResourceName=arn)
        tags = change(record["tags"])
        if tags != record["tags"]:
            record["tags"] = tags
            collection.put(key, record)
        return tags
