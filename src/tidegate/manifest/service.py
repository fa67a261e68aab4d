"""One service: an image, its tasks, how many of them there are, and how they are reached."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tidegate.manifest.deployment import Deployment
from tidegate.manifest.part import Name, Part, Percent, Variables
from tidegate.manifest.route import Health, Route
from tidegate.manifest.secret import Secrets
from tidegate.manifest.sidecar import Condition, Sidecar
from tidegate.manifest.sizes import Cpu, Memory
from tidegate.manifest.source import Build

Architecture = Literal["x86_64", "arm64"]
Retention = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]


class Count(Part):
    """How many tasks run: a number, or min, desired and max."""

    min: int = Field(1, ge=0)
    """The fewest that autoscaling goes down to."""
    desired: int = Field(1, ge=0)
    """How many to start with."""
    max: int = Field(1, ge=1)
    """The most that autoscaling goes up to."""

    @model_validator(mode="before")
    @classmethod
    def _derived(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not all(isinstance(each, int) for each in value.values()):
            return value
        numbers: dict[str, int] = value
        desired = numbers.get("desired", numbers.get("min", 1))
        return {"min": min(1, desired), "max": max(desired, 1), **numbers, "desired": desired}

    @model_validator(mode="after")
    def _ordered(self) -> Count:
        if not self.min <= self.desired <= self.max:
            raise ValueError(f"min <= desired <= max does not hold: {self.min}, {self.desired}, {self.max}")
        return self


def count_of(value: Any) -> Any:
    """Return a plain number of tasks as min, desired and max."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"min": value, "desired": value, "max": max(value, 1)}
    return value


class Scaling(Part):
    """When autoscaling adds or removes tasks: each average is kept near its target.

    Only with a count whose min and max differ; then `cpu: 70` when nothing is said.

    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
    """

    cpu: Percent | None = None
    """The average CPU use to aim at, in percent."""
    memory: Percent | None = None
    """The average memory use to aim at, in percent."""
    requests: int | None = Field(None, ge=1)
    """The requests per minute and task to aim at; needs an application load balancer and rolling deployments."""


def _no_classic(value: Any) -> Any:
    if value == "classic":
        raise ValueError(
            "a Classic Load Balancer cannot serve Fargate: its targets are instances, and Fargate tasks are addresses; "
            "use application or network"
        )
    return value


def _share(value: Any) -> Any:
    if isinstance(value, float) and 0 < value < 1:
        raise ValueError(f"{value} is no percentage: write {value * 100:.0f}")
    return value


class Service(Part):
    """One service: an image, its tasks, and how they are reached."""

    build: Build = Build.model_construct()
    """How the image is built."""
    port: int | None = Field(None, ge=1, le=65_535)
    """The port that the container listens on. None: a worker, without a load balancer."""
    cpu: Cpu = 256
    """CPU units (1024 are one core), or `.25 vCPU`."""
    memory: Memory = 512
    """Memory in MiB, or `0.5GB`."""
    arch: Architecture = "x86_64"
    """The processor: x86_64, or arm64, which costs a fifth less."""
    count: Annotated[Count, BeforeValidator(count_of, json_schema_input_type=int | Count)] = Count.model_construct()
    """How many tasks run: a number, or min, desired and max."""
    scaling: Scaling = Scaling.model_construct()
    """When autoscaling adds or removes tasks."""
    spot: Annotated[int, BeforeValidator(_share, json_schema_input_type=int)] = Field(0, ge=0, le=100)
    """The percentage of tasks on FARGATE_SPOT, which costs a third and can be taken away with two minutes' notice.
    Below 100, one task at least is never on it."""
    health: Health = Health.model_construct()
    """How the load balancer finds out whether a task can serve."""
    load_balancer: Annotated[Literal["application", "network"], BeforeValidator(_no_classic)] = "application"
    """application: requests come through the environment's load balancer, by `routes`. network: TCP connections come
    through a load balancer of the service's own, on the port that the container listens on."""
    routes: tuple[Route, ...] = Field((Route.model_construct(),), min_length=1)
    """Which requests the application load balancer sends to the service; all when left out."""
    environment: Variables = Field({})
    """Environment variables."""
    secrets: Secrets = Field({})
    """Environment variables from secrets: `ssm:/name` is an SSM parameter, `secretsmanager:name` a secret of Secrets
    Manager, `secretsmanager:name#key` one key of it. They are read when a task starts."""
    sidecars: dict[Name, Sidecar] = Field({})
    """Containers that run beside it in the same task, by name."""
    depends_on: dict[Name, Condition] = Field({})
    """Sidecars that have to be there first, by name: start, healthy, or for one that ends complete or success."""
    deployment: Deployment = Deployment.model_construct()
    """How a new version takes the place of the old one."""
    exec: bool = False
    """Let ECS Exec open a shell in a running task."""
    log_retention: Retention = 30
    """Days that logs are kept."""

    @property
    def scales(self) -> bool:
        """Whether autoscaling has anything to decide."""
        return self.count.min != self.count.max

    @property
    def routed(self) -> bool:
        """Whether it stands behind the environment's application load balancer."""
        return self.port is not None and self.load_balancer == "application"

    @property
    def networked(self) -> bool:
        """Whether it stands behind a network load balancer of its own."""
        return self.port is not None and self.load_balancer == "network"
