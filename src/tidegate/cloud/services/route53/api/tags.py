"""Tags of hosted zones.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeTagsForResource.html and siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.route53.model import Route53Model, bare_id, zone_arn

if TYPE_CHECKING:
    from types_boto3_route53 import type_defs as t

_MOST_TAGS = 50


def _arns(api: Any, context: Context, request: Any) -> list[str]:
    return [zone_arn(each) for each in request.get("ResourceIds", ()) or [request["ResourceId"]]]


class TagsApi:
    """Health checks, which could have tags too, are not offered."""

    def __init__(self, model: Route53Model) -> None:
        self.model = model

    @operation(resource=_arns)
    async def change_tags_for_resource(
        self, context: Context, request: t.ChangeTagsForResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove tags by their keys, and put others over those that are there."""
        self._check_type(request["ResourceType"])
        zone_id = bare_id(request["ResourceId"])
        record = self.model.zone(zone_id)
        gone, given = request.get("RemoveTagKeys", ()), request.get("AddTags", ())
        tags = {key: value for key, value in record["tags"].items() if key not in gone}
        tags.update({each.get("Key", ""): each.get("Value", "") for each in given})
        if len([key for key in tags if not key.startswith("aws:")]) > _MOST_TAGS:
            raise ServiceError("InvalidInput", f"A hosted zone has at most {_MOST_TAGS} tags.")
        record["tags"] = tags
        self.model.zones.put((zone_id,), record)
        return {}

    @operation(resource=_arns)
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """List a zone's tags."""
        self._check_type(request["ResourceType"])
        return {"ResourceTagSet": self._tags(request["ResourceId"])}

    @operation(resource=_arns)
    async def list_tags_for_resources(
        self, context: Context, request: t.ListTagsForResourcesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the tags of several zones."""
        self._check_type(request["ResourceType"])
        return {"ResourceTagSets": [self._tags(each) for each in request["ResourceIds"]]}

    def _check_type(self, kind: str) -> None:
        if kind != "hostedzone":
            raise not_offered(f"route53 tags of ResourceType {kind}")

    def _tags(self, given: str) -> dict[str, Any]:
        tags = self.model.zone(given)["tags"]
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {"ResourceType": "hostedzone", "ResourceId": bare_id(given), "Tags": listed}
