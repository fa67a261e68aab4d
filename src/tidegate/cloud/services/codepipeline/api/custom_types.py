"""Custom action types: create, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.api.tags import checked_tags
from tidegate.cloud.services.codepipeline.custom import CUSTOM, CustomTypeRecord, type_key
from tidegate.cloud.services.codepipeline.model import CodePipelineModel

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_MOST_TYPES = 50


def _type_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return type_arn(context, {**request, "owner": CUSTOM})


def type_arn(context: Context, kind: Mapping[str, Any]) -> str:
    """Return the ARN of an action type, for IAM."""
    name = "/".join(kind[part] for part in ("owner", "category", "provider", "version"))
    return context.arn("codepipeline", f"actiontype:{name}")


class CustomTypesApi:
    """https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_CreateCustomActionType.html and its sibling."""

    def __init__(self, model: CodePipelineModel) -> None:
        self.model = model

    @operation(resource=_type_arn, refuse=("configurationProperties.secret",))
    async def create_custom_action_type(
        self, context: Context, request: t.CreateCustomActionTypeInputTypeDef
    ) -> Mapping[str, Any]:
        """Create an action type for pipelines of this account; one that was deleted comes back only as it was."""
        properties = request.get("configurationProperties", [])
        asked = [each for each in properties if each.get("queryable")]
        if len(asked) > 1 or any(not each["required"] for each in asked):
            raise _invalid("A custom action has one queryable property at most, which is required and not secret")
        if request["category"] == "Compute":
            raise _invalid("A custom action cannot be of the category Compute")
        for name in ("inputArtifactDetails", "outputArtifactDetails"):
            if request[name]["minimumCount"] > request[name]["maximumCount"]:
                raise _invalid(f"{name}: minimumCount is greater than maximumCount")
        kind: Any = {
            "id": {**{part: request[part] for part in ("category", "provider", "version")}, "owner": CUSTOM},
            "settings": request.get("settings", {}),
            "actionConfigurationProperties": list(properties),
            "inputArtifactDetails": request["inputArtifactDetails"],
            "outputArtifactDetails": request["outputArtifactDetails"],
        }
        key = type_key(context.region, kind["id"])
        before = self.model.custom.types.get(*key)
        if before is not None and not before["deleted"]:
            raise _invalid(f"The action type {'/'.join(key[1:])} exists already")
        if before is not None and before["type"] != kind:
            raise _invalid(
                f"The action type {'/'.join(key[1:])} was deleted: with this version it can only be restored as it was"
            )
        if sum(not each["deleted"] for each in self.model.custom.types.values(context.region)) >= _MOST_TYPES:
            raise ServiceError("LimitExceededException", f"An account has at most {_MOST_TYPES} custom actions")
        record: CustomTypeRecord = {
            "type": kind,
            "tags": checked_tags(context, request.get("tags", [])),
            "deleted": False,
        }
        self.model.custom.types.put(key, record)
        return {"actionType": kind, "tags": record["tags"]}

    @operation(resource=_type_arn)
    async def delete_custom_action_type(
        self, context: Context, request: t.DeleteCustomActionTypeInputTypeDef
    ) -> Mapping[str, Any]:
        """Mark an action type as deleted; one that does not exist is no error."""
        key = (context.region, request["category"], request["provider"], request["version"])

        def mark(record: CustomTypeRecord) -> None:
            record["deleted"] = True

        self.model.custom.types.update(key, mark)
        return {}


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
