"""The build specification, read purely: YAML in, phases and artifacts out, and AWS's words for what is wrong."""

from tidegate.cloud.services.codebuild.buildspec.batch import MOST_BUILDS, BatchBuild, BatchSpec, parse_batch
from tidegate.cloud.services.codebuild.buildspec.fields import BuildspecError
from tidegate.cloud.services.codebuild.buildspec.model import Artifact, Buildspec, Cache, Phase, ReportFiles, Retry
from tidegate.cloud.services.codebuild.buildspec.parse import DEFAULT_NAME, PHASES, parse

__all__ = [
    "DEFAULT_NAME",
    "MOST_BUILDS",
    "PHASES",
    "Artifact",
    "BatchBuild",
    "BatchSpec",
    "Buildspec",
    "BuildspecError",
    "Cache",
    "Phase",
    "ReportFiles",
    "Retry",
    "parse",
    "parse_batch",
]
