"""What CODEBUILD_SOURCE_VERSION says of each kind of source."""

from __future__ import annotations

import pytest

from tidegate.cloud.services.codebuild.variables import shown_version


@pytest.mark.parametrize(
    ("kind", "version", "shown"),
    [
        ("S3", "v1", "v1"),
        ("S3", "", "arn:aws:s3:::store/a.zip"),
        ("CODEPIPELINE", "abc", "arn:aws:s3:::store/a.zip"),
        ("CODECOMMIT", "refs/heads/main", "refs/heads/main"),
    ],
)
def test_source_versions(kind: str, version: str, shown: str) -> None:
    assert shown_version({"type": kind, "location": "store/a.zip"}, version) == shown  # type: ignore[typeddict-item]
