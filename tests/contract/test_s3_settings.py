"""A bucket's settings one after the other: put, got, deleted; what is answered where there is none."""

from __future__ import annotations

from typing import Any

from tests.contract.test_s3 import code_of, s3

__all__ = ["s3"]


def test_what_was_never_set(s3: Any) -> None:
    assert code_of(s3.get_bucket_website, Bucket="bucket") == ("NoSuchWebsiteConfiguration", 404)
    assert code_of(s3.get_bucket_replication, Bucket="bucket") == ("ReplicationConfigurationNotFoundError", 404)
    assert code_of(s3.get_object_lock_configuration, Bucket="bucket") == ("ObjectLockConfigurationNotFoundError", 404)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="bucket")
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket="bucket")
    assert s3.get_bucket_request_payment(Bucket="bucket")["Payer"] == "BucketOwner"
    for get in (s3.get_bucket_website, s3.get_bucket_logging, s3.get_bucket_request_payment):
        assert code_of(get, Bucket="nobucket") == ("NoSuchBucket", 404)


def test_encryption_goes_back_to_what_it_was(s3: Any) -> None:
    def algorithm() -> str:
        (rule,) = s3.get_bucket_encryption(Bucket="bucket")["ServerSideEncryptionConfiguration"]["Rules"]
        return str(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])

    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3.put_bucket_encryption(Bucket="bucket", ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert algorithm() == "aws:kms"
    s3.delete_bucket_encryption(Bucket="bucket")
    assert algorithm() == "AES256"
    assert s3.put_object(Bucket="bucket", Key="k")["ServerSideEncryption"] == "AES256"


def test_tags_of_a_bucket(s3: Any) -> None:
    s3.put_bucket_tagging(Bucket="bucket", Tagging={"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]})
    s3.put_bucket_tagging(Bucket="bucket", Tagging={"TagSet": [{"Key": "c", "Value": "2"}]})
    assert s3.get_bucket_tagging(Bucket="bucket")["TagSet"] == [{"Key": "c", "Value": "2"}]
    s3.delete_bucket_tagging(Bucket="bucket")
    s3.delete_bucket_tagging(Bucket="bucket")  # none is no error
    assert code_of(s3.get_bucket_tagging, Bucket="bucket") == ("NoSuchTagSet", 404)


def test_tags_of_an_object(s3: Any) -> None:
    where = {"Bucket": "bucket", "Key": "k"}

    def tags(**version: str) -> dict[str, str]:
        return {each["Key"]: each["Value"] for each in s3.get_object_tagging(**where, **version)["TagSet"]}

    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(**where, Body=b"1", Tagging="a=1")["VersionId"]
    second = s3.put_object(**where, Body=b"2")["VersionId"]
    put = s3.put_object_tagging(**where, Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    assert put["VersionId"] == second
    assert (tags(), tags(VersionId=first)) == ({"b": "2"}, {"a": "1"})
    assert s3.delete_object_tagging(**where, VersionId=first)["VersionId"] == first
    assert (tags(), tags(VersionId=first)) == ({"b": "2"}, {})
    many = {"TagSet": [{"Key": str(number), "Value": "x"} for number in range(11)]}
    assert code_of(s3.put_object_tagging, **where, Tagging=many) == ("BadRequest", 400)
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert code_of(s3.put_object_tagging, **where, Tagging=twice) == ("InvalidTag", 400)
    assert code_of(s3.delete_object_tagging, Bucket="bucket", Key="none") == ("NoSuchKey", 404)
    assert s3.get_object(**where)["Body"].read() == b"2"


def test_public_access(s3: Any) -> None:
    public = (
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", '
        '"Resource": "arn:aws:s3:::bucket/*"}}'
    )
    assert code_of(s3.put_bucket_policy, Bucket="bucket", Policy=public) == ("AccessDenied", 403)
    s3.put_public_access_block(Bucket="bucket", PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    assert s3.get_public_access_block(Bucket="bucket")["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": False,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }
    s3.put_bucket_policy(Bucket="bucket", Policy=public)
    s3.delete_public_access_block(Bucket="bucket")
    assert code_of(s3.get_public_access_block, Bucket="bucket") == ("NoSuchPublicAccessBlockConfiguration", 404)


def test_ownership_and_acls(s3: Any) -> None:
    where = {"Bucket": "bucket", "Key": "k"}
    s3.put_object(**where)
    (grant,) = s3.get_object_acl(**where)["Grants"]
    assert (grant["Permission"], grant["Grantee"]["Type"]) == ("FULL_CONTROL", "CanonicalUser")
    assert code_of(s3.put_object_acl, **where, ACL="private") == ("AccessControlListNotSupported", 400)
    preferred = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket="bucket", OwnershipControls=preferred)
    assert s3.get_bucket_ownership_controls(Bucket="bucket")["OwnershipControls"] == preferred
    s3.put_object_acl(**where, ACL="private")
    assert code_of(s3.put_object_acl, **where, ACL="public-read") == ("NotImplemented", 501)
    s3.delete_bucket_ownership_controls(Bucket="bucket")
    missing = ("OwnershipControlsNotFoundError", 404)
    assert code_of(s3.get_bucket_ownership_controls, Bucket="bucket") == missing
    assert code_of(s3.get_object_acl, Bucket="bucket", Key="none") == ("NoSuchKey", 404)


def test_lifecycle(s3: Any) -> None:
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket="bucket")["Rules"] == [rule]
    s3.delete_bucket_lifecycle(Bucket="bucket")
    s3.delete_bucket_lifecycle(Bucket="bucket")
    missing = ("NoSuchLifecycleConfiguration", 404)
    assert code_of(s3.get_bucket_lifecycle_configuration, Bucket="bucket") == missing
