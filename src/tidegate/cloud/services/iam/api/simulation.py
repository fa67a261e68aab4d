"""The policy simulator: answers from the very code that decides on every call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, Principal, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.iam.api.shared import find_role, find_user
from tidegate.cloud.services.iam.authorize import IamAuthorizer
from tidegate.cloud.services.iam.model import IamModel

if TYPE_CHECKING:
    from types_boto3_iam import type_defs as t


class SimulationApi:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html"""

    def __init__(self, model: IamModel, authorizer: IamAuthorizer) -> None:
        self.model = model
        self._authorizer = authorizer

    @operation(
        resource=lambda api, context, request: request["PolicySourceArn"],
        refuse=(
            "PolicyInputList",
            "PermissionsBoundaryPolicyInputList",
            "ResourcePolicy",
            "CallerArn",
            "PolicyExclusionList",
            "ResourceOwner",
            "ResourceHandlingOption",
        ),
    )
    async def simulate_principal_policy(
        self, context: Context, request: t.SimulatePrincipalPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say for each action on each resource whether a user or role may do it."""
        principal = self._principal(request["PolicySourceArn"])
        keys = {
            entry["ContextKeyName"]: list(entry.get("ContextKeyValues", []))
            for entry in request.get("ContextEntries", [])
        }
        asked = Context(principal, context.region, context.request_id)
        results: list[Mapping[str, Any]] = []
        for action in request["ActionNames"]:
            for resource in request.get("ResourceArns", ["*"]):
                decision = self._authorizer.decide(asked, action, resource, keys)
                results.append(
                    {
                        "EvalActionName": action,
                        "EvalResourceName": resource,
                        "EvalDecision": decision.verdict.value,
                        "MatchedStatements": [],
                        "MissingContextValues": [],
                    }
                )
        return {"EvaluationResults": results, "IsTruncated": False}

    def _principal(self, arn: str) -> Principal:
        kind, _, name = arn.partition(f"{self.model.account}:")[2].partition("/")
        name = name.rpartition("/")[2]
        if kind == "role":
            role = find_role(self.model, name)["role"]
            session = f"arn:aws:sts::{self.model.account}:assumed-role/{name}/simulation"
            return Principal(session, f"{role['RoleId']}:simulation", self.model.account, role_arn=role["Arn"])
        if kind == "user":
            user = find_user(self.model, name)["user"]
            return Principal(user["Arn"], user["UserId"], self.model.account)
        raise ServiceError("InvalidInput", f"{arn} is neither a role nor a user of this account")
