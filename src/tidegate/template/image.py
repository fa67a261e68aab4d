"""The article's Part 1: image repositories, the source repository, artifacts, and the projects that build."""

from __future__ import annotations

import json

from troposphere import Export, GetAtt, Output, Ref, Template, codebuild, codecommit, ecr, logs, s3

from tidegate.manifest import Manifest, Service
from tidegate.template import names
from tidegate.template.policies import PULL, PUSH, REGISTRY_LOGIN, allow, document, log_to, objects_of, role

_BUILD_LOG_DAYS = 30
_ARTIFACT_DAYS = 30
_KEPT_IMAGES = 50
BUCKET = "ArtifactBucket"
SOURCE = "SourceRepository"


def image_template(manifest: Manifest) -> Template:
    """Return the template of the stack APP-image."""
    template = Template()
    template.set_version()
    template.set_description(
        f"{manifest.app}: image repositories, source and build. Made by Tidegate from tidegate.yml"
    )
    _add_source(template, manifest)
    _add_bucket(template, manifest)
    for name in manifest.services:
        _add_repository(template, manifest, name)
    _add_build_role(template, manifest)
    for name, service in manifest.services.items():
        _add_project(template, manifest, name, service)
    if manifest.pipeline.test is not None:
        _add_test_project(template, manifest)
    return template


def _add_source(template: Template, manifest: Manifest) -> None:
    template.add_resource(
        codecommit.Repository(
            SOURCE,
            RepositoryName=manifest.repository,
            RepositoryDescription=f"The source of {manifest.app}: a push to {manifest.source.branch} goes live",
        )
    )
    template.add_output(Output("SourceUrl", Value=GetAtt(SOURCE, "CloneUrlHttp")))


def _add_bucket(template: Template, manifest: Manifest) -> None:
    template.add_resource(
        s3.Bucket(
            BUCKET,
            BucketEncryption=s3.BucketEncryption(
                ServerSideEncryptionConfiguration=[
                    s3.ServerSideEncryptionRule(
                        ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
                    )
                ]
            ),
            PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
                BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
            ),
            LifecycleConfiguration=s3.LifecycleConfiguration(
                Rules=[
                    s3.LifecycleRule(
                        Id="forget-old-artifacts",
                        Status="Enabled",
                        ExpirationInDays=_ARTIFACT_DAYS,
                        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=1),
                    )
                ]
            ),
        )
    )
    insecure = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [GetAtt(BUCKET, "Arn"), objects_of(BUCKET)],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    template.add_resource(
        s3.BucketPolicy("ArtifactBucketPolicy", Bucket=Ref(BUCKET), PolicyDocument=document(insecure))
    )
    template.add_output(
        Output("ArtifactBucket", Value=Ref(BUCKET), Export=Export(f"{names.image_stack(manifest.app)}-bucket"))
    )


def _add_repository(template: Template, manifest: Manifest, name: str) -> None:
    title = names.logical(name, "repository")
    lifecycle = {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"keep the last {_KEPT_IMAGES} images",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": _KEPT_IMAGES},
                "action": {"type": "expire"},
            }
        ]
    }
    template.add_resource(
        ecr.Repository(
            title,
            RepositoryName=names.repository(manifest.app, name),
            ImageScanningConfiguration=ecr.ImageScanningConfiguration(ScanOnPush=True),
            # a commit's tag never changes; `latest` moves, for it is only where the next build finds its layers
            ImageTagMutability="IMMUTABLE_WITH_EXCLUSION",
            ImageTagMutabilityExclusionFilters=[
                ecr.ImageTagMutabilityExclusionFilter(
                    ImageTagMutabilityExclusionFilterType="WILDCARD", ImageTagMutabilityExclusionFilterValue="latest"
                )
            ],
            LifecyclePolicy=ecr.LifecyclePolicy(LifecyclePolicyText=json.dumps(lifecycle, sort_keys=True)),
            EmptyOnDelete=True,
        )
    )
    template.add_output(
        Output(
            title,
            Value=GetAtt(title, "RepositoryUri"),
            Export=Export(f"{names.image_stack(manifest.app)}-{name}-uri"),
        )
    )
    template.add_output(
        Output(
            f"{title}Arn",
            Value=GetAtt(title, "Arn"),
            Export=Export(f"{names.image_stack(manifest.app)}-{name}-arn"),
        )
    )


def _add_build_role(template: Template, manifest: Manifest) -> None:
    repositories = [GetAtt(names.logical(name, "repository"), "Arn") for name in manifest.services]
    groups = [_add_log_group(template, names.build_project(manifest.app, name)) for name in manifest.services]
    if manifest.pipeline.test is not None:
        groups.append(_add_log_group(template, names.test_project(manifest.app)))
    template.add_resource(
        role(
            "BuildRole",
            "codebuild.amazonaws.com",
            [
                *(log_to(Ref(group)) for group in groups),
                allow(["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], objects_of(BUCKET)),
                allow(["codecommit:GitPull"], GetAtt(SOURCE, "Arn")),
                REGISTRY_LOGIN,
                allow([*PULL, *PUSH], repositories),
            ],
            f"Builds the images of {manifest.app}",
        )
    )


def _add_log_group(template: Template, project: str) -> str:
    title = names.logical(project, "build", "log")
    template.add_resource(
        logs.LogGroup(title, LogGroupName=f"/aws/codebuild/{project}", RetentionInDays=_BUILD_LOG_DAYS)
    )
    return title


def _add_project(template: Template, manifest: Manifest, name: str, service: Service) -> None:
    options = [f"--build-arg {key}={value}" for key, value in service.build.args.items()]
    if service.build.target is not None:
        options.append(f"--target {service.build.target}")
    variables = {
        "REPOSITORY_URI": GetAtt(names.logical(name, "repository"), "RepositoryUri"),
        "CONTAINER_NAME": name,
        "DOCKERFILE": service.build.dockerfile,
        "BUILD_CONTEXT": service.build.context,
        "BUILD_OPTIONS": " ".join(options),
    }
    project = names.build_project(manifest.app, name)
    template.add_resource(
        codebuild.Project(
            names.logical(name, "build"),
            Name=project,
            Description=f"Builds the image of {manifest.app}'s service {name} by the buildspec.yml of the commit",
            ServiceRole=GetAtt("BuildRole", "Arn"),
            Source=codebuild.Source(Type="CODEPIPELINE"),
            Artifacts=codebuild.Artifacts(Type="CODEPIPELINE"),
            Environment=codebuild.Environment(
                Type="ARM_CONTAINER" if service.arch == "arm64" else "LINUX_CONTAINER",
                ComputeType="BUILD_GENERAL1_SMALL",
                Image=manifest.pipeline.image,
                PrivilegedMode=True,  # docker build needs it
                EnvironmentVariables=[
                    codebuild.EnvironmentVariable(Name=key, Value=value)
                    for key, value in variables.items()
                    if value != ""
                ],
            ),
            Cache=codebuild.ProjectCache(Type="LOCAL", Modes=["LOCAL_DOCKER_LAYER_CACHE"]),
            TimeoutInMinutes=60,
            DependsOn=names.logical(project, "build", "log"),
        )
    )


def _add_test_project(template: Template, manifest: Manifest) -> None:
    assert manifest.pipeline.test is not None
    project = names.test_project(manifest.app)
    buildspec = {"version": 0.2, "phases": {"build": {"commands": list(manifest.pipeline.test.commands)}}}
    template.add_resource(
        codebuild.Project(
            "Test",
            Name=project,
            Description=f"Tests {manifest.app} before anything is deployed",
            ServiceRole=GetAtt("BuildRole", "Arn"),
            Source=codebuild.Source(Type="CODEPIPELINE", BuildSpec=json.dumps(buildspec, sort_keys=True)),
            Artifacts=codebuild.Artifacts(Type="CODEPIPELINE"),
            Environment=codebuild.Environment(
                Type="LINUX_CONTAINER", ComputeType="BUILD_GENERAL1_SMALL", Image=manifest.pipeline.image
            ),
            TimeoutInMinutes=60,
            DependsOn=names.logical(project, "build", "log"),
        )
    )
