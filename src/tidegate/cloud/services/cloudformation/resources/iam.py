"""IAM's identities: roles, users and instance profiles."""

from __future__ import annotations

from typing import Any, ClassVar

from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
    without,
)
from tidegate.cloud.services.cloudformation.resources.iam_policies import (
    MISSING,
    all_pages,
    document,
    found,
    refuse,
    unless_missing,
)

_LONGEST_NAME = 64
_LONGEST_PROFILE_NAME = 128
_HOUR = 3600  # how long a role's session lasts at most, in seconds, where nothing is said


class _Identity(Handler):
    """A role or a user: a name, inline policies, attached managed ones, a boundary and tags."""

    missing = MISSING
    noun: ClassVar[str]  # `role`; `RoleName` is the member that names one

    async def find(self, step: Step) -> str | None:
        """Return the name if it is there, once it has all its policies: `create` would be refused."""
        name = step.name(self._member, _LONGEST_NAME)
        if await found(step.call("iam", f"get_{self.noun}", **{self._member: name})) is None:
            return None
        step.made(name)
        await self._set_policies(step, {})
        return name

    async def update(self, step: Step, before: Properties) -> None:
        """Change policies, boundary and tags."""
        named = {self._member: step.physical_id}
        if changed(before, step.properties, "PermissionsBoundary"):
            boundary = only(step.properties, "PermissionsBoundary")
            verb = "put" if boundary else "delete"
            await step.send("iam", f"{verb}_{self.noun}_permissions_boundary", {**named, **boundary})
        await self._set_policies(step, before)
        put, taken = tag_changes(before, step.properties)
        if put:
            await step.call("iam", f"tag_{self.noun}", **named, Tags=put)
        if taken:
            await step.call("iam", f"untag_{self.noun}", **named, TagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Delete the identity, after the policies that it has, whoever gave it them."""
        named = {self._member: step.physical_id}
        for each in await all_pages(step, f"list_attached_{self.noun}_policies", "AttachedPolicies", **named):
            await step.call("iam", f"detach_{self.noun}_policy", **named, PolicyArn=each["PolicyArn"])
        for name in await all_pages(step, f"list_{self.noun}_policies", "PolicyNames", **named):
            await step.call("iam", f"delete_{self.noun}_policy", **named, PolicyName=name)
        await step.call("iam", f"delete_{self.noun}", **named)

    async def _set_policies(self, step: Step, before: Properties) -> None:
        named = {self._member: step.physical_id}
        old, new = (
            {each["PolicyName"]: document(each) for each in given.get("Policies") or ()}
            for given in (before, step.properties)
        )
        for name, text in new.items():
            if old.get(name) != text:
                await step.call("iam", f"put_{self.noun}_policy", **named, PolicyName=name, PolicyDocument=text)
        for name in old.keys() - new.keys():
            await unless_missing(step.call("iam", f"delete_{self.noun}_policy", **named, PolicyName=name))
        attached, wanted = before.get("ManagedPolicyArns") or [], step.properties.get("ManagedPolicyArns") or []
        for arn in wanted:
            if arn not in attached:
                await step.call("iam", f"attach_{self.noun}_policy", **named, PolicyArn=arn)
        for arn in attached:
            if arn not in wanted:
                await unless_missing(step.call("iam", f"detach_{self.noun}_policy", **named, PolicyArn=arn))

    @property
    def _member(self) -> str:
        return f"{self.noun.capitalize()}Name"


class Role(_Identity):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html."""

    type = "AWS::IAM::Role"
    noun = "role"

    async def create(self, step: Step) -> str:
        """Create the role, then give it its policies."""
        name = step.name("RoleName", _LONGEST_NAME)
        own = without(step.properties, "Policies", "ManagedPolicyArns")
        request = {**own, "RoleName": name, "AssumeRolePolicyDocument": _trust(step.properties)}
        await step.send("iam", "create_role", request)
        step.made(name)
        await self._set_policies(step, {})
        return name

    async def read(self, step: Step) -> Attributes:
        """Return the ARN and the unique id."""
        return only((await step.call("iam", "get_role", RoleName=step.physical_id))["Role"], "Arn", "RoleId")

    async def update(self, step: Step, before: Properties) -> None:
        """Change the trust policy, description and session length, then what every identity has."""
        name, after = step.physical_id, step.properties
        if _trust(before) != _trust(after):
            await step.call("iam", "update_assume_role_policy", RoleName=name, PolicyDocument=_trust(after))
        if changed(before, after, "Description", "MaxSessionDuration"):
            request = {
                "Description": "",
                "MaxSessionDuration": _HOUR,
                **only(after, "Description", "MaxSessionDuration"),
            }
            await step.send("iam", "update_role", {"RoleName": name, **request})
        await super().update(step, before)


def _trust(properties: Properties) -> str:
    return document(properties, "AssumeRolePolicyDocument")


class User(_Identity):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-user.html."""

    type = "AWS::IAM::User"
    noun = "user"

    async def create(self, step: Step) -> str:
        """Create the user, then give it its policies."""
        refuse(self, step.properties, "Groups", "LoginProfile")
        name = step.name("UserName", _LONGEST_NAME)
        own = without(step.properties, "Policies", "ManagedPolicyArns", "Groups", "LoginProfile")
        await step.send("iam", "create_user", {**own, "UserName": name})
        step.made(name)
        await self._set_policies(step, {})
        return name

    async def read(self, step: Step) -> Attributes:
        """Return the ARN."""
        return only((await step.call("iam", "get_user", UserName=step.physical_id))["User"], "Arn")

    async def update(self, step: Step, before: Properties) -> None:
        """Change what every identity has."""
        refuse(self, step.properties, "Groups", "LoginProfile")
        if before.get("Path", "/") != step.properties.get("Path", "/"):
            request = {"UserName": step.physical_id, "NewPath": step.properties.get("Path", "/")}
            await step.send("iam", "update_user", request)
        await super().update(step, before)


class InstanceProfile(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-instanceprofile.html."""

    type = "AWS::IAM::InstanceProfile"
    missing = MISSING

    async def create(self, step: Step) -> str:
        """Create the profile, then put its role into it."""
        name = step.name("InstanceProfileName", _LONGEST_PROFILE_NAME)
        request = {**without(step.properties, "Roles"), "InstanceProfileName": name}
        await step.send("iam", "create_instance_profile", request)
        step.made(name)
        await self._hold(step, step.properties["Roles"])
        return name

    async def find(self, step: Step) -> str | None:
        """Return the name if it is there, once it holds its role: `create` would be refused."""
        name = step.name("InstanceProfileName", _LONGEST_PROFILE_NAME)
        if await found(step.call("iam", "get_instance_profile", InstanceProfileName=name)) is None:
            return None
        step.made(name)
        await self._hold(step, step.properties["Roles"])
        return name

    async def read(self, step: Step) -> Attributes:
        """Return the ARN."""
        return only(await self._profile(step), "Arn")

    async def update(self, step: Step, before: Properties) -> None:
        """Put another role into the profile."""
        await self._hold(step, step.properties["Roles"])

    async def delete(self, step: Step) -> None:
        """Delete the profile, after its role was taken out."""
        await self._hold(step, [])
        await step.call("iam", "delete_instance_profile", InstanceProfileName=step.physical_id)

    async def _hold(self, step: Step, wanted: list[str]) -> None:
        """Take out the roles that are not wanted, then put in those that are."""
        held = [role["RoleName"] for role in (await self._profile(step))["Roles"]]
        for verb, names in (("remove_role_from", set(held) - set(wanted)), ("add_role_to", set(wanted) - set(held))):
            for name in sorted(names):
                request = {"InstanceProfileName": step.physical_id, "RoleName": name}
                await step.call("iam", f"{verb}_instance_profile", **request)

    async def _profile(self, step: Step) -> Any:
        answer = await step.call("iam", "get_instance_profile", InstanceProfileName=step.physical_id)
        return answer["InstanceProfile"]


HANDLERS: tuple[Handler, ...] = (Role(), User(), InstanceProfile())
