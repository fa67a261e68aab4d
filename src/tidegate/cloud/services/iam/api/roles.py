"""Roles: create, read, change, delete, tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.iam.api.shared import (
    already_exists,
    checked_document,
    delete_conflict,
    find_role,
    merged_tags,
    no_such_policy,
    on_the_wire,
    paged,
    role_arn,
)
from tidegate.cloud.services.iam.model import IamModel, RoleRecord

if TYPE_CHECKING:
    from types_boto3_iam import type_defs as t


class RolesApi:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html and its siblings."""

    def __init__(self, model: IamModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=role_arn)
    async def create_role(self, context: Context, request: t.CreateRoleRequestTypeDef) -> Mapping[str, Any]:
        """Create a role with its trust policy."""
        name, path = request["RoleName"], request.get("Path", "/")
        if any(key[0].lower() == name.lower() for key, _ in self.model.roles.items()):
            raise already_exists(f"Role with name {name}")
        trust = checked_document(request["AssumeRolePolicyDocument"], trust=True)
        role: t.RoleTypeDef = {
            "Path": path,
            "RoleName": name,
            "RoleId": f"AROA{self._clock.token(17)}",
            "Arn": self.model.arn(f"role{path}{name}"),
            "CreateDate": self._clock.now(),
            "MaxSessionDuration": request.get("MaxSessionDuration", 3600),
            "Tags": merged_tags([], request.get("Tags", [])),
        }
        if "Description" in request:
            role["Description"] = request["Description"]
        if "PermissionsBoundary" in request:
            role["PermissionsBoundary"] = self._boundary(request["PermissionsBoundary"])
        record: RoleRecord = {"role": role, "trust": trust, "inline": {}, "attached": []}
        self.model.roles.put((name,), record)
        return {"Role": _answer(record)}

    @operation(resource=role_arn)
    async def get_role(self, context: Context, request: t.GetRoleRequestTypeDef) -> Mapping[str, Any]:
        """Return a role."""
        return {"Role": _answer(find_role(self.model, request["RoleName"]))}

    @operation()
    async def list_roles(self, context: Context, request: t.ListRolesRequestTypeDef) -> Mapping[str, Any]:
        """List the roles under a path prefix."""
        prefix = request.get("PathPrefix", "/")
        roles = [_answer(each) for each in self.model.roles.values() if each["role"]["Path"].startswith(prefix)]
        return paged(request, roles, lambda role: str(role["RoleName"]), "Roles")

    @operation(resource=role_arn)
    async def update_role(self, context: Context, request: t.UpdateRoleRequestTypeDef) -> Mapping[str, Any]:
        """Change a role's description or its longest session."""
        record = find_role(self.model, request["RoleName"])
        if "Description" in request:
            record["role"]["Description"] = request["Description"]
        if "MaxSessionDuration" in request:
            record["role"]["MaxSessionDuration"] = request["MaxSessionDuration"]
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn)
    async def update_role_description(
        self, context: Context, request: t.UpdateRoleDescriptionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change a role's description."""
        record = find_role(self.model, request["RoleName"])
        record["role"]["Description"] = request["Description"]
        self.model.roles.put((request["RoleName"],), record)
        return {"Role": _answer(record)}

    @operation(resource=role_arn)
    async def update_assume_role_policy(
        self, context: Context, request: t.UpdateAssumeRolePolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Replace a role's trust policy."""
        record = find_role(self.model, request["RoleName"])
        record["trust"] = checked_document(request["PolicyDocument"], trust=True)
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn)
    async def put_role_permissions_boundary(
        self, context: Context, request: t.PutRolePermissionsBoundaryRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set the policy that bounds what the role's own policies can grant."""
        record = find_role(self.model, request["RoleName"])
        record["role"]["PermissionsBoundary"] = self._boundary(request["PermissionsBoundary"])
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn)
    async def delete_role_permissions_boundary(
        self, context: Context, request: t.DeleteRolePermissionsBoundaryRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove a role's permissions boundary."""
        record = find_role(self.model, request["RoleName"])
        record["role"].pop("PermissionsBoundary", None)
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn)
    async def delete_role(self, context: Context, request: t.DeleteRoleRequestTypeDef) -> Mapping[str, Any]:
        """Delete a role that has no policies and is in no instance profile."""
        name = request["RoleName"]
        record = find_role(self.model, name)
        if record["attached"]:
            raise delete_conflict("detach all policies")
        if record["inline"]:
            raise delete_conflict("delete policies")
        if any(role["RoleName"] == name for p in self.model.instance_profiles.values() for role in p["Roles"]):
            raise delete_conflict("remove roles from instance profile")
        self.model.roles.delete(name)
        self.model.forget_accesses(record["role"]["Arn"])
        return {}

    @operation(resource=role_arn)
    async def tag_role(self, context: Context, request: t.TagRoleRequestTypeDef) -> Mapping[str, Any]:
        """Add tags to a role."""
        record = find_role(self.model, request["RoleName"])
        record["role"]["Tags"] = merged_tags(record["role"].get("Tags", []), request["Tags"])
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn)
    async def untag_role(self, context: Context, request: t.UntagRoleRequestTypeDef) -> Mapping[str, Any]:
        """Remove tags from a role."""
        record = find_role(self.model, request["RoleName"])
        record["role"]["Tags"] = [tag for tag in record["role"].get("Tags", []) if tag["Key"] not in request["TagKeys"]]
        self.model.roles.put((request["RoleName"],), record)
        return {}

    @operation(resource=role_arn)
    async def list_role_tags(self, context: Context, request: t.ListRoleTagsRequestTypeDef) -> Mapping[str, Any]:
        """List a role's tags."""
        tags = find_role(self.model, request["RoleName"])["role"].get("Tags", [])
        return paged(request, sorted(tags, key=lambda tag: tag["Key"]), lambda tag: tag["Key"], "Tags")

    @operation(
        resource=lambda api, context, request: api.model.arn(f"role/aws-service-role/{request['AWSServiceName']}/*"),
        conditions=lambda api, context, request: {"iam:AWSServiceName": request["AWSServiceName"]},
    )
    async def create_service_linked_role(
        self, context: Context, request: t.CreateServiceLinkedRoleRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create the role that a service acts as; what it may do is the service's own policy."""
        service = request["AWSServiceName"]
        title = _SERVICE_LINKED_NAMES.get(service)
        if title is None:
            raise ServiceError("InvalidInput", f"Service {service} has no service-linked role here")
        name = f"AWSServiceRoleFor{title}" + (f"_{request['CustomSuffix']}" if "CustomSuffix" in request else "")
        if self.model.roles.get(name) is not None:
            raise ServiceError(
                "InvalidInput",
                f"Service role name {name} has been taken in this account, please try a different suffix.",
            )
        trust = (
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
            f'"Principal": {{"Service": "{service}"}}}}]}}'
        )
        answer = await self.create_role(
            context, {"RoleName": name, "Path": f"/aws-service-role/{service}/", "AssumeRolePolicyDocument": trust}
        )
        if "Description" in request:
            await self.update_role(context, {"RoleName": name, "Description": request["Description"]})
        return answer

    def _boundary(self, arn: str) -> t.AttachedPermissionsBoundaryTypeDef:
        if self.model.document(arn) is None:
            raise no_such_policy(arn)
        return {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": arn}


_SERVICE_LINKED_NAMES = {
    "ecs.amazonaws.com": "ECS",
    "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
    "ecs.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_ECSService",
}


def _answer(record: RoleRecord) -> dict[str, Any]:
    return {**record["role"], "AssumeRolePolicyDocument": on_the_wire(record["trust"])}
