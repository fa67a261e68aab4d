"""Tasks that run by the clock."""

from __future__ import annotations

from pydantic import Field

from tidegate.manifest.part import Name, Part, Variables
from tidegate.manifest.sizes import Cpu, Memory

SCHEDULE = r"^(rate\([1-9]\d* (minutes?|hours?|days?)\)|cron\(\S+ \S+ \S+ \S+ \S+ \S+\))$"


class Job(Part):
    """A task that runs by the clock, with a service's image, settings, secrets and rights.

    It is always the version that the pipeline deployed last. Code that no service runs gets a service with `count: 0`.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
    """

    schedule: str = Field(pattern=SCHEDULE)
    """When: `rate(1 hour)`, or `cron(0 3 * * ? *)` (minute, hour, day, month, weekday, year; UTC)."""
    command: tuple[str, ...] = Field(min_length=1)
    """The command and its arguments."""
    service: Name | None = None
    """The service whose image and settings it runs with; may be left out where there is one service only."""
    cpu: Cpu | None = None
    """CPU units; those of the service when left out."""
    memory: Memory | None = None
    """Memory in MiB; that of the service when left out."""
    environment: Variables = Field({})
    """Environment variables besides the service's."""
