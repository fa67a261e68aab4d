"""What objects have beside their bytes: tags, the ACL, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.errors import not_offered
from tidegate.cloud.services.s3.api.settings import private_acl
from tidegate.cloud.services.s3.api.shared import (
    CUSTOMER_KEYS,
    acls_are_off,
    checked_tags,
    checksum_members,
    conditions,
    find_bucket,
    find_version,
    object_action,
    object_arn,
    version_of,
)
from tidegate.cloud.services.s3.model import BucketRecord, ObjectRecord, S3Model

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

_MOST_PARTS = 1000
_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP", "AccessControlPolicy")


class FacetsApi:
    """Tags, ACL and attributes of a version of an object."""

    def __init__(self, model: S3Model, calls: Calls) -> None:
        self.model = model
        self._calls = calls

    @operation(action=object_action("GetObjectTagging"), resource=object_arn, conditions=conditions)
    async def get_object_tagging(
        self, context: Context, request: t.GetObjectTaggingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the tags."""
        bucket, record = self._find(context, request)
        return {"TagSet": record["tags"], **version_of(bucket, record)}

    @operation(action=object_action("PutObjectTagging"), resource=object_arn, conditions=conditions)
    async def put_object_tagging(
        self, context: Context, request: t.PutObjectTaggingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Replace the tags."""
        bucket, record = self._find(context, request)
        record["tags"] = checked_tags(request["Tagging"]["TagSet"], 10)
        self.model.change(bucket["name"], request["Key"], record)
        return version_of(bucket, record)

    @operation(action=object_action("DeleteObjectTagging"), resource=object_arn, conditions=conditions)
    async def delete_object_tagging(
        self, context: Context, request: t.DeleteObjectTaggingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove the tags."""
        bucket, record = self._find(context, request)
        record["tags"] = []
        self.model.change(bucket["name"], request["Key"], record)
        return version_of(bucket, record)

    @operation(action=object_action("GetObjectAcl"), resource=object_arn, conditions=conditions)
    async def get_object_acl(self, context: Context, request: t.GetObjectAclRequestTypeDef) -> Mapping[str, Any]:
        """Return the ACL that every object here has: its owner has full control."""
        self._find(context, request)
        return private_acl(self.model)

    @operation(action=object_action("PutObjectAcl"), resource=object_arn, conditions=conditions, refuse=_GRANTS)
    async def put_object_acl(self, context: Context, request: t.PutObjectAclRequestTypeDef) -> Mapping[str, Any]:
        """Make an object private, as it is; any other ACL is not offered."""
        bucket, _ = self._find(context, request)
        if bucket.get("ownership") == "BucketOwnerEnforced":
            raise acls_are_off()
        if request.get("ACL") not in (None, "private", "bucket-owner-full-control", "bucket-owner-read"):
            raise not_offered(f"the ACL {request['ACL']}")
        return {}

    @operation(
        action=object_action("GetObjectAttributes"), resource=object_arn, conditions=conditions, refuse=CUSTOMER_KEYS
    )
    async def get_object_attributes(
        self, context: Context, request: t.GetObjectAttributesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return what is asked for of ETag, checksum, parts, storage class and size."""
        read = object_action("GetObject")(self, context, request)
        self._calls.authorize(context, read, object_arn(self, context, request), conditions(self, context, request))
        bucket, record = self._find(context, request)
        wanted = request["ObjectAttributes"]
        answer: dict[str, Any] = {"LastModified": record["modified"], **version_of(bucket, record)}
        if "ETag" in wanted:
            answer["ETag"] = record["etag"]
        if "Checksum" in wanted:
            answer["Checksum"] = checksum_members(record.get("checksum"))
        if "StorageClass" in wanted:
            answer["StorageClass"] = record["storage_class"]
        if "ObjectSize" in wanted:
            answer["ObjectSize"] = record["size"]
        if "ObjectParts" in wanted and "parts" in record:
            answer["ObjectParts"] = self._parts(request, record)
        return answer

    def _parts(self, request: Mapping[str, Any], record: ObjectRecord) -> dict[str, Any]:
        limit, marker = min(int(request.get("MaxParts", _MOST_PARTS)), _MOST_PARTS), request.get("PartNumberMarker", 0)
        rest = [part for part in self.model.layouts.get(record["blob"]) or [] if part["number"] > marker]
        parts = rest[:limit]
        return {
            "TotalPartsCount": record["parts"],
            "PartNumberMarker": marker,
            "NextPartNumberMarker": parts[-1]["number"] if parts else 0,
            "MaxParts": limit,
            "IsTruncated": len(rest) > limit,
            "Parts": [
                {
                    "PartNumber": part["number"],
                    "Size": part["size"],
                    **checksum_members(part["checksum"], typed=False),
                }
                for part in parts
            ],
        }

    def _find(self, context: Context, request: Mapping[str, Any]) -> tuple[BucketRecord, ObjectRecord]:
        bucket = find_bucket(self.model, context, request)
        return bucket, find_version(self.model, self._calls, context, bucket, request["Key"], request.get("VersionId"))
