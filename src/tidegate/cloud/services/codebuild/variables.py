"""The environment variables of a build.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t


def build_variables(build: t.BuildTypeDef, region: str, sources: Mapping[str, str], log_path: str) -> dict[str, str]:
    """Return the CODEBUILD_* variables of a build.

    `sources` maps source identifiers (`""`: the primary source) to the folders they were put in.
    """
    source = build["source"]
    variables = {
        "CODEBUILD_BUILD_ARN": build["arn"],
        "CODEBUILD_BUILD_ID": build["id"],
        "CODEBUILD_BUILD_IMAGE": build["environment"]["image"],
        "CODEBUILD_BUILD_NUMBER": str(build["buildNumber"]),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_CI": "true",
        "CODEBUILD_CONTAINER_NAME": "default",
        "CODEBUILD_INITIATOR": build["initiator"],
        "CODEBUILD_KMS_KEY_ID": build.get("encryptionKey", ""),
        "CODEBUILD_LAST_EXIT": "0",
        "CODEBUILD_LOG_PATH": log_path,
        "CODEBUILD_RESOLVED_SOURCE_VERSION": build.get("resolvedSourceVersion", ""),
        "CODEBUILD_SOURCE_REPO_URL": repository_url(source),
        "CODEBUILD_SOURCE_VERSION": shown_version(source, build.get("sourceVersion", "")),
        "CODEBUILD_START_TIME": str(int(build["startTime"].timestamp() * 1000)),
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
    }
    for identifier, folder in sources.items():
        variables[f"CODEBUILD_SRC_DIR_{identifier}" if identifier else "CODEBUILD_SRC_DIR"] = folder
    for each in build.get("secondarySourceVersions", []):
        variables[f"CODEBUILD_SOURCE_VERSION_{each['sourceIdentifier']}"] = each["sourceVersion"]
    return variables


def repository_url(source: t.ProjectSourceTypeDef) -> str:
    """Return what CODEBUILD_SOURCE_REPO_URL says of a source."""
    kind, location = source["type"], source.get("location", "")
    if kind == "S3":
        return f"s3://{location}"
    return location if kind == "CODECOMMIT" else ""


def shown_version(source: t.ProjectSourceTypeDef, version: str) -> str:
    """Return what CODEBUILD_SOURCE_VERSION says: an S3 source's version, where it or a pipeline's was stored."""
    if source["type"] == "S3" and version:
        return version
    if source["type"] in ("S3", "CODEPIPELINE") and source.get("location"):
        return f"arn:aws:s3:::{source['location']}"
    return version
