"""Handlers of KMS' keys and of connections, and the settings of buckets that need them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cloud.services.cloudformation.stack import Stack, golden
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.codeconnections import Connection, OldConnection
from tidegate.cloud.services.cloudformation.resources.handler import FailedError
from tidegate.cloud.services.cloudformation.resources.kms import Alias, Key, ReplicaKey
from tidegate.cloud.services.cloudformation.resources.s3 import Bucket


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.close()


@pytest.mark.parametrize("handler", [Connection(), OldConnection()])
async def test_a_connection(stack: Stack, handler: Connection) -> None:
    arn = await stack.create(handler, "Connection", **golden("github.image", "Connection"))
    assert arn.startswith(f"arn:aws:{handler.service}:us-east-1:")
    assert await stack.read(handler, "Connection") == {
        "ConnectionArn": arn,
        "ConnectionStatus": "AVAILABLE",
        "OwnerAccountId": "000000000000",
    }
    assert await stack.find(handler, "Connection") == arn
    await stack.call(handler.service, "create_connection", ConnectionName="other", ProviderType="GitHub")
    assert await stack.find(handler, "Other", ConnectionName="other") is None
    await stack.update(handler, "Connection", Tags=[{"Key": "a", "Value": "b"}])
    tags = await stack.call(handler.service, "list_tags_for_resource", ResourceArn=arn)
    assert tags["Tags"] == [{"Key": "a", "Value": "b"}]
    await stack.delete(handler, "Connection")
    with pytest.raises(ServiceError, match="not found"):
        await stack.read(handler, "Connection")


def _policy(stack: Stack) -> dict[str, Any]:
    own = {"AWS": "arn:aws:iam::000000000000:root"}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": own, "Action": "kms:*", "Resource": "*"}],
    }


async def test_a_key(stack: Stack) -> None:
    given = golden("accounts-and-regions.image", "ArtifactKey", KeyPolicy=_policy(stack))
    key = await stack.create(Key(), "Key", **given)
    assert key.startswith("mrk-")
    arn = f"arn:aws:kms:us-east-1:000000000000:key/{key}"
    assert await stack.read(Key(), "Key") == {"Arn": arn, "KeyId": key}
    assert (await stack.call("kms", "get_key_rotation_status", KeyId=key))["KeyRotationEnabled"]
    assert json.loads((await stack.call("kms", "get_key_policy", KeyId=key))["Policy"]) == _policy(stack)
    assert await stack.find(Key(), "Key") == key
    await stack.update(Key(), "Key", Description="new", EnableKeyRotation=False, Enabled=False)
    metadata = (await stack.call("kms", "describe_key", KeyId=key))["KeyMetadata"]
    assert (metadata["Description"], metadata["KeyState"]) == ("new", "Disabled")
    await stack.update(Key(), "Key", Enabled=None)
    metadata = (await stack.call("kms", "describe_key", KeyId=key))["KeyMetadata"]
    assert metadata["KeyState"] == "Enabled"

    # an alias, and another key's
    await stack.create(Alias(), "Alias", AliasName="alias/shop", TargetKeyId=key)
    assert await stack.find(Alias(), "Alias") == "alias/shop"
    other = (await stack.call("kms", "create_key"))["KeyMetadata"]["Arn"]
    assert await stack.find(Alias(), "Other", AliasName="alias/shop", TargetKeyId=other) is None
    await stack.update(Alias(), "Alias", AliasName="alias/shop", TargetKeyId=other)
    assert (await stack.call("kms", "describe_key", KeyId="alias/shop"))["KeyMetadata"]["Arn"] == other
    await stack.delete(Alias(), "Alias")

    await stack.delete(Key(), "Key")
    await stack.delete(Key(), "Key")
    metadata = (await stack.call("kms", "describe_key", KeyId=key))["KeyMetadata"]
    assert metadata["KeyState"] == "PendingDeletion"
    assert await stack.find(Key(), "Key") is None


async def test_a_replica(stack: Stack) -> None:
    """A stack in us-east-1 replicates what was made in eu-west-1."""
    there = stack.call.at("eu-west-1")
    primary = (await there("kms", "create_key", MultiRegion=True))["KeyMetadata"]
    given = {"PrimaryKeyArn": primary["Arn"], "KeyPolicy": _policy(stack), "PendingWindowInDays": 7}
    key = await stack.create(ReplicaKey(), "Replica", **given)
    assert key == primary["KeyId"]
    assert (await stack.read(ReplicaKey(), "Replica"))["Arn"] == primary["Arn"].replace("eu-west-1", "us-east-1")
    assert await stack.find(ReplicaKey(), "Replica") == key
    await stack.delete(ReplicaKey(), "Replica")
    assert (await stack.call("kms", "describe_key", KeyId=key))["KeyMetadata"]["KeyState"] == "PendingDeletion"
    with pytest.raises(FailedError, match="not the ARN of a key"):
        await stack.create(ReplicaKey(), "Wrong", PrimaryKeyArn="x", KeyPolicy=_policy(stack))


async def test_a_bucket_that_tells_and_encrypts(stack: Stack) -> None:
    bucket = await stack.create(Bucket(), "SourceBucket", **golden("s3.image", "SourceBucket"))
    found = await stack.call("s3", "get_bucket_notification_configuration", Bucket=bucket)
    assert found == {"EventBridgeConfiguration": {}}
    key = (await stack.call("kms", "create_key"))["KeyMetadata"]["Arn"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [{"ServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    encryption = {"ServerSideEncryptionConfiguration": rules}
    await stack.update(Bucket(), "SourceBucket", BucketEncryption=encryption, NotificationConfiguration=None)
    assert await stack.call("s3", "get_bucket_notification_configuration", Bucket=bucket) == {}
    answer = await stack.call("s3", "put_object", Bucket=bucket, Key="k", Body=b"x")
    assert (answer["SSEKMSKeyId"], answer["BucketKeyEnabled"]) == (key, True)
    off = {"EventBridgeConfiguration": {"EventBridgeEnabled": False}}
    await stack.update(Bucket(), "SourceBucket", NotificationConfiguration=off)
    assert await stack.call("s3", "get_bucket_notification_configuration", Bucket=bucket) == {}
    queue = {"QueueConfigurations": [{"Event": "s3:ObjectCreated:*", "Queue": "q"}]}
    with pytest.raises(ServiceError, match="QueueConfigurations"):
        await stack.update(Bucket(), "SourceBucket", NotificationConfiguration=queue)
