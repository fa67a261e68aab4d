"""Where the code comes from: the repository, bucket or connection of the image stack, and what others need of it.

https://docs.aws.amazon.com/codepipeline/latest/userguide/integrations-action-type.html#integrations-source
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, ImportValue, Output, Ref, Sub, Template, codecommit, codeconnections, s3

from tidegate.manifest import Manifest
from tidegate.template import names
from tidegate.template.exports import export
from tidegate.template.places import arn
from tidegate.template.policies import READ_ARTIFACTS, Statement, allow
from tidegate.template.storage import PRIVATE, encryption, insecure_refused

SOURCE = "SourceRepository"
CONNECTION = "Connection"
SOURCE_BUCKET = "SourceBucket"
_OLD_SOURCES = 30  # days
_PROVIDERS = {
    "github": ("GitHub", "https://github.com"),
    "gitlab": ("GitLab", "https://gitlab.com"),
    "bitbucket": ("Bitbucket", "https://bitbucket.org"),
}


def add_source(template: Template, manifest: Manifest) -> None:
    """Add what keeps the code, or leads to who keeps it, unless it is there already."""
    source = manifest.source
    if source.connected:
        _add_connection(template, manifest)
    elif source.provider == "s3":
        _add_bucket(template, manifest)
    else:
        template.add_resource(
            codecommit.Repository(
                SOURCE,
                RepositoryName=manifest.repository,
                RepositoryDescription=f"The source of {manifest.app}: a push to {source.branch} goes live",
            )
        )
        template.add_output(Output("SourceUrl", Value=GetAtt(SOURCE, "CloneUrlHttp")))


def read_source(manifest: Manifest) -> Statement:
    """Return what a build needs to fetch the code by itself, as the first one does, before there is a pipeline."""
    source = manifest.source
    if source.connected:
        prefix = _prefix(manifest)
        actions = [f"{prefix}:GetConnection", f"{prefix}:GetConnectionToken"]
        return allow(actions, source.connection or Ref(CONNECTION))
    if source.provider == "s3":
        return allow(READ_ARTIFACTS, one_object(_own_bucket(manifest), manifest.source.zip_key))
    return allow(["codecommit:GitPull"], GetAtt(SOURCE, "Arn"))


def take_source(manifest: Manifest) -> list[Statement]:
    """Return what the pipeline's source action needs."""
    source = manifest.source
    if source.connected:
        return [allow([f"{_prefix(manifest)}:UseConnection"], connection(manifest))]
    if source.provider == "s3":
        bucket = source_bucket(manifest)
        return [
            allow(
                ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"],
                Sub("arn:${AWS::Partition}:s3:::${Bucket}", Bucket=bucket),
            ),
            allow(READ_ARTIFACTS, one_object(bucket, manifest.source.zip_key)),
        ]
    return [
        allow(
            [
                "codecommit:GetBranch",
                "codecommit:GetCommit",
                "codecommit:UploadArchive",
                "codecommit:GetUploadArchiveStatus",
                "codecommit:CancelUploadArchive",
            ],
            arn("codecommit", manifest.repository),
        )
    ]


def one_object(bucket: Any, key: str) -> Sub:
    """Return the ARN of one object of a bucket."""
    return Sub(f"arn:${{AWS::Partition}}:s3:::${{Bucket}}/{key}", Bucket=bucket)


def connection(manifest: Manifest) -> Any:
    """Return the connection's ARN, as the pipeline refers to it."""
    return manifest.source.connection or ImportValue(f"{names.image_stack(manifest.app)}-connection")


def source_bucket(manifest: Manifest) -> Any:
    """Return the name of the bucket with the code, as the pipeline refers to it."""
    return manifest.source.bucket or ImportValue(f"{names.image_stack(manifest.app)}-source")


def _own_bucket(manifest: Manifest) -> Any:
    return manifest.source.bucket or Ref(SOURCE_BUCKET)


def _prefix(manifest: Manifest) -> str:
    """Return the service that permissions name: that of the connection's ARN, old connections have the old one.

    https://docs.aws.amazon.com/dtconsole/latest/userguide/rename.html
    """
    given = manifest.source.connection
    return given.split(":")[2] if given is not None else "codeconnections"


def _add_connection(template: Template, manifest: Manifest) -> None:
    source = manifest.source
    kind, address = _PROVIDERS[source.provider]
    if source.connection is None:
        template.add_resource(
            codeconnections.Connection(CONNECTION, ConnectionName=names.connection(manifest.app), ProviderType=kind)
        )
        stack = names.image_stack(manifest.app)
        template.add_output(
            Output(
                "HandshakeUrl",
                Value=Sub(
                    "https://${AWS::Region}.console.aws.amazon.com/codesuite/settings/connections?region=${AWS::Region}"
                ),
                Description=f"Where somebody confirms once that the connection {manifest.app} may read {kind}",
            )
        )
        export(template, stack, "connection", Ref(CONNECTION), title="ConnectionArn")
    template.add_output(Output("SourceUrl", Value=f"{address}/{source.repository}.git"))


def _add_bucket(template: Template, manifest: Manifest) -> None:
    """Add the bucket that takes the code: it tells of every upload, and keeps versions, the pipeline's revisions."""
    if manifest.source.bucket is not None:
        return
    template.add_resource(
        s3.Bucket(
            SOURCE_BUCKET,
            BucketEncryption=encryption(None),
            PublicAccessBlockConfiguration=PRIVATE,
            VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
            NotificationConfiguration=s3.NotificationConfiguration(
                EventBridgeConfiguration=s3.EventBridgeConfiguration(EventBridgeEnabled=True)
            ),
            LifecycleConfiguration=s3.LifecycleConfiguration(
                Rules=[
                    s3.LifecycleRule(
                        Id="forget-old-sources",
                        Status="Enabled",
                        NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(NoncurrentDays=_OLD_SOURCES),
                        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=1),
                    )
                ]
            ),
        )
    )
    template.add_resource(
        s3.BucketPolicy("SourceBucketPolicy", Bucket=Ref(SOURCE_BUCKET), PolicyDocument=insecure_refused(SOURCE_BUCKET))
    )
    export(template, names.image_stack(manifest.app), "source", Ref(SOURCE_BUCKET), title=SOURCE_BUCKET)
