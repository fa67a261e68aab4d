"""Where things are: which stages of a pipeline are in another region or account, and what that asks for.

A stack can import only what its own account and region export. What lies elsewhere is found by its name instead.
https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-create-cross-region.html
https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-create-cross-account.html
"""

from __future__ import annotations

from collections.abc import Sequence

from troposphere import Sub

from tidegate.manifest import Manifest, Stage
from tidegate.manifest.model import Place


def arn(service: str, resource: str, place: Place | None = None) -> Sub:
    """Return an ARN in a place; what is not said of the place is as where the stack itself is."""
    region, account = _spelled(place)
    return Sub(f"arn:${{AWS::Partition}}:{service}:{region}:{account}:{resource}")


def role_arn(name: str, place: Place) -> Sub:
    """Return the ARN of a role in the account of a place."""
    return Sub(f"arn:${{AWS::Partition}}:iam::{_spelled(place)[1]}:role/{name}")


def root_of(place: Place) -> Sub:
    """Return the principal that stands for the account of a place."""
    return Sub(f"arn:${{AWS::Partition}}:iam::{_spelled(place)[1]}:root")


def bucket_name(app: str, region: str | None, home: Place) -> Sub | str:
    """Return the name of a pipeline's artifact bucket in a region, where it spans several; at most 63 characters."""
    return _sub(f"{app}-{_spelled(home)[1]}-{region or '${AWS::Region}'}")


def objects_in(app: str, region: str | None, home: Place) -> Sub:
    """Return the ARN of every artifact of a region."""
    return Sub(f"arn:${{AWS::Partition}}:s3:::{app}-{_spelled(home)[1]}-{region or '${AWS::Region}'}/*")


def s3_of(region: str | None) -> Sub | str:
    """Return S3 of a region, as a key's policy names who uses it."""
    return _sub(f"s3.{region or '${AWS::Region}'}.amazonaws.com")


def is_elsewhere(manifest: Manifest, environment: str) -> bool:
    """Return whether an environment is in another region or account than its pipeline."""
    return manifest.place_of(environment) != manifest.home_of(environment)


def home(manifest: Manifest, stages: Sequence[Stage]) -> Place:
    """Return where the pipeline of these stages is."""
    return manifest.home_of(stages[0].environment)


def other_regions(manifest: Manifest, stages: Sequence[Stage]) -> list[str]:
    """Return the regions of the stages that are not the pipeline's, in order."""
    own = home(manifest, stages).region
    found = {manifest.place_of(stage.environment).region for stage in stages}
    return sorted(region for region in found if region is not None and region != own)


def in_other_accounts(manifest: Manifest, stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages that are in another account than the pipeline."""
    own = home(manifest, stages).account
    return [stage for stage in stages if manifest.place_of(stage.environment).account != own]


def spans(manifest: Manifest, stages: Sequence[Stage]) -> bool:
    """Return whether a pipeline deploys to several regions or accounts."""
    return any(is_elsewhere(manifest, stage.environment) for stage in stages)


def _sub(text: str) -> Sub | str:
    return Sub(text) if "${" in text else text


def _spelled(place: Place | None) -> tuple[str, str]:
    found = place or Place()
    return found.region or "${AWS::Region}", found.account or "${AWS::AccountId}"
