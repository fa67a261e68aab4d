"""What happens on a push."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tidegate.manifest.environment import ACCOUNT, REGION
from tidegate.manifest.part import Name, Part

IMAGE = "aws/codebuild/standard:7.0"


class Stage(Part):
    """One environment that the pipeline deploys to."""

    environment: Name
    """Its name."""
    approve: bool = False
    """Wait for somebody's approval first."""


def _stage(value: Any) -> Any:
    return {"environment": value} if isinstance(value, str) else value


class Test(Part):
    """Commands that must succeed before anything is deployed."""

    commands: tuple[str, ...] = Field(min_length=1)
    """They run in the repository's root, in the build environment."""


class Trigger(Part):
    """Which pushes start the pipeline."""

    paths: tuple[str, ...] = ()
    """Only pushes that change a file that matches one of these patterns (`web/**`); all pushes when left out. Needs
    github, gitlab or bitbucket: CodeCommit does not tell which files a push has changed."""


class Pipeline(Part):
    """What happens on a push: source, build, test, then one environment after the other, all with the same image."""

    stages: tuple[Annotated[Stage, BeforeValidator(_stage, json_schema_input_type=str | Stage)], ...] = ()
    """The environments to deploy to, one after the other. An environment that is no stage has a pipeline of its own."""
    test: Test | None = None
    """Commands that must succeed before anything is deployed."""
    image: str = Field(IMAGE, min_length=1)
    """The build environment (a CodeBuild image). arm64 services are built in AWS's image for arm64 instead, unless this
    is an image of your own."""
    trigger: Trigger = Trigger.model_construct()
    """Which pushes start the pipeline."""
    region: str | None = Field(None, pattern=REGION)
    """The region of pipeline, builds and images; that of the first stage when left out."""
    account: str | None = Field(None, pattern=ACCOUNT)
    """The account of pipeline, builds and images; required where an environment is in another."""
