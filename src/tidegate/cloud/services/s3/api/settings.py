"""What a bucket is set to: versioning, encryption, public access, ownership, ACL, tags, lifecycle.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html

A checksum of the document (ChecksumAlgorithm, ContentMD5) is held against it by the gateway.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.s3.api.shared import acls_are_off, bucket_arn, checked_tags, find_bucket
from tidegate.cloud.services.s3.model import S3Model

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

_MOST_RULES = 1000
_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP", "AccessControlPolicy")
_DEFAULT_SIZE = "all_storage_classes_128K"


class SettingsApi:
    """Settings that every bucket has, and those that one may be given."""

    def __init__(self, model: S3Model, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    # versioning

    @operation(resource=bucket_arn)
    async def get_bucket_versioning(
        self, context: Context, request: t.GetBucketVersioningRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return Enabled or Suspended; nothing where a bucket never had versions."""
        status = find_bucket(self.model, context, request).get("versioning")
        return {} if status is None else {"Status": status}

    @operation(resource=bucket_arn, refuse=("MFA",))
    async def put_bucket_versioning(
        self, context: Context, request: t.PutBucketVersioningRequestTypeDef
    ) -> Mapping[str, Any]:
        """Enable or suspend versioning."""
        bucket, given = find_bucket(self.model, context, request), request["VersioningConfiguration"]
        if given.get("MFADelete") == "Enabled":
            raise not_offered("s3:PutBucketVersioning MFADelete")
        if "Status" not in given:
            raise ServiceError(
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            )
        bucket["versioning"] = given["Status"]
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    # encryption

    @operation(action="s3:GetEncryptionConfiguration", resource=bucket_arn)
    async def get_bucket_encryption(
        self, context: Context, request: t.GetBucketEncryptionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return what objects are encrypted with: AES256, unless something was put."""
        bucket = find_bucket(self.model, context, request)
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
        return {"ServerSideEncryptionConfiguration": bucket.get("encryption", {"Rules": [rule]})}

    @operation(action="s3:PutEncryptionConfiguration", resource=bucket_arn)
    async def put_bucket_encryption(
        self, context: Context, request: t.PutBucketEncryptionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set what objects are encrypted with: AES256, or a key of KMS, which need not be there yet."""
        bucket, given = find_bucket(self.model, context, request), request["ServerSideEncryptionConfiguration"]
        for rule in given["Rules"]:
            default = rule.get("ApplyServerSideEncryptionByDefault", {})
            algorithm = default.get("SSEAlgorithm", "AES256")
            if algorithm not in ("AES256", "aws:kms"):
                raise not_offered(f"s3:PutBucketEncryption SSEAlgorithm {algorithm}")
            if default.get("KMSMasterKeyID") and algorithm == "AES256":
                raise ServiceError(
                    "InvalidArgument", "a KMSMasterKeyID is not applicable if the SSEAlgorithm is AES256"
                )
        bucket["encryption"] = given
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    @operation(action="s3:PutEncryptionConfiguration", resource=bucket_arn)
    async def delete_bucket_encryption(
        self, context: Context, request: t.DeleteBucketEncryptionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Go back to AES256."""
        bucket = find_bucket(self.model, context, request)
        bucket.pop("encryption", None)
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    # notifications

    @operation(action="s3:GetBucketNotification", resource=bucket_arn)
    async def get_bucket_notification_configuration(
        self, context: Context, request: t.GetBucketNotificationConfigurationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say whether EventBridge hears of the bucket's objects."""
        bucket = find_bucket(self.model, context, request)
        return {"EventBridgeConfiguration": {}} if bucket.get("event_bridge") else {}

    @operation(
        action="s3:PutBucketNotification",
        resource=bucket_arn,
        refuse=tuple(
            f"NotificationConfiguration.{kind}Configurations" for kind in ("Topic", "Queue", "LambdaFunction")
        ),
    )
    async def put_bucket_notification_configuration(
        self, context: Context, request: t.PutBucketNotificationConfigurationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have EventBridge told of the bucket's objects, or not any more.

        SkipDestinationValidation is about queues, topics and functions, which are not offered.
        """
        bucket = find_bucket(self.model, context, request)
        bucket["event_bridge"] = "EventBridgeConfiguration" in request["NotificationConfiguration"]
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    # public access

    @operation(action="s3:GetBucketPublicAccessBlock", resource=bucket_arn)
    async def get_public_access_block(
        self, context: Context, request: t.GetPublicAccessBlockRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return what public access is blocked: all, unless something else was put."""
        bucket = find_bucket(self.model, context, request)
        if "public_access_block" not in bucket:
            raise ServiceError(
                "NoSuchPublicAccessBlockConfiguration",
                "The public access block configuration was not found",
                404,
                BucketName=bucket["name"],
            )
        return {"PublicAccessBlockConfiguration": bucket["public_access_block"]}

    @operation(action="s3:PutBucketPublicAccessBlock", resource=bucket_arn)
    async def put_public_access_block(
        self, context: Context, request: t.PutPublicAccessBlockRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set what public access is blocked."""
        bucket, given = find_bucket(self.model, context, request), request["PublicAccessBlockConfiguration"]
        bucket["public_access_block"] = {
            "BlockPublicAcls": given.get("BlockPublicAcls", False),
            "IgnorePublicAcls": given.get("IgnorePublicAcls", False),
            "BlockPublicPolicy": given.get("BlockPublicPolicy", False),
            "RestrictPublicBuckets": given.get("RestrictPublicBuckets", False),
        }
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    @operation(action="s3:PutBucketPublicAccessBlock", resource=bucket_arn)
    async def delete_public_access_block(
        self, context: Context, request: t.DeletePublicAccessBlockRequestTypeDef
    ) -> Mapping[str, Any]:
        """Block nothing."""
        bucket = find_bucket(self.model, context, request)
        bucket.pop("public_access_block", None)
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    # ownership and ACL

    @operation(resource=bucket_arn)
    async def get_bucket_ownership_controls(
        self, context: Context, request: t.GetBucketOwnershipControlsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return who owns what is put into the bucket."""
        bucket = find_bucket(self.model, context, request)
        if "ownership" not in bucket:
            raise ServiceError(
                "OwnershipControlsNotFoundError",
                "The bucket ownership controls were not found",
                404,
                BucketName=bucket["name"],
            )
        return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket["ownership"]}]}}

    @operation(resource=bucket_arn)
    async def put_bucket_ownership_controls(
        self, context: Context, request: t.PutBucketOwnershipControlsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Set who owns what is put into the bucket; in one account it is the same one in any case."""
        bucket, rules = find_bucket(self.model, context, request), request["OwnershipControls"]["Rules"]
        if len(rules) != 1:
            raise ServiceError(
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            )
        bucket["ownership"] = rules[0]["ObjectOwnership"]
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    @operation(action="s3:PutBucketOwnershipControls", resource=bucket_arn)
    async def delete_bucket_ownership_controls(
        self, context: Context, request: t.DeleteBucketOwnershipControlsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Forget the setting."""
        bucket = find_bucket(self.model, context, request)
        bucket.pop("ownership", None)
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    @operation(resource=bucket_arn)
    async def get_bucket_acl(self, context: Context, request: t.GetBucketAclRequestTypeDef) -> Mapping[str, Any]:
        """Return the ACL that every bucket here has: its owner has full control."""
        find_bucket(self.model, context, request)
        return private_acl(self.model)

    @operation(resource=bucket_arn, refuse=_GRANTS)
    async def put_bucket_acl(self, context: Context, request: t.PutBucketAclRequestTypeDef) -> Mapping[str, Any]:
        """Make a bucket private, as it is; any other ACL is not offered."""
        bucket = find_bucket(self.model, context, request)
        if bucket.get("ownership") == "BucketOwnerEnforced":
            raise acls_are_off()
        if request.get("ACL", "private") != "private":
            raise not_offered(f"the ACL {request['ACL']}")
        return {}

    # tags

    @operation(resource=bucket_arn)
    async def get_bucket_tagging(
        self, context: Context, request: t.GetBucketTaggingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return a bucket's tags."""
        bucket = find_bucket(self.model, context, request)
        if not bucket.get("tags"):
            raise ServiceError("NoSuchTagSet", "The TagSet does not exist", 404, BucketName=bucket["name"])
        return {"TagSet": bucket["tags"]}

    @operation(resource=bucket_arn)
    async def put_bucket_tagging(
        self, context: Context, request: t.PutBucketTaggingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Replace a bucket's tags."""
        bucket = find_bucket(self.model, context, request)
        tags, ours = request["Tagging"]["TagSet"], context.for_cloudformation
        system = [tag for tag in bucket.get("tags", ()) if tag["Key"].startswith("aws:") and not ours]
        # what CloudFormation has put stays, whether or not the request repeats it
        bucket["tags"] = system + checked_tags([tag for tag in tags if tag not in system], 50, for_cloudformation=ours)
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    @operation(action="s3:PutBucketTagging", resource=bucket_arn)
    async def delete_bucket_tagging(
        self, context: Context, request: t.DeleteBucketTaggingRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove a bucket's tags."""
        bucket = find_bucket(self.model, context, request)
        bucket["tags"] = [
            tag for tag in bucket.get("tags", ()) if tag["Key"].startswith("aws:") and not context.for_cloudformation
        ]
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    # lifecycle

    @operation(action="s3:GetLifecycleConfiguration", resource=bucket_arn)
    async def get_bucket_lifecycle_configuration(
        self, context: Context, request: t.GetBucketLifecycleConfigurationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the lifecycle rules."""
        bucket = find_bucket(self.model, context, request)
        if "lifecycle" not in bucket:
            raise ServiceError(
                "NoSuchLifecycleConfiguration",
                "The lifecycle configuration does not exist",
                404,
                BucketName=bucket["name"],
            )
        return {
            "Rules": bucket["lifecycle"],
            "TransitionDefaultMinimumObjectSize": bucket.get("minimum_size", _DEFAULT_SIZE),
        }

    @operation(action="s3:PutLifecycleConfiguration", resource=bucket_arn)
    async def put_bucket_lifecycle_configuration(
        self, context: Context, request: t.PutBucketLifecycleConfigurationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Replace the lifecycle rules; what is due by them goes at once and then at every midnight (UTC)."""
        bucket = find_bucket(self.model, context, request)
        bucket["lifecycle"] = self._checked_rules(request.get("LifecycleConfiguration", {}).get("Rules", []))
        bucket["minimum_size"] = request.get("TransitionDefaultMinimumObjectSize", _DEFAULT_SIZE)
        self.model.buckets.put((bucket["name"],), bucket)
        return {"TransitionDefaultMinimumObjectSize": bucket["minimum_size"]}

    @operation(action="s3:PutLifecycleConfiguration", resource=bucket_arn)
    async def delete_bucket_lifecycle(
        self, context: Context, request: t.DeleteBucketLifecycleRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove the lifecycle rules."""
        bucket = find_bucket(self.model, context, request)
        bucket.pop("lifecycle", None)
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    def _checked_rules(self, rules: Any) -> list[Any]:
        """Return rules that can be applied, each with an ID."""
        if not 1 <= len(rules) <= _MOST_RULES:
            raise _malformed()
        checked = []
        for rule in rules:
            if rule.get("Transitions") or rule.get("NoncurrentVersionTransitions"):
                raise not_offered("s3:PutBucketLifecycleConfiguration Transition (there is one kind of storage here)")
            if not {"Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"} & rule.keys():
                raise ServiceError("InvalidRequest", "At least one action needs to be specified in a rule")
            if ("Filter" in rule) is ("Prefix" in rule):
                raise _malformed()
            expire = rule.get("Expiration")
            if expire is not None:
                if len(expire) != 1:
                    raise _malformed()
                if expire.get("Days", 1) < 1:
                    raise _not_positive("Expiration")
                if "Date" in expire and expire["Date"].timetz().replace(tzinfo=None) != time(0):
                    raise ServiceError("InvalidArgument", "'Date' must be at midnight GMT")
            noncurrent = rule.get("NoncurrentVersionExpiration")
            if noncurrent is not None:
                if "NoncurrentDays" not in noncurrent:
                    raise _malformed()
                if noncurrent["NoncurrentDays"] < 1:
                    raise _not_positive("NoncurrentVersionExpiration")
            abort = rule.get("AbortIncompleteMultipartUpload")
            if abort is not None and abort.get("DaysAfterInitiation", 0) < 1:
                raise _not_positive("AbortIncompleteMultipartUpload")
            checked.append({"ID": self._clock.new_id(), **rule})
        if len({rule["ID"] for rule in checked}) < len(checked):
            raise ServiceError("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
        return checked


def private_acl(model: S3Model) -> dict[str, Any]:
    """Return the one ACL there is: the owner has full control."""
    grantee = {"ID": model.owner, "Type": "CanonicalUser"}
    return {"Owner": {"ID": model.owner}, "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


def _malformed() -> ServiceError:
    return ServiceError(
        "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
    )


def _not_positive(action: str) -> ServiceError:
    return ServiceError("InvalidArgument", f"'Days' for {action} action must be a positive integer")
