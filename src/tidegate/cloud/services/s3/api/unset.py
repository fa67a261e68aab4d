"""Settings that a bucket may have on AWS and none has here: reading them says so, as AWS does of a bucket without.

Setting one is refused by name, for it is not built; so the answers are always true. Terraform and the consoles read
them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.s3.api.shared import bucket_arn, find_bucket
from tidegate.cloud.services.s3.model import S3Model

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t


class UnsetApi:
    """CORS, website, replication, logging, acceleration, object lock, who pays."""

    def __init__(self, model: S3Model) -> None:
        self.model = model

    @operation(action="s3:GetBucketCORS", resource=bucket_arn)
    async def get_bucket_cors(self, context: Context, request: t.GetBucketCorsRequestTypeDef) -> Mapping[str, Any]:
        """Say that there is no CORS configuration."""
        raise self._none(context, request, "NoSuchCORSConfiguration", "The CORS configuration does not exist")

    @operation(resource=bucket_arn)
    async def get_bucket_website(
        self, context: Context, request: t.GetBucketWebsiteRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say that there is no website configuration."""
        what = "The specified bucket does not have a website configuration"
        raise self._none(context, request, "NoSuchWebsiteConfiguration", what)

    @operation(action="s3:GetReplicationConfiguration", resource=bucket_arn)
    async def get_bucket_replication(
        self, context: Context, request: t.GetBucketReplicationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say that there is no replication."""
        what = "The replication configuration was not found"
        raise self._none(context, request, "ReplicationConfigurationNotFoundError", what)

    @operation(action="s3:GetBucketObjectLockConfiguration", resource=bucket_arn)
    async def get_object_lock_configuration(
        self, context: Context, request: t.GetObjectLockConfigurationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say that there is no object lock."""
        what = "Object Lock configuration does not exist for this bucket"
        raise self._none(context, request, "ObjectLockConfigurationNotFoundError", what)

    @operation(resource=bucket_arn)
    async def get_bucket_logging(
        self, context: Context, request: t.GetBucketLoggingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say that no access log is written into a bucket."""
        find_bucket(self.model, context, request)
        return {}

    @operation(action="s3:GetAccelerateConfiguration", resource=bucket_arn)
    async def get_bucket_accelerate_configuration(
        self, context: Context, request: t.GetBucketAccelerateConfigurationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say that acceleration was never set."""
        find_bucket(self.model, context, request)
        return {}

    @operation(resource=bucket_arn)
    async def get_bucket_request_payment(
        self, context: Context, request: t.GetBucketRequestPaymentRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say that the owner pays."""
        find_bucket(self.model, context, request)
        return {"Payer": "BucketOwner"}

    def _none(self, context: Context, request: Mapping[str, Any], code: str, message: str) -> ServiceError:
        bucket = find_bucket(self.model, context, request)
        return ServiceError(code, message, 404, BucketName=bucket["name"])
