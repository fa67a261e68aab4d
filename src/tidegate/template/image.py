"""The article's Part 1: the source, image repositories, artifacts, and the projects that build and test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from troposphere import GetAtt, Ref, Template, codebuild, ecr, logs

from tidegate.manifest import Manifest, Service, Stage
from tidegate.manifest.model import Place
from tidegate.template import names, places
from tidegate.template.exports import export
from tidegate.template.policies import (
    PULL,
    PUSH,
    READ_ARTIFACTS,
    READ_WITH_KEY,
    REGISTRY_LOGIN,
    USE_KEY,
    allow,
    document,
    log_to,
    objects_of,
    role,
)
from tidegate.template.source import add_source, read_source
from tidegate.template.storage import BUCKET, KEY, add_artifacts

_BUILD_LOG_DAYS = 30
_KEPT_IMAGES = 50
_AARCH64 = "aws/codebuild/amazonlinux-aarch64-standard:3.0"


def image_template(manifest: Manifest, stages: Sequence[Stage] = ()) -> Template:
    """Return the template of the stack APP-image, for a pipeline that deploys to `stages`."""
    template = Template()
    template.set_version()
    template.set_description(
        f"{manifest.app}: image repositories, source and build. Made by Tidegate from tidegate.yml"
    )
    add_source(template, manifest)
    add_artifacts(template, manifest, stages)
    for name in manifest.services:
        _add_repository(template, manifest, stages, name)
    _add_build_role(template, manifest)
    for name, service in manifest.services.items():
        _add_project(template, manifest, name, service)
    if manifest.pipeline.test is not None:
        _add_test(template, manifest)
    return template


def _add_repository(template: Template, manifest: Manifest, stages: Sequence[Stage], name: str) -> None:
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
    shared = places.in_other_accounts(manifest, stages) if stages else []
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
            **({"RepositoryPolicyText": _pulled_by(manifest, shared)} if shared else {}),
        )
    )
    stack = names.image_stack(manifest.app)
    export(template, stack, f"{name}-uri", GetAtt(title, "RepositoryUri"), title=title)
    export(template, stack, f"{name}-arn", GetAtt(title, "Arn"), title=f"{title}Arn")


def _pulled_by(manifest: Manifest, stages: Sequence[Stage]) -> dict[str, Any]:
    """Return the policy that lets other accounts pull: the one image that was built goes through all stages.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policy-examples.html
    """
    accounts = sorted({manifest.place_of(stage.environment).account or "" for stage in stages})
    principal = {"AWS": [places.root_of(Place(account=account)) for account in accounts]}
    return document({"Effect": "Allow", "Principal": principal, "Action": PULL})


def _add_build_role(template: Template, manifest: Manifest) -> None:
    repositories = [GetAtt(names.logical(name, "repository"), "Arn") for name in manifest.services]
    groups = [_add_log_group(template, names.build_project(manifest.app, name)) for name in manifest.services]
    template.add_resource(
        role(
            "BuildRole",
            "codebuild.amazonaws.com",
            [
                *(log_to(Ref(group)) for group in groups),
                allow([*READ_ARTIFACTS, "s3:PutObject"], objects_of(BUCKET)),
                read_source(manifest),
                REGISTRY_LOGIN,
                allow([*PULL, *PUSH], repositories),
                *([allow(USE_KEY, GetAtt(KEY, "Arn"))] if KEY in template.resources else []),
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
                **_machine(manifest.pipeline.image, service.arch),
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
            **_with_key(template),
        )
    )


def _add_test(template: Template, manifest: Manifest) -> None:
    """Add the project that runs the tests, and its role: tests read the code, and push nothing."""
    assert manifest.pipeline.test is not None
    project = names.test_project(manifest.app)
    group = _add_log_group(template, project)
    template.add_resource(
        role(
            "TestRole",
            "codebuild.amazonaws.com",
            [
                log_to(Ref(group)),
                allow(READ_ARTIFACTS, objects_of(BUCKET)),
                *([allow(READ_WITH_KEY, GetAtt(KEY, "Arn"))] if KEY in template.resources else []),
            ],
            f"Tests {manifest.app}",
        )
    )
    buildspec = {"version": 0.2, "phases": {"build": {"commands": list(manifest.pipeline.test.commands)}}}
    image = manifest.pipeline.image
    template.add_resource(
        codebuild.Project(
            "Test",
            Name=project,
            Description=f"Tests {manifest.app} before anything is deployed",
            ServiceRole=GetAtt("TestRole", "Arn"),
            Source=codebuild.Source(Type="CODEPIPELINE", BuildSpec=json.dumps(buildspec, sort_keys=True)),
            Artifacts=codebuild.Artifacts(Type="CODEPIPELINE"),
            Environment=codebuild.Environment(**_machine(image, "arm64" if "aarch64" in image else "x86_64")),
            TimeoutInMinutes=60,
            DependsOn=group,
            **_with_key(template),
        )
    )


def _machine(image: str, arch: str) -> dict[str, Any]:
    """Return on what a project builds: an image for a processor is built on that processor.

    https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html
    """
    curated_elsewhere = image.startswith("aws/codebuild/") and "aarch64" not in image
    return {
        "Type": "ARM_CONTAINER" if arch == "arm64" else "LINUX_CONTAINER",
        "ComputeType": "BUILD_GENERAL1_SMALL",
        "Image": _AARCH64 if arch == "arm64" and curated_elsewhere else image,
    }


def _with_key(template: Template) -> dict[str, Any]:
    return {"EncryptionKey": GetAtt(KEY, "Arn")} if KEY in template.resources else {}
