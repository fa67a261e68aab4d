"""Resource policies of secrets; the authorizer finds them by `SecretsModel.policy_of`.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_resource-policies.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.secretsmanager.api.shared import find, named, secret_arn, secret_conditions
from tidegate.cloud.services.secretsmanager.model import SecretsModel

if TYPE_CHECKING:
    from types_boto3_secretsmanager import type_defs as t


class PoliciesApi:
    """A secret's own policy."""

    def __init__(self, model: SecretsModel, understood: Callable[[str], bool]) -> None:
        """`understood` says whether IAM can evaluate a resource policy."""
        self.model = model
        self._understood = understood

    @operation(resource=secret_arn, conditions=secret_conditions, refuse=("PolicyName",))
    async def put_resource_policy(
        self, context: Context, request: t.PutResourcePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Replace the policy; with `BlockPublicPolicy` not by one that lets everybody in."""
        record, document = find(self.model, context, request["SecretId"]), request["ResourcePolicy"]
        self._check(document)
        if request.get("BlockPublicPolicy") and is_public(document):
            raise ServiceError(
                "PublicPolicyException",
                "You can't attach a resource-based policy that allows broad access to the secret when the "
                "BlockPublicPolicy parameter is true.",
            )
        record["policy"] = document
        self.model.put(context.region, record)
        return named(record)

    @operation(resource=secret_arn, conditions=secret_conditions, refuse=("PolicyName",))
    async def get_resource_policy(
        self, context: Context, request: t.GetResourcePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the policy as it was put, if there is one."""
        record = find(self.model, context, request["SecretId"])
        return {**named(record), "ResourcePolicy": record.get("policy")}

    @operation(resource=secret_arn, conditions=secret_conditions, refuse=("PolicyName",))
    async def delete_resource_policy(
        self, context: Context, request: t.DeleteResourcePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove the policy; to have none is no error."""
        record = find(self.model, context, request["SecretId"])
        record.pop("policy", None)
        self.model.put(context.region, record)
        return named(record)

    @operation()
    async def validate_resource_policy(
        self, context: Context, request: t.ValidateResourcePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say whether a policy can be attached, and whether it lets everybody in."""
        if "SecretId" in request:
            find(self.model, context, request["SecretId"])
        self._check(request["ResourcePolicy"])
        if not is_public(request["ResourcePolicy"]):
            return {"PolicyValidationPassed": True, "ValidationErrors": []}
        fault = {"CheckName": "BlockPublicPolicy", "ErrorMessage": "The policy allows broad access to the secret."}
        return {"PolicyValidationPassed": False, "ValidationErrors": [fault]}

    def _check(self, document: str) -> None:
        if not self._understood(document):
            raise ServiceError(
                "MalformedPolicyDocumentException",
                "This resource policy contains a syntax error or names no principal.",
            )


def is_public(document: str) -> bool:
    """Return whether a policy allows anything to everybody, by no condition narrowed."""
    statements = json.loads(document)["Statement"]
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal")
        names = principal.get("AWS", []) if isinstance(principal, dict) else principal
        everybody = "NotPrincipal" in statement or names == "*" or (isinstance(names, list) and "*" in names)
        if statement["Effect"] == "Allow" and everybody and not statement.get("Condition"):
            return True
    return False
