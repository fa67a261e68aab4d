"""The article's Part 3: the pipeline from a push to the service, its role, its trigger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import ImportValue, Output, Ref, Sub, Template, codepipeline

from tidegate.manifest import Manifest, Stage
from tidegate.template import actions, names, places
from tidegate.template.places import arn
from tidegate.template.policies import READ_ARTIFACTS, USE_KEY, Statement, allow, deploy, pass_roles, role
from tidegate.template.source import take_source
from tidegate.template.task import ROLES
from tidegate.template.trigger import add_trigger, triggers


def pipeline_template(manifest: Manifest, stages: Sequence[Stage]) -> Template:
    """Return the template of the stack APP-pipeline, which deploys to `stages` one after the other."""
    template = Template()
    template.set_version()
    template.set_description(
        f"{manifest.app}: from a push to {manifest.source.branch} to the service. Made by Tidegate"
    )
    # by name, where roles elsewhere must know who comes
    name = {"RoleName": names.pipeline_role(manifest.app)} if places.spans(manifest, stages) else {}
    template.add_resource(
        role(
            "PipelineRole",
            "codepipeline.amazonaws.com",
            _statements(manifest, stages),
            f"Takes pushes of {manifest.app} to its services",
            **name,
        )
    )
    steps = [_stage("Source", actions.source(manifest)), _stage("Build", *actions.builds(manifest))]
    if manifest.pipeline.test is not None:
        steps.append(_stage("Test", actions.test(manifest)))
    for stage in stages:
        deploys = [actions.deploy(manifest, stage, each) for each in manifest.services]
        approval = [actions.approval(manifest, stage)] if stage.approve else []
        steps.append(_stage(names.logical("deploy", stage.environment), *approval, *deploys))
    own_triggers = triggers(manifest)
    template.add_resource(
        codepipeline.Pipeline(
            "Pipeline",
            Name=names.pipeline(manifest.app),
            PipelineType="V2",
            ExecutionMode="SUPERSEDED",
            RoleArn=Sub("${PipelineRole.Arn}"),
            **_stores(manifest, stages),
            Stages=steps,
            **({"Triggers": own_triggers} if own_triggers else {}),
        )
    )
    add_trigger(template, manifest)
    template.add_output(Output("PipelineName", Value=Ref("Pipeline")))
    return template


def _statements(manifest: Manifest, stages: Sequence[Stage]) -> list[Statement]:
    app = manifest.app
    projects = [names.build_project(app, name) for name in manifest.services]
    if manifest.pipeline.test is not None:
        projects.append(names.test_project(app))
    here = [stage.environment for stage in stages if not places.is_elsewhere(manifest, stage.environment)]
    elsewhere = [stage.environment for stage in stages if places.is_elsewhere(manifest, stage.environment)]
    statements = [
        allow([*READ_ARTIFACTS, "s3:PutObject"], _artifacts(manifest, stages)),
        # every policy that AWS writes for this role has it: how-to-custom-role.html of CodePipeline's user guide
        allow(["s3:GetBucketVersioning"], Sub("arn:${AWS::Partition}:s3:::${Bucket}", Bucket=_bucket(manifest))),
        *take_source(manifest),
        allow(
            ["codebuild:StartBuild", "codebuild:BatchGetBuilds"],
            [arn("codebuild", f"project/{project}") for project in projects],
        ),
    ]
    if here:
        statements += _deploys(manifest, here)
    if elsewhere:
        roles = [
            places.role_arn(names.deploy_role(app, environment, name), manifest.place_of(environment))
            for environment in elsewhere
            for name in manifest.services
        ]
        statements.append(allow(["sts:AssumeRole"], roles))
    if places.in_other_accounts(manifest, stages):
        statements.append(allow(USE_KEY, [_key(manifest, region) for region in _regions(manifest, stages)]))
    return statements


def _deploys(manifest: Manifest, environments: Sequence[str]) -> list[Statement]:
    """Return what the pipeline's own role needs to deploy to environments beside it."""
    app = manifest.app
    found = [(environment, name) for environment in environments for name in manifest.services]
    stacks = [names.service_stack(app, environment, name) for environment, name in found]
    clusters = [names.cluster(app, environment) for environment in environments]
    return [
        *deploy(
            cluster=[arn("ecs", f"cluster/{cluster}") for cluster in clusters],
            service=[arn("ecs", f"service/{names.cluster(app, each)}/{name}") for each, name in found],
            tasks=[arn("ecs", f"task/{cluster}/*") for cluster in clusters],
            family=[arn("ecs", f"task-definition/{stack}:*") for stack in stacks],
        ),
        pass_roles([ImportValue(f"{stack}-{title}") for stack in stacks for title in ROLES]),
    ]


def _stores(manifest: Manifest, stages: Sequence[Stage]) -> dict[str, Any]:
    """Return where artifacts are kept: in the pipeline's bucket, and in one of each other region that it deploys to."""
    own = _store(manifest, stages, _bucket(manifest), None)
    others = places.other_regions(manifest, stages)
    if not others:
        return {"ArtifactStore": own}
    home = places.home(manifest, stages)
    stores = [(Ref("AWS::Region"), own)]
    stores += [
        (region, _store(manifest, stages, places.bucket_name(manifest.app, region, home), region)) for region in others
    ]
    return {
        "ArtifactStores": [
            codepipeline.ArtifactStoreMap(Region=region, ArtifactStore=store) for region, store in stores
        ]
    }


def _store(manifest: Manifest, stages: Sequence[Stage], bucket: Any, region: str | None) -> codepipeline.ArtifactStore:
    more: dict[str, Any] = {}
    if places.in_other_accounts(manifest, stages):
        more["EncryptionKey"] = codepipeline.EncryptionKey(Id=_key(manifest, region), Type="KMS")
    return codepipeline.ArtifactStore(Type="S3", Location=bucket, **more)


def _artifacts(manifest: Manifest, stages: Sequence[Stage]) -> Any:
    own = Sub("arn:${AWS::Partition}:s3:::${Bucket}/*", Bucket=_bucket(manifest))
    home = places.home(manifest, stages)
    others = [places.objects_in(manifest.app, region, home) for region in places.other_regions(manifest, stages)]
    return [own, *others] if others else own


def _regions(manifest: Manifest, stages: Sequence[Stage]) -> list[str | None]:
    return [None, *places.other_regions(manifest, stages)]


def _key(manifest: Manifest, region: str | None) -> Any:
    """Return the ARN of the artifacts' key; a replica has the same id as its original."""
    stack = names.image_stack(manifest.app)
    if region is None:
        return ImportValue(f"{stack}-key-arn")
    return Sub(
        f"arn:${{AWS::Partition}}:kms:{region}:${{AWS::AccountId}}:key/${{Key}}", Key=ImportValue(f"{stack}-key")
    )


def _bucket(manifest: Manifest) -> ImportValue:
    return ImportValue(f"{names.image_stack(manifest.app)}-bucket")


def _stage(name: str, *of_stage: codepipeline.Actions) -> codepipeline.Stages:
    return codepipeline.Stages(Name=name, Actions=list(of_stage))
