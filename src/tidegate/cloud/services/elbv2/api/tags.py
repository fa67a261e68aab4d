"""Tags of load balancers, target groups, listeners, rules and trust stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2.api.shared import (
    ElbApi,
    check_tag_count,
    find_balancer,
    find_group,
    find_listener,
    find_trust_store,
    given_tags,
    request_tags,
)
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t


def _arns(api: Any, context: Context, request: Any) -> list[str]:
    return list(request["ResourceArns"])


class TagsApi(ElbApi):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AddTags.html and siblings."""

    @operation(resource=_arns, conditions=request_tags)
    async def add_tags(self, context: Context, request: t.AddTagsInputTypeDef) -> Mapping[str, Any]:
        """Put tags on resources, over those that they have."""
        new = given_tags(request)
        found = [self._find(context.region, arn) for arn in request["ResourceArns"]]
        with self.model.store.transaction():
            for kind, key, record in found:
                record["tags"] = {**record["tags"], **new}
                check_tag_count(record["tags"])
                self.model.store.put(kind, key, record)
        return {}

    @operation(resource=_arns)
    async def remove_tags(self, context: Context, request: t.RemoveTagsInputTypeDef) -> Mapping[str, Any]:
        """Remove tags by their keys."""
        found = [self._find(context.region, arn) for arn in request["ResourceArns"]]
        with self.model.store.transaction():
            for kind, key, record in found:
                record["tags"] = {
                    name: value for name, value in record["tags"].items() if name not in request["TagKeys"]
                }
                self.model.store.put(kind, key, record)
        return {}

    @operation()
    async def describe_tags(self, context: Context, request: t.DescribeTagsInputTypeDef) -> Mapping[str, Any]:
        """List the tags of resources."""
        found = [(arn, self._find(context.region, arn)[2]["tags"]) for arn in request["ResourceArns"]]
        return {
            "TagDescriptions": [
                {"ResourceArn": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
                for arn, tags in found
            ]
        }

    def _find(self, region: str, arn: str) -> tuple[str, Key, Any]:
        """Return kind, key and record of a resource."""
        model = self.model
        if ":loadbalancer/" in arn:
            return model.balancers.kind, (region, arn), find_balancer(model, region, arn)
        if ":targetgroup/" in arn:
            return model.groups.kind, (region, arn), find_group(model, region, arn)
        if ":listener/" in arn:
            return model.listeners.kind, (region, arn), find_listener(model, region, arn)
        if ":truststore/" in arn:
            return model.trust_stores.kind, (region, arn), find_trust_store(model, region, arn)
        if ":listener-rule/" in arn:
            rule = model.rules.get(region, arn)
            if rule is None:
                raise ServiceError("RuleNotFound", "One or more rules not found")
            return model.rules.kind, (region, arn), rule
        raise ServiceError("ValidationError", f"'{arn}' is not a valid ARN")
