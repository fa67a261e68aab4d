"""IAM documents: the few statements that the templates are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import GetAtt, Sub
from troposphere.iam import Policy, Role

Statement = dict[str, Any]
Conditions = Mapping[str, Mapping[str, Any]]


def allow(actions: Sequence[str], resources: Any, conditions: Conditions | None = None) -> Statement:
    """Return a statement that allows actions on resources."""
    statement: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": resources}
    if conditions:
        statement["Condition"] = dict(conditions)
    return statement


def document(*statements: Statement) -> dict[str, Any]:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def role(title: str, service: str, statements: Sequence[Statement], description: str, **more: Any) -> Role:
    """Return a role that only `service` may assume, holding exactly these statements."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return _role(title, trust, statements, description, **more)


def role_for(
    title: str, account: Any, principal: Any, statements: Sequence[Statement], description: str, **more: Any
) -> Role:
    """Return a role that one role of another account (its root, and the role's ARN) may assume.

    The condition names it, not the principal: IAM refuses a principal that does not exist yet.
    """
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": account},
        "Action": "sts:AssumeRole",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": principal}},
    }
    return _role(title, trust, statements, description, **more)


def _role(title: str, trust: Statement, statements: Sequence[Statement], description: str, **more: Any) -> Role:
    policies = [Policy(PolicyName="only-what-it-needs", PolicyDocument=document(*statements))] if statements else []
    return Role(
        title,
        Description=description,
        AssumeRolePolicyDocument=document(trust),
        **({"Policies": policies} if policies else {}),
        **more,
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


def deploy(cluster: Any, service: Any, tasks: Any, family: Any) -> list[Statement]:
    """Return what the pipeline's ECS action does with services, given by their ARNs, but for passing their roles.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/security-iam-id-policies-examples-ecs.html
    """
    return [
        allow(["ecs:DescribeServices", "ecs:UpdateService"], service),
        allow(["ecs:ListTasks"], "*", {"ArnEquals": {"ecs:cluster": cluster}}),
        allow(["ecs:DescribeTasks"], tasks),
        allow(["ecs:DescribeTaskDefinition"], "*"),  # this action knows no resource
        allow(["ecs:RegisterTaskDefinition", "ecs:TagResource"], family),
    ]


def pass_roles(roles: Sequence[Any]) -> Statement:
    """Return the statement for giving a task its roles."""
    return allow(["iam:PassRole"], list(roles), {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}})


REGISTRY_LOGIN = allow(["ecr:GetAuthorizationToken"], "*")  # this action knows no resource
PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"]
READ_ARTIFACTS = ["s3:GetObject", "s3:GetObjectVersion"]
USE_KEY = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
]
READ_WITH_KEY = ["kms:Decrypt", "kms:DescribeKey"]
