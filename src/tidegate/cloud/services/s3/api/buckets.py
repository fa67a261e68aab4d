"""Buckets: create, head, locate, list, delete. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.s3.api.shared import (
    BUCKET_NAME,
    bucket_arn,
    checked_tags,
    conditions,
    find_bucket,
    invalid_bucket_name,
)
from tidegate.cloud.services.s3.model import BucketRecord, S3Model, unescaped

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

_FIRST_REGION = "us-east-1"  # the one whose endpoint takes any location constraint, and has none itself
_REGION = re.compile(r"^[a-z]{2}(-[a-z]+)+-\d$")
_MOST = 10_000
_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


class BucketsApi:
    """Names are one for the account; a bucket lives in the region that it was made in."""

    def __init__(self, model: S3Model, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(
        resource=bucket_arn,
        conditions=conditions,
        refuse=(
            *_GRANTS,
            "ObjectLockEnabledForBucket",
            "CreateBucketConfiguration.Location",
            "CreateBucketConfiguration.Bucket",
        ),
    )
    async def create_bucket(self, context: Context, request: t.CreateBucketRequestTypeDef) -> Mapping[str, Any]:
        """Create a bucket: private, its owner owning all that is in it."""
        name = request["Bucket"]
        if not BUCKET_NAME.match(name):
            raise invalid_bucket_name(name)
        if request.get("BucketNamespace", "global") != "global":
            raise not_offered(f"BucketNamespace {request['BucketNamespace']}")
        configuration = request.get("CreateBucketConfiguration") or {}
        region = _location(context.region, configuration.get("LocationConstraint"))
        acl, ownership = request.get("ACL", "private"), request.get("ObjectOwnership", "BucketOwnerEnforced")
        if acl != "private":
            if ownership == "BucketOwnerEnforced":
                raise ServiceError(
                    "InvalidBucketAclWithObjectOwnership",
                    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
                )
            raise not_offered(f"the ACL {acl}")
        answer = {
            "Location": f"/{name}" if region == _FIRST_REGION else f"http://{name}.s3.amazonaws.com/",
            "BucketArn": f"arn:aws:s3:::{name}",
        }
        taken = self.model.buckets.get(name)
        if taken is not None:
            if region == taken["region"] == _FIRST_REGION:
                return answer  # there, and there alone, it is no error to create one's bucket again
            raise ServiceError(
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
                409,
                BucketName=name,
            )
        record: BucketRecord = {
            "name": name,
            "region": region,
            "created": self._clock.now(),
            "ownership": ownership,
            "public_access_block": {
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        }
        if configuration.get("Tags"):
            record["tags"] = checked_tags(configuration["Tags"], 50, for_cloudformation=context.for_cloudformation)
        self.model.buckets.put((name,), record)
        return answer

    @operation(action="s3:ListBucket", resource=bucket_arn)
    async def head_bucket(self, context: Context, request: t.HeadBucketRequestTypeDef) -> Mapping[str, Any]:
        """Say that a bucket is there, and where."""
        bucket = find_bucket(self.model, context, request)
        return {"BucketRegion": bucket["region"], "BucketArn": f"arn:aws:s3:::{bucket['name']}"}

    @operation(resource=bucket_arn)
    async def get_bucket_location(
        self, context: Context, request: t.GetBucketLocationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say which region a bucket lives in; us-east-1 has no name here."""
        region = find_bucket(self.model, context, request, anywhere=True)["region"]
        return {"LocationConstraint": None if region == _FIRST_REGION else region}

    @operation(action="s3:ListAllMyBuckets")
    async def list_buckets(self, context: Context, request: t.ListBucketsRequestTypeDef) -> Mapping[str, Any]:
        """List the account's buckets in all regions."""
        prefix, region = request.get("Prefix", ""), request.get("BucketRegion")
        found = [
            bucket
            for _, bucket in self.model.buckets.items(starting=prefix)
            if bucket["name"].startswith(prefix) and region in (None, bucket["region"])
        ]
        limit = request.get("MaxBuckets", _MOST)
        chosen, token = page(
            found, request.get("ContinuationToken"), limit, key=lambda each: each["name"], invalid="InvalidArgument"
        )
        return {
            "Buckets": [
                {
                    "Name": bucket["name"],
                    "CreationDate": bucket["created"].replace(microsecond=0),
                    "BucketRegion": bucket["region"],
                    "BucketArn": f"arn:aws:s3:::{bucket['name']}",
                }
                for bucket in chosen
            ],
            "Owner": {"ID": self.model.owner},
            **({"Prefix": prefix} if prefix else {}),
            **({"ContinuationToken": token} if token else {}),
        }

    @operation(resource=bucket_arn)
    async def delete_bucket(self, context: Context, request: t.DeleteBucketRequestTypeDef) -> Mapping[str, Any]:
        """Delete a bucket that is empty; uploads that are in progress in it end with it."""
        name = find_bucket(self.model, context, request)["name"]
        if not self.model.is_empty(name):
            raise ServiceError("BucketNotEmpty", "The bucket you tried to delete is not empty", 409, BucketName=name)
        with self.model.transaction():
            for (_, key, upload), _ in self.model.uploads.items(name):
                self.model.end_upload(name, unescaped(key), upload)
            self.model.buckets.delete(name)
        return {}


def _location(asked_in: str, constraint: str | None) -> str:
    """Return the region of a new bucket; raise for a constraint that the endpoint asked does not take."""
    if constraint in (None, ""):
        if asked_in != _FIRST_REGION:
            raise ServiceError(
                "IllegalLocationConstraintException",
                "The unspecified location constraint is incompatible for the region specific endpoint this request "
                "was sent to.",
            )
        return asked_in
    region = "eu-west-1" if constraint == "EU" else str(constraint)
    if asked_in not in (_FIRST_REGION, region):
        raise ServiceError(
            "IllegalLocationConstraintException",
            f"The {constraint} location constraint is incompatible for the region specific endpoint this request "
            "was sent to.",
        )
    if region == _FIRST_REGION or not _REGION.match(region):
        raise ServiceError(
            "InvalidLocationConstraint", "The specified location-constraint is not valid", LocationConstraint=constraint
        )
    return region
