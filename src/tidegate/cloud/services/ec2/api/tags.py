"""Tags, over everything that EC2 has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api.shared import Ec2Api, check_tag_count, checked_tags, ec2_operation, paged
from tidegate.cloud.services.ec2.filters import Filters, at
from tidegate.cloud.services.ec2.model import Noun, noun_of, tags_of

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

TAG_FILTERS = Filters(
    {
        "key": at("Key"),
        "resource-id": at("ResourceId"),
        "resource-type": at("ResourceType"),
        "value": at("Value"),
    },
    tags="Self",
)


class TagsApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html and its siblings."""

    @ec2_operation("*/{Resources}")
    async def create_tags(self, context: Context, request: t.ClientCreateTagsRequestTypeDef) -> Mapping[str, Any]:
        """Put tags on resources, over those that they have."""
        new = checked_tags(context, request["Tags"])  # type: ignore[arg-type]
        found = [self._find(context.region, each) for each in request["Resources"]]
        with self.model.store.transaction():
            for noun, key, record in found:
                tags = {**tags_of(noun, record), **new}
                check_tag_count(tags)
                record[noun.tags] = [{"Key": name, "Value": value} for name, value in tags.items()]
                self.model.store.put(noun.kind, key, record)
        return {}

    @ec2_operation("*/{Resources}")
    async def delete_tags(self, context: Context, request: t.ClientDeleteTagsRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags: those of a key, those of a key and a value, or all."""
        found = [self._find(context.region, each) for each in request["Resources"]]
        with self.model.store.transaction():
            for noun, key, record in found:
                tags = tags_of(noun, record)
                if "Tags" in request:
                    for tag in request["Tags"]:
                        if tag.get("Value", tags.get(tag["Key"])) == tags.get(tag["Key"]):
                            tags.pop(tag["Key"], None)
                else:
                    tags = {name: value for name, value in tags.items() if name.startswith("aws:")}
                record[noun.tags] = [{"Key": name, "Value": value} for name, value in tags.items()]
                self.model.store.put(noun.kind, key, record)
        return {}

    @ec2_operation()
    async def describe_tags(self, context: Context, request: t.DescribeTagsRequestTypeDef) -> Mapping[str, Any]:
        """List tags."""
        tags = []
        for noun, record in self.model.resources(context.region):
            for key, value in tags_of(noun, record).items():
                tag: dict[str, Any] = {"Key": key, "Value": value}
                about = {"ResourceId": record[noun.member], "ResourceType": noun.resource}
                tags.append({**tag, **about, "Self": [tag]})
        chosen = TAG_FILTERS(tags, request.get("Filters", ()))
        return paged(request, chosen, lambda tag: f"{tag['ResourceId']} {tag['Key']}", "Tags")

    def _find(self, region: str, resource_id: str) -> tuple[Noun, tuple[str, ...], Any]:
        noun = noun_of(resource_id)
        if noun is None:
            raise ServiceError("InvalidID", f"The ID '{resource_id}' is not valid")
        record = self.model.find(noun, region, resource_id)
        key = self.model.key(noun, region, resource_id)
        assert key is not None
        return noun, key, record
