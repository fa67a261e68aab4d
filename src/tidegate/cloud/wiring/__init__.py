"""The house on one page: which services there are.

One file a service: its model, its handlers, its controllers, the planes they drive, and whose changes wake them.
"""

from tidegate.cloud.wiring.acm import add_acm
from tidegate.cloud.wiring.application_autoscaling import add_application_autoscaling
from tidegate.cloud.wiring.cloudformation import add_cloudformation
from tidegate.cloud.wiring.cloudwatch import add_cloudwatch
from tidegate.cloud.wiring.codebuild import add_codebuild
from tidegate.cloud.wiring.codecommit import add_codecommit
from tidegate.cloud.wiring.codeconnections import add_codeconnections
from tidegate.cloud.wiring.codepipeline import add_codepipeline
from tidegate.cloud.wiring.ec2 import add_ec2
from tidegate.cloud.wiring.ecr import add_ecr
from tidegate.cloud.wiring.ecs import add_ecs
from tidegate.cloud.wiring.elbv2 import add_elbv2
from tidegate.cloud.wiring.events import add_events
from tidegate.cloud.wiring.iam import add_iam_and_sts
from tidegate.cloud.wiring.kms import add_kms
from tidegate.cloud.wiring.logs import add_logs
from tidegate.cloud.wiring.parts import Parts
from tidegate.cloud.wiring.route53 import add_route53
from tidegate.cloud.wiring.s3 import add_s3
from tidegate.cloud.wiring.secretsmanager import add_secretsmanager
from tidegate.cloud.wiring.servicediscovery import add_servicediscovery
from tidegate.cloud.wiring.sns import add_sns
from tidegate.cloud.wiring.ssm import add_ssm

SERVICES = (
    add_elbv2,
    add_acm,
    add_application_autoscaling,
    add_cloudformation,
    add_cloudwatch,
    add_codebuild,
    add_codecommit,
    add_codeconnections,
    add_codepipeline,
    add_ec2,
    add_ecr,
    add_ecs,
    add_events,
    add_kms,
    add_logs,
    add_route53,
    add_s3,
    add_secretsmanager,
    add_servicediscovery,
    add_sns,
    add_ssm,
)

__all__ = ["SERVICES", "Parts", "add_iam_and_sts"]
