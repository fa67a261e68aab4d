"""Where the code is, and how an image is built of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tidegate.manifest.part import Part, Variables

Provider = Literal["codecommit", "github", "gitlab", "bitbucket", "s3"]
CONNECTED: tuple[Provider, ...] = ("github", "gitlab", "bitbucket")


class Source(Part):
    """Where the code is."""

    provider: Provider = "codecommit"
    """Who keeps the code: codecommit, github, gitlab, bitbucket, or s3 (a zip file that something else uploads)."""
    repository: str | None = Field(None, min_length=1)
    """codecommit: the repository's name, the app's when left out. github, gitlab, bitbucket: `owner/name`, required."""
    branch: str = Field("main", min_length=1)
    """The branch whose pushes go live."""
    connection: str | None = Field(
        None, pattern=r"^arn:[\w-]+:(codeconnections|codestar-connections):[\w-]+:\d{12}:connection/[\w-]+$"
    )
    """github, gitlab, bitbucket: the ARN of a connection that is there already. When left out, one is made, and waits
    until somebody has confirmed it once in the AWS console."""
    bucket: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """s3: a bucket that is there already, with versions and with EventBridge notifications on. When left out, one is
    made."""
    key: str | None = Field(None, min_length=1, max_length=1024)
    """s3: the zip file's key; `source.zip` when left out."""

    @property
    def zip_key(self) -> str:
        """s3: under which key the zip file with the code is uploaded."""
        return self.key or "source.zip"

    @property
    def connected(self) -> bool:
        """Whether the code is reached through a connection."""
        return self.provider in CONNECTED


def _one_word(value: dict[str, str]) -> dict[str, str]:
    for key, each in value.items():
        if len(each.split()) != 1:
            raise ValueError(f"{key} is {each!r}, but a build argument is one word")
    return value


class Build(Part):
    """How the image is built. An image is built once for all environments of a pipeline."""

    dockerfile: str = Field("Dockerfile", min_length=1)
    """The Dockerfile, from the repository's root."""
    context: str = Field(".", min_length=1)
    """The build context, from the repository's root."""
    args: Annotated[Variables, AfterValidator(_one_word)] = Field({})
    """Build arguments (docker build --build-arg), each one word. They are no place for secrets: an image keeps them."""
    target: str | None = Field(None, min_length=1)
    """The stage of a multi-stage Dockerfile to build; the last when left out."""
