"""The service scheduler: what to start, what to stop, and what has become of the deployments. Pure.

    plan(service, now) -> Plan

A *rolling update* replaces tasks a few at a time, in `rolling`; *blue/green*, *linear* and *canary* deployments start
all the new ones beside the old ones and shift the requests, in `shifting`.
"""

from __future__ import annotations

from datetime import datetime

from tidegate.cloud.services.ecs.plan.rolling import rolling
from tidegate.cloud.services.ecs.plan.shifting import shifting
from tidegate.cloud.services.ecs.plan.values import (
    Alarms,
    Breaker,
    Cause,
    Condition,
    Deployment,
    Plan,
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
    "Breaker",
    "Cause",
    "Condition",
    "Deployment",
    "Plan",
    "Rollout",
    "Service",
    "Shift",
    "Stage",
    "Step",
    "Stop",
    "Task",
    "Why",
    "plan",
]


def plan(service: Service, now: datetime) -> Plan:
    """Decide the next step of a service."""
    return rolling(service, now) if service.shift is None else shifting(service, service.shift, now)
