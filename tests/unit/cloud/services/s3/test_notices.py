"""What EventBridge is told of a bucket's objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegate.cloud.daemon import Cloud, Settings


@pytest.fixture
def cloud(tmp_path: Path) -> Any:
    cloud = Cloud(Settings(tmp_path))
    yield cloud
    cloud.close()


async def test_objects_that_come_and_go(cloud: Cloud) -> None:
    credential = cloud.parts.credential(cloud.keys.access_key)
    assert credential is not None
    call = cloud.parts.calls.as_principal(credential.principal, "us-east-1")
    await call("s3", "create_bucket", Bucket="bucket")
    await call("s3", "put_object", Bucket="bucket", Key="silent", Body=b"x")
    configuration: dict[str, Any] = {"EventBridgeConfiguration": {}}
    await call("s3", "put_bucket_notification_configuration", Bucket="bucket", NotificationConfiguration=configuration)
    await call("s3", "put_object", Bucket="bucket", Key="a b", Body=b"content")
    await call("s3", "delete_object", Bucket="bucket", Key="a b")
    await call("s3", "delete_object", Bucket="bucket", Key="nothing")  # which was not there
    await call("s3", "put_bucket_versioning", Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    put = await call("s3", "put_object", Bucket="bucket", Key="k", Body=b"x")
    await call("s3", "copy_object", Bucket="bucket", Key="c", CopySource="bucket/k")
    await call("s3", "delete_object", Bucket="bucket", Key="k")
    await call("s3", "delete_object", Bucket="bucket", Key="k", VersionId=put["VersionId"])
    told = [each["detail"] for _, each in cloud.parts.store.items("s3.notice")]
    assert [
        (each["object"]["key"], each["reason"], each.get("deletion-type"), "version-id" in each["object"])
        for each in told
    ] == [
        ("a b", "PutObject", None, False),
        ("a b", "DeleteObject", "Permanently Deleted", False),
        ("k", "PutObject", None, True),
        ("c", "CopyObject", None, True),
        ("k", "DeleteObject", "Delete Marker Created", True),
        ("k", "DeleteObject", "Permanently Deleted", True),
    ]
    first = told[0]
    assert (first["bucket"], first["requester"]) == ({"name": "bucket"}, "000000000000")
    assert (first["object"]["size"], first["object"]["etag"]) == (7, "9a0364b9e99bb480dd25e1f0284c8555")
