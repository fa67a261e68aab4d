"""What the tasks of a service are worth to it: whether they serve, by load balancers and by health checks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecs.containers import has_probe
from tidegate.cloud.services.ecs.model import RUNNING, EcsModel, TaskRecord
from tidegate.cloud.services.ecs.plan import Condition

# without any health check a task counts as serving once it has run that long, so that one that crashes at its start
# is not taken for a success
SETTLE = timedelta(seconds=1)

Health = Mapping[tuple[str, str, int], Mapping[str, Any]]  # (target group, address, port) -> TargetHealth

_OF_PROBES = {"HEALTHY": Condition.HEALTHY, "UNHEALTHY": Condition.UNHEALTHY}


class Conditions:
    """Looks at tasks at one moment. `timers` are the moments at which time alone makes a difference."""

    def __init__(
        self, model: EcsModel, health: Health, grace: int, clock: Clock, now: datetime, timers: list[datetime]
    ) -> None:
        """`grace` is for how many seconds a new task may be unhealthy."""
        self._model = model
        self._health = health
        self._grace = timedelta(seconds=grace)
        self._clock = clock
        self._now = now
        self._timers = timers

    def of(self, record: TaskRecord) -> Condition:
        """Return what a live task is worth."""
        task = record["task"]
        if task["lastStatus"] != RUNNING:
            return Condition.STARTING
        verdicts = [self._at(record, each["target_group"], each["port"]) for each in record["registrations"]]
        if self._has_probe(record):
            verdicts.append(_OF_PROBES.get(task["healthStatus"], Condition.STARTING))
        if not verdicts:
            return (
                Condition.STARTING
                if self._is_before(self._clock.steady(task["startedAt"]) + SETTLE)
                else Condition.HEALTHY
            )
        if Condition.UNHEALTHY in verdicts:
            patient = self._is_before(self._clock.steady(task["startedAt"]) + self._grace)
            return Condition.STARTING if patient else Condition.UNHEALTHY
        return Condition.STARTING if Condition.STARTING in verdicts else Condition.HEALTHY

    def fault(self, record: TaskRecord) -> str:
        """Return why a task is unhealthy."""
        for each in record["registrations"]:
            found = self._health.get((each["target_group"], record["address"], each["port"]))
            if found is not None and found["State"] == "unhealthy":
                return (
                    f"Task failed ELB health checks in (target-group {each['target_group']}) "
                    f"due to (reason {found.get('Description', found.get('Reason', 'unknown'))})"
                )
        return "Task failed container health checks"

    def _is_before(self, moment: datetime) -> bool:
        if self._now < moment:
            self._timers.append(moment)
        return self._now < moment

    def _at(self, record: TaskRecord, group: str, port: int) -> Condition:
        found = self._health.get((group, record["address"], port))
        state = "initial" if found is None else found["State"]
        if state in ("healthy", "unavailable"):
            return Condition.HEALTHY
        return Condition.UNHEALTHY if state == "unhealthy" else Condition.STARTING

    def _has_probe(self, record: TaskRecord) -> bool:
        definition = self._model.definition_by_arn(record["definition"])
        return definition is not None and any(
            has_probe(each) and each.get("essential", True) for each in definition["definition"]["containerDefinitions"]
        )
