"""The article's Part 3: the pipeline from a push to the service, its role, its trigger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import ImportValue, Output, Ref, Sub, Template, codepipeline, events

from tidegate.manifest import Manifest
from tidegate.manifest.model import Stage
from tidegate.template import names
from tidegate.template.policies import allow, role

_DEPLOY_MINUTES = 20  # the action's time-out: a deployment that takes longer will not come to an end by itself
_SOURCE_ARTIFACT = "Source"


def pipeline_template(manifest: Manifest, stages: Sequence[Stage]) -> Template:
    """Return the template of the stack APP-pipeline, which deploys to `stages` one after the other."""
    template = Template()
    template.set_version()
    template.set_description(
        f"{manifest.app}: from a push to {manifest.source.branch} to the service. Made by Tidegate"
    )
    template.add_resource(
        role(
            "PipelineRole",
            "codepipeline.amazonaws.com",
            _statements(manifest, stages),
            f"Takes pushes of {manifest.app} to its services",
        )
    )
    steps = [_stage("Source", _source(manifest)), _stage("Build", *_builds(manifest))]
    if manifest.pipeline.test is not None:
        steps.append(_stage("Test", _test(manifest)))
    for stage in stages:
        deploys = [_deploy(manifest, stage, name) for name in manifest.services]
        approval = [_approval(stage)] if stage.approve else []
        steps.append(_stage(names.logical("deploy", stage.environment), *approval, *deploys))
    template.add_resource(
        codepipeline.Pipeline(
            "Pipeline",
            Name=names.pipeline(manifest.app),
            PipelineType="V2",
            ExecutionMode="SUPERSEDED",
            RoleArn=Sub("${PipelineRole.Arn}"),
            ArtifactStore=codepipeline.ArtifactStore(Type="S3", Location=_bucket(manifest)),
            Stages=steps,
        )
    )
    _add_trigger(template, manifest)
    template.add_output(Output("PipelineName", Value=Ref("Pipeline")))
    return template


def _statements(manifest: Manifest, stages: Sequence[Stage]) -> list[dict[str, Any]]:
    app = manifest.app
    projects = [names.build_project(app, name) for name in manifest.services]
    if manifest.pipeline.test is not None:
        projects.append(names.test_project(app))
    places = [(stage.environment, name) for stage in stages for name in manifest.services]
    stacks = [names.service_stack(app, environment, name) for environment, name in places]
    clusters = [_arn("ecs", f"cluster/{names.cluster(app, stage.environment)}") for stage in stages]
    in_clusters = {"ArnEquals": {"ecs:cluster": clusters}}
    return [
        allow(
            ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
            Sub("arn:${AWS::Partition}:s3:::${Bucket}/*", Bucket=_bucket(manifest)),
        ),
        allow(
            [
                "codecommit:GetBranch",
                "codecommit:GetCommit",
                "codecommit:GetRepository",
                "codecommit:UploadArchive",
                "codecommit:GetUploadArchiveStatus",
                "codecommit:CancelUploadArchive",
            ],
            _arn("codecommit", manifest.repository),
        ),
        allow(
            ["codebuild:StartBuild", "codebuild:BatchGetBuilds"],
            [_arn("codebuild", f"project/{project}") for project in projects],
        ),
        allow(
            ["ecs:DescribeServices", "ecs:UpdateService"],
            [_arn("ecs", f"service/{names.cluster(app, environment)}/{name}") for environment, name in places],
        ),
        allow(["ecs:ListTasks"], "*", in_clusters),
        allow(
            ["ecs:DescribeTasks"],
            [_arn("ecs", f"task/{names.cluster(app, stage.environment)}/*") for stage in stages],
        ),
        allow(["ecs:DescribeTaskDefinition"], "*"),  # this action knows no resource
        allow(
            ["ecs:RegisterTaskDefinition", "ecs:TagResource"],
            [_arn("ecs", f"task-definition/{stack}:*") for stack in stacks],
        ),
        allow(
            ["iam:PassRole"],
            [ImportValue(f"{stack}-{title}") for stack in stacks for title in ("ExecutionRole", "TaskRole")],
            {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
    ]


def _source(manifest: Manifest) -> codepipeline.Actions:
    return _action(
        "Source",
        _kind("Source", "CodeCommit"),
        {
            "RepositoryName": manifest.repository,
            "BranchName": manifest.source.branch,
            "PollForSourceChanges": "false",  # the rule below starts the pipeline at once
        },
        outputs=[_SOURCE_ARTIFACT],
        namespace="SourceVariables",
    )


def _builds(manifest: Manifest) -> list[codepipeline.Actions]:
    return [
        _action(
            names.logical("build", name),
            _kind("Build", "CodeBuild"),
            {"ProjectName": names.build_project(manifest.app, name)},
            inputs=[_SOURCE_ARTIFACT],
            outputs=[_image_artifact(name)],
        )
        for name in manifest.services
    ]


def _test(manifest: Manifest) -> codepipeline.Actions:
    return _action(
        "Test",
        _kind("Test", "CodeBuild"),
        {"ProjectName": names.test_project(manifest.app)},
        inputs=[_SOURCE_ARTIFACT],
    )


def _approval(stage: Stage) -> codepipeline.Actions:
    return _action(
        "Approve",
        _kind("Approval", "Manual"),
        {"CustomData": f"Deploy #{{SourceVariables.CommitId}} to {stage.environment}?"},
    )


def _deploy(manifest: Manifest, stage: Stage, name: str) -> codepipeline.Actions:
    return _action(
        names.logical("deploy", name),
        _kind("Deploy", "ECS"),
        {
            "ClusterName": names.cluster(manifest.app, stage.environment),
            "ServiceName": name,
            "FileName": "imagedefinitions.json",
            "DeploymentTimeout": str(_DEPLOY_MINUTES),
        },
        inputs=[_image_artifact(name)],
        order=2 if stage.approve else 1,
    )


def _add_trigger(template: Template, manifest: Manifest) -> None:
    """Start the pipeline on a push: a rule, for polling would take up to a minute."""
    arn = _arn("codepipeline", names.pipeline(manifest.app))
    template.add_resource(
        role(
            "TriggerRole",
            "events.amazonaws.com",
            [allow(["codepipeline:StartPipelineExecution"], arn)],
            f"Starts the pipeline of {manifest.app} on a push",
        )
    )
    template.add_resource(
        events.Rule(
            "Trigger",
            Description=f"A push to {manifest.source.branch} of {manifest.repository}",
            State="ENABLED",
            EventPattern={
                "source": ["aws.codecommit"],
                "detail-type": ["CodeCommit Repository State Change"],
                "resources": [_arn("codecommit", manifest.repository)],
                "detail": {
                    "event": ["referenceCreated", "referenceUpdated"],
                    "referenceType": ["branch"],
                    "referenceName": [manifest.source.branch],
                },
            },
            Targets=[events.Target(Id="pipeline", Arn=arn, RoleArn=Sub("${TriggerRole.Arn}"))],
        )
    )


def _action(
    name: str,
    kind: codepipeline.ActionTypeId,
    configuration: dict[str, str],
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    namespace: str | None = None,
    order: int = 1,
) -> codepipeline.Actions:
    more: dict[str, Any] = {}
    if inputs:
        more["InputArtifacts"] = [codepipeline.InputArtifacts(Name=each) for each in inputs]
    if outputs:
        more["OutputArtifacts"] = [codepipeline.OutputArtifacts(Name=each) for each in outputs]
    if namespace is not None:
        more["Namespace"] = namespace
    return codepipeline.Actions(Name=name, ActionTypeId=kind, Configuration=configuration, RunOrder=order, **more)


def _kind(category: str, provider: str) -> codepipeline.ActionTypeId:
    return codepipeline.ActionTypeId(Category=category, Owner="AWS", Provider=provider, Version="1")


def _stage(name: str, *actions: codepipeline.Actions) -> codepipeline.Stages:
    return codepipeline.Stages(Name=name, Actions=list(actions))


def _image_artifact(service: str) -> str:
    return names.logical(service, "image")


def _bucket(manifest: Manifest) -> ImportValue:
    return ImportValue(f"{names.image_stack(manifest.app)}-bucket")


def _arn(service: str, resource: str) -> Sub:
    return Sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")
