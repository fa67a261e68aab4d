"""Handlers of IAM's resource types. Through the real service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cloud.services.cloudformation.stack import Stack
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.handler import FailedError
from tidegate.cloud.services.cloudformation.resources.iam import InstanceProfile, Role, User
from tidegate.cloud.services.cloudformation.resources.iam_policies import ManagedPolicy, Policy, RolePolicy

BOUNDARY = "arn:aws:iam::aws:policy/AdministratorAccess"


def allow(*actions: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}],
}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.close()


async def inline(stack: Stack, role: str) -> list[str]:
    return list((await stack.call("iam", "list_role_policies", RoleName=role))["PolicyNames"])


async def attached(stack: Stack, role: str) -> list[str]:
    answer = await stack.call("iam", "list_attached_role_policies", RoleName=role)
    return [each["PolicyArn"] for each in answer["AttachedPolicies"]]


async def test_a_role(stack: Stack) -> None:
    first = {"PolicyName": "first", "PolicyDocument": allow("s3:GetObject")}
    role = await stack.create(
        Role(),
        "TaskRole",
        AssumeRolePolicyDocument=TRUST,
        Description="of tasks",
        MaxSessionDuration=7200,
        Policies=[first],
        ManagedPolicyArns=[BOUNDARY],
        PermissionsBoundary=BOUNDARY,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    assert role == "demo-TaskRole-ABCDEFGHIJKL"
    read = await stack.read(Role(), "TaskRole")
    assert read["Arn"] == f"arn:aws:iam::000000000000:role/{role}"
    assert read["RoleId"].startswith("AROA")
    assert (await inline(stack, role), await attached(stack, role)) == (["first"], [BOUNDARY])
    # what a kill has left undone is done when it is found
    await stack.call("iam", "delete_role_policy", RoleName=role, PolicyName="first")
    assert await stack.find(Role(), "TaskRole") == role
    assert await inline(stack, role) == ["first"]

    await stack.call("iam", "delete_role_policy", RoleName=role, PolicyName="first")  # as half an update would
    second = {"PolicyName": "second", "PolicyDocument": allow("s3:PutObject")}
    changes = {"Policies": [second], "ManagedPolicyArns": None, "PermissionsBoundary": None, "Description": None}
    await stack.update(Role(), "TaskRole", Tags=[{"Key": "c", "Value": "d"}], MaxSessionDuration=None, **changes)
    found = (await stack.call("iam", "get_role", RoleName=role))["Role"]
    assert (found["Description"], found["MaxSessionDuration"], found["Tags"]) == (
        "",
        3600,
        [{"Key": "c", "Value": "d"}],
    )
    assert "PermissionsBoundary" not in found
    assert (await inline(stack, role), await attached(stack, role)) == (["second"], [])

    await stack.call("iam", "attach_role_policy", RoleName=role, PolicyArn=BOUNDARY)
    await stack.delete(Role(), "TaskRole")
    with pytest.raises(ServiceError) as raised:
        await stack.delete(Role(), "TaskRole")
    assert Role().is_missing(raised.value)


async def test_policies(stack: Stack) -> None:
    role = await stack.create(Role(), "Role", AssumeRolePolicyDocument=TRUST)
    user = await stack.create(User(), "User", UserName="deployer")
    assert (await stack.read(User(), "User"))["Arn"].endswith(":user/deployer")
    everybody = {"Roles": [role], "Users": [user]}
    await stack.create(Policy(), "Inline", PolicyName="inline", PolicyDocument=allow("s3:GetObject"), **everybody)
    assert await stack.find(Policy(), "Inline") == "demo-Inline-ABCDEFGHIJKL"
    await stack.update(Policy(), "Inline", PolicyName="renamed", Users=None)
    assert await inline(stack, role) == ["renamed"]
    assert (await stack.call("iam", "list_user_policies", UserName=user))["PolicyNames"] == []
    with pytest.raises(FailedError, match="At least one of"):
        await stack.create(Policy(), "Nobodys", PolicyName="p", PolicyDocument=allow("s3:*"))
    with pytest.raises(ServiceError, match="Groups"):
        await stack.create(Policy(), "Group", PolicyName="p", PolicyDocument=allow("s3:*"), Groups=["g"])
    one = {"PolicyName": "one", "RoleName": role, "PolicyDocument": json.dumps(allow("ecr:*"))}
    assert await stack.create(RolePolicy(), "One", **one) == f"one|{role}"
    assert await inline(stack, role) == ["one", "renamed"]

    arn = await stack.create(ManagedPolicy(), "Managed", Path="/ci/", PolicyDocument=allow("s3:*"), **everybody)
    assert await stack.find(ManagedPolicy(), "Managed") == arn
    assert (await stack.read(ManagedPolicy(), "Managed"))["AttachmentCount"] == 2
    for number in range(6):
        await stack.update(ManagedPolicy(), "Managed", PolicyDocument=allow(f"s3:Get{number}"), Users=None)
    versions = (await stack.call("iam", "list_policy_versions", PolicyArn=arn))["Versions"]
    assert [each["VersionId"] for each in versions if each["IsDefaultVersion"]] == ["v7"]
    assert (await attached(stack, role), (await stack.read(ManagedPolicy(), "Managed"))["AttachmentCount"]) == (
        [arn],
        1,
    )
    for name, handler in (("Managed", ManagedPolicy()), ("One", RolePolicy()), ("Inline", Policy())):
        await stack.delete(handler, name)
    assert (await inline(stack, role), await attached(stack, role)) == ([], [])

    profile = await stack.create(InstanceProfile(), "Profile", Roles=[role])
    other = await stack.create(Role(), "Other", AssumeRolePolicyDocument=TRUST)
    await stack.update(InstanceProfile(), "Profile", Roles=[other])
    held = (await stack.call("iam", "get_instance_profile", InstanceProfileName=profile))["InstanceProfile"]["Roles"]
    assert [each["RoleName"] for each in held] == [other]
    await stack.delete(InstanceProfile(), "Profile")
    await stack.delete(User(), "User")
