"""What the scheduler is told, and what it decides: frozen values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

_FEWEST_FAILURES, _MOST_FAILURES = 3, 200


class Condition(Enum):
    """What a live task is worth to its service."""

    STARTING = "starting"  # not serving yet
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"  # past its grace period


class Rollout(Enum):
    """How far a deployment has come."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class Stage(Enum):
    """Where a deployment that shifts requests is, by AWS's names.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html
    """

    RECONCILE_SERVICE = "RECONCILE_SERVICE"
    PRE_SCALE_UP = "PRE_SCALE_UP"
    SCALE_UP = "SCALE_UP"
    POST_SCALE_UP = "POST_SCALE_UP"
    TEST_TRAFFIC_SHIFT = "TEST_TRAFFIC_SHIFT"
    POST_TEST_TRAFFIC_SHIFT = "POST_TEST_TRAFFIC_SHIFT"
    PRODUCTION_TRAFFIC_SHIFT = "PRODUCTION_TRAFFIC_SHIFT"
    POST_PRODUCTION_TRAFFIC_SHIFT = "POST_PRODUCTION_TRAFFIC_SHIFT"
    BAKE_TIME = "BAKE_TIME"
    CLEAN_UP = "CLEAN_UP"


class Cause(Enum):
    """What ends a deployment before it has arrived."""

    BREAKER = "the circuit breaker"
    ALARM = "an alarm"
    USER = "somebody who wants the one before back"
    ABORTED = "somebody who wants it to stop where it is"
    NETWORK = "the load balancer's settings, or what may be done with them"
    TIME = "a stage that takes too long"
    HOOK = "a lifecycle hook that says so, or that nobody answered in time"


@dataclass(frozen=True, slots=True)
class Task:
    """A live task: one that runs, or is on its way to running, and has not been told to stop."""

    id: str
    deployment: str
    condition: Condition
    created_at: datetime
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment. `failures` counts the tasks that failed one after the other, `ending` those still stopping.

    `arrived_at` is when all its tasks, and no others, served for the first time.
    """

    id: str
    primary: bool
    rollout: Rollout
    failures: int = 0
    last_failure: datetime | None = None
    ending: int = 0
    arrived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Breaker:
    """The circuit breaker. `threshold` is a number of tasks or, with `percent`, a share of the desired ones.

    A share is held between 3 and 200 tasks where it is `bounded`.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ThresholdConfiguration.html
    """

    rollback: bool
    threshold: int = 50
    percent: bool = True
    bounded: bool = True

    def limit(self, desired: int) -> int:
        """Return how many failures one after the other end a deployment."""
        if not self.percent:
            return self.threshold
        share = math.ceil(desired * self.threshold / 100)
        return min(max(share, _FEWEST_FAILURES), _MOST_FAILURES) if self.bounded else max(share, 1)


@dataclass(frozen=True, slots=True)
class Alarms:
    """The alarms that the primary deployment is watched by. `bake` is for how long after it has arrived."""

    rollback: bool
    triggered: bool
    bake: timedelta


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the shift: the percentage of the requests that the new tasks get, and for how long at least."""

    percent: float
    bake: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Shift:
    """A deployment that moves requests from the tasks of one revision to those of another, as far as it has come.

    `production` and `test` are the percentages of requests that each listener rule sends to the new tasks at this
    moment; `moved_at` is since when they are what the step asks for. `source` is the deployment whose tasks get the
    others, None where there is none. In a `rolling_back` shift the primary deployment is the one to go back to.
    """

    stage: Stage
    since: datetime
    steps: tuple[Step, ...]
    bake: timedelta
    step: int = 0
    moved_at: datetime | None = None
    source: str | None = None
    production: tuple[float, ...] = ()
    test: tuple[float, ...] = ()
    rolling_back: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A moment of a deployment at which hooks may pause it; `step` is the step of the shift that it precedes."""

    stage: str
    step: int = 0


@dataclass(frozen=True, slots=True)
class Hook:
    """A lifecycle hook: the stages it pauses at, for how long at most, and whether the deployment goes back then."""

    stages: frozenset[str]
    patience: timedelta
    roll_back: bool


class Answer(Enum):
    """What a pause was answered."""

    AWAITED = "nothing yet"
    CONTINUE = "go on"
    ROLL_BACK = "go back"


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that has begun. `hook` is its hook's place among the service's."""

    id: str
    hook: int
    at: Point
    expires: datetime
    answer: Answer = Answer.AWAITED


@dataclass(frozen=True, slots=True)
class Begin:
    """A pause to begin."""

    hook: int
    at: Point


@dataclass(frozen=True, slots=True)
class Service:
    """What is wanted, and what there is. `last_completed` is the deployment to roll back to.

    `requested` is why the deployment in progress is to end, where somebody has said so.
    """

    desired: int
    minimum_percent: int
    maximum_percent: int
    deployments: tuple[Deployment, ...]
    tasks: tuple[Task, ...]
    breaker: Breaker | None = None
    last_completed: str | None = None
    alarms: Alarms | None = None
    shift: Shift | None = None
    requested: Cause | None = None
    hooks: tuple[Hook, ...] = ()
    pauses: tuple[Pause, ...] = ()  # of the deployment in progress

    @property
    def minimum(self) -> int:
        """Return how many tasks must stay healthy."""
        return math.ceil(self.desired * self.minimum_percent / 100)

    @property
    def maximum(self) -> int:
        """Return how many tasks may run."""
        return math.floor(self.desired * self.maximum_percent / 100)

    @property
    def primary(self) -> Deployment:
        """Return the deployment that the service is on its way to, or has arrived at."""
        return next(each for each in self.deployments if each.primary)


class Why(Enum):
    """Why a task is stopped."""

    SCALED_IN = "scaled in"
    REPLACED = "replaced by a deployment"
    UNHEALTHY = "unhealthy"
    FAILED = "of a failed deployment"


@dataclass(frozen=True, slots=True)
class Stop:
    """One task to stop."""

    task: str
    why: Why


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now. `again` is when to look again though nothing has changed by then.

    `production` and `test` are the percentages of requests that the primary deployment's tasks are to get; None
    leaves them as they are.
    """

    start: int = 0  # tasks of the primary deployment
    restart: int = 0  # tasks of the deployment that the primary one comes from
    stop: tuple[Stop, ...] = ()
    arrived: bool = False  # the primary deployment's tasks, and no others, serve
    completed: bool = False  # the primary deployment has arrived for good
    ended: Cause | None = None  # the primary deployment is over
    roll_back: bool = False  # it is to be taken back,
    roll_back_to: str | None = None  # to this one
    retired: tuple[str, ...] = ()  # deployments of which nothing is left
    steady: bool = False
    again: datetime | None = None
    stage: Stage | None = None  # the next one
    step: int | None = None  # the next one of the shift
    moved: bool = False  # the requests have moved as the step asks
    production: float | None = None
    test: float | None = None
    begin: tuple[Begin, ...] = ()  # pauses
    timed_out: tuple[str, ...] = ()  # pauses that nobody answered in time

    @property
    def failed(self) -> bool:
        """Return whether something ends the primary deployment."""
        return self.ended is not None
