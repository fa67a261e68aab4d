"""The service scheduler: what to start, what to stop, and what has become of the deployments. Pure.

    plan(service, now) -> Plan

A *rolling update* keeps at least `minimum` percent of the desired tasks healthy and runs at most `maximum` percent of
them: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html. The *circuit breaker* ends
a deployment whose tasks keep failing:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html. *Deployment alarms* end one
while which an alarm is raised, and it is watched for a while after it has arrived (its bake time):
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

_FEWEST_FAILURES, _MOST_FAILURES = 3, 200
_FIRST_DELAY, _LONGEST_DELAY = timedelta(seconds=1), timedelta(seconds=60)
_PATIENT_FAILURES = 3  # that many tasks may fail one after the other before the next one has to wait


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
    """The circuit breaker. `threshold` None: half of the desired count, at least 3 and at most 200."""

    rollback: bool
    threshold: int | None = None

    def limit(self, desired: int) -> int:
        """Return how many failures one after the other end a deployment."""
        if self.threshold is not None:
            return self.threshold
        return min(max(math.ceil(0.5 * desired), _FEWEST_FAILURES), _MOST_FAILURES)


@dataclass(frozen=True, slots=True)
class Alarms:
    """The alarms that the primary deployment is watched by. `bake` is for how long after it has arrived."""

    rollback: bool
    triggered: bool
    bake: timedelta


@dataclass(frozen=True, slots=True)
class Service:
    """What is wanted, and what there is. `last_completed` is the deployment to roll back to."""

    desired: int
    minimum_percent: int
    maximum_percent: int
    deployments: tuple[Deployment, ...]
    tasks: tuple[Task, ...]
    breaker: Breaker | None = None
    last_completed: str | None = None
    alarms: Alarms | None = None

    @property
    def minimum(self) -> int:
        """Return how many tasks must stay healthy."""
        return math.ceil(self.desired * self.minimum_percent / 100)

    @property
    def maximum(self) -> int:
        """Return how many tasks may run."""
        return math.floor(self.desired * self.maximum_percent / 100)


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
    """What to do now. `again` is when to look again though nothing has changed by then."""

    start: int = 0
    stop: tuple[Stop, ...] = ()
    arrived: bool = False  # the primary deployment's tasks, and no others, serve
    completed: bool = False  # the primary deployment has arrived for good
    failed: bool = False  # the circuit breaker or an alarm ends the primary deployment
    alarmed: bool = False  # it is an alarm
    roll_back_to: str | None = None
    retired: tuple[str, ...] = ()  # deployments of which nothing is left
    steady: bool = False
    again: datetime | None = None


def plan(service: Service, now: datetime) -> Plan:
    """Decide the next step of a service."""
    primary = next(each for each in service.deployments if each.primary)
    ended = _ended(service, primary)
    if ended is not None:
        target = service.last_completed if ended.rollback else None
        back = target if target != primary.id else None
        return Plan(failed=True, alarmed=isinstance(ended, Alarms), roll_back_to=back)
    start, again = _starts(service, primary, now)
    stop = _stops(service, primary)
    left = {task.deployment for task in service.tasks}
    retired = tuple(
        each.id for each in service.deployments if not each.primary and each.id not in left and not each.ending
    )
    alone = len(retired) == len(service.deployments) - 1
    own = [task for task in service.tasks if task.deployment == primary.id]
    arrived = len(own) == service.desired and all(task.condition is Condition.HEALTHY for task in own) and not stop
    coming = primary.rollout is Rollout.IN_PROGRESS and arrived and alone
    baked = now
    if coming and service.alarms is not None:
        baked = (primary.arrived_at or now) + service.alarms.bake
    if now < baked:  # as on AWS the deployment before it is listed until then
        return Plan(
            start=start, stop=stop, arrived=True, again=min(each for each in (again, baked) if each is not None)
        )
    return Plan(
        start=start,
        stop=stop,
        arrived=coming,
        completed=coming,
        retired=retired,
        steady=arrived and alone and primary.rollout is not Rollout.FAILED,
        again=again,
    )


def _ended(service: Service, primary: Deployment) -> Breaker | Alarms | None:
    """Return what ends the primary deployment, whichever comes first."""
    if primary.rollout is not Rollout.IN_PROGRESS:
        return None
    if service.breaker is not None and primary.failures >= service.breaker.limit(service.desired):
        return service.breaker
    if service.alarms is not None and service.alarms.triggered:
        return service.alarms
    return None


def _starts(service: Service, primary: Deployment, now: datetime) -> tuple[int, datetime | None]:
    """Return how many tasks of the primary deployment to start, and when to ask again."""
    if primary.rollout is Rollout.FAILED:
        return 0, None
    own = [task for task in service.tasks if task.deployment == primary.id]
    useful = sum(task.condition is not Condition.UNHEALTHY for task in own)
    wanted = min(service.desired - useful, _room(service) - len(service.tasks))
    if wanted <= 0:
        return 0, None
    if primary.last_failure is not None and primary.failures > _PATIENT_FAILURES:
        due = primary.last_failure + _delay(primary.failures)
        if now < due:
            return 0, due
    return wanted, None


def _room(service: Service) -> int:
    """Return how many tasks may run at once: a maximum under 100 percent does not keep a service from being whole."""
    return max(service.maximum, service.desired)


def _delay(failures: int) -> timedelta:
    doublings: int = 2 ** min(failures - _PATIENT_FAILURES - 1, 16)
    return min(_FIRST_DELAY * doublings, _LONGEST_DELAY)


def _stops(service: Service, primary: Deployment) -> tuple[Stop, ...]:
    """Return the tasks to stop: what serves nobody first, and never more healthy ones than may be missing."""
    own = [task for task in service.tasks if task.deployment == primary.id]
    old = [task for task in service.tasks if task.deployment != primary.id]
    healthy = sum(task.condition is Condition.HEALTHY for task in service.tasks)
    stops = _failed_ones(service, primary, own, old)
    gone = {stop.task for stop in stops}
    spare = healthy - service.minimum

    def take(candidates: Sequence[Task], most: int, why: Why) -> None:
        nonlocal spare
        for task in candidates:
            if most <= 0:
                return
            if task.id in gone or task.protected:
                continue
            if task.condition is Condition.HEALTHY:
                if spare <= 0:
                    continue
                spare -= 1
            stops.append(Stop(task.id, why))
            gone.add(task.id)
            most -= 1

    if primary.rollout is not Rollout.FAILED:
        take(sorted(old, key=_by_worth), len(old), Why.REPLACED)
    left = [task for task in own if task.id not in gone]
    take(sorted(left, key=_by_worth), len(left) - service.desired, Why.SCALED_IN)
    return tuple(stops)


def _failed_ones(service: Service, primary: Deployment, own: Sequence[Task], old: Sequence[Task]) -> list[Stop]:
    """Return the unhealthy tasks to stop now, and all that a failed deployment left behind."""
    unhealthy = [task for task in own if task.condition is Condition.UNHEALTHY]
    if primary.rollout is Rollout.IN_PROGRESS:
        # a new version that does not become healthy is no use to anybody
        return [Stop(task.id, Why.UNHEALTHY) for task in unhealthy]
    if primary.rollout is Rollout.FAILED:
        return [Stop(task.id, Why.FAILED) for task in own if task.condition is not Condition.HEALTHY]
    # a service that arrived: the replacement comes first where there is room for it, for the old one may still serve
    healthy = sum(task.condition is Condition.HEALTHY for task in own)
    most = (
        len(unhealthy) if _room(service) <= len(own) + len(old) else max(0, healthy + len(unhealthy) - service.desired)
    )
    return [Stop(task.id, Why.UNHEALTHY) for task in unhealthy[:most]]


def _by_worth(task: Task) -> tuple[int, float]:
    """Order tasks so that those are stopped first that are worth least: unhealthy, starting, then the newest."""
    rank = {Condition.UNHEALTHY: 0, Condition.STARTING: 1, Condition.HEALTHY: 2}[task.condition]
    return rank, -task.created_at.timestamp()
