"""Versions: listed, and their staging labels moved.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.paging import page
from tidegate.cloud.services.secretsmanager.api.shared import find, named, secret_arn, secret_conditions
from tidegate.cloud.services.secretsmanager.model import SecretsModel
from tidegate.cloud.services.secretsmanager.stages import relabelled

if TYPE_CHECKING:
    from types_boto3_secretsmanager import type_defs as t

_PAGE = 100


class VersionsApi:
    """The versions of secrets, without their values."""

    def __init__(self, model: SecretsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=secret_arn, conditions=secret_conditions)
    async def list_secret_version_ids(
        self, context: Context, request: t.ListSecretVersionIdsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the versions that have labels, and those that have none with `IncludeDeprecated`."""
        record = find(self.model, context, request["SecretId"], deleted=True)
        shown = [
            {
                "VersionId": version,
                "VersionStages": each["stages"] or None,
                "CreatedDate": each["created"],
                "LastAccessedDate": each.get("accessed"),
                "KmsKeyIds": ["DefaultEncryptionKey"],
            }
            for version, each in record["versions"].items()
            if each["stages"] or request.get("IncludeDeprecated")
        ]
        places = {each["VersionId"]: f"{number:08d}" for number, each in enumerate(shown)}
        chosen, token = page(
            shown,
            request.get("NextToken"),
            request.get("MaxResults", _PAGE),
            key=lambda each: places[each["VersionId"]],
            invalid="InvalidNextTokenException",
        )
        return {**named(record), "Versions": chosen, **({"NextToken": token} if token else {})}

    @operation(resource=secret_arn, conditions=secret_conditions)
    async def update_secret_version_stage(
        self, context: Context, request: t.UpdateSecretVersionStageRequestTypeDef
    ) -> Mapping[str, Any]:
        """Move a label from a version to another, or take it away; AWSPREVIOUS goes where AWSCURRENT was."""
        record = find(self.model, context, request["SecretId"])
        record["versions"] = relabelled(
            record["versions"],
            request["VersionStage"],
            request.get("RemoveFromVersionId"),
            request.get("MoveToVersionId"),
        )
        record["changed"] = self._clock.now()
        self.model.put(context.region, record)
        return named(record)
