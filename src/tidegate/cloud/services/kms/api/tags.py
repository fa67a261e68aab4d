"""Tags of keys. https://docs.aws.amazon.com/kms/latest/developerguide/tagging-keys.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.paging import page
from tidegate.cloud.services.kms.api.shared import alive, checked_tags, conditions, find, key_arn, paged
from tidegate.cloud.services.kms.model import KmsModel

if TYPE_CHECKING:
    from types_boto3_kms import type_defs as t

_PAGE = 50


class TagsApi:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_TagResource.html and its siblings."""

    def __init__(self, model: KmsModel) -> None:
        self.model = model

    @operation(resource=key_arn, conditions=conditions)
    async def tag_resource(self, context: Context, request: t.TagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Add tags, or replace the values of those that are there."""
        record = alive(self.model, context, find(self.model, context, request["KeyId"], alias=False))
        record["tags"] = checked_tags(context, request["Tags"], present=record["tags"])
        self.model.keys.put((context.region, record["id"]), record)
        return {}

    @operation(resource=key_arn, conditions=conditions)
    async def untag_resource(self, context: Context, request: t.UntagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags by their keys."""
        record = alive(self.model, context, find(self.model, context, request["KeyId"], alias=False))
        record["tags"] = [tag for tag in record["tags"] if tag["TagKey"] not in request["TagKeys"]]
        self.model.keys.put((context.region, record["id"]), record)
        return {}

    @operation(resource=key_arn, conditions=conditions)
    async def list_resource_tags(
        self, context: Context, request: t.ListResourceTagsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the tags of a key."""
        record = find(self.model, context, request["KeyId"], alias=False)
        chosen, token = page(
            sorted(record["tags"], key=lambda each: each["TagKey"]),
            request.get("Marker"),
            request.get("Limit", _PAGE),
            key=lambda each: each["TagKey"],
            invalid="InvalidMarkerException",
        )
        return paged(chosen, "Tags", token)
