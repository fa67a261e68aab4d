"""How a new version takes the place of the old one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tidegate.manifest.part import Minutes, Part

Strategy = Literal["rolling", "blue-green", "linear", "canary"]
_ERRORS, _LATENCY = 5, 1.0
_STEP = {"linear": 10.0, "canary": 10.0}


class Alarm(Part):
    """An alarm that ends a deployment and takes it back: one of `name`, `errors` and `latency`."""

    name: str | None = Field(None, min_length=1, max_length=255)
    """A CloudWatch alarm that is there already."""
    errors: int | None = Field(None, ge=1)
    """Made here: this many answers with a 5xx code in a minute. `errors` alone means 5."""
    latency: float | None = Field(None, gt=0)
    """Made here: one answer in twenty takes longer than this many seconds (95th percentile). `latency` alone means
    1."""

    @model_validator(mode="after")
    def _one(self) -> Alarm:
        if [self.name, self.errors, self.latency].count(None) != 2:
            raise ValueError("it is one of name, errors and latency")
        return self


def _alarm(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return {"errors": {"errors": _ERRORS}, "latency": {"latency": _LATENCY}}.get(value, {"name": value})


class Deployment(Part):
    """How a new version takes the place of the old one.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment-strategies.html
    """

    strategy: Strategy = "rolling"
    """rolling: tasks are replaced few by few. blue-green: the new version stands whole beside the old one, then gets
    all requests at once. linear: it gets them in equal steps. canary: it gets a small share first, then the rest."""
    bake_time: Minutes | None = None
    """blue-green, linear, canary: minutes in which the old version stays ready after the new one has got all requests;
    5 when left out."""
    step_percent: float | None = Field(None, ge=0.1, le=100, multiple_of=0.1)
    """linear: the percentage of requests that each step adds (3 or more). canary: the percentage that the new version
    gets first. 10 when left out."""
    step_bake_time: Minutes | None = None
    """linear: minutes between two steps. canary: minutes before the new version gets the rest. 2 when left out."""
    minimum: int = Field(100, ge=0, le=100)
    """The percentage of the desired tasks that stays healthy throughout."""
    maximum: int = Field(200, ge=100, le=400)
    """The percentage of the desired tasks that may run at most."""
    circuit_breaker: bool = True
    """End a deployment whose tasks keep failing, and go back to the version before."""
    alarms: tuple[Annotated[Alarm, BeforeValidator(_alarm, json_schema_input_type=str | Alarm)], ...] = ()
    """Alarms that end a deployment and take it back: `errors`, `latency`, the name of an alarm that is there already,
    or with a threshold `{errors: 20}`, `{latency: 0.5}`."""
    drain: int = Field(5, ge=0, le=3600)
    """Seconds that an old task's open requests get at the most."""
    stop_timeout: int = Field(30, ge=2, le=120)
    """Seconds between SIGTERM and SIGKILL."""

    @model_validator(mode="after")
    def _can_move(self) -> Deployment:
        if self.minimum == self.maximum == 100:
            raise ValueError("minimum and maximum cannot both be 100: no task could be replaced")
        return self

    @property
    def shifts(self) -> bool:
        """Whether requests are shifted between two target groups."""
        return self.strategy != "rolling"

    @property
    def bake_minutes(self) -> int:
        """Return how long the old version stays ready."""
        return 5 if self.bake_time is None else self.bake_time

    @property
    def step(self) -> float:
        """Return the percentage of requests of a step."""
        return _STEP.get(self.strategy, 10.0) if self.step_percent is None else self.step_percent

    @property
    def step_minutes(self) -> int:
        """Return how long each step lasts."""
        return 2 if self.step_bake_time is None else self.step_bake_time

    @property
    def minutes(self) -> int:
        """Return how long requests are shifted and the old version kept, as CloudFormation reckons it.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-ecs-service-linearconfiguration.html
        """
        if not self.shifts:
            return 0
        steps = {"linear": -int(-100 // self.step) - 1, "canary": 1}.get(self.strategy, 0)
        return self.bake_minutes + steps * self.step_minutes
