"""The key policies that AWS writes itself. Pure."""

from __future__ import annotations

import json

# the aliases of the keys that AWS manages, made when they are first used, and what they are for
MANAGED = {
    "alias/aws/codecommit": ("codecommit", "repositories in CodeCommit"),
    "alias/aws/s3": ("s3", "objects in S3"),
    "alias/aws/secretsmanager": ("secretsmanager", "secrets"),
    "alias/aws/sns": ("sns", "messages"),
    "alias/aws/ssm": ("ssm", "parameters"),
}


def usual(account: str) -> str:
    """Return the policy of a key that was given none: IAM policies decide.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}, indent=2)


def managed(account: str, region: str, service: str) -> str:
    """Return the policy of a key that AWS manages: whoever may use the service may use the key, through the service."""
    through = {
        "Sid": f"Allow access through {service} for all principals in the account that are authorized to use it",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {
            "StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com", "kms:CallerAccount": account}
        },
    }
    look = {
        "Sid": "Allow direct access to key metadata to the account",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Id": f"auto-{service}-1", "Statement": [through, look]}, indent=2)
