"""Tags of pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.codepipeline.model import CodePipelineModel
from tidegate.cloud.store import Collection, Key

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_MOST_TAGS = 50
_CLOUDFORMATION = "aws:cloudformation:"  # what CloudFormation alone may begin a key with


def checked_tags(
    context: Context, tags: Sequence[t.TagTypeDef], *, present: Sequence[t.TagTypeDef] = ()
) -> list[t.TagTypeDef]:
    """Return tags put over those of a resource, or raise where they cannot be."""
    keys = {each["key"] for each in tags}
    if len(keys) != len(tags):
        raise ServiceError("InvalidTagsException", "Tag keys must be unique")
    for key in keys:
        if key.startswith("aws:") and not (context.for_cloudformation and key.startswith(_CLOUDFORMATION)):
            raise ServiceError("InvalidTagsException", "Tag keys cannot start with aws:")
    merged = [*(each for each in present if each["key"] not in keys), *tags]
    if sum(not each["key"].startswith("aws:") for each in merged) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A resource has at most {_MOST_TAGS} tags")
    return merged


def _resource(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return str(request["resourceArn"])


class TagsApi:
    """https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_TagResource.html and its siblings."""

    def __init__(self, model: CodePipelineModel) -> None:
        self.model = model

    @operation(resource=_resource)
    async def tag_resource(self, context: Context, request: t.TagResourceInputTypeDef) -> Mapping[str, Any]:
        """Add tags to a pipeline or a custom action type."""
        collection, key, record = self._find(request["resourceArn"])
        record["tags"] = checked_tags(context, request["tags"], present=record["tags"])
        collection.put(key, record)
        return {}

    @operation(resource=_resource)
    async def untag_resource(self, context: Context, request: t.UntagResourceInputTypeDef) -> Mapping[str, Any]:
        """Remove tags from a pipeline or a custom action type."""
        collection, key, record = self._find(request["resourceArn"])
        record["tags"] = [each for each in record["tags"] if each["key"] not in request["tagKeys"]]
        collection.put(key, record)
        return {}

    @operation(resource=_resource)
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceInputTypeDef
    ) -> Mapping[str, Any]:
        """List the tags of a pipeline or a custom action type."""
        _, _, record = self._find(request["resourceArn"])
        chosen, token = page(
            sorted(record["tags"], key=lambda each: each["key"]),
            request.get("nextToken"),
            request.get("maxResults", _MOST_TAGS),
            key=lambda each: each["key"],
            invalid="InvalidNextTokenException",
        )
        return {"tags": chosen, **({"nextToken": token} if token else {})}

    def _find(self, arn: str) -> tuple[Collection[Any], Key, Any]:
        """Return what an ARN names: its record, and where that is kept."""
        region, _, name = arn.split(":", 5)[3:]
        collection: Collection[Any] = self.model.pipelines
        key: Key = (region, name)
        if name.startswith("actiontype:"):
            collection, key = self.model.custom.types, (region, *name.split("/")[1:])
        elif name.startswith("webhook:"):
            raise ServiceError("ResourceNotFoundException", f"Resource {arn} was not found")
        elif "/" in name:
            raise ServiceError("InvalidArnException", f"{arn} is not the ARN of a pipeline")
        record = collection.get(*key)
        if record is None or record.get("deleted"):
            raise ServiceError("ResourceNotFoundException", f"Resource {arn} was not found")
        return collection, key, record
