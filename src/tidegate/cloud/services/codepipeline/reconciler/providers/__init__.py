"""What actions do, one file a provider."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.codepipeline.action_types import TypeName
from tidegate.cloud.services.codepipeline.reconciler.artifacts import Artifacts
from tidegate.cloud.services.codepipeline.reconciler.connections import Connections
from tidegate.cloud.services.codepipeline.reconciler.providers.approval import ManualApproval
from tidegate.cloud.services.codepipeline.reconciler.providers.cloudformation import CloudFormationDeploy
from tidegate.cloud.services.codepipeline.reconciler.providers.codebuild import CodeBuildAction
from tidegate.cloud.services.codepipeline.reconciler.providers.codecommit import Archives, CodeCommitSource
from tidegate.cloud.services.codepipeline.reconciler.providers.connection import ConnectionSource
from tidegate.cloud.services.codepipeline.reconciler.providers.ecr_source import EcrSource
from tidegate.cloud.services.codepipeline.reconciler.providers.ecs import EcsDeploy
from tidegate.cloud.services.codepipeline.reconciler.providers.managed import Commands, ImageBuild
from tidegate.cloud.services.codepipeline.reconciler.providers.rules import (
    CloudWatchAlarm,
    DeploymentWindow,
    VariableCheck,
)
from tidegate.cloud.services.codepipeline.reconciler.providers.s3_deploy import S3Deploy
from tidegate.cloud.services.codepipeline.reconciler.providers.s3_source import S3Source
from tidegate.cloud.services.codepipeline.reconciler.run import Provider
from tidegate.cloud.services.codepipeline.rule_types import RULE


def providers(
    artifacts: Artifacts, archives: Archives, connections: Connections, calls: Calls, clock: Clock
) -> Mapping[TypeName, Provider]:
    """Return the provider of each action type and each rule type that is offered."""
    codebuild, commands = CodeBuildAction(), Commands(calls)
    return {
        TypeName("Source", "CodeCommit"): CodeCommitSource(artifacts, archives, calls, clock),
        TypeName("Source", "CodeStarSourceConnection"): ConnectionSource(artifacts, connections, calls, clock),
        TypeName("Source", "S3"): S3Source(artifacts),
        TypeName("Build", "CodeBuild"): codebuild,
        TypeName("Test", "CodeBuild"): codebuild,
        TypeName("Source", "ECR"): EcrSource(artifacts),
        TypeName("Build", "ECRBuildAndPublish"): ImageBuild(calls),
        TypeName("Compute", "Commands"): commands,
        TypeName("Approval", "Manual"): ManualApproval(),
        TypeName("Deploy", "ECS"): EcsDeploy(artifacts),
        TypeName("Deploy", "CloudFormation"): CloudFormationDeploy(artifacts),
        TypeName("Deploy", "S3"): S3Deploy(artifacts, clock),
        TypeName(RULE, "CloudWatchAlarm"): CloudWatchAlarm(),
        TypeName(RULE, "CodeBuild"): codebuild,
        TypeName(RULE, "Commands"): commands,
        TypeName(RULE, "DeploymentWindow"): DeploymentWindow(),
        TypeName(RULE, "VariableCheck"): VariableCheck(),
    }
