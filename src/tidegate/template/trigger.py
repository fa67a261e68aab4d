"""What starts the pipeline: a rule for what tells EventBridge, the pipeline's own trigger where paths decide."""

from __future__ import annotations

from typing import Any

from troposphere import Sub, Template, codepipeline, events

from tidegate.manifest import Manifest
from tidegate.template import names
from tidegate.template.actions import SOURCE_ACTION
from tidegate.template.places import arn
from tidegate.template.policies import allow, role
from tidegate.template.source import source_bucket


def triggers(manifest: Manifest) -> list[codepipeline.PipelineTriggerDeclaration]:
    """Return the pipeline's own triggers: none where every push starts it.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-filter.html
    """
    paths = manifest.pipeline.trigger.paths
    if not paths:
        return []
    push = codepipeline.GitPushFilter(
        Branches=codepipeline.GitBranchFilterCriteria(Includes=[manifest.source.branch]),
        FilePaths=codepipeline.GitFilePathFilterCriteria(Includes=list(paths)),
    )
    return [
        codepipeline.PipelineTriggerDeclaration(
            ProviderType="CodeStarSourceConnection",
            GitConfiguration=codepipeline.GitConfiguration(SourceActionName=SOURCE_ACTION, Push=[push]),
        )
    ]


def add_trigger(template: Template, manifest: Manifest) -> None:
    """Start the pipeline by a rule, for polling would take up to a minute; a connection starts it by itself."""
    if manifest.source.connected:
        return
    pipeline = arn("codepipeline", names.pipeline(manifest.app))
    template.add_resource(
        role(
            "TriggerRole",
            "events.amazonaws.com",
            [allow(["codepipeline:StartPipelineExecution"], pipeline)],
            f"Starts the pipeline of {manifest.app} on a push",
        )
    )
    of_bucket = manifest.source.provider == "s3"
    template.add_resource(
        events.Rule(
            "Trigger",
            Description=_description(manifest),
            State="ENABLED",
            EventPattern=_uploaded(manifest) if of_bucket else _pushed(manifest),
            Targets=[events.Target(Id="pipeline", Arn=pipeline, RoleArn=Sub("${TriggerRole.Arn}"))],
        )
    )


def _description(manifest: Manifest) -> str:
    if manifest.source.provider == "s3":
        return f"A new {manifest.source.zip_key} of {manifest.app}"
    return f"A push to {manifest.source.branch} of {manifest.repository}"


def _pushed(manifest: Manifest) -> dict[str, Any]:
    return {
        "source": ["aws.codecommit"],
        "detail-type": ["CodeCommit Repository State Change"],
        "resources": [arn("codecommit", manifest.repository)],
        "detail": {
            "event": ["referenceCreated", "referenceUpdated"],
            "referenceType": ["branch"],
            "referenceName": [manifest.source.branch],
        },
    }


def _uploaded(manifest: Manifest) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    return {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [source_bucket(manifest)]}, "object": {"key": [manifest.source.zip_key]}},
    }
