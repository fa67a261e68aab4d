"""A user's life: keys, credentials for Git, policies; and keys for a while."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.test_ec2 import refusal
from tests.contract.test_iam import ACCOUNT, assume, policy
from tests.daemon import Daemon

READ_ONLY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
GIT = "codecommit.amazonaws.com"


@pytest.fixture
def iam(cloud: Daemon) -> Any:
    client = cloud.client("iam")
    client.create_user(UserName="dev", Path="/team/", Tags=[{"Key": "a", "Value": "b"}])
    return client


def test_who_a_user_is(cloud: Daemon, iam: Any) -> None:
    user = iam.get_user(UserName="dev")["User"]
    assert (user["Arn"], user["Path"]) == (f"arn:aws:iam::{ACCOUNT}:user/team/dev", "/team/")
    assert user["UserId"].startswith("AIDA")
    assert user["Tags"] == [{"Key": "a", "Value": "b"}]
    assert refusal(iam.get_user, UserName="none") == (
        "NoSuchEntity",
        "The user with name none cannot be found.",
    )
    assert refusal(iam.create_user, UserName="DEV")[0] == "EntityAlreadyExists"
    iam.attach_user_policy(UserName="dev", PolicyArn="arn:aws:iam::aws:policy/IAMFullAccess")
    own = cloud.client("iam", keys=iam.create_access_key(UserName="dev")["AccessKey"])
    assert own.get_user()["User"]["UserName"] == "dev"
    role = cloud.client("iam", keys=assume(cloud, "worker"))
    iam.attach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/IAMFullAccess")
    assert refusal(role.get_user) == (
        "ValidationError",
        "Must specify userName when calling with non-User credentials",
    )


def test_access_keys(cloud: Daemon, iam: Any) -> None:
    keys = [iam.create_access_key(UserName="dev")["AccessKey"] for _ in range(2)]
    assert refusal(iam.create_access_key, UserName="dev") == (
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )
    listed = iam.list_access_keys(UserName="dev")["AccessKeyMetadata"]
    assert {each["AccessKeyId"]: each["Status"] for each in listed} == {each["AccessKeyId"]: "Active" for each in keys}
    assert all("SecretAccessKey" not in each for each in listed)
    pages = iam.get_paginator("list_access_keys").paginate(UserName="dev", PaginationConfig={"PageSize": 1})
    assert [len(page["AccessKeyMetadata"]) for page in pages] == [1, 1]
    gone = keys[0]["AccessKeyId"]
    iam.create_user(UserName="other")
    missing = ("NoSuchEntity", f"The Access Key with id {gone} cannot be found.")
    assert refusal(iam.delete_access_key, UserName="other", AccessKeyId=gone) == missing
    iam.delete_access_key(UserName="dev", AccessKeyId=gone)
    assert refusal(iam.delete_access_key, UserName="dev", AccessKeyId=gone) == missing
    assert refusal(cloud.client("sts", keys=keys[0]).get_caller_identity)[0] == "InvalidClientTokenId"
    assert refusal(iam.delete_user, UserName="dev") == (
        "DeleteConflict",
        "Cannot delete entity, must delete access keys first.",
    )
    iam.delete_access_key(UserName="dev", AccessKeyId=keys[1]["AccessKeyId"])
    iam.delete_user(UserName="dev")
    assert refusal(iam.list_access_keys, UserName="dev")[0] == "NoSuchEntity"


def test_credentials_for_git(iam: Any) -> None:
    def create() -> Any:
        return iam.create_service_specific_credential(UserName="dev", ServiceName=GIT)["ServiceSpecificCredential"]

    first, second = create(), create()
    assert refusal(iam.create_service_specific_credential, UserName="dev", ServiceName=GIT)[0] == "LimitExceeded"
    listed = iam.list_service_specific_credentials(UserName="dev", ServiceName=GIT)["ServiceSpecificCredentials"]
    assert {each["ServiceUserName"] for each in listed} == {first["ServiceUserName"], second["ServiceUserName"]}
    assert all("ServicePassword" not in each for each in listed)
    gone = {"UserName": "dev", "ServiceSpecificCredentialId": first["ServiceSpecificCredentialId"]}
    iam.delete_service_specific_credential(**gone)
    assert refusal(iam.delete_service_specific_credential, **gone)[0] == "NoSuchEntity"
    third = create()  # beside the one that is left, not in its place
    listed = iam.list_service_specific_credentials(UserName="dev")["ServiceSpecificCredentials"]
    assert {each["ServiceSpecificCredentialId"] for each in listed} == {
        second["ServiceSpecificCredentialId"],
        third["ServiceSpecificCredentialId"],
    }
    assert refusal(iam.list_service_specific_credentials, UserName="none")[0] == "NoSuchEntity"


def test_policies_of_a_user(cloud: Daemon, iam: Any) -> None:
    own = cloud.client("iam", keys=iam.create_access_key(UserName="dev")["AccessKey"])
    assert refusal(own.list_users)[0] == "AccessDenied"
    document = policy("Allow", "iam:ListUsers")
    iam.put_user_policy(UserName="dev", PolicyName="list", PolicyDocument=document)
    own.list_users()
    assert iam.list_user_policies(UserName="dev")["PolicyNames"] == ["list"]
    found = iam.get_user_policy(UserName="dev", PolicyName="list")
    assert (found["UserName"], found["PolicyName"]) == ("dev", "list")
    assert found["PolicyDocument"] == json.loads(document)
    assert refusal(iam.delete_user, UserName="dev")[0] == "DeleteConflict"
    iam.delete_user_policy(UserName="dev", PolicyName="list")
    missing = ("NoSuchEntity", "The user policy with name list cannot be found.")
    assert refusal(iam.delete_user_policy, UserName="dev", PolicyName="list") == missing
    assert refusal(iam.get_user_policy, UserName="dev", PolicyName="list") == missing
    assert refusal(own.list_users)[0] == "AccessDenied"
    made = iam.create_policy(PolicyName="made", Path="/ours/", PolicyDocument=document)["Policy"]["Arn"]
    for arn in (READ_ONLY, made):
        iam.attach_user_policy(UserName="dev", PolicyArn=arn)
    own.list_users()
    attached = iam.list_attached_user_policies(UserName="dev")["AttachedPolicies"]
    assert {each["PolicyName"]: each["PolicyArn"] for each in attached} == {
        "made": made,
        "AmazonS3ReadOnlyAccess": READ_ONLY,
    }
    ours = iam.list_attached_user_policies(UserName="dev", PathPrefix="/ours/")["AttachedPolicies"]
    assert [each["PolicyName"] for each in ours] == ["made"]
    iam.detach_user_policy(UserName="dev", PolicyArn=made)
    assert refusal(iam.detach_user_policy, UserName="dev", PolicyArn=made) == (
        "NoSuchEntity",
        f"Policy {made} was not found.",
    )
    assert refusal(own.list_users)[0] == "AccessDenied"


def test_keys_for_a_while(cloud: Daemon, iam: Any) -> None:
    """GetSessionToken needs no permission, but lasting keys; what comes of it is the user."""
    keys = iam.create_access_key(UserName="dev")["AccessKey"]
    sts = cloud.client("sts", keys=keys)
    session = sts.get_session_token(DurationSeconds=900)["Credentials"]
    assert session["AccessKeyId"].startswith("ASIA")
    brief = cloud.client("sts", keys=session)
    assert brief.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/dev"
    for given in (session, assume(cloud, "worker")):
        assert refusal(cloud.client("sts", keys=given).get_session_token) == (
            "AccessDenied",
            "Cannot call GetSessionToken with session credentials",
        )
    assert refusal(sts.get_session_token, SerialNumber="GAHT12345678", TokenCode="123456")[0] == "AccessDenied"
    assert refusal(sts.get_access_key_info, AccessKeyId=keys["AccessKeyId"])[0] == "AccessDenied"
    administrator = cloud.client("sts")
    assert administrator.get_access_key_info(AccessKeyId=session["AccessKeyId"])["Account"] == ACCOUNT
