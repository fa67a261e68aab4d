"""The service scheduler: what to start, what to stop, and what has become of the deployments. Pure.

    plan(service, now) -> Plan

A *rolling update* replaces tasks a few at a time, in `rolling`; *blue/green*, *linear* and *canary* deployments start
all the new ones beside the old ones and shift the requests, in `shifting`. Either may be held by hooks, in `pauses`.
"""

from __future__ import annotations

from datetime import datetime

from tidegate.cloud.services.ecs.plan.pauses import rolling_by_stages, shifting_by_stages
from tidegate.cloud.services.ecs.plan.task_sets import TaskSet, share, task_set
from tidegate.cloud.services.ecs.plan.values import (
    Alarms,
    Answer,
    Begin,
    Breaker,
    Cause,
    Condition,
    Deployment,
    Hook,
    Pause,
    Plan,
    Point,
    Rollout,
    Service,
    Shift,
    Stage,
    Step,
    Stop,
    Task,
    Why,
)

__all__ = [
    "Alarms",
    "Answer",
    "Begin",
    "Breaker",
    "Cause",
    "Condition",
    "Deployment",
    "Hook",
    "Pause",
    "Plan",
    "Point",
    "Rollout",
    "Service",
    "Shift",
    "Stage",
    "Step",
    "Stop",
    "Task",
    "TaskSet",
    "Why",
    "plan",
    "share",
    "task_set",
]


def plan(service: Service, now: datetime) -> Plan:
    """Decide the next step of a service."""
    if service.shift is None:
        return rolling_by_stages(service, now)
    return shifting_by_stages(service, service.shift, now)
