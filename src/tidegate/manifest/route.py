"""Which requests reach a service, and how the balancer finds out whether a task can serve them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tidegate.manifest.part import Part, Patterns

_VALUES = 5  # that all conditions of a rule may have together


def _paths(value: tuple[str, ...]) -> tuple[str, ...]:
    for path in value:
        if not path.startswith("/"):
            raise ValueError(f"{path!r} must begin with /")
    return value


class Route(Part):
    """Requests that a service gets: those that meet every condition named here.

    The more a route says, the earlier it is asked; a host weighs more than a path.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
    """

    path: Annotated[Patterns, AfterValidator(_paths)] = ("/*",)
    """The path's pattern (`*` and `?` stand for anything), or several of which one must match."""
    host: Patterns | None = None
    """The host header's pattern, or several of which one must match."""
    method: Annotated[Patterns, Field(json_schema_extra={"examples": ["POST"]})] | None = None
    """The request method, or several, in capitals."""
    header: dict[str, Patterns] = Field({})
    """Headers by name, each with its pattern or several of which one must match."""
    query: dict[str, Patterns] = Field({})
    """Parameters of the query by name, each with its pattern or several of which one must match."""

    @model_validator(mode="after")
    def _not_too_many(self) -> Route:
        values = len(self.path) + len(self.host or ()) + len(self.method or ())
        values += sum(len(each) for each in (*self.header.values(), *self.query.values()))
        if values > _VALUES:
            raise ValueError(f"a route has {_VALUES} patterns at the most, and this one has {values}: make two of it")
        return self


class Health(Part):
    """How the load balancer finds out whether a task can serve.

    The defaults make a deployment fast: AWS's own (every 30 s, 5 times) cost minutes.
    """

    path: str = Field("/", pattern=r"^/")
    """The path that is asked. Behind a network load balancer a connection is enough, unless a path is named here."""
    interval: int = Field(5, ge=5, le=300)
    """Seconds between two checks."""
    timeout: int = Field(2, ge=2, le=120)
    """Seconds after which an answer is too late."""
    healthy: int = Field(2, ge=2, le=10)
    """Checks in a row that make a target healthy again."""
    unhealthy: int = Field(2, ge=2, le=10)
    """Checks in a row that make a target unhealthy."""
    grace: int = Field(30, ge=0, le=86_400)
    """Seconds after its start in which a task may fail its checks."""
    codes: str = Field("200-299", pattern=r"^\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*$")
    """The HTTP status codes that are an answer."""

    @model_validator(mode="after")
    def _in_time(self) -> Health:
        if self.timeout >= self.interval:
            raise ValueError(f"timeout must be less than interval: {self.timeout} is not less than {self.interval}")
        return self
