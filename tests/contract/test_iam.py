"""Who may do what: roles, policies and their evaluation, asked with boto3."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.daemon import Daemon

ACCOUNT = "000000000000"


def policy(effect: str, action: Any, resource: Any = "*", **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(**principal: str) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def assume(cloud: Daemon, role: str, **request: Any) -> Any:
    """Make a role that the administrator may assume, and assume it."""
    iam = cloud.client("iam")
    arn = iam.create_role(
        RoleName=role, AssumeRolePolicyDocument=trust(AWS=f"arn:aws:iam::{ACCOUNT}:user/administrator")
    )["Role"]["Arn"]
    return cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test", **request)["Credentials"]


def test_a_role_reads_as_written(cloud: Daemon) -> None:
    iam = cloud.client("iam")
    document = json.loads(trust(Service="ecs-tasks.amazonaws.com"))
    iam.create_role(
        RoleName="task", Path="/app/", AssumeRolePolicyDocument=json.dumps(document), Tags=[{"Key": "a", "Value": "b"}]
    )
    role = iam.get_role(RoleName="task")["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/app/task"
    assert role["AssumeRolePolicyDocument"] == document
    assert iam.list_role_tags(RoleName="task")["Tags"] == [{"Key": "a", "Value": "b"}]


def test_denial_reads_as_on_aws(cloud: Daemon) -> None:
    iam = cloud.client("iam", keys=assume(cloud, "nobody"))
    with pytest.raises(ClientError) as caught:
        iam.create_user(UserName="x")
    assert caught.value.response["Error"] == {
        "Type": "Sender",
        "Code": "AccessDenied",
        "Message": f"User: arn:aws:sts::{ACCOUNT}:assumed-role/nobody/test is not authorized to perform: "
        f"iam:CreateUser on resource: arn:aws:iam::{ACCOUNT}:user/x "
        "because no identity-based policy allows the iam:CreateUser action",
    }


def test_inline_and_attached_policies_allow_and_an_explicit_deny_wins(cloud: Daemon) -> None:
    admin, keys = cloud.client("iam"), assume(cloud, "worker")
    worker = cloud.client("iam", keys=keys)
    admin.put_role_policy(
        RoleName="worker",
        PolicyName="users",
        PolicyDocument=policy("Allow", "iam:*User", f"arn:aws:iam::{ACCOUNT}:user/team-*"),
    )
    worker.create_user(UserName="team-a")
    with pytest.raises(ClientError, match="no identity-based policy"):
        worker.create_user(UserName="other")
    admin.attach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/IAMFullAccess")
    worker.create_user(UserName="other")
    admin.put_role_policy(RoleName="worker", PolicyName="no", PolicyDocument=policy("Deny", "iam:Delete*"))
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        worker.delete_user(UserName="other")


def accesses(cloud: Daemon, role: str) -> list[Any]:
    """Return what the daemon has written down of a role, without times."""
    url = f"{cloud.endpoint}/_tidegate/accesses?role=arn:aws:iam::{ACCOUNT}:role/{role}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {cloud.document['token']}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        found: list[Any] = json.load(response)["accesses"]
    return [{key: value for key, value in each.items() if key not in ("last", "role")} for each in found]


def test_which_statement_let_a_role_do_what_is_written_down_until_the_policy_changes(cloud: Daemon) -> None:
    admin, keys = cloud.client("iam"), assume(cloud, "recorded")
    recorded = cloud.client("iam", keys=keys)
    users = f"arn:aws:iam::{ACCOUNT}:user/rec-*"
    document = json.loads(policy("Allow", "iam:ListUsers"))
    document["Statement"].append({"Effect": "Allow", "Action": "iam:*User", "Resource": users})
    admin.put_role_policy(RoleName="recorded", PolicyName="users", PolicyDocument=json.dumps(document))
    for name in ("rec-a", "rec-b"):
        recorded.create_user(UserName=name)
    with pytest.raises(ClientError):
        recorded.create_user(UserName="other")
    denial, allowed = accesses(cloud, "recorded")
    assert allowed == {
        "policy": "users",
        "statement": 1,
        "action": "iam:CreateUser",
        "granted": users,
        "resource": f"arn:aws:iam::{ACCOUNT}:user/rec-a",
    }
    assert denial["action"] == "iam:CreateUser"
    assert denial["resource"] == f"arn:aws:iam::{ACCOUNT}:user/other"
    assert "is not authorized to perform: iam:CreateUser" in denial["why"]
    admin.put_role_policy(RoleName="recorded", PolicyName="users", PolicyDocument=json.dumps(document))
    assert allowed in accesses(cloud, "recorded")  # the same text
    admin.put_role_policy(RoleName="recorded", PolicyName="users", PolicyDocument=policy("Allow", "iam:ListUsers"))
    assert [each["action"] for each in accesses(cloud, "recorded") if "policy" in each] == []
    admin.delete_role_policy(RoleName="recorded", PolicyName="users")
    admin.delete_role(RoleName="recorded")
    assert accesses(cloud, "recorded") == []


def test_conditions(cloud: Daemon) -> None:
    admin, keys = cloud.client("iam"), assume(cloud, "regional")
    only = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    admin.put_role_policy(
        RoleName="regional", PolicyName="p", PolicyDocument=policy("Allow", "iam:ListUsers", Condition=only)
    )
    cloud.client("iam", keys=keys, region="eu-west-1")
    with pytest.raises(ClientError, match="AccessDenied"):
        cloud.client("iam", keys=keys).list_users()


def test_a_boundary_and_a_session_policy_narrow(cloud: Daemon) -> None:
    admin, keys = cloud.client("iam"), assume(cloud, "bound")
    admin.attach_role_policy(RoleName="bound", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    bound = cloud.client("iam", keys=keys)
    bound.list_users()
    admin.put_role_permissions_boundary(
        RoleName="bound", PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    )
    with pytest.raises(ClientError, match="no permissions boundary allows the iam:ListUsers action"):
        bound.list_users()
    admin.delete_role_permissions_boundary(RoleName="bound")
    narrow = cloud.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/bound", RoleSessionName="narrow", Policy=policy("Allow", "iam:ListRoles")
    )["Credentials"]
    narrowed = cloud.client("iam", keys=narrow)
    narrowed.list_roles()
    with pytest.raises(ClientError, match="no session policy allows the iam:ListUsers action"):
        narrowed.list_users()


def test_trust_decides_who_assumes(cloud: Daemon) -> None:
    cloud.client("iam").create_role(
        RoleName="closed", AssumeRolePolicyDocument=trust(Service="codebuild.amazonaws.com")
    )
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        cloud.client("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/closed", RoleSessionName="test")


def test_a_wrong_session_token_is_refused(cloud: Daemon) -> None:
    keys = assume(cloud, "tokened")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        cloud.client("sts", keys={**keys, "SessionToken": "wrong"}).get_caller_identity()


def test_users_have_keys(cloud: Daemon) -> None:
    iam = cloud.client("iam")
    iam.create_user(UserName="dev")
    keys = iam.create_access_key(UserName="dev")["AccessKey"]
    assert cloud.client("sts", keys=keys).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/dev"
    iam.update_access_key(UserName="dev", AccessKeyId=keys["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        cloud.client("sts", keys=keys).get_caller_identity()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "invalid Json"),
        ('{"Statement": {"Effect": "Allow", "Action": "s3:*"}}', "must contain resources"),
        ('{"Statement": {"Effect": "Maybe", "Action": "s3:*", "Resource": "*"}}', "Effect must be Allow or Deny"),
        ('{"Statement": {"Effect": "Allow", "Action": "PutObject", "Resource": "*"}}', "prefaced by a vendor"),
        ('{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": "*"}}', "a principal"),
    ],
)
def test_malformed_policies_are_refused(cloud: Daemon, document: str, message: str) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        cloud.client("iam").create_policy(PolicyName="p", PolicyDocument=document)
    assert caught.value.response["Error"]["Code"] == "MalformedPolicyDocument"


def test_policy_versions(cloud: Daemon) -> None:
    iam = cloud.client("iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=policy("Allow", "s3:*"))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("Deny", "s3:*"), SetAsDefault=True)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert version["Document"]["Statement"][0]["Effect"] == "Deny"
    with pytest.raises(ClientError, match="DeleteConflict"):
        iam.delete_policy(PolicyArn=arn)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy(PolicyArn=arn)


def test_what_is_in_use_is_not_deleted(cloud: Daemon) -> None:
    iam = cloud.client("iam")
    iam.create_role(RoleName="held", AssumeRolePolicyDocument=trust(Service="ecs.amazonaws.com"))
    iam.attach_role_policy(RoleName="held", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    with pytest.raises(ClientError, match="must detach all policies first"):
        iam.delete_role(RoleName="held")
    iam.detach_role_policy(RoleName="held", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.delete_role(RoleName="held")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_role(RoleName="held")


def test_lists_have_pages(cloud: Daemon) -> None:
    iam = cloud.client("iam")
    names = [f"u{number:03}" for number in range(7)]
    for name in names:
        iam.create_user(UserName=name)
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["Users"]) for page in pages] == [3, 3, 2]
    assert [user["UserName"] for page in pages for user in page["Users"]] == ["administrator", *names]


def test_the_simulator_agrees(cloud: Daemon) -> None:
    iam = cloud.client("iam")
    iam.create_role(RoleName="sim", AssumeRolePolicyDocument=trust(Service="ecs.amazonaws.com"))
    iam.put_role_policy(RoleName="sim", PolicyName="p", PolicyDocument=policy("Allow", "ecr:Get*"))
    results = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:role/sim", ActionNames=["ecr:GetAuthorizationToken", "ecr:PutImage"]
    )["EvaluationResults"]
    assert [each["EvalDecision"] for each in results] == ["allowed", "implicitDeny"]


def test_waiters(cloud: Daemon) -> None:
    iam = cloud.client("iam")
    iam.create_role(RoleName="w", AssumeRolePolicyDocument=trust(Service="ecs.amazonaws.com"))
    iam.get_waiter("role_exists").wait(RoleName="w")
    arn = iam.create_policy(PolicyName="w", PolicyDocument=policy("Allow", "s3:*"))["Policy"]["Arn"]
    iam.get_waiter("policy_exists").wait(PolicyArn=arn)
