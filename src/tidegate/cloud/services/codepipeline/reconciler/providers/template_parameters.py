"""The parameters that a CloudFormation action gives to a template: a configuration file's, and overrides of them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-parameter-override-functions.html
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.cloud.documents import from_json

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

ReadFile = Callable[[str, str], Awaitable[str]]  # an input artifact's name, a file's name in it -> its text


class ParametersError(Exception):
    """Parameters that cannot be used; the message says why."""


class TemplateConfiguration(NamedTuple):
    """What a template configuration file says."""

    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    policy: Any | None


def configuration_of(text: str) -> TemplateConfiguration:
    """Return what a template configuration file says; raise `ParametersError`."""
    document = _object(text)
    unknown = document.keys() - {"Parameters", "Tags", "StackPolicy"}
    if unknown:
        raise ParametersError(f"it has the unknown key {min(unknown)}")
    return TemplateConfiguration(document.get("Parameters", {}), document.get("Tags", {}), document.get("StackPolicy"))


async def overrides_of(
    text: str, artifacts: Mapping[str, t.S3LocationTypeDef], region: str, read: ReadFile
) -> dict[str, Any]:
    """Return the parameters of ParameterOverrides, its functions evaluated; raise `ParametersError`."""
    return {name: await _evaluated(value, artifacts, region, read) for name, value in _object(text).items()}


def as_text(value: Any) -> str:
    """Return a parameter's value as CloudFormation takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(as_text(each) for each in value) if isinstance(value, list) else str(value)


async def _evaluated(value: Any, artifacts: Mapping[str, t.S3LocationTypeDef], region: str, read: ReadFile) -> Any:
    if not isinstance(value, dict):
        return value
    match value:
        case {"Fn::GetArtifactAtt": [str(artifact), str(attribute)]} if artifact in artifacts:
            place = artifacts[artifact]
            attributes = {
                "BucketName": place["bucket"],
                "ObjectKey": place["key"],
                "URL": f"https://s3.{region}.amazonaws.com/{place['bucket']}/{place['key']}",
            }
            if attribute in attributes:
                return attributes[attribute]
        case {"Fn::GetParam": [str(artifact), str(file), str(key)]} if artifact in artifacts:
            document = _object(await read(artifact, file))
            if key not in document:
                raise ParametersError(f"{artifact}::{file} has no key {key}")
            return document[key]
    raise ParametersError(f"{json.dumps(value)} is neither Fn::GetArtifactAtt nor Fn::GetParam of an input artifact")


def _object(text: str) -> dict[str, Any]:
    try:
        document = from_json(text)
    except ValueError as error:
        raise ParametersError(f"it is not JSON ({error})") from None
    if not isinstance(document, dict):
        raise ParametersError("it is not a JSON object")
    return document
