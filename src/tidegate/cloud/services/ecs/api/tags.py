"""Tags of clusters, services, task sets, tasks and task definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.api.shared import merged_tags
from tidegate.cloud.services.ecs.model import EcsModel, ServiceRecord
from tidegate.cloud.services.ecs.task_sets import find_task_set
from tidegate.cloud.store import Collection, Key

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

    Tags = list[t.TagTypeDef]


def _resource(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return str(request["resourceArn"])


class TagsApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TagResource.html and its siblings."""

    def __init__(self, model: EcsModel) -> None:
        self.model = model

    @operation(resource=_resource)
    async def tag_resource(self, context: Context, request: t.TagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Add tags to a resource."""
        added = list(request["tags"])
        self._change(request["resourceArn"], lambda tags: merged_tags(tags, added))
        return {}

    @operation(resource=_resource)
    async def untag_resource(self, context: Context, request: t.UntagResourceRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags from a resource."""
        removed = request["tagKeys"]
        self._change(request["resourceArn"], lambda tags: [tag for tag in tags if tag["key"] not in removed])
        return {}

    @operation(resource=_resource)
    async def list_tags_for_resource(
        self, context: Context, request: t.ListTagsForResourceRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the tags of a resource."""
        return {"tags": self._change(request["resourceArn"], lambda tags: tags)}

    def _change(self, arn: str, change: Callable[[Tags], Tags]) -> Tags:
        """Put what `change` makes of a resource's tags in their place, and return it."""
        if arn.count(":") < _SEPARATORS:
            raise ServiceError("InvalidParameterException", "Invalid identifier: Unexpected number of separators")
        region, resource = arn.split(":")[3], arn.split(":", 5)[5]
        kind, _, rest = resource.partition("/")
        collection: Collection[Any]
        key: Key
        if kind == "task-definition":
            family, _, revision = rest.partition(":")
            collection, key, member = self.model.definitions, (region, family, revision.zfill(10)), None
        elif kind == "task-set":
            return self._change_task_set(region, arn, rest, change)
        elif kind in _KINDS:
            collection, key, member = getattr(self.model, f"{kind}s"), (region, *rest.split("/")), kind
        else:
            raise ServiceError("InvalidParameterException", f"Identifier is for {kind}. It has no tags here.")
        tags: Tags = []

        def write(record: Any) -> None:
            nonlocal tags
            holder = record if member is None else record[member]
            tags = holder["tags"] = change(holder.get("tags", []))

        if collection.update(key, write) is None:
            raise ServiceError("ResourceNotFoundException", f"The resource {arn} was not found.")
        return tags

    def _change_task_set(self, region: str, arn: str, path: str, change: Callable[[Tags], Tags]) -> Tags:
        cluster, service, *_ = path.split("/")
        tags: Tags | None = None

        def write(record: ServiceRecord) -> None:
            nonlocal tags
            found = find_task_set(record, arn)
            if found is not None:
                tags = found["task_set"]["tags"] = change(found["task_set"].get("tags", []))

        self.model.services.update((region, cluster, service), write)
        if tags is None:
            raise ServiceError("ResourceNotFoundException", f"The resource {arn} was not found.")
        return tags


_KINDS = ("cluster", "service", "task")
_SEPARATORS = 5  # colons before the resource of an ARN
