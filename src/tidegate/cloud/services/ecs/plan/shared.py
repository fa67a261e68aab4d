"""What all deployments have in common: what ends one, how patiently tasks are started, which are worth least."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tidegate.cloud.services.ecs.plan.values import Cause, Condition, Deployment, Plan, Rollout, Service, Task

_FIRST_DELAY, _LONGEST_DELAY = timedelta(seconds=1), timedelta(seconds=60)
_PATIENT_FAILURES = 3  # that many tasks may fail one after the other before the next one has to wait


def ended(service: Service, target: str | None) -> Plan | None:
    """Return the end of the deployment in progress, by whatever comes first; `target` is what to go back to.

    The *circuit breaker* ends a deployment whose tasks keep failing:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html. *Deployment alarms* end
    one while which an alarm is raised:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html. And so does who asks:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stop-service-deployment.html.
    """
    primary, breaker, alarms = service.primary, service.breaker, service.alarms
    if primary.rollout is not Rollout.IN_PROGRESS:
        return None
    if service.requested is not None:
        return taken_back(service.requested, target, rollback=service.requested is not Cause.ABORTED)
    if breaker is not None and primary.failures >= breaker.limit(service.desired):
        return taken_back(Cause.BREAKER, target, rollback=breaker.rollback)
    if alarms is not None and alarms.triggered:
        return taken_back(Cause.ALARM, target, rollback=alarms.rollback)
    return None


def taken_back(cause: Cause, target: str | None, *, rollback: bool) -> Plan:
    """Return the plan that ends a deployment."""
    return Plan(ended=cause, roll_back=rollback, roll_back_to=target if rollback else None)


def due(deployment: Deployment, now: datetime) -> datetime | None:
    """Return when the next task of a deployment whose tasks keep failing may be started; None: now."""
    if deployment.last_failure is None or deployment.failures <= _PATIENT_FAILURES:
        return None
    doublings: int = 2 ** min(deployment.failures - _PATIENT_FAILURES - 1, 16)
    when = deployment.last_failure + min(_FIRST_DELAY * doublings, _LONGEST_DELAY)
    return when if now < when else None


def by_worth(task: Task) -> tuple[int, float]:
    """Order tasks so that those are stopped first that are worth least: unhealthy, starting, then the newest."""
    rank = {Condition.UNHEALTHY: 0, Condition.STARTING: 1, Condition.HEALTHY: 2}[task.condition]
    return rank, -task.created_at.timestamp()


def count(tasks: Iterable[Task], condition: Condition) -> int:
    """Return how many tasks are in a condition."""
    return sum(task.condition is condition for task in tasks)


def earliest(*moments: datetime | None) -> datetime | None:
    """Return the first of some moments; None where there is none."""
    return min((each for each in moments if each is not None), default=None)
