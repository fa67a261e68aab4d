"""A service with an external deployment controller: each of its task sets is kept as it is wanted.

Nothing here waits: it is all done within one transaction.
"""

from __future__ import annotations

from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    COMPLETED,
    DRAINING,
    INACTIVE,
    STOPPED,
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    TaskRecord,
    TaskSetRecord,
)
from tidegate.cloud.services.ecs.plan import TaskSet, task_set
from tidegate.cloud.services.ecs.reconciler.conditions import Health
from tidegate.cloud.services.ecs.reconciler.tending import Tending
from tidegate.cloud.services.ecs.task_sets import STABILIZING, STEADY_STATE, desired_of
from tidegate.cloud.store import Key


def tend_task_sets(model: EcsModel, clock: Clock, key: Key, record: ServiceRecord, health: Health) -> float | None:
    """Take the next step of every task set, write the service, and return the seconds until the next look."""
    tasks = model.service_tasks(*key)
    timers, left, now = [], [], clock.now()
    for each in record.get("task_sets", []):
        own = {task_id: task for task_id, task in tasks.items() if task.get("deployment") == each["task_set"]["id"]}
        step = _TaskSetStep(model, clock, key, record, each, own, health)
        if step.take():
            left.append(each)
        timers += step.timers
    record["task_sets"] = left
    stopped = all(task["task"]["lastStatus"] == STOPPED for task in tasks.values())
    if record["service"]["status"] == DRAINING and not left and stopped:
        record["service"]["status"] = INACTIVE
    model.services.update(key, lambda found: found.update(record))
    return max(0.05, (min(timers) - now).total_seconds()) if timers else None


class _TaskSetStep(Tending):
    def __init__(
        self,
        model: EcsModel,
        clock: Clock,
        key: Key,
        record: ServiceRecord,
        own: TaskSetRecord,
        tasks: dict[str, TaskRecord],
        health: Health,
    ) -> None:
        super().__init__(model, clock, key, record, tasks, health)
        self._own = own
        self._title = f"(service {self._name}, taskSet {own['task_set']['id']})"

    def take(self) -> bool:
        """Decide and act; return whether anything is left of the task set."""
        deployment = self._own["deployment"]
        conditions = self._seen()
        configuration: Any = self._record["service"]["deploymentConfiguration"]
        decided = task_set(
            TaskSet(
                id=deployment["id"],
                desired=desired_of(self._record, self._own),
                tasks=tuple(self._task(task_id, condition) for task_id, condition in conditions.items()),
                minimum_percent=configuration["minimumHealthyPercent"],
                maximum_percent=configuration["maximumPercent"],
                settled=deployment["rollout"] == COMPLETED,
                draining=deployment["status"] == DRAINING,
                failures=deployment["failed"],
                last_failure=self._steady(deployment.get("last_failure")),
                ending=self._ending(deployment["id"]),
            ),
            self._now,
        )
        self._stop(decided)
        self._start(deployment, decided.start)
        if decided.again is not None:
            self.timers.append(decided.again)
        if decided.completed:
            deployment["rollout"] = COMPLETED
        self._note_stability(decided.steady)
        return deployment["id"] not in decided.retired

    def _note_stability(self, steady: bool) -> None:
        shown = self._own["task_set"]
        status: Any = STEADY_STATE if steady else STABILIZING
        if shown["stabilityStatus"] == status:
            return
        shown["stabilityStatus"], shown["stabilityStatusAt"] = status, self._now
        if steady and self._record["service"]["status"] == ACTIVE:
            self._tell("has reached a steady state.")

    def _deployments(self) -> list[DeploymentRecord]:
        return [self._own["deployment"]]
