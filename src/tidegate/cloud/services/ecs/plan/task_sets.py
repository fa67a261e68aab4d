"""Task sets of a service with an external deployment controller: each is kept at its share of the service. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-external.html. Nobody but the caller moves
anything from one task set to another, so each is decided by itself, as a rolling service that has one deployment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from tidegate.cloud.services.ecs.plan.rolling import rolling
from tidegate.cloud.services.ecs.plan.values import Deployment, Plan, Rollout, Service, Task


@dataclass(frozen=True, slots=True)
class TaskSet:
    """A task set, and what is wanted of it. `settled`: it has been steady; `ending` counts tasks still stopping."""

    id: str
    desired: int
    tasks: tuple[Task, ...]
    minimum_percent: int = 100
    maximum_percent: int = 200
    settled: bool = False
    draining: bool = False
    failures: int = 0
    last_failure: datetime | None = None
    ending: int = 0


def share(desired: int, percent: float) -> int:
    """Return how many tasks a percentage of a service's desired ones is: rounded up, as ECS does."""
    return math.ceil(desired * Fraction(str(percent)) / 100)


def task_set(given: TaskSet, now: datetime) -> Plan:
    """Decide the next step of a task set: `steady` is its steady state, `retired` that nothing of it is left."""
    if given.draining and not given.tasks:
        return Plan(retired=() if given.ending else (given.id,))
    desired = 0 if given.draining else given.desired
    rollout = Rollout.COMPLETED if given.settled else Rollout.IN_PROGRESS
    deployment = Deployment(given.id, True, rollout, given.failures, given.last_failure, given.ending)
    decided = rolling(Service(desired, given.minimum_percent, given.maximum_percent, (deployment,), given.tasks), now)
    return replace(decided, steady=decided.steady and not given.ending and not given.draining)
