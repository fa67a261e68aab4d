"""The pipeline's actions: where the code comes from, what is built and tested, who approves, what is deployed.

https://docs.aws.amazon.com/codepipeline/latest/userguide/structure-configuration-examples.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import codepipeline

from tidegate.manifest import Manifest, Stage
from tidegate.template import names, places
from tidegate.template.source import connection, source_bucket

SOURCE_ACTION = "Source"
_ARTIFACT = "Source"
# minutes after which an action gives up: a rolling deployment that takes longer will not come to an end by itself
_DEPLOY, _LONGEST = 20, 60
_NETWORK_WAIT = 20  # that ECS waits for a network load balancer to do what it was told


def source(manifest: Manifest) -> codepipeline.Actions:
    """Return the action that takes the code."""
    found = manifest.source
    if found.connected:
        provider = "CodeStarSourceConnection"  # its name from before connections were called CodeConnections
        configuration: dict[str, Any] = {
            "ConnectionArn": connection(manifest),
            "FullRepositoryId": manifest.repository,
            "BranchName": found.branch,
            # with path filters the pipeline's own trigger decides
            "DetectChanges": "false" if manifest.pipeline.trigger.paths else "true",
        }
    elif found.provider == "s3":
        provider = "S3"
        configuration = {"S3Bucket": source_bucket(manifest), "S3ObjectKey": manifest.source.zip_key}
    else:
        provider = "CodeCommit"
        configuration = {"RepositoryName": manifest.repository, "BranchName": found.branch}
    if not found.connected:
        configuration["PollForSourceChanges"] = "false"  # a rule starts the pipeline at once
    return _action(
        SOURCE_ACTION, _kind("Source", provider), configuration, outputs=[_ARTIFACT], namespace="SourceVariables"
    )


def builds(manifest: Manifest) -> list[codepipeline.Actions]:
    """Return the actions that build the images, all at once."""
    return [
        _action(
            names.logical("build", name),
            _kind("Build", "CodeBuild"),
            {"ProjectName": names.build_project(manifest.app, name)},
            inputs=[_ARTIFACT],
            outputs=[_image(name)],
        )
        for name in manifest.services
    ]


def test(manifest: Manifest) -> codepipeline.Actions:
    """Return the action that runs the tests."""
    project = {"ProjectName": names.test_project(manifest.app)}
    return _action("Test", _kind("Test", "CodeBuild"), project, inputs=[_ARTIFACT])


def approval(manifest: Manifest, stage: Stage) -> codepipeline.Actions:
    """Return the action that waits for somebody."""
    revision = "VersionId" if manifest.source.provider == "s3" else "CommitId"
    asked = {"CustomData": f"Deploy #{{SourceVariables.{revision}}} to {stage.environment}?"}
    return _action("Approve", _kind("Approval", "Manual"), asked)


def deploy(manifest: Manifest, stage: Stage, name: str) -> codepipeline.Actions:
    """Return the action that deploys a service, with the image that was built, by its digest.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECS.html
    """
    service = manifest.services_in(stage.environment)[name]
    wait = _NETWORK_WAIT if service.networked and service.deployment.shifts else 0
    home, place = manifest.home_of(stage.environment), manifest.place_of(stage.environment)
    elsewhere: dict[str, Any] = {}
    if place.region != home.region:
        elsewhere["Region"] = place.region
    if place != home:
        role = names.deploy_role(manifest.app, stage.environment, name)
        elsewhere["RoleArn"] = places.role_arn(role, place)
    return _action(
        names.logical("deploy", name),
        _kind("Deploy", "ECS"),
        {
            "ClusterName": names.cluster(manifest.app, stage.environment),
            "ServiceName": name,
            "FileName": "imagedefinitions.json",
            "DeploymentTimeout": str(min(_DEPLOY + service.deployment.minutes + wait, _LONGEST)),
        },
        inputs=[_image(name)],
        order=2 if stage.approve else 1,
        **elsewhere,
    )


def _action(
    name: str,
    kind: codepipeline.ActionTypeId,
    configuration: dict[str, Any],
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    namespace: str | None = None,
    order: int = 1,
    **more: Any,
) -> codepipeline.Actions:
    if inputs:
        more["InputArtifacts"] = [codepipeline.InputArtifacts(Name=each) for each in inputs]
    if outputs:
        more["OutputArtifacts"] = [codepipeline.OutputArtifacts(Name=each) for each in outputs]
    if namespace is not None:
        more["Namespace"] = namespace
    return codepipeline.Actions(Name=name, ActionTypeId=kind, Configuration=configuration, RunOrder=order, **more)


def _kind(category: str, provider: str) -> codepipeline.ActionTypeId:
    return codepipeline.ActionTypeId(Category=category, Owner="AWS", Provider=provider, Version="1")


def _image(service: str) -> str:
    return names.logical(service, "image")
