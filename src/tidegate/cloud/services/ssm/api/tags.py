"""Tags of parameters.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_AddTagsToResource.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ssm.api.shared import check_tags
from tidegate.cloud.services.ssm.model import ParameterRecord, SsmModel, resource_conditions
from tidegate.cloud.services.ssm.names import arn_of, canonical

if TYPE_CHECKING:
    from types_boto3_ssm import type_defs as t


def _arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return arn_of(context.region, context.account, canonical(request["ResourceId"]))


def _conditions(api: Any, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    record = api.model.parameters.get(context.region, canonical(request["ResourceId"]))
    given = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in request.get("Tags", [])}
    return {**({} if record is None else resource_conditions(record["tags"])), **given}


class TagsApi:
    """Tags of parameters; Systems Manager's other resources are not offered."""

    def __init__(self, model: SsmModel) -> None:
        self.model = model

    @operation(resource=_arn, conditions=_conditions)
    async def add_tags_to_resource(
        self, context: Context, request: t.AddTagsToResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Add tags, or replace the values of those that are there."""
        record = self._find(context, request)
        given = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        record["tags"] = {**record["tags"], **given}
        check_tags(context, given, record["tags"])
        self.model.parameters.put((context.region, record["name"]), record)
        return {}

    @operation(resource=_arn, conditions=_conditions)
    async def remove_tags_from_resource(
        self, context: Context, request: t.RemoveTagsFromResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove tags by their keys."""
        record = self._find(context, request)
        record["tags"] = {key: value for key, value in record["tags"].items() if key not in request["TagKeys"]}
        self.model.parameters.put((context.region, record["name"]), record)
        return {}

    @operation(resource=_arn, conditions=_conditions)
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """List tags."""
        tags = self._find(context, request)["tags"]
        return {"TagList": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}

    def _find(self, context: Context, request: Mapping[str, Any]) -> ParameterRecord:
        if request["ResourceType"] != "Parameter":
            raise not_offered(f"ssm tags of ResourceType {request['ResourceType']}")
        record = self.model.parameters.get(context.region, canonical(request["ResourceId"]))
        if record is None:
            raise ServiceError(
                "InvalidResourceId",
                "The resource ID is not valid. Verify that you entered the correct ID and try again.",
            )
        return record
