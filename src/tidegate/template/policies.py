"""IAM documents: the few statements that the templates are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import GetAtt, Sub
from troposphere.iam import Policy, Role

Statement = dict[str, Any]


def allow(
    actions: Sequence[str], resources: Any, conditions: Mapping[str, Mapping[str, Any]] | None = None
) -> Statement:
    """Return a statement that allows actions on resources."""
    statement: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": resources}
    if conditions:
        statement["Condition"] = dict(conditions)
    return statement


def document(*statements: Statement) -> dict[str, Any]:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def role(title: str, service: str, statements: Sequence[Statement], description: str) -> Role:
    """Return a role that only `service` may assume, holding exactly these statements."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policies = [Policy(PolicyName="only-what-it-needs", PolicyDocument=document(*statements))] if statements else []
    return Role(
        title,
        Description=description,
        AssumeRolePolicyDocument=document(trust),
        **({"Policies": policies} if policies else {}),
    )


def log_to(group: Any) -> Statement:
    """Return the statement for writing to a log group, given as a reference to its name."""
    return allow(
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        Sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${Group}:*", Group=group),
    )


def objects_of(bucket: str) -> Sub:
    """Return the ARN of every object of a bucket, given by its logical id."""
    return Sub("${Arn}/*", Arn=GetAtt(bucket, "Arn"))


REGISTRY_LOGIN = allow(["ecr:GetAuthorizationToken"], "*")  # this action knows no resource
PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"]
