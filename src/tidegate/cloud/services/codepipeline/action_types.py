"""The action types that are offered: what each takes, makes, and is configured with.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

_HOUR = 60  # minutes
_DAY = 24 * _HOUR


class TypeName(NamedTuple):
    """What names an action type. The owner is always AWS, the version always 1."""

    category: str
    provider: str


class Bounds(NamedTuple):
    """The least and the most artifacts that an action has."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class ActionType:
    """An action type. `keys` are the configuration's, with whether each must be there."""

    name: TypeName
    inputs: Bounds
    outputs: Bounds
    keys: Mapping[str, bool]
    timeout: int  # minutes
    refused: tuple[str, ...] = ()  # keys that are known and not offered
    managed: bool = False  # run by a build that no project stands behind: for pipelines of type V2


_NONE, _ONE = Bounds(0, 0), Bounds(1, 1)

_BUILD_KEYS = {
    "ProjectName": True,
    "PrimarySource": False,
    "EnvironmentVariables": False,
    "BatchEnabled": False,
    "CombineArtifacts": False,
}

_OFFERED = (
    ActionType(
        TypeName("Source", "CodeCommit"),
        inputs=_NONE,
        outputs=_ONE,
        keys={
            "RepositoryName": True,
            "BranchName": True,
            "PollForSourceChanges": False,
            "OutputArtifactFormat": False,
        },
        timeout=_HOUR,
    ),
    ActionType(
        TypeName("Source", "CodeStarSourceConnection"),
        inputs=_NONE,
        outputs=_ONE,
        keys={
            "ConnectionArn": True,
            "FullRepositoryId": True,
            "BranchName": True,
            "DetectChanges": False,
            "OutputArtifactFormat": False,
        },
        timeout=_HOUR,
    ),
    ActionType(
        TypeName("Source", "S3"),
        inputs=_NONE,
        outputs=_ONE,
        keys={
            "S3Bucket": True,
            "S3ObjectKey": True,
            "PollForSourceChanges": False,
            "AllowOverrideForS3ObjectKey": False,
        },
        timeout=_HOUR,
    ),
    ActionType(
        TypeName("Source", "ECR"),
        inputs=_NONE,
        outputs=_ONE,
        keys={"RepositoryName": True, "ImageTag": False},
        timeout=_HOUR,
    ),
    ActionType(
        TypeName("Build", "ECRBuildAndPublish"),
        inputs=_ONE,
        outputs=_NONE,
        keys={"ECRRepositoryName": True, "DockerFilePath": False, "ImageTags": False, "RegistryType": False},
        timeout=_HOUR,
        managed=True,
    ),
    ActionType(TypeName("Compute", "Commands"), Bounds(1, 10), Bounds(0, 1), {}, _HOUR, managed=True),
    ActionType(TypeName("Build", "CodeBuild"), Bounds(1, 5), Bounds(0, 5), _BUILD_KEYS, 36 * _HOUR),
    ActionType(TypeName("Test", "CodeBuild"), Bounds(1, 5), Bounds(0, 5), _BUILD_KEYS, 36 * _HOUR),
    ActionType(
        TypeName("Approval", "Manual"),
        inputs=_NONE,
        outputs=_NONE,
        keys={"NotificationArn": False, "ExternalEntityLink": False, "CustomData": False},
        timeout=7 * _DAY,
    ),
    ActionType(
        TypeName("Deploy", "ECS"),
        inputs=_ONE,
        outputs=_NONE,
        keys={"ClusterName": True, "ServiceName": True, "FileName": False, "DeploymentTimeout": False},
        timeout=_HOUR,
    ),
    ActionType(
        TypeName("Deploy", "S3"),
        inputs=_ONE,
        outputs=_NONE,
        keys={
            "BucketName": True,
            "Extract": True,
            "ObjectKey": False,
            "KMSEncryptionKeyARN": False,
            "CannedACL": False,
            "CacheControl": False,
        },
        timeout=90,
        refused=("KMSEncryptionKeyARN",),
    ),
    ActionType(
        TypeName("Deploy", "CloudFormation"),
        inputs=Bounds(0, 10),
        outputs=Bounds(0, 1),
        keys={
            "ActionMode": True,
            "StackName": True,
            "Capabilities": False,
            "ChangeSetName": False,
            "OutputFileName": False,
            "ParameterOverrides": False,
            "RoleArn": False,
            "TemplateConfiguration": False,
            "TemplatePath": False,
        },
        timeout=3 * _DAY,
    ),
)

OFFERED: Mapping[TypeName, ActionType] = {each.name: each for each in _OFFERED}

_NO_FUNCTIONS = "there are no functions here"
_NO_CODEDEPLOY = "an ECS service does blue/green, linear and canary deployments by itself: use the provider ECS"
_NO_PARTNERS = "it is a partner's, outside this machine"
_NO_INSTANCES = "there are no instances here, only tasks on Fargate"

# what AWS has besides, and why it is not here; a pipeline with one of these is refused by its name
KNOWN: Mapping[TypeName, str | None] = {
    TypeName("Source", "GitHub"): "its webhooks cannot reach this machine: use the provider CodeStarSourceConnection",
    TypeName("Build", "Jenkins"): _NO_PARTNERS,
    TypeName("Test", "DeviceFarm"): "there are no devices here",
    TypeName("Test", "Jenkins"): _NO_PARTNERS,
    TypeName("Invoke", "CodePipeline"): None,
    TypeName("Invoke", "InspectorScan"): None,
    TypeName("Invoke", "Lambda"): _NO_FUNCTIONS,
    TypeName("Invoke", "Snyk"): _NO_PARTNERS,
    TypeName("Invoke", "StepFunctions"): "there are no state machines here",
    TypeName("Deploy", "AlexaSkillsKit"): _NO_PARTNERS,
    TypeName("Deploy", "AppConfig"): None,
    TypeName("Deploy", "CloudFormationStackInstances"): None,
    TypeName("Deploy", "CloudFormationStackSet"): None,
    TypeName("Deploy", "CodeDeploy"): _NO_INSTANCES,
    TypeName("Deploy", "CodeDeployToECS"): _NO_CODEDEPLOY,
    TypeName("Deploy", "EC2"): _NO_INSTANCES,
    TypeName("Deploy", "EKS"): "there are no clusters of Kubernetes here",
    TypeName("Deploy", "ElasticBeanstalk"): _NO_INSTANCES,
    TypeName("Deploy", "Lambda"): _NO_FUNCTIONS,
    TypeName("Deploy", "OpsWorks"): _NO_INSTANCES,
    TypeName("Deploy", "ServiceCatalog"): None,
}
