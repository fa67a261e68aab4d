"""The action types that a pipeline can be made of here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.codepipeline.action_types import OFFERED, ActionType
from tidegate.cloud.services.codepipeline.describe import properties
from tidegate.cloud.services.codepipeline.model import CodePipelineModel

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_PAGE = 100


class ActionTypesApi:
    """https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListActionTypes.html"""

    def __init__(self, model: CodePipelineModel) -> None:
        self.model = model

    @operation()
    async def list_action_types(self, context: Context, request: t.ListActionTypesInputTypeDef) -> Mapping[str, Any]:
        """List the action types that are offered."""
        if request.get("regionFilter", context.region) != context.region:
            raise not_offered("codepipeline:ListActionTypes regionFilter of another region")
        types: list[Any] = [
            *(_described(each) for _, each in sorted(OFFERED.items())),
            *(each["type"] for each in self.model.custom.types.values(context.region) if not each["deleted"]),
        ]
        if "actionOwnerFilter" in request:
            types = [each for each in types if each["id"]["owner"] == request["actionOwnerFilter"]]
        chosen, token = page(
            sorted(types, key=_order),
            request.get("nextToken"),
            _PAGE,
            key=_order,
            invalid="InvalidNextTokenException",
        )
        return {"actionTypes": chosen, **({"nextToken": token} if token else {})}


def _order(kind: Mapping[str, Any]) -> str:
    return "/".join(kind["id"][part] for part in ("owner", "category", "provider", "version"))


def _described(kind: ActionType) -> dict[str, Any]:
    return {
        "id": {
            "category": kind.name.category,
            "owner": "AWS",
            "provider": kind.name.provider,
            "version": "1",
        },
        "settings": {},
        "actionConfigurationProperties": properties(kind),
        "inputArtifactDetails": {"minimumCount": kind.inputs.least, "maximumCount": kind.inputs.most},
        "outputArtifactDetails": {"minimumCount": kind.outputs.least, "maximumCount": kind.outputs.most},
    }
