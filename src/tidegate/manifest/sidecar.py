"""Containers that run beside a service's own in the same task."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tidegate.manifest.part import Name, Part, Variables
from tidegate.manifest.secret import Secrets

Condition = Literal["start", "healthy", "complete", "success"]


def _command(value: tuple[str, ...]) -> tuple[str, ...]:
    if value and value[0] not in ("CMD", "CMD-SHELL"):
        raise ValueError(f"it begins with CMD or CMD-SHELL, not {value[0]!r}")
    return value


class Sidecar(Part):
    """A container beside the service's own. They share the network: one reaches the other at 127.0.0.1."""

    image: str = Field(min_length=1)
    """The image, with its tag or digest."""
    port: int | None = Field(None, ge=1, le=65_535)
    """The port that it listens on; another than the service's."""
    essential: bool = True
    """Whether the task ends when it ends. One that only prepares something is not essential."""
    command: tuple[str, ...] = ()
    """The command and its arguments, instead of the image's."""
    environment: Variables = Field({})
    """Environment variables."""
    secrets: Secrets = Field({})
    """Environment variables from secrets, as those of the service."""
    health: Annotated[tuple[str, ...], AfterValidator(_command)] = ()
    """The command that tells whether it is well, every 5 seconds: `[CMD-SHELL, "curl -f http://127.0.0.1:9000/"]`."""
    depends_on: dict[Name, Condition] = Field({})
    """Containers of the task that have to be there first, by name: start, healthy, complete or success."""
