"""Managed policies and their versions; roles as they change; instance profiles."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.test_ec2 import refusal
from tests.contract.test_iam import ACCOUNT, assume, policy, trust
from tests.daemon import Daemon

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
TRUST = trust(Service="ec2.amazonaws.com")


@pytest.fixture
def iam(cloud: Daemon) -> Any:
    return cloud.client("iam")


def versions(iam: Any, arn: str) -> list[tuple[str, bool]]:
    return [
        (each["VersionId"], each["IsDefaultVersion"]) for each in iam.list_policy_versions(PolicyArn=arn)["Versions"]
    ]


def test_the_version_that_is_in_force(cloud: Daemon, iam: Any) -> None:
    worker = cloud.client("iam", keys=assume(cloud, "worker"))
    arn = iam.create_policy(PolicyName="p", PolicyDocument=policy("Allow", "iam:ListUsers"))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="worker", PolicyArn=arn)
    worker.list_users()
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("Allow", "iam:ListRoles"))
    assert versions(iam, arn) == [("v5", False), ("v4", False), ("v3", False), ("v2", False), ("v1", True)]
    new = {"PolicyArn": arn, "PolicyDocument": policy("Allow", "iam:ListRoles")}
    assert refusal(iam.create_policy_version, **new)[0] == "LimitExceeded"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v3")
    assert refusal(worker.list_users)[0] == "AccessDenied"
    worker.list_roles()
    assert refusal(iam.set_default_policy_version, PolicyArn=arn, VersionId="v9") == (
        "NoSuchEntity",
        f"Policy {arn} version v9 does not exist or is not attachable.",
    )
    assert refusal(iam.delete_policy_version, PolicyArn=arn, VersionId="v3") == (
        "DeleteConflict",
        "Cannot delete the default version of a policy.",
    )
    # a number is not given twice
    for number in range(5, 10):
        iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{number}")
        assert iam.create_policy_version(**new)["PolicyVersion"]["VersionId"] == f"v{number + 1}"
    assert [name for name, _ in versions(iam, arn)] == ["v10", "v4", "v3", "v2", "v1"]
    pages = iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn, PaginationConfig={"PageSize": 2})
    assert [each["VersionId"] for page in pages for each in page["Versions"]] == ["v10", "v4", "v3", "v2", "v1"]


def test_who_has_a_policy(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="shared", Path="/ours/", PolicyDocument=policy("Allow", "s3:*"))["Policy"]["Arn"]
    assert refusal(iam.create_policy, PolicyName="shared", PolicyDocument=policy("Allow", "s3:*")) == (
        "EntityAlreadyExists",
        "A policy called shared already exists. Duplicate names are not allowed.",
    )
    role = iam.create_role(RoleName="has", Path="/app/", AssumeRolePolicyDocument=TRUST)["Role"]
    iam.attach_role_policy(RoleName="has", PolicyArn=arn)
    user = iam.create_user(UserName="dev")["User"]
    iam.attach_user_policy(UserName="dev", PolicyArn=arn)
    iam.create_role(RoleName="bound", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=arn)

    def entities(**request: Any) -> list[str]:
        answer = iam.list_entities_for_policy(PolicyArn=arn, **request)
        assert (answer["PolicyGroups"], answer["IsTruncated"]) == ([], False)
        return [*(each["RoleName"] for each in answer["PolicyRoles"]),
                *(each["UserName"] for each in answer["PolicyUsers"])]  # fmt: skip

    assert sorted(entities()) == ["bound", "dev", "has"]
    assert entities(EntityFilter="User") == ["dev"]
    assert entities(PathPrefix="/app/") == ["has"]
    assert entities(PolicyUsageFilter="PermissionsBoundary") == ["bound"]
    assert sorted(entities(PolicyUsageFilter="PermissionsPolicy")) == ["dev", "has"]
    pages = list(
        iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn, PaginationConfig={"PageSize": 1})
    )
    assert [each["UserId"] for page in pages for each in page["PolicyUsers"]] == [user["UserId"]]
    assert role["RoleId"] in [each["RoleId"] for page in pages for each in page["PolicyRoles"]]
    (listed,) = iam.list_policies(Scope="Local")["Policies"]
    assert (listed["Arn"], listed["AttachmentCount"], listed["PermissionsBoundaryUsageCount"]) == (arn, 2, 1)
    assert [each["Arn"] for each in iam.list_policies(PathPrefix="/ours/")["Policies"]] == [arn]
    attached = {each["Arn"] for each in iam.list_policies(OnlyAttached=True)["Policies"]}
    assert attached == {arn, ADMIN}  # the administrator's
    assert ADMIN in {each["Arn"] for each in iam.list_policies(Scope="AWS", MaxItems=1000)["Policies"]}
    in_use = ("DeleteConflict", "Cannot delete a policy attached to entities.")
    assert refusal(iam.delete_policy, PolicyArn=arn) == in_use
    iam.detach_role_policy(RoleName="has", PolicyArn=arn)
    iam.detach_user_policy(UserName="dev", PolicyArn=arn)
    assert refusal(iam.delete_policy, PolicyArn=arn) == in_use
    iam.delete_role_permissions_boundary(RoleName="bound")
    iam.delete_policy(PolicyArn=arn)
    assert refusal(iam.list_entities_for_policy, PolicyArn=arn) == ("NoSuchEntity", f"Policy {arn} was not found.")


def test_a_role_changes(cloud: Daemon, iam: Any) -> None:
    iam.create_role(
        RoleName="r", Description="first", AssumeRolePolicyDocument=trust(AWS=f"arn:aws:iam::{ACCOUNT}:root")
    )
    iam.update_role(RoleName="r", MaxSessionDuration=7200)
    role = iam.get_role(RoleName="r")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("first", 7200)
    longer = {"RoleArn": role["Arn"], "RoleSessionName": "test", "DurationSeconds": 7200}
    cloud.client("sts").assume_role(**longer)
    iam.update_role(RoleName="r", Description="second", MaxSessionDuration=3600)
    assert refusal(cloud.client("sts").assume_role, **longer) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    assert iam.update_role_description(RoleName="r", Description="third")["Role"]["Description"] == "third"
    assert refusal(iam.update_role, RoleName="none") == ("NoSuchEntity", "The role with name none cannot be found.")
    iam.tag_role(RoleName="r", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.tag_role(RoleName="r", Tags=[{"Key": "a", "Value": "3"}])
    iam.untag_role(RoleName="r", TagKeys=["b", "none"])
    assert iam.list_role_tags(RoleName="r")["Tags"] == [{"Key": "a", "Value": "3"}]


def test_the_role_of_a_service(iam: Any) -> None:
    made = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com", Description="ours")["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    assert made["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "ecs.amazonaws.com"}
    assert iam.get_role(RoleName="AWSServiceRoleForECS")["Role"]["Description"] == "ours"
    assert refusal(iam.create_service_linked_role, AWSServiceName="ecs.amazonaws.com") == (
        "InvalidInput",
        "Service role name AWSServiceRoleForECS has been taken in this account, please try a different suffix.",
    )


def test_an_instance_profile(iam: Any) -> None:
    named = {"InstanceProfileName": "web"}
    made = iam.create_instance_profile(**named, Path="/app/")["InstanceProfile"]
    assert (made["Arn"], made["Roles"]) == (f"arn:aws:iam::{ACCOUNT}:instance-profile/app/web", [])
    assert refusal(iam.create_instance_profile, **named) == (
        "EntityAlreadyExists",
        "Instance Profile web already exists.",
    )
    for name in ("one", "two"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    assert refusal(iam.add_role_to_instance_profile, **named, RoleName="none")[0] == "NoSuchEntity"
    iam.add_role_to_instance_profile(**named, RoleName="one")
    assert refusal(iam.add_role_to_instance_profile, **named, RoleName="two") == (
        "LimitExceeded",
        "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
    )
    (role,) = iam.get_instance_profile(**named)["InstanceProfile"]["Roles"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}
    held = "Cannot delete entity, must remove roles from instance profile first."
    assert refusal(iam.delete_role, RoleName="one") == ("DeleteConflict", held)
    assert refusal(iam.delete_instance_profile, **named) == ("DeleteConflict", held)
    (listed,) = iam.list_instance_profiles(PathPrefix="/app/")["InstanceProfiles"]
    assert [each["RoleName"] for each in listed["Roles"]] == ["one"]
    iam.remove_role_from_instance_profile(**named, RoleName="one")
    assert refusal(iam.remove_role_from_instance_profile, **named, RoleName="one")[0] == "NoSuchEntity"
    iam.delete_instance_profile(**named)
    assert refusal(iam.get_instance_profile, **named) == (
        "NoSuchEntity",
        "Instance Profile web cannot be found.",
    )
