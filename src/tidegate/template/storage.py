"""Buckets for artifacts and the key that other accounts read them with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from troposphere import GetAtt, Parameter, Ref, Sub, Template, kms, s3

from tidegate.manifest import Manifest, Stage
from tidegate.template import names, places
from tidegate.template.exports import export
from tidegate.template.policies import READ_ARTIFACTS, READ_WITH_KEY, Statement, document, objects_of

BUCKET, KEY = "ArtifactBucket", "ArtifactKey"
PRIVATE = s3.PublicAccessBlockConfiguration(
    BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
)
_ARTIFACT_DAYS = 30
_KEY_DAYS = 7  # in which a key that was deleted can be had back


def add_artifacts(template: Template, manifest: Manifest, stages: Sequence[Stage]) -> None:
    """Add the pipeline's bucket, and where other accounts take part, the key that they can be let use."""
    shared = places.in_other_accounts(manifest, stages) if stages else []
    if shared:
        template.add_resource(
            kms.Key(
                KEY,
                Description=f"Artifacts of {manifest.app}'s pipeline, which other accounts read",
                EnableKeyRotation=True,
                MultiRegion=bool(places.other_regions(manifest, stages)),
                PendingWindowInDays=_KEY_DAYS,
                KeyPolicy=_key_policy(manifest, shared),
            )
        )
        export(template, names.image_stack(manifest.app), "key", Ref(KEY), title=KEY)
        export(template, names.image_stack(manifest.app), "key-arn", GetAtt(KEY, "Arn"), title="ArtifactKeyArn")
    spans = bool(stages) and places.spans(manifest, stages)
    name = {"BucketName": places.bucket_name(manifest.app, None, places.home(manifest, stages))} if spans else {}
    _add_bucket(template, manifest, shared, GetAtt(KEY, "Arn") if shared else None, **name)
    export(template, names.image_stack(manifest.app), "bucket", Ref(BUCKET), title=BUCKET)


def artifacts_template(manifest: Manifest, stages: Sequence[Stage], region: str) -> Template:
    """Return the template of the stack APP-artifacts, which a pipeline has in every region but its own.

    It is made in the pipeline's account, before the pipeline. Where other accounts take part, its parameter ArtifactKey
    is the ARN of the key in the pipeline's region (output ArtifactKeyArn of APP-image).
    """
    template = Template()
    template.set_version()
    template.set_description(f"{manifest.app}: artifacts that its pipeline takes to {region}. Made by Tidegate")
    shared = [
        stage
        for stage in places.in_other_accounts(manifest, stages)
        if manifest.place_of(stage.environment).region == region
    ]
    key = None
    if places.in_other_accounts(manifest, stages):
        template.add_parameter(
            Parameter(names.KEY_PARAMETER, Type="String", Description="The key's ARN in the pipeline's own region")
        )
        template.add_resource(
            kms.ReplicaKey(
                "ReplicaKey",
                Description=f"Artifacts of {manifest.app}'s pipeline, which other accounts read",
                PrimaryKeyArn=Ref(names.KEY_PARAMETER),
                PendingWindowInDays=_KEY_DAYS,
                KeyPolicy=_key_policy(manifest, shared),
            )
        )
        key = GetAtt("ReplicaKey", "Arn")
    name = places.bucket_name(manifest.app, None, places.home(manifest, stages))
    _add_bucket(template, manifest, shared, key, BucketName=name)
    return template


def encryption(key: Any | None) -> s3.BucketEncryption:
    """Return how a bucket encrypts what is in it: with S3's own key, or with one that can be shared."""
    default = {"SSEAlgorithm": "AES256"} if key is None else {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    return s3.BucketEncryption(
        ServerSideEncryptionConfiguration=[
            s3.ServerSideEncryptionRule(ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(**default))
        ]
    )


def insecure_refused(bucket: str, *more: Statement) -> dict[str, Any]:
    """Return a bucket's policy that refuses whatever does not come over TLS."""
    insecure = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [GetAtt(bucket, "Arn"), objects_of(bucket)],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return document(insecure, *more)


def _add_bucket(template: Template, manifest: Manifest, shared: Sequence[Stage], key: Any | None, **name: Any) -> None:
    template.add_resource(
        s3.Bucket(
            BUCKET,
            BucketEncryption=encryption(key),
            PublicAccessBlockConfiguration=PRIVATE,
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
            **name,
        )
    )
    readers = [_let(manifest, stage, READ_ARTIFACTS, objects_of(BUCKET)) for stage in shared]
    template.add_resource(
        s3.BucketPolicy("ArtifactBucketPolicy", Bucket=Ref(BUCKET), PolicyDocument=insecure_refused(BUCKET, *readers))
    )


def _let(manifest: Manifest, stage: Stage, actions: Sequence[str], resource: Any) -> Statement:
    """Return the statement that lets the deploy roles of a stage's account do something.

    The condition names them, not the principal: IAM refuses a principal that does not exist yet.
    """
    place = manifest.place_of(stage.environment)
    roles = [
        places.role_arn(names.deploy_role(manifest.app, stage.environment, name), place)
        for name in manifest.services_in(stage.environment)
    ]
    return {
        "Effect": "Allow",
        "Principal": {"AWS": places.root_of(place)},
        "Action": list(actions),
        "Resource": resource,
        "Condition": {"ArnEquals": {"aws:PrincipalArn": roles}},
    }


def _key_policy(manifest: Manifest, shared: Sequence[Stage]) -> dict[str, Any]:
    """Return who may use a key: whom this account's own policies let, and the deploy roles of other accounts.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    own = {
        "Effect": "Allow",
        "Principal": {"AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
        "Action": "kms:*",
        "Resource": "*",  # of a key's own policy: this key
    }
    return document(own, *(_let(manifest, stage, READ_WITH_KEY, "*") for stage in shared))
