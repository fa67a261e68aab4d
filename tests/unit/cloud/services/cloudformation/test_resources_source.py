"""Handlers of what holds the user's things: S3's buckets, CodeCommit's repositories, log groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cloud.services.cloudformation.stack import STACK_ID, Stack, golden
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.codecommit import Repository
from tidegate.cloud.services.cloudformation.resources.handler import FailedError
from tidegate.cloud.services.cloudformation.resources.logs import LogGroup
from tidegate.cloud.services.cloudformation.resources.s3 import Bucket, BucketPolicy

OURS = {"Key": "aws:cloudformation:stack-id", "Value": STACK_ID}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.close()


async def test_a_bucket(stack: Stack) -> None:
    bucket = await stack.create(Bucket(), "ArtifactBucket", **golden("smallest.image", "ArtifactBucket"))
    assert bucket == "demo-artifactbucket-abcdefghijkl"
    read = await stack.read(Bucket(), "ArtifactBucket")
    assert read["Arn"] == f"arn:aws:s3:::{bucket}"
    assert read["RegionalDomainName"] == f"{bucket}.s3.us-east-1.amazonaws.com"
    (rule,) = (await stack.call("s3", "get_bucket_lifecycle_configuration", Bucket=bucket))["Rules"]
    assert rule == {
        "ID": "forget-old-artifacts",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": 30},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    # what a kill has left undone is done when it is found; another's bucket is not taken
    await stack.call("s3", "delete_bucket_lifecycle", Bucket=bucket)
    assert await stack.find(Bucket(), "ArtifactBucket") == bucket
    assert (await stack.call("s3", "get_bucket_lifecycle_configuration", Bucket=bucket))["Rules"] == [rule]
    await stack.call("s3", "create_bucket", Bucket="somebodys")
    assert await stack.find(Bucket(), "Mine", BucketName="somebodys") is None
    with pytest.raises(FailedError, match="somebodys already exists"):
        await stack.create(Bucket(), "Mine", BucketName="somebodys")

    # CloudFormation's tags are its own
    await stack.call("s3", "put_bucket_tagging", Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    tags = (await stack.call("s3", "get_bucket_tagging", Bucket=bucket))["TagSet"]
    assert OURS in tags
    assert {"Key": "a", "Value": "b"} in tags
    with pytest.raises(ServiceError, match="System tags"):
        await stack.call("s3", "put_bucket_tagging", Bucket="somebodys", Tagging={"TagSet": [OURS]})

    rules = [
        {"Status": "Enabled", "ExpirationInDays": "5", "Prefix": "a/", "TagFilters": [{"Key": "k", "Value": "v"}]},
        {"Status": "Disabled", "NoncurrentVersionExpirationInDays": 7, "ObjectSizeGreaterThan": "100"},
    ]
    await stack.update(
        Bucket(),
        "ArtifactBucket",
        LifecycleConfiguration={"Rules": rules},
        VersioningConfiguration={"Status": "Enabled"},
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
        BucketEncryption=None,
    )
    first, second = (await stack.call("s3", "get_bucket_lifecycle_configuration", Bucket=bucket))["Rules"]
    assert first["Filter"] == {"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}]}}
    assert (second["Filter"], second["NoncurrentVersionExpiration"]) == (
        {"ObjectSizeGreaterThan": 100},
        {"NoncurrentDays": 7},
    )
    await stack.update(Bucket(), "ArtifactBucket", VersioningConfiguration=None, LifecycleConfiguration=None)
    assert (await stack.call("s3", "get_bucket_versioning", Bucket=bucket))["Status"] == "Suspended"
    transition = {"Status": "Enabled", "Transition": {"StorageClass": "GLACIER", "TransitionInDays": 1}}
    refusals: tuple[dict[str, Any], ...] = (
        {"CorsConfiguration": {"CorsRules": []}},
        {"LifecycleConfiguration": {"Rules": [transition]}},
        {"AccessControl": "PublicRead"},
    )
    for refused in refusals:
        with pytest.raises(ServiceError, match="NotImplemented"):
            await stack.update(Bucket(), "ArtifactBucket", **refused)

    policy = golden("smallest.image", "ArtifactBucketPolicy", Bucket=bucket)
    policy["PolicyDocument"]["Statement"][0]["Resource"] = [read["Arn"], f"{read['Arn']}/*"]
    assert await stack.create(BucketPolicy(), "Policy", **policy) == bucket
    assert await stack.find(BucketPolicy(), "Policy") == bucket
    with pytest.raises(FailedError, match="already exists"):
        await stack.create(BucketPolicy(), "Second", **policy)
    await stack.delete(BucketPolicy(), "Policy")
    await stack.delete(Bucket(), "ArtifactBucket")
    for name, handler in (("Policy", BucketPolicy()), ("ArtifactBucket", Bucket())):
        with pytest.raises(ServiceError) as raised:
            await stack.delete(handler, name)
        assert handler.is_missing(raised.value)


async def test_a_repository(stack: Stack) -> None:
    properties = golden("smallest.image", "SourceRepository")
    repository = await stack.create(Repository(), "Source", **properties)
    read = await stack.read(Repository(), "Source")
    assert (read["RepositoryId"], read["Name"]) == (repository, "shop")
    assert await stack.find(Repository(), "Source") == repository
    with pytest.raises(ServiceError, match="InvalidSystemTag"):
        await stack.call("codecommit", "tag_resource", resourceArn=read["Arn"], tags={OURS["Key"]: "x"})
    await stack.update(Repository(), "Source", RepositoryName="renamed", RepositoryDescription=None, Tags=None)
    read = await stack.read(Repository(), "Source")
    assert (read["RepositoryId"], read["Name"]) == (repository, "renamed")
    assert (await stack.call("codecommit", "list_tags_for_resource", resourceArn=read["Arn"]))["tags"] == {}
    assert await stack.find(Repository(), "Other", RepositoryName="renamed") is None
    for refused in ("Code", "Triggers", "KmsKeyId"):
        with pytest.raises(ServiceError, match="NotImplemented"):
            await stack.update(Repository(), "Source", **{refused: "given"})
    await stack.delete(Repository(), "Source")
    with pytest.raises(ServiceError) as raised:
        await stack.delete(Repository(), "Source")
    assert Repository().is_missing(raised.value)


async def test_a_log_group(stack: Stack) -> None:
    group = await stack.create(LogGroup(), "Log", LogGroupName="/demo", RetentionInDays=30)
    arn = (await stack.read(LogGroup(), "Log"))["Arn"].removesuffix(":*")
    assert OURS["Key"] in (await stack.call("logs", "list_tags_for_resource", resourceArn=arn))["tags"]
    with pytest.raises(ServiceError, match="aws: prefixed"):
        await stack.call("logs", "tag_resource", resourceArn=arn, tags={OURS["Key"]: "x"})
    await stack.call("logs", "tag_resource", resourceArn=arn, tags={"a": "b"})  # CloudFormation's are no hindrance
    await stack.call("logs", "delete_retention_policy", logGroupName=group)
    assert await stack.find(LogGroup(), "Log") == group
    (found,) = (await stack.call("logs", "describe_log_groups"))["logGroups"]
    assert found["retentionInDays"] == 30
    await stack.update(LogGroup(), "Log", RetentionInDays=None)
    await stack.delete(LogGroup(), "Log")
