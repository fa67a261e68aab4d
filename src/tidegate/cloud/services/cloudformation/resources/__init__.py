"""One handler a resource type, by the type's name."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.cloud.services.cloudformation.resources import (
    acm,
    autoscaling,
    cloudformation,
    cloudwatch,
    codebuild,
    codecommit,
    codeconnections,
    codepipeline,
    ec2_acls,
    ec2_gateways,
    ec2_network,
    ec2_security,
    ecr,
    ecs,
    elbv2,
    events,
    iam,
    iam_policies,
    kms,
    logs,
    route53,
    s3,
    secretsmanager,
    servicediscovery,
    sns,
    ssm,
)
from tidegate.cloud.services.cloudformation.resources.handler import Handler

_FILES = (
    acm, autoscaling, cloudformation, cloudwatch, codebuild, codecommit, codeconnections, codepipeline, ec2_acls,
    ec2_gateways, ec2_network, ec2_security, ecr, ecs, elbv2, events, iam, iam_policies, kms, logs, route53, s3,
    secretsmanager, servicediscovery, sns, ssm,
)  # fmt: skip

HANDLERS: Mapping[str, Handler] = {handler.type: handler for each in _FILES for handler in each.HANDLERS}
