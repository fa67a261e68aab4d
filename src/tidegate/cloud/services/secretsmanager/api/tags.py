"""Tags of secrets.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_TagResource.html and its sibling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.services.secretsmanager.api.shared import check_tags, find, secret_arn, secret_conditions
from tidegate.cloud.services.secretsmanager.model import SecretsModel

if TYPE_CHECKING:
    from types_boto3_secretsmanager import type_defs as t


class TagsApi:
    """Tags, which DescribeSecret shows."""

    def __init__(self, model: SecretsModel) -> None:
        self.model = model

    @operation(resource=secret_arn, conditions=secret_conditions)
    async def tag_resource(self, context: Context, request: t.TagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Add tags, or replace the values of those that are there."""
        record = find(self.model, context, request["SecretId"])
        tags = {tag.get("Key", ""): tag for tag in [*record["tags"], *request["Tags"]]}
        record["tags"] = list(tags.values())
        check_tags(context, request["Tags"], record["tags"])
        self.model.put(context.region, record)
        return {}

    @operation(resource=secret_arn, conditions=secret_conditions)
    async def untag_resource(self, context: Context, request: t.UntagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags by their keys."""
        record = find(self.model, context, request["SecretId"])
        record["tags"] = [tag for tag in record["tags"] if tag.get("Key") not in request["TagKeys"]]
        self.model.put(context.region, record)
        return {}
