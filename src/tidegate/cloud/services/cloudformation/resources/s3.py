"""S3: buckets and their policies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    without,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries

_LONGEST_NAME = 63
_FIRST_REGION = "us-east-1"  # a bucket says where it is, unless it is here
# regions whose websites have a dash before the region's name
# https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints
_DASHED = frozenset(
    {
        "us-east-1", "us-west-1", "us-west-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-west-1",
        "sa-east-1", "us-gov-west-1",
    }
)  # fmt: skip


class Bucket(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html."""

    type = "AWS::S3::Bucket"
    missing = frozenset({"NoSuchBucket"})

    async def create(self, step: Step) -> str:
        """Create the bucket, tagged from the first moment on, then set what else it is to be set to."""
        _refuse(step.properties)
        name = step.name("BucketName", _LONGEST_NAME, lower=True)
        if await self._exists(step, name):
            raise FailedError(f"{name} already exists", "AlreadyExists")
        configuration: dict[str, Any] = {}
        if step.region != _FIRST_REGION:
            configuration["LocationConstraint"] = step.region
        if step.properties.get("Tags"):
            configuration["Tags"] = step.properties["Tags"]
        request = {"Bucket": name, **({"CreateBucketConfiguration": configuration} if configuration else {})}
        if "AccessControl" in step.properties:
            request["ACL"] = _acl(step.properties)
            rules = step.properties.get("OwnershipControls", {}).get("Rules") or [{}]
            request |= only(rules[0], "ObjectOwnership")
        await step.send("s3", "create_bucket", request)
        step.made(name)
        await self._configure(step, only(step.properties, "Tags"))
        return name

    async def find(self, step: Step) -> str | None:
        """Return the name of the bucket with CloudFormation's tags, once it is set to what it should be."""
        name = step.name("BucketName", _LONGEST_NAME, lower=True)
        try:
            tags = (await step.call("s3", "get_bucket_tagging", Bucket=name))["TagSet"]
        except ServiceError as error:
            if error.code not in ("NoSuchTagSet", "NoSuchBucket", "PermanentRedirect"):
                raise
            return None
        if not carries(step, tags):
            return None
        step.made(name)
        await self._configure(step, only(step.properties, "Tags"))
        return name

    async def read(self, step: Step) -> Attributes:
        """Return the ARN and the names that the bucket has on AWS."""
        name, region = step.physical_id, step.region
        return {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
            "WebsiteURL": f"http://{name}.s3-website{'-' if region in _DASHED else '.'}{region}.amazonaws.com",
        }

    async def update(self, step: Step, before: Properties) -> None:
        """Set what has changed."""
        _refuse(step.properties)
        if changed(before, step.properties, "AccessControl") and _acl(step.properties) != "private":
            await step.call("s3", "put_bucket_acl", Bucket=step.physical_id, ACL=_acl(step.properties))
        await self._configure(step, before)

    async def delete(self, step: Step) -> None:
        """Delete the bucket, which must be empty."""
        await step.call("s3", "delete_bucket", Bucket=step.physical_id)

    async def _configure(self, step: Step, before: Properties) -> None:
        for name, (put, remove, request) in _SETTINGS.items():
            if not changed(before, step.properties, name):
                continue
            if step.properties.get(name):
                await step.send("s3", put, {"Bucket": step.physical_id, **request(step.properties[name])})
            elif remove is not None:
                await step.call("s3", remove, Bucket=step.physical_id)
            else:
                await step.send("s3", put, {"Bucket": step.physical_id, **request(_NOTHING[name])})

    async def _exists(self, step: Step, name: str) -> bool:
        try:
            await step.call("s3", "head_bucket", Bucket=name)
        except ServiceError as error:
            if error.code not in ("PermanentRedirect", *self.missing):
                raise
            return error.code == "PermanentRedirect"
        return True


def _refuse(properties: Properties) -> None:
    for name, value in properties.items():
        if name not in (*_SETTINGS, "BucketName", "AccessControl") and value not in (None, False, [], {}):
            raise not_offered(f"cloudformation AWS::S3::Bucket {name}")


def _acl(properties: Properties) -> str:
    """Return a canned ACL as S3 calls it: `PublicRead` is `public-read`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", properties.get("AccessControl", "Private")).lower()


def _encryption(value: Properties) -> dict[str, Any]:
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        other = without(rule, "ServerSideEncryptionByDefault")
        default = rule.get("ServerSideEncryptionByDefault")
        rules.append({**other, **({"ApplyServerSideEncryptionByDefault": default} if default else {})})
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _notification(value: Properties) -> dict[str, Any]:
    """Return who is told: EventBridge, unless that is turned off; queues, topics and functions are refused."""
    told = value.get("EventBridgeConfiguration")
    on = told is not None and told.get("EventBridgeEnabled", True)
    for kind in ("TopicConfigurations", "QueueConfigurations", "LambdaConfigurations"):
        if value.get(kind):
            raise not_offered(f"cloudformation AWS::S3::Bucket NotificationConfiguration.{kind}")
    return {"NotificationConfiguration": {"EventBridgeConfiguration": {}} if on else {}}


def _lifecycle(value: Properties) -> dict[str, Any]:
    configuration = {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}
    return {"LifecycleConfiguration": configuration, **only(value, "TransitionDefaultMinimumObjectSize")}


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    """Return a rule as S3's API has it, which gathers what CloudFormation writes side by side."""
    request = {"ID" if name == "Id" else name: rule[name] for name in ("Id", "Status") if name in rule}
    request["Filter"] = _filter(rule)
    request |= only(rule, "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")
    if "NoncurrentVersionExpirationInDays" in rule:
        request["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    expiration = _renamed(
        rule, ExpirationInDays="Days", ExpirationDate="Date", ExpiredObjectDeleteMarker="ExpiredObjectDeleteMarker"
    )
    if expiration:
        request["Expiration"] = expiration
    transitions = [*(rule.get("Transitions") or ()), *only(rule, "Transition").values()]
    if transitions:
        names = {"StorageClass": "StorageClass", "TransitionDate": "Date", "TransitionInDays": "Days"}
        request["Transitions"] = [_renamed(each, **names) for each in transitions]
    noncurrent = [
        *(rule.get("NoncurrentVersionTransitions") or ()),
        *only(rule, "NoncurrentVersionTransition").values(),
    ]
    if noncurrent:
        names = {"StorageClass": "StorageClass", "TransitionInDays": "NoncurrentDays"}
        names["NewerNoncurrentVersions"] = "NewerNoncurrentVersions"
        request["NoncurrentVersionTransitions"] = [_renamed(each, **names) for each in noncurrent]
    return request


def _filter(rule: Properties) -> dict[str, Any]:
    """Return which objects a rule is about: one condition as it is, several in an `And`."""
    conditions = only(rule, "Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
    tags = rule.get("TagFilters") or []
    if len(conditions) + len(tags) > 1:
        return {"And": {**conditions, **({"Tags": tags} if tags else {})}}
    return {"Tag": tags[0]} if tags else conditions or {"Prefix": ""}


def _renamed(properties: Properties, **names: str) -> dict[str, Any]:
    return {new: properties[old] for old, new in names.items() if old in properties}


# by property: what sets it, what takes it away again (None: it cannot be), and the rest of the request
_SETTINGS: dict[str, tuple[str, str | None, Callable[[Any], dict[str, Any]]]] = {
    "Tags": ("put_bucket_tagging", "delete_bucket_tagging", lambda value: {"Tagging": {"TagSet": value}}),
    "OwnershipControls": (
        "put_bucket_ownership_controls",
        "delete_bucket_ownership_controls",
        lambda value: {"OwnershipControls": value},
    ),
    "PublicAccessBlockConfiguration": (
        "put_public_access_block",
        "delete_public_access_block",
        lambda value: {"PublicAccessBlockConfiguration": value},
    ),
    "BucketEncryption": ("put_bucket_encryption", "delete_bucket_encryption", _encryption),
    "VersioningConfiguration": ("put_bucket_versioning", None, lambda value: {"VersioningConfiguration": value}),
    "NotificationConfiguration": ("put_bucket_notification_configuration", None, _notification),
    "LifecycleConfiguration": ("put_bucket_lifecycle_configuration", "delete_bucket_lifecycle", _lifecycle),
}


# what is set where a property is gone that cannot be taken away: what has had versions keeps them
_NOTHING: dict[str, Properties] = {"VersioningConfiguration": {"Status": "Suspended"}, "NotificationConfiguration": {}}


class BucketPolicy(Handler):
    """Its id is the bucket's name.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucketpolicy.html
    """

    type = "AWS::S3::BucketPolicy"
    missing = frozenset({"NoSuchBucket", "NoSuchBucketPolicy"})

    async def create(self, step: Step) -> str:
        """Put the policy on a bucket that has none."""
        bucket = str(step.properties["Bucket"])
        if await self._policy(step) is not None:
            raise FailedError(f"The bucket policy already exists on bucket {bucket}.", "AlreadyExists")
        await self._put(step)
        return bucket

    async def find(self, step: Step) -> str | None:
        """Return the bucket's name if it has this very policy."""
        return str(step.properties["Bucket"]) if await self._policy(step) == _text(step.properties) else None

    async def update(self, step: Step, before: Properties) -> None:
        """Replace the policy."""
        await self._put(step)

    async def delete(self, step: Step) -> None:
        """Remove the policy."""
        await step.call("s3", "delete_bucket_policy", Bucket=step.physical_id)

    async def _put(self, step: Step) -> None:
        request = {"Bucket": step.properties["Bucket"], "Policy": _text(step.properties)}
        await step.call("s3", "put_bucket_policy", **request)

    async def _policy(self, step: Step) -> str | None:
        try:
            answer = await step.call("s3", "get_bucket_policy", Bucket=step.properties["Bucket"])
        except ServiceError as error:
            if error.code != "NoSuchBucketPolicy":
                raise
            return None
        return str(answer["Policy"])


def _text(properties: Properties) -> str:
    document = properties["PolicyDocument"]
    return document if isinstance(document, str) else json.dumps(document)


HANDLERS: tuple[Handler, ...] = (Bucket(), BucketPolicy())
