"""Secrets Manager, asked with boto3 and the AWS CLI."""

from __future__ import annotations

import json
import re
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon

NOT_FOUND = "Secrets Manager can't find the specified secret."
DELETED = "You can't perform this operation on the secret because it was marked for deletion."
ARN = "arn:aws:secretsmanager:us-east-1:000000000000:secret"


@pytest.fixture
def secrets(cloud: Daemon) -> Any:
    return cloud.client("secretsmanager")


def value(secrets: Any, secret: str = "s", **which: Any) -> Any:
    return secrets.get_secret_value(SecretId=secret, **which).get("SecretString")


def stages(secrets: Any, secret: str = "s") -> dict[str, list[str]]:
    return dict(secrets.describe_secret(SecretId=secret).get("VersionIdsToStages", {}))


def refused(code: str, match: str, call: Any, **request: Any) -> None:
    with pytest.raises(ClientError, match=re.escape(match)) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == code


def test_a_secret_reads_as_written(secrets: Any) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    made = secrets.create_secret(Name="app/db", SecretString="one", Description="d", Tags=tags)
    assert re.fullmatch(ARN + r":app/db-[a-zA-Z0-9]{6}", made["ARN"])
    partial = made["ARN"].rpartition("-")[0]
    for identifier in ("app/db", made["ARN"], partial):
        found = secrets.get_secret_value(SecretId=identifier)
        assert (found["ARN"], found["Name"], found["SecretString"]) == (made["ARN"], "app/db", "one")
        assert (found["VersionId"], found["VersionStages"]) == (made["VersionId"], ["AWSCURRENT"])
    described = secrets.describe_secret(SecretId="app/db")
    assert (described["Description"], described["Tags"]) == ("d", tags)
    assert described["VersionIdsToStages"] == {made["VersionId"]: ["AWSCURRENT"]}
    assert described["LastAccessedDate"] == datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert not {"KmsKeyId", "RotationEnabled", "DeletedDate", "SecretString"} & described.keys()
    secrets.tag_resource(SecretId="app/db", Tags=[{"Key": "c", "Value": "d"}])
    secrets.untag_resource(SecretId="app/db", TagKeys=["a"])
    secrets.update_secret(SecretId="app/db", Description="e")
    described = secrets.describe_secret(SecretId="app/db")
    assert (described["Tags"], described["Description"]) == ([{"Key": "c", "Value": "d"}], "e")
    refused("ResourceNotFoundException", NOT_FOUND, secrets.describe_secret, SecretId=made["ARN"][:-1] + "_")
    refused("ResourceNotFoundException", NOT_FOUND, secrets.get_secret_value, SecretId="no")
    refused("ValidationException", "Invalid name. Must be", secrets.get_secret_value, SecretId="a#b")
    refused("ValidationException", "Invalid name. Must be", secrets.create_secret, Name="a b")


def test_creating_twice(secrets: Any) -> None:
    token = "t" * 32
    first = secrets.create_secret(Name="s", SecretString="x", ClientRequestToken=token)
    assert first["VersionId"] == token
    again = secrets.create_secret(Name="s", SecretString="x", ClientRequestToken=token)
    assert (again["ARN"], again["VersionId"]) == (first["ARN"], token)
    refused("ResourceExistsException", "because that value is already in use", secrets.create_secret,
            Name="s", SecretString="y", ClientRequestToken=token)  # fmt: skip
    refused("ResourceExistsException", "the secret s already exists", secrets.create_secret, Name="s")


def test_binary_and_empty_secrets(secrets: Any) -> None:
    secrets.create_secret(Name="b", SecretBinary=b"\x00\xff")
    found = secrets.get_secret_value(SecretId="b")
    assert (found["SecretBinary"], "SecretString" in found) == (b"\x00\xff", False)
    assert "VersionId" not in secrets.create_secret(Name="e")
    assert "VersionIdsToStages" not in secrets.describe_secret(SecretId="e")
    missing = "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"
    refused("ResourceNotFoundException", missing, secrets.get_secret_value, SecretId="e")
    assert secrets.put_secret_value(SecretId="e", SecretString="x")["VersionStages"] == ["AWSCURRENT"]
    refused("InvalidParameterException", "both a binary", secrets.create_secret, Name="x", SecretString="a",
            SecretBinary=b"b")  # fmt: skip
    refused("InvalidParameterException", "either SecretString or SecretBinary", secrets.put_secret_value, SecretId="e")


def test_versions_and_their_labels(secrets: Any) -> None:
    one = secrets.create_secret(Name="s", SecretString="one")["VersionId"]
    two = secrets.put_secret_value(SecretId="s", SecretString="two")["VersionId"]
    assert stages(secrets) == {one: ["AWSPREVIOUS"], two: ["AWSCURRENT"]}
    assert [value(secrets), value(secrets, VersionStage="AWSPREVIOUS"), value(secrets, VersionId=one)] == [
        "two", "one", "one",
    ]  # fmt: skip
    mismatch = "You provided a VersionStage that is not associated to the provided VersionId."
    refused("InvalidRequestException", mismatch, secrets.get_secret_value, SecretId="s", VersionId=one,
            VersionStage="AWSCURRENT")  # fmt: skip
    three = secrets.update_secret(SecretId="s", SecretString="three")["VersionId"]
    assert stages(secrets) == {two: ["AWSPREVIOUS"], three: ["AWSCURRENT"]}
    listed = secrets.list_secret_version_ids(SecretId="s")["Versions"]
    assert [each["VersionId"] for each in listed] == [two, three]
    assert listed[0]["KmsKeyIds"] == ["DefaultEncryptionKey"]
    asked = {"SecretId": "s", "IncludeDeprecated": True, "MaxResults": 2}
    first = secrets.list_secret_version_ids(**asked)
    second = secrets.list_secret_version_ids(**asked, NextToken=first["NextToken"])
    assert [[each["VersionId"] for each in page["Versions"]] for page in (first, second)] == [[one, two], [three]]
    assert value(secrets, VersionId=one) == "one"
    four = secrets.put_secret_value(SecretId="s", SecretString="four", VersionStages=["AWSPENDING", "x"])
    assert four["VersionStages"] == ["AWSPENDING", "x"]
    assert value(secrets) == "three"

    moved = {"SecretId": "s", "VersionStage": "AWSCURRENT", "MoveToVersionId": four["VersionId"]}
    must = (
        f"RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version {three}, so "
        "you must explicitly reference that version in RemoveFromVersionId."
    )
    refused("InvalidParameterException", must, secrets.update_secret_version_stage, **moved)
    secrets.update_secret_version_stage(**moved, RemoveFromVersionId=three)
    assert stages(secrets) == {three: ["AWSPREVIOUS"], four["VersionId"]: ["AWSCURRENT", "AWSPENDING", "x"]}
    secrets.update_secret_version_stage(SecretId="s", VersionStage="x", RemoveFromVersionId=four["VersionId"])
    secrets.update_secret_version_stage(
        SecretId="s", VersionStage="AWSCURRENT", RemoveFromVersionId=four["VersionId"], MoveToVersionId=three
    )
    assert stages(secrets) == {three: ["AWSCURRENT"], four["VersionId"]: ["AWSPENDING", "AWSPREVIOUS"]}
    refused("InvalidParameterException", "can't be completely removed", secrets.update_secret_version_stage,
            SecretId="s", VersionStage="AWSCURRENT", RemoveFromVersionId=three)  # fmt: skip
    many = [f"l{number}" for number in range(19)]
    refused("LimitExceededException", "maximum number of staging labels", secrets.put_secret_value,
            SecretId="s", SecretString="z", VersionStages=many)  # fmt: skip


def test_lists_and_filters(secrets: Any) -> None:
    for number, name in enumerate(("app/Db", "app/key", "other")):
        secrets.create_secret(Name=name, SecretString=name, Description=f"The {name}",
                              Tags=[{"Key": "env", "Value": f"v{number}"}])  # fmt: skip

    def names(*filters: tuple[str, str], **more: Any) -> list[str]:
        asked = [{"Key": key, "Values": [text]} for key, text in filters]
        pages = secrets.get_paginator("list_secrets").paginate(Filters=asked, **more)
        return [each["Name"] for page in pages for each in page["SecretList"]]

    assert names(PaginationConfig={"PageSize": 1}) == ["other", "app/key", "app/Db"]
    assert names(SortBy="name", PaginationConfig={"PageSize": 2}) == ["app/Db", "app/key", "other"]
    assert names(SortOrder="asc")[0] == "app/Db"
    assert names(("name", "app/")) == ["app/key", "app/Db"]
    assert names(("name", "!app/")) == ["other"]
    assert names(("tag-key", "env"), ("tag-value", "v1")) == ["app/key"]
    assert names(("description", "key")) == names(("all", "KEY")) == ["app/key"]
    (found,) = secrets.list_secrets(Filters=[{"Key": "name", "Values": ["other"]}])["SecretList"]
    assert list(found["SecretVersionsToStages"].values()) == [["AWSCURRENT"]]
    answer = secrets.batch_get_secret_value(SecretIdList=["other", "none"])
    assert [each["SecretString"] for each in answer["SecretValues"]] == ["other"]
    assert [(each["SecretId"], each["ErrorCode"]) for each in answer["Errors"]] == [
        ("none", "ResourceNotFoundException")
    ]
    answer = secrets.batch_get_secret_value(Filters=[{"Key": "name", "Values": ["app"]}], MaxResults=1)
    assert ([each["Name"] for each in answer["SecretValues"]], "NextToken" in answer) == (["app/Db"], True)


def test_deletion_and_recovery(secrets: Any) -> None:
    made = secrets.create_secret(Name="s", SecretString="x")
    for match, request in (
        ("must be between 7 and 30 days", {"RecoveryWindowInDays": 6}),
        ("in conjunction with", {"RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": True}),
    ):
        refused("InvalidParameterException", match, secrets.delete_secret, SecretId="s", **request)
    deleted = secrets.delete_secret(SecretId="s", RecoveryWindowInDays=7)
    assert timedelta(days=6.9) < deleted["DeletionDate"] - datetime.now(UTC) < timedelta(days=7.1)
    refused("InvalidRequestException", DELETED, secrets.get_secret_value, SecretId="s")
    refused("InvalidRequestException", DELETED, secrets.delete_secret, SecretId="s")
    already = "a secret with this name is already scheduled for deletion"
    refused("InvalidRequestException", already, secrets.create_secret, Name="s")
    assert secrets.list_secrets()["SecretList"] == []
    assert len(secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]) == 1
    assert secrets.describe_secret(SecretId="s")["DeletedDate"] == deleted["DeletionDate"]
    assert secrets.restore_secret(SecretId="s")["ARN"] == made["ARN"]
    assert value(secrets) == "x"
    secrets.delete_secret(SecretId="s", ForceDeleteWithoutRecovery=True)
    refused("ResourceNotFoundException", NOT_FOUND, secrets.describe_secret, SecretId="s")
    assert secrets.delete_secret(SecretId="s", ForceDeleteWithoutRecovery=True)["Name"] == "s"
    assert secrets.create_secret(Name="s", SecretString="y")["ARN"] != made["ARN"]


def test_passwords(secrets: Any) -> None:
    def password(**request: Any) -> str:
        return str(secrets.get_random_password(**request)["RandomPassword"])

    assert len(password()) == 32
    for _ in range(20):
        short = password(PasswordLength=4)
        kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation)
        assert all(set(short) & set(kind) for kind in kinds)
    only = password(ExcludePunctuation=True, ExcludeUppercase=True, ExcludeCharacters="abc012", PasswordLength=500)
    assert set(only) == set(string.ascii_lowercase + string.digits) - set("abc012")
    refused("InvalidParameterException", "too short", secrets.get_random_password, PasswordLength=3)


def test_encrypted_at_rest(own_cloud: Daemon) -> None:
    secrets, secret = own_cloud.client("secretsmanager"), "correct horse battery staple"
    secrets.create_secret(Name="s", SecretString=json.dumps({"password": secret}))
    secrets.create_secret(Name="b", SecretBinary=secret.encode())
    own_cloud.kill()
    own_cloud.start()
    assert json.loads(value(secrets)) == {"password": secret}
    files = [path for path in own_cloud.data_dir.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    (own_cloud.data_dir / "secrets.key").unlink()
    refused("DecryptionFailure", "can't decrypt", secrets.get_secret_value, SecretId="s")


def test_who_may_what(cloud: Daemon, secrets: Any) -> None:
    arn = secrets.create_secret(Name="app/one", SecretString="1")["ARN"]
    secrets.create_secret(Name="other", SecretString="2")
    reader = cloud.client("secretsmanager", keys=assume(cloud, "reader"))
    role = "arn:aws:iam::000000000000:role/reader"
    allow = policy("Allow", "secretsmanager:GetSecretValue", f"{ARN}:app/*")
    cloud.client("iam").put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=allow)
    assert value(reader, "app/one") == value(reader, arn) == "1"
    denied = "secretsmanager:GetSecretValue on resource: app/none because no identity-based policy allows"
    refused("AccessDeniedException", denied, reader.get_secret_value, SecretId="app/none")
    refused("AccessDeniedException", f"on resource: {ARN}:other-", reader.get_secret_value, SecretId="other")

    own = policy("Allow", "secretsmanager:GetSecretValue", "*", Principal={"AWS": role})
    secrets.put_resource_policy(SecretId="other", ResourcePolicy=own, BlockPublicPolicy=True)
    assert value(reader, "other") == "2"
    assert secrets.get_resource_policy(SecretId="other")["ResourcePolicy"] == own
    deny = policy("Deny", "secretsmanager:*", "*", Principal={"AWS": role})
    secrets.put_resource_policy(SecretId="app/one", ResourcePolicy=deny)
    refused("AccessDeniedException", "with an explicit deny in a resource-based policy", reader.get_secret_value,
            SecretId="app/one")  # fmt: skip
    secrets.delete_resource_policy(SecretId="app/one")
    assert "ResourcePolicy" not in secrets.get_resource_policy(SecretId="app/one")
    assert value(reader, "app/one") == "1"

    public = policy("Allow", "secretsmanager:GetSecretValue", "*", Principal="*")
    refused("PublicPolicyException", "broad access", secrets.put_resource_policy, SecretId="other",
            ResourcePolicy=public, BlockPublicPolicy=True)  # fmt: skip
    refused("MalformedPolicyDocumentException", "syntax error", secrets.put_resource_policy, SecretId="other",
            ResourcePolicy="{}")  # fmt: skip
    assert not secrets.validate_resource_policy(ResourcePolicy=public)["PolicyValidationPassed"]
    batch = policy("Allow", "secretsmanager:BatchGetSecretValue")
    cloud.client("iam").put_role_policy(RoleName="reader", PolicyName="b", PolicyDocument=batch)
    secrets.create_secret(Name="third", SecretString="3")
    answer = reader.batch_get_secret_value(SecretIdList=["app/one", "third"])
    assert [each["Name"] for each in answer["SecretValues"]] == ["app/one"]
    assert [each["ErrorCode"] for each in answer["Errors"]] == ["AccessDeniedException"]


def test_aws_cli(cloud: Daemon) -> None:
    made = cloud.aws_json("secretsmanager", "create-secret", "--name", "app", "--secret-string", '{"a":"b"}')
    asked = ("secretsmanager", "get-secret-value", "--secret-id", made["ARN"])
    assert cloud.aws_json(*asked)["SecretString"] == '{"a":"b"}'
    told = cloud.aws("secretsmanager", "get-secret-value", "--secret-id", "no", check=False).stderr
    assert f"(ResourceNotFoundException) when calling the GetSecretValue operation: {NOT_FOUND}" in told


def test_what_is_not_offered_is_refused_by_name(secrets: Any) -> None:
    secrets.create_secret(Name="s", SecretString="x")
    refused("NotImplemented", "secretsmanager:RotateSecret", secrets.rotate_secret, SecretId="s")
    refused("NotImplemented", "KmsKeyId other than", secrets.create_secret, Name="k", KmsKeyId="alias/mine")
    refused("NotImplemented", "AddReplicaRegions", secrets.create_secret, Name="k",
            AddReplicaRegions=[{"Region": "eu-west-1"}])  # fmt: skip
