"""The manifest's keys. Each key is documented once, here: the text is the reference, the schema and the hint."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FILE_NAME = "tidegate.yml"

_NAME = r"^[a-z][a-z0-9-]{0,29}$"
_GIB = 1024
# CPU units -> MiB; https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
FARGATE_SIZES: dict[int, tuple[int, ...]] = {
    256: (512, _GIB, 2 * _GIB),
    512: tuple(range(_GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}

Name = Annotated[str, Field(pattern=_NAME)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Source(_Part):
    """Where the code is."""

    provider: Literal["codecommit"] = "codecommit"
    """Who keeps the repository: codecommit."""
    repository: str | None = Field(None, pattern=r"^[\w.-]{1,100}$")
    """The repository's name there; the app's name when left out."""
    branch: str = Field("main", min_length=1)
    """The branch whose pushes go live."""


class Build(_Part):
    """How the image is built."""

    dockerfile: str = "Dockerfile"
    """The Dockerfile, from the repository's root."""
    context: str = "."
    """The build context, from the repository's root."""
    args: dict[str, str] = {}
    """Build arguments (docker build --build-arg)."""
    target: str | None = None
    """The stage of a multi-stage Dockerfile to build."""


class Count(_Part):
    """How many tasks run."""

    min: int = Field(1, ge=0)
    """The fewest that autoscaling goes down to."""
    desired: int = Field(1, ge=0)
    """How many to start with."""
    max: int = Field(1, ge=1)
    """The most that autoscaling goes up to."""

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"min": value, "desired": value, "max": max(value, 1)}
        if isinstance(value, dict) and all(isinstance(each, int) for each in value.values()):
            numbers: dict[str, int] = value
            desired = numbers.get("desired", numbers.get("min", 1))
            return {"min": min(1, desired), "max": max(desired, 1), **numbers, "desired": desired}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Count:
        if not self.min <= self.desired <= self.max:
            raise ValueError(f"min <= desired <= max does not hold: {self.min}, {self.desired}, {self.max}")
        return self


class Scaling(_Part):
    """When autoscaling adds or removes tasks; only with a count whose min and max differ."""

    cpu: int | None = Field(None, ge=1, le=100)
    """The average CPU use to aim at, in percent."""
    memory: int | None = Field(None, ge=1, le=100)
    """The average memory use to aim at, in percent."""


class Health(_Part):
    """How the load balancer finds out whether a task can serve."""

    path: str = Field("/", pattern=r"^/")
    """The path that is asked."""
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


class Route(_Part):
    """Which requests the load balancer sends to the service."""

    path: str = Field("/*", pattern=r"^/")
    """The path pattern."""
    host: str | None = None
    """The host header's pattern."""


class Deployment(_Part):
    """How a new version takes the place of the old one."""

    minimum: int = Field(100, ge=0, le=100)
    """The percentage of the desired tasks that stays healthy throughout."""
    maximum: int = Field(200, ge=100, le=400)
    """The percentage of the desired tasks that may run at most."""
    circuit_breaker: bool = True
    """End a deployment whose tasks keep failing, and go back to the version before."""
    drain: int = Field(5, ge=0, le=3600)
    """Seconds that an old task's open requests get at the most."""
    stop_timeout: int = Field(30, ge=2, le=120)
    """Seconds between SIGTERM and SIGKILL."""

    @model_validator(mode="after")
    def _can_move(self) -> Deployment:
        if self.minimum == self.maximum == 100:
            raise ValueError("minimum and maximum cannot both be 100: no task could be replaced")
        return self


class Service(_Part):
    """One service: an image, its tasks, and how they are reached."""

    build: Build = Build()
    """How the image is built."""
    port: int | None = Field(None, ge=1, le=65_535)
    """The port that the container listens on. None: a worker, without a load balancer."""
    cpu: int = 256
    """CPU units: 1024 are one core."""
    memory: int = 512
    """Memory in MiB."""
    arch: Literal["x86_64", "arm64"] = "x86_64"
    """The processor."""
    count: Count = Count()
    """How many tasks run: a number, or min, desired and max."""
    scaling: Scaling = Scaling()
    """When autoscaling adds or removes tasks."""
    health: Health = Health()
    """How the load balancer finds out whether a task can serve."""
    routes: tuple[Route, ...] = (Route(),)
    """Which requests the load balancer sends to the service."""
    environment: dict[str, str] = {}
    """Environment variables."""
    secrets: dict[str, str] = {}
    """Environment variables from secrets: `ssm:/name` names an SSM parameter."""
    deployment: Deployment = Deployment()
    """How a new version takes the place of the old one."""
    log_retention: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653] = 30
    """Days that logs are kept."""

    @field_validator("environment", "secrets", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _text(each) for key, each in value.items()}
        return value

    @field_validator("secrets")
    @classmethod
    def _known_stores(cls, value: dict[str, str]) -> dict[str, str]:
        for name, reference in value.items():
            if not re.match(r"^ssm:/?[\w./-]+$", reference):
                raise ValueError(f"{name} is {reference!r}, but a secret reads ssm:/name of an SSM parameter")
        return value

    @model_validator(mode="after")
    def _fargate_size(self) -> Service:
        if self.cpu not in FARGATE_SIZES:
            sizes = ", ".join(map(str, FARGATE_SIZES))
            raise ValueError(f"cpu {self.cpu} is not a Fargate size; use one of {sizes}")
        if self.memory not in FARGATE_SIZES[self.cpu]:
            fitting = FARGATE_SIZES[self.cpu]
            some = ", ".join(map(str, fitting)) if len(fitting) < 8 else f"{fitting[0]} to {fitting[-1]}"
            raise ValueError(f"memory {self.memory} does not go with cpu {self.cpu} on Fargate; use {some}")
        return self

    @property
    def scales(self) -> bool:
        """Whether autoscaling has anything to decide."""
        return self.count.min != self.count.max


class Network(_Part):
    """Where tasks and the load balancer live."""

    mode: Literal["public"] = "public"
    """public: a network of its own with public subnets, which costs nothing by itself."""


class Environment(_Part):
    """One place where the services run."""

    region: str | None = Field(None, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    """The AWS region; that of the credentials in use when left out."""
    network: Network = Network()
    """Where tasks and the load balancer live."""
    services: dict[Name, dict[str, Any]] = {}
    """What differs here from the services above, by service."""


class Stage(_Part):
    """One environment that the pipeline deploys to."""

    environment: str
    """Its name."""
    approve: bool = False
    """Wait for somebody's approval first."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"environment": value} if isinstance(value, str) else value


class Test(_Part):
    """Commands that must succeed before anything is deployed."""

    commands: tuple[str, ...] = Field(min_length=1)
    """They run in the repository's root."""


class Pipeline(_Part):
    """What happens on a push."""

    stages: tuple[Stage, ...] = ()
    """The environments to deploy to, one after the other."""
    test: Test | None = None
    """Commands that must succeed before anything is deployed."""
    image: str = "aws/codebuild/standard:7.0"
    """The build environment (CodeBuild's images)."""


class Manifest(_Part):
    """tidegate.yml."""

    app: Name
    """The app's name: it begins the names of everything that is made for it."""
    source: Source = Source()
    """Where the code is."""
    services: dict[Name, Service] = Field(min_length=1)
    """The services, by name."""
    environments: dict[Name, Environment] = {}
    """The places where they run, by name. `local` is this machine and needs no entry."""
    pipeline: Pipeline = Pipeline()
    """What happens on a push."""

    @field_validator("services", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        """Take a service of which nothing is said for one of which everything is left out."""
        if isinstance(value, dict):
            return {name: {} if each is None else each for name, each in value.items()}
        return value

    @property
    def repository(self) -> str:
        """Return the name of the source repository."""
        return self.source.repository or self.app

    @property
    def environment_names(self) -> list[str]:
        """Return the environments that can be named on the command line."""
        return ["local", *(name for name in self.environments if name != "local")]


def _text(value: Any) -> Any:
    """Return numbers and truth values as the text that an environment variable is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value
