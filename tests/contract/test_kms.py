"""KMS, asked with boto3 and the AWS CLI; and buckets whose objects are encrypted with its keys."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon

ACCOUNT = "000000000000"
ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture
def kms(cloud: Daemon) -> Any:
    return cloud.client("kms")


def refused(code: str, match: str, call: Any, **request: Any) -> None:
    with pytest.raises(ClientError, match=re.escape(match)) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == code


def key_policy(*principals: str, action: str = "kms:*") -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_key_lives(kms: Any) -> None:
    made = kms.create_key(Description="first", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    key, arn = made["KeyId"], made["Arn"]
    assert arn == f"{ARN}/{key}"
    assert (made["KeyState"], made["Enabled"], made["KeySpec"]) == ("Enabled", True, "SYMMETRIC_DEFAULT")
    assert made["KeyManager"] == "CUSTOMER"
    assert not made["MultiRegion"]
    kms.update_key_description(KeyId=key, Description="second")
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["Description"] == "second"
    kms.create_alias(AliasName="alias/shop", TargetKeyId=key)
    for name in ("alias/shop", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/shop"):
        assert kms.describe_key(KeyId=name)["KeyMetadata"]["KeyId"] == key
    refused("AlreadyExistsException", "already exists", kms.create_alias, AliasName="alias/shop", TargetKeyId=key)
    refused("InvalidAliasNameException", "alias/aws/x", kms.create_alias, AliasName="alias/aws/x", TargetKeyId=key)
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.update_alias(AliasName="alias/shop", TargetKeyId=other)
    (alias,) = kms.list_aliases(KeyId=other)["Aliases"]
    assert (alias["AliasName"], alias["TargetKeyId"]) == ("alias/shop", other)
    kms.delete_alias(AliasName="alias/shop")
    assert kms.list_aliases()["Aliases"] == []
    pages = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1})
    assert {each["KeyId"] for page in pages for each in page["Keys"]} == {key, other}
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "c", "TagValue": "d"}])
    kms.untag_resource(KeyId=key, TagKeys=["a"])
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "c", "TagValue": "d"}]
    kms.disable_key(KeyId=key)
    refused("DisabledException", f"{arn} is disabled.", kms.encrypt, KeyId=key, Plaintext=b"x")
    kms.enable_key(KeyId=key)
    answer = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert answer["KeyState"] == "PendingDeletion"
    refused("KMSInvalidStateException", "is pending deletion", kms.encrypt, KeyId=key, Plaintext=b"x")
    kms.cancel_key_deletion(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    refused("NotFoundException", f"Key '{ARN}/nothing' does not exist", kms.describe_key, KeyId="nothing")
    refused("NotFoundException", "alias/nothing is not found", kms.describe_key, KeyId="alias/nothing")


def test_what_is_not_offered_is_refused_by_name(kms: Any) -> None:
    for request in (
        {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
        {"KeySpec": "HMAC_256"},
        {"Origin": "EXTERNAL"},
    ):
        with pytest.raises(ClientError, match="does not offer kms:CreateKey"):
            kms.create_key(**request)
    with pytest.raises(ClientError, match="does not offer kms:CreateGrant"):
        kms.create_grant(KeyId="x", GranteePrincipal=ROOT, Operations=["Decrypt"])


def test_what_is_encrypted_is_bound_to_key_and_context(cloud: Daemon, kms: Any) -> None:
    key, other = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    about = {"app": "shop"}
    blob = kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext=about)["CiphertextBlob"]
    assert b"secret" not in blob
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=about)
    assert (opened["Plaintext"], opened["KeyId"]) == (b"secret", f"{ARN}/{key}")
    refused("InvalidCiphertextException", "InvalidCiphertext", kms.decrypt, CiphertextBlob=blob)
    refused("InvalidCiphertextException", "InvalidCiphertext", kms.decrypt, CiphertextBlob=b"nothing of ours")
    refused(
        "IncorrectKeyException",
        "key ID in the request",
        kms.decrypt,
        CiphertextBlob=blob,
        EncryptionContext=about,
        KeyId=other,
    )
    elsewhere = cloud.client("kms", region="eu-west-1")
    refused("AccessDeniedException", "does not exist in this region", elsewhere.decrypt, CiphertextBlob=blob)
    moved = kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext=about, DestinationKeyId=other)
    assert moved["SourceKeyId"] == f"{ARN}/{key}"
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], KeyId=other)["Plaintext"] == b"secret"
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert len(made["Plaintext"]) == 32
    assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
    assert "Plaintext" not in kms.generate_data_key_without_plaintext(KeyId=key, NumberOfBytes=16)
    # rotated, a key still opens what it has encrypted before
    kms.enable_key_rotation(KeyId=key)
    status = kms.get_key_rotation_status(KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 365)
    kms.rotate_key_on_demand(KeyId=key)
    (rotation,) = kms.list_key_rotations(KeyId=key)["Rotations"]
    assert rotation["RotationType"] == "ON_DEMAND"
    after = kms.encrypt(KeyId=key, Plaintext=b"new")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=after)["Plaintext"] == b"new"
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=about)["Plaintext"] == b"secret"
    kms.disable_key_rotation(KeyId=key)
    assert not kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]


def test_the_key_policy_decides_whether_iam_policies_count(cloud: Daemon, kms: Any) -> None:
    keys, iam = assume(cloud, "reader"), cloud.client("iam")
    role = f"arn:aws:iam::{ACCOUNT}:role/reader"
    mine = cloud.client("kms", keys=keys)
    usual = kms.create_key()["KeyMetadata"]["Arn"]
    refused("AccessDeniedException", f"to perform: kms:Encrypt on resource: {usual} because no identity-based policy",
            mine.encrypt, KeyId=usual, Plaintext=b"x")  # fmt: skip
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=policy("Allow", "kms:*", "*"))
    blob = mine.encrypt(KeyId=usual, Plaintext=b"x")["CiphertextBlob"]
    assert mine.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    # without the account in its policy, IAM policies count for nothing
    administrator = f"arn:aws:iam::{ACCOUNT}:user/administrator"
    closed = kms.create_key(Policy=key_policy(administrator))["KeyMetadata"]["Arn"]
    refused("AccessDeniedException", f"on resource: {closed} because no resource-based policy allows",
            mine.encrypt, KeyId=closed, Plaintext=b"x")  # fmt: skip
    kms.put_key_policy(KeyId=closed, Policy=key_policy(administrator, role))
    assert json.loads(kms.get_key_policy(KeyId=closed)["Policy"])["Statement"][0]["Principal"]["AWS"][1] == role
    iam.delete_role_policy(RoleName="reader", PolicyName="p")
    mine.encrypt(KeyId=closed, Plaintext=b"x")  # the key policy alone is enough
    locked = "will not allow you to update the key policy"
    refused("MalformedPolicyDocumentException", locked, kms.put_key_policy, KeyId=closed, Policy=key_policy(role))
    refused("MalformedPolicyDocumentException", locked, kms.create_key, Policy=key_policy(role))
    assert len(kms.list_keys()["Keys"]) == 2
    kms.put_key_policy(KeyId=closed, Policy=key_policy(role), BypassPolicyLockoutSafetyCheck=True)
    refused("AccessDeniedException", "no resource-based policy allows", kms.describe_key, KeyId=closed)


def test_a_key_of_several_regions(cloud: Daemon, kms: Any) -> None:
    made = kms.create_key(MultiRegion=True)["KeyMetadata"]
    assert made["KeyId"].startswith("mrk-")
    replica = kms.replicate_key(KeyId=made["Arn"], ReplicaRegion="eu-west-1", Description="there")
    there = cloud.client("kms", region="eu-west-1")
    metadata = there.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert metadata["Arn"] == replica["ReplicaKeyMetadata"]["Arn"] == made["Arn"].replace("us-east-1", "eu-west-1")
    assert metadata["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    assert metadata["MultiRegionConfiguration"]["PrimaryKey"] == {"Arn": made["Arn"], "Region": "us-east-1"}
    blob = kms.encrypt(KeyId=made["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    kms.rotate_key_on_demand(KeyId=made["KeyId"])
    blob = there.encrypt(KeyId=made["KeyId"], Plaintext=b"y")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"y"
    refused("AlreadyExistsException", "already exists", kms.replicate_key, KeyId=made["Arn"], ReplicaRegion="eu-west-1")
    single = kms.create_key()["KeyMetadata"]["KeyId"]
    refused("UnsupportedOperationException", "primary", kms.replicate_key, KeyId=single, ReplicaRegion="eu-west-1")
    assert kms.schedule_key_deletion(KeyId=made["KeyId"])["KeyState"] == "PendingReplicaDeletion"


def test_the_cli(cloud: Daemon, tmp_path: Path) -> None:
    """Version 1 takes and gives blobs as they are from files, and gives base64."""
    key = cloud.aws_json("kms", "create-key", "--description", "cli")["KeyMetadata"]["KeyId"]
    blob = cloud.aws_json("kms", "encrypt", "--key-id", key, "--plaintext", "hello")["CiphertextBlob"]
    (tmp_path / "blob").write_bytes(base64.b64decode(blob))
    opened = cloud.aws_json("kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path}/blob")
    assert base64.b64decode(opened["Plaintext"]) == b"hello"


# buckets


def test_objects_are_encrypted_with_a_key(cloud: Daemon, kms: Any) -> None:
    s3, iam = cloud.client("s3"), cloud.client("iam")
    s3.create_bucket(Bucket="bucket")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}}
    s3.put_bucket_encryption(Bucket="bucket", ServerSideEncryptionConfiguration={"Rules": [rule]})
    (found,) = s3.get_bucket_encryption(Bucket="bucket")["ServerSideEncryptionConfiguration"]["Rules"]
    assert found["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == arn
    session = assume(cloud, "reader")
    mine = cloud.client("s3", keys=session)
    iam.put_role_policy(RoleName="reader", PolicyName="s3", PolicyDocument=policy("Allow", "s3:*", "*"))
    refused("AccessDenied", f"to perform: kms:GenerateDataKey on resource: {arn}",
            mine.put_object, Bucket="bucket", Key="k", Body=b"x")  # fmt: skip
    put = s3.put_object(Bucket="bucket", Key="k", Body=b"content")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", arn)
    assert mine.head_object(Bucket="bucket", Key="k")["SSEKMSKeyId"] == arn
    refused("AccessDenied", f"to perform: kms:Decrypt on resource: {arn}", mine.get_object, Bucket="bucket", Key="k")
    through = {
        "StringEquals": {
            "kms:ViaService": "s3.us-east-1.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::bucket/k",
        }
    }
    document = policy("Allow", "kms:Decrypt", arn, Condition=through)
    iam.put_role_policy(RoleName="reader", PolicyName="kms", PolicyDocument=document)
    assert mine.get_object(Bucket="bucket", Key="k")["Body"].read() == b"content"
    refused("AccessDenied", "kms:GenerateDataKey", mine.create_multipart_upload, Bucket="bucket", Key="m")
    copy = {"Bucket": "bucket", "Key": "k"}
    assert s3.copy_object(Bucket="bucket", Key="c", CopySource=copy)["SSEKMSKeyId"] == arn
    plain = s3.put_object(Bucket="bucket", Key="p", Body=b"x", ServerSideEncryption="AES256")
    assert plain["ServerSideEncryption"] == "AES256"
    assert mine.get_object(Bucket="bucket", Key="p")["Body"].read() == b"x"
    kms.disable_key(KeyId=arn)
    refused("KMS.DisabledException", "is disabled", s3.get_object, Bucket="bucket", Key="k")
    refused("KMS.NotFoundException", "does not exist", s3.put_object, Bucket="bucket", Key="n", Body=b"",
            ServerSideEncryption="aws:kms", SSEKMSKeyId="nothing")  # fmt: skip


def test_the_key_that_aws_manages(cloud: Daemon, kms: Any) -> None:
    s3, iam = cloud.client("s3"), cloud.client("iam")
    s3.create_bucket(Bucket="bucket")
    put = s3.put_object(Bucket="bucket", Key="k", Body=b"x", ServerSideEncryption="aws:kms")
    metadata = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert (metadata["Arn"], metadata["KeyManager"]) == (put["SSEKMSKeyId"], "AWS")
    mine = cloud.client("s3", keys=assume(cloud, "reader"))
    iam.put_role_policy(RoleName="reader", PolicyName="s3", PolicyDocument=policy("Allow", "s3:*", "*"))
    assert mine.get_object(Bucket="bucket", Key="k")["Body"].read() == b"x"  # through S3 everybody may
    refused("AccessDeniedException", "kms:Encrypt", kms.encrypt, KeyId="alias/aws/s3", Plaintext=b"x")


def test_parts_are_encrypted_with_a_key(cloud: Daemon, kms: Any) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="bucket")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    where = {"Bucket": "bucket", "Key": "k"}
    begun = s3.create_multipart_upload(**where, ServerSideEncryption="aws:kms", SSEKMSKeyId=arn, BucketKeyEnabled=True)
    assert begun["SSEKMSKeyId"] == arn
    upload = {**where, "UploadId": begun["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"part")
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert (done["SSEKMSKeyId"], done["BucketKeyEnabled"]) == (arn, True)
    assert s3.get_object(**where)["Body"].read() == b"part"


def test_keys_outlive_a_kill(own_cloud: Daemon) -> None:
    key = own_cloud.client("kms").create_key()["KeyMetadata"]["KeyId"]
    blob = own_cloud.client("kms").encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    own_cloud.kill()
    own_cloud.start()
    assert own_cloud.client("kms").decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_chance_and_the_name_of_a_policy(kms: Any) -> None:
    first, second = (kms.generate_random(NumberOfBytes=1024)["Plaintext"] for _ in range(2))
    assert len(first) == len(second) == 1024
    assert first != second
    refused("ValidationException", "number of bytes", kms.generate_random)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    answer = kms.list_key_policies(KeyId=key)
    assert (answer["PolicyNames"], answer["Truncated"]) == (["default"], False)
    refused("NotFoundException", "does not exist", kms.list_key_policies, KeyId="0" * 36)
