"""Bucket policies: put, get, delete; whether one is public.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.s3.api.shared import bucket_arn, find_bucket
from tidegate.cloud.services.s3.model import BucketRecord, S3Model

if TYPE_CHECKING:
    from types_boto3_s3 import type_defs as t

_LARGEST = 20 * 1024
# a condition on one of these, to fixed values, keeps a statement for everybody from being public
_NARROWING = frozenset(
    {
        "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:sourcearn",
        "aws:sourceaccount", "aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:userid",
        "s3:dataaccesspointaccount", "s3:dataaccesspointarn", "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)  # fmt: skip


class PoliciesApi:
    """A bucket's own policy; the authorizer finds it by `S3Model.policy_of`."""

    def __init__(self, model: S3Model, check_policy: Callable[[str], None]) -> None:
        """`check_policy` raises MalformedPolicy for a document that cannot be evaluated."""
        self.model = model
        self._check_policy = check_policy

    @operation(resource=bucket_arn)
    async def get_bucket_policy(self, context: Context, request: t.GetBucketPolicyRequestTypeDef) -> Mapping[str, Any]:
        """Return the policy as it was put."""
        return {"Policy": _policy(find_bucket(self.model, context, request))}

    @operation(resource=bucket_arn)
    async def put_bucket_policy(self, context: Context, request: t.PutBucketPolicyRequestTypeDef) -> Mapping[str, Any]:
        """Replace the policy.

        ConfirmRemoveSelfBucketAccess is about locking oneself out, which the account's owner cannot do here.
        """
        bucket, document = find_bucket(self.model, context, request), request["Policy"]
        self._check(bucket["name"], document)
        if bucket.get("public_access_block", {}).get("BlockPublicPolicy") and is_public(document):
            raise ServiceError(
                "AccessDenied",
                f"User: {context.principal.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "
                f"arn:aws:s3:::{bucket['name']} because public policies are prevented by the BlockPublicPolicy setting "
                "in S3 Block Public Access.",
                403,
            )
        bucket["policy"] = document
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    @operation(resource=bucket_arn)
    async def delete_bucket_policy(
        self, context: Context, request: t.DeleteBucketPolicyRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove the policy."""
        bucket = find_bucket(self.model, context, request)
        bucket.pop("policy", None)
        self.model.buckets.put((bucket["name"],), bucket)
        return {}

    @operation(resource=bucket_arn)
    async def get_bucket_policy_status(
        self, context: Context, request: t.GetBucketPolicyStatusRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say whether the policy is public."""
        return {"PolicyStatus": {"IsPublic": is_public(_policy(find_bucket(self.model, context, request)))}}

    def _check(self, bucket: str, document: str) -> None:
        if len(document.encode()) > _LARGEST:
            raise _malformed("Policy exceeds the maximum allowed document size.")
        if not document.lstrip().startswith("{"):
            raise _malformed("Policies must be valid JSON and the first byte must be '{'")
        self._check_policy(document)
        for statement in _statements(document):
            if "Principal" not in statement and "NotPrincipal" not in statement:
                raise _malformed("Missing required field Principal")
            if "Resource" not in statement and "NotResource" not in statement:
                raise _malformed("Missing required field Resource")
            if not all(action == "*" or action.lower().startswith("s3:") for action in _actions(statement)):
                raise _malformed("Policy has invalid action")
            for resource in _listed(statement.get("Resource", statement.get("NotResource"))):
                name = resource.removeprefix("arn:aws:s3:::")
                if name == resource or name.partition("/")[0] != bucket:
                    raise _malformed("Policy has invalid resource")


def is_public(document: str) -> bool:
    """Return whether a policy grants anything to everybody, by no fixed condition narrowed."""
    return any(
        statement.get("Effect") == "Allow" and _everybody(statement) and not _narrowed(statement)
        for statement in _statements(document)
    )


def _everybody(statement: Mapping[str, Any]) -> bool:
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    return principal == "*" or (isinstance(principal, dict) and "*" in _listed(principal.get("AWS", [])))


def _narrowed(statement: Mapping[str, Any]) -> bool:
    for operator, tests in (statement.get("Condition") or {}).items():
        if "Not" in operator or operator.endswith("IfExists") or operator == "Null":
            continue
        for key, values in tests.items():
            fixed = all(value not in ("*", "0.0.0.0/0", "::/0") and "${" not in value for value in _listed(values))
            if key.lower() in _NARROWING and fixed:
                return True
    return False


def _statements(document: str) -> list[dict[str, Any]]:
    statements = json.loads(document)["Statement"]
    return [statements] if isinstance(statements, dict) else list(statements)


def _actions(statement: Mapping[str, Any]) -> list[str]:
    return _listed(statement.get("Action", statement.get("NotAction")))


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _policy(bucket: BucketRecord) -> str:
    if "policy" not in bucket:
        raise ServiceError("NoSuchBucketPolicy", "The bucket policy does not exist", 404, BucketName=bucket["name"])
    return bucket["policy"]


def _malformed(why: str) -> ServiceError:
    return ServiceError("MalformedPolicy", why)
