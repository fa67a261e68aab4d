"""What a role may do: its inline policies and the managed policies attached to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.iam.api.shared import (
    attached_policies,
    checked_document,
    find_role,
    no_such_policy,
    on_the_wire,
    paged,
    role_arn,
)
from tidegate.cloud.services.iam.model import IamModel

if TYPE_CHECKING:
    from types_boto3_iam import type_defs as t


def _policy_condition(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"iam:PolicyARN": request["PolicyArn"]}


class RolePoliciesApi:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html and its siblings."""

    def __init__(self, model: IamModel) -> None:
        self.model = model

    @operation(resource=role_arn)
    async def put_role_policy(self, context: Context, request: t.PutRolePolicyRequestTypeDef) -> Mapping[str, Any]:
        """Add or replace an inline policy."""
        record, name = find_role(self.model, request["RoleName"]), request["PolicyName"]
        document = checked_document(request["PolicyDocument"])
        if record["inline"].get(name) != document:
            self.model.forget_accesses(record["role"]["Arn"], name)
        record["inline"][name] = document
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn)
    async def get_role_policy(self, context: Context, request: t.GetRolePolicyRequestTypeDef) -> Mapping[str, Any]:
        """Return an inline policy."""
        document = find_role(self.model, request["RoleName"])["inline"].get(request["PolicyName"])
        if document is None:
            raise _no_inline(request["PolicyName"])
        return {
            "RoleName": request["RoleName"],
            "PolicyName": request["PolicyName"],
            "PolicyDocument": on_the_wire(document),
        }

    @operation(resource=role_arn)
    async def list_role_policies(
        self, context: Context, request: t.ListRolePoliciesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the names of a role's inline policies."""
        names = sorted(find_role(self.model, request["RoleName"])["inline"])
        return paged(request, names, str, "PolicyNames")

    @operation(resource=role_arn)
    async def delete_role_policy(
        self, context: Context, request: t.DeleteRolePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete an inline policy."""
        record = find_role(self.model, request["RoleName"])
        if record["inline"].pop(request["PolicyName"], None) is None:
            raise _no_inline(request["PolicyName"])
        self.model.forget_accesses(record["role"]["Arn"], request["PolicyName"])
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn, conditions=_policy_condition)
    async def attach_role_policy(
        self, context: Context, request: t.AttachRolePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Attach a managed policy."""
        record = find_role(self.model, request["RoleName"])
        if self.model.document(request["PolicyArn"]) is None:
            raise no_such_policy(request["PolicyArn"])
        if request["PolicyArn"] not in record["attached"]:
            record["attached"].append(request["PolicyArn"])
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn, conditions=_policy_condition)
    async def detach_role_policy(
        self, context: Context, request: t.DetachRolePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Detach a managed policy."""
        record = find_role(self.model, request["RoleName"])
        if request["PolicyArn"] not in record["attached"]:
            raise ServiceError("NoSuchEntity", f"Policy {request['PolicyArn']} was not found.", 404)
        record["attached"].remove(request["PolicyArn"])
        self.model.forget_accesses(record["role"]["Arn"], request["PolicyArn"])
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn)
    async def list_attached_role_policies(
        self, context: Context, request: t.ListAttachedRolePoliciesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the managed policies attached to a role."""
        return attached_policies(request, find_role(self.model, request["RoleName"])["attached"])


def _no_inline(name: str) -> ServiceError:
    return ServiceError("NoSuchEntity", f"The role policy with name {name} cannot be found.", 404)
