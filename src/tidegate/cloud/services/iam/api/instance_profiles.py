"""Instance profiles: recorded, for templates and scripts that make them; nothing here runs on an instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.iam.api.shared import already_exists, delete_conflict, find_role, on_the_wire, paged
from tidegate.cloud.services.iam.model import IamModel

if TYPE_CHECKING:
    from types_boto3_iam import type_defs as t


def _arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return str(api.model.arn(f"instance-profile{request.get('Path', '/')}{request['InstanceProfileName']}"))


class InstanceProfilesApi:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html and its siblings."""

    def __init__(self, model: IamModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=_arn)
    async def create_instance_profile(
        self, context: Context, request: t.CreateInstanceProfileRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create an instance profile."""
        name, path = request["InstanceProfileName"], request.get("Path", "/")
        if self.model.instance_profiles.get(name) is not None:
            raise already_exists(f"Instance Profile {name}")
        profile: t.InstanceProfileTypeDef = {
            "Path": path,
            "InstanceProfileName": name,
            "InstanceProfileId": f"AIPA{self._clock.token(17)}",
            "Arn": self.model.arn(f"instance-profile{path}{name}"),
            "CreateDate": self._clock.now(),
            "Roles": [],
            "Tags": list(request.get("Tags", [])),
        }
        self.model.instance_profiles.put((name,), profile)
        return {"InstanceProfile": self._answer(profile)}

    @operation(resource=_arn)
    async def get_instance_profile(
        self, context: Context, request: t.GetInstanceProfileRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return an instance profile."""
        return {"InstanceProfile": self._answer(self._find(request["InstanceProfileName"]))}

    @operation()
    async def list_instance_profiles(
        self, context: Context, request: t.ListInstanceProfilesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the instance profiles under a path prefix."""
        prefix = request.get("PathPrefix", "/")
        profiles = [self._answer(p) for p in self.model.instance_profiles.values() if p["Path"].startswith(prefix)]
        return paged(request, profiles, lambda profile: str(profile["InstanceProfileName"]), "InstanceProfiles")

    @operation(resource=_arn)
    async def add_role_to_instance_profile(
        self, context: Context, request: t.AddRoleToInstanceProfileRequestTypeDef
    ) -> Mapping[str, Any]:
        """Put a role into an instance profile, which holds one."""
        profile = self._find(request["InstanceProfileName"])
        if profile["Roles"]:
            raise ServiceError("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1", 409)
        profile["Roles"] = [find_role(self.model, request["RoleName"])["role"]]
        self.model.instance_profiles.put((request["InstanceProfileName"],), profile)
        return {}

    @operation(resource=_arn)
    async def remove_role_from_instance_profile(
        self, context: Context, request: t.RemoveRoleFromInstanceProfileRequestTypeDef
    ) -> Mapping[str, Any]:
        """Take a role out of an instance profile."""
        profile = self._find(request["InstanceProfileName"])
        left = [role for role in profile["Roles"] if role["RoleName"] != request["RoleName"]]
        if len(left) == len(profile["Roles"]):
            raise ServiceError("NoSuchEntity", f"Role {request['RoleName']} is not in the instance profile.", 404)
        profile["Roles"] = left
        self.model.instance_profiles.put((request["InstanceProfileName"],), profile)
        return {}

    @operation(resource=_arn)
    async def delete_instance_profile(
        self, context: Context, request: t.DeleteInstanceProfileRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete an instance profile that holds no role."""
        if self._find(request["InstanceProfileName"])["Roles"]:
            raise delete_conflict("remove roles from instance profile")
        self.model.instance_profiles.delete(request["InstanceProfileName"])
        return {}

    def _find(self, name: str) -> t.InstanceProfileTypeDef:
        profile = self.model.instance_profiles.get(name)
        if profile is None:
            raise ServiceError("NoSuchEntity", f"Instance Profile {name} cannot be found.", 404)
        return profile

    def _answer(self, profile: t.InstanceProfileTypeDef) -> dict[str, Any]:
        records = [self.model.roles.get(role["RoleName"]) for role in profile["Roles"]]
        roles = [
            {**record["role"], "AssumeRolePolicyDocument": on_the_wire(record["trust"])}
            for record in records
            if record is not None
        ]
        return {**profile, "Roles": roles}
