"""Rolling updates: at least `minimum` percent of the desired tasks stay healthy, at most `maximum` percent run. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html. With deployment alarms a
deployment is watched for a while after it has arrived (its bake time).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tidegate.cloud.services.ecs.plan.shared import by_worth, count, due, earliest, ended
from tidegate.cloud.services.ecs.plan.values import (
    Condition,
    Deployment,
    Plan,
    Rollout,
    Service,
    Stop,
    Task,
    Why,
)


def rolling(service: Service, now: datetime) -> Plan:
    """Decide the next step of a service whose tasks are replaced a few at a time."""
    primary = service.primary
    over = ended(service, service.last_completed if service.last_completed != primary.id else None)
    if over is not None:
        return over
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
        return Plan(start=start, stop=stop, arrived=True, again=earliest(again, baked))
    return Plan(
        start=start,
        stop=stop,
        arrived=coming,
        completed=coming,
        retired=retired,
        steady=arrived and alone and primary.rollout is not Rollout.FAILED,
        again=again,
    )


def _starts(service: Service, primary: Deployment, now: datetime) -> tuple[int, datetime | None]:
    """Return how many tasks of the primary deployment to start, and when to ask again."""
    if primary.rollout is Rollout.FAILED:
        return 0, None
    own = [task for task in service.tasks if task.deployment == primary.id]
    useful = len(own) - count(own, Condition.UNHEALTHY)
    wanted = min(service.desired - useful, _room(service) - len(service.tasks))
    if wanted <= 0:
        return 0, None
    later = due(primary, now)
    return (wanted, None) if later is None else (0, later)


def _room(service: Service) -> int:
    """Return how many tasks may run at once: a maximum under 100 percent does not keep a service from being whole."""
    return max(service.maximum, service.desired)


def _stops(service: Service, primary: Deployment) -> tuple[Stop, ...]:
    """Return the tasks to stop: what serves nobody first, and never more healthy ones than may be missing."""
    own = [task for task in service.tasks if task.deployment == primary.id]
    old = [task for task in service.tasks if task.deployment != primary.id]
    stops = _failed_ones(service, primary, own, old)
    gone = {stop.task for stop in stops}
    spare = count(service.tasks, Condition.HEALTHY) - service.minimum

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
        take(sorted(old, key=by_worth), len(old), Why.REPLACED)
    # an unhealthy one that is left has its replacement on the way: it is not one too many, it goes when that serves
    left = [task for task in own if task.id not in gone and task.condition is not Condition.UNHEALTHY]
    take(sorted(left, key=by_worth), len(left) - service.desired, Why.SCALED_IN)
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
    healthy = count(own, Condition.HEALTHY)
    most = (
        len(unhealthy) if _room(service) <= len(own) + len(old) else max(0, healthy + len(unhealthy) - service.desired)
    )
    return [Stop(task.id, Why.UNHEALTHY) for task in unhealthy[:most]]
