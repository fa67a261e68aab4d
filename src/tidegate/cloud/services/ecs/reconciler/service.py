"""Makes a service real: reads what there is, has a step taken, and moves requests as the step asks.

Everything between reading the records and writing them happens without waiting, in one transaction: see `step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    IN_PROGRESS,
    INACTIVE,
    EcsModel,
    ServiceDeploymentRecord,
    ServiceRecord,
    balancers_of,
    is_external,
    primary,
    target_groups,
)
from tidegate.cloud.services.ecs.reconciler.conditions import Health
from tidegate.cloud.services.ecs.reconciler.step import Outcome, Seen, Step
from tidegate.cloud.services.ecs.reconciler.task_sets import tend_task_sets
from tidegate.cloud.services.ecs.reconciler.traffic import Rules, Traffic, UnmovableError
from tidegate.cloud.services.ecs.traffic import shifts
from tidegate.cloud.store import Key

_AFTER_MOVE = 1.0  # seconds; the change of the rule is noticed anyway


class ServiceReconciler:
    """The controller of `ecs.service`."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._traffic = Traffic(calls)

    async def reconcile(self, key: Key) -> float | None:
        """Take a service's next step; return the seconds after which time alone may have changed something."""
        record = self._model.services.get(*key)
        if record is None or record["service"]["status"] == INACTIVE:
            return None
        health = await self._health(key, record)
        if is_external(record):
            return self._tend_task_sets(key, health)
        alarms = await self._alarms(key, record)
        rules = await self._rules(key, record)
        with self._model.store.transaction():
            record = self._model.services.get(*key)
            if record is None:
                return None
            outcome = Step(self._model, self._clock, key, record, Seen(health, alarms, rules)).take()
        return await self._move(key, record, rules, outcome)

    def _tend_task_sets(self, key: Key, health: Health) -> float | None:
        with self._model.store.transaction():
            record = self._model.services.get(*key)
            return None if record is None else tend_task_sets(self._model, self._clock, key, record, health)

    async def _health(self, key: Key, record: ServiceRecord) -> Health:
        caller = self._calls.as_service("ecs.amazonaws.com", key[0])
        health: dict[tuple[str, str, int], Mapping[str, Any]] = {}
        for group in dict.fromkeys(arn for each in balancers_of(record) for arn in target_groups(each)):
            try:
                answer = await caller("elbv2", "describe_target_health", TargetGroupArn=group)
            except ServiceError as error:
                if error.code != "TargetGroupNotFound":
                    raise
                continue
            for each in answer["TargetHealthDescriptions"]:
                health[group, each["Target"]["Id"], each["Target"]["Port"]] = each["TargetHealth"]
        return health

    async def _alarms(self, key: Key, record: ServiceRecord) -> Sequence[Mapping[str, Any]]:
        """Return the alarms that the deployment in progress is watched by, as they are."""
        settings = record["service"]["deploymentConfiguration"].get("alarms")
        if settings is None or not settings["enable"] or not settings["alarmNames"]:
            return ()
        current = primary(record)
        if current["rollout"] != IN_PROGRESS or not current.get("watched", True):
            return ()
        caller = self._calls.as_service("ecs.amazonaws.com", key[0])
        kinds = ["MetricAlarm", "CompositeAlarm"]
        answer = await caller("cloudwatch", "describe_alarms", AlarmNames=settings["alarmNames"], AlarmTypes=kinds)
        return [*answer["MetricAlarms"], *answer["CompositeAlarms"]]

    async def _rules(self, key: Key, record: ServiceRecord) -> Rules:
        """Return the listener rules between whose target groups requests are being shifted."""
        process = self._model.current(key, record)
        if record["service"]["status"] != ACTIVE or process is None or not record["deployments"]:
            return Rules()
        if not shifts(process["deployment"]["deploymentConfiguration"]) or primary(record)["rollout"] == "COMPLETED":
            return Rules()
        return await self._traffic.rules(key[0], primary(record)["balancers"])

    async def _move(self, key: Key, record: ServiceRecord, rules: Rules, outcome: Outcome) -> float | None:
        """Move requests as a step asks, and write down where that cannot be."""
        if outcome.stage is None:
            return outcome.again
        deployment, stage = primary(record), outcome.stage.value
        asked = (("productionListenerRule", outcome.production), ("testListenerRule", outcome.test))
        due = [(name, percent) for name, percent in asked if percent is not None]
        due = [(name, percent) for name, percent in due if {*rules.shares(deployment, name)} - {percent}]
        try:
            if outcome.check:
                self._traffic.check(deployment, rules)
            for name, percent in due:
                await self._traffic.move(key[0], deployment, rules, name, percent, stage)
        except UnmovableError as error:
            why = str(error)

            def note(process: ServiceDeploymentRecord) -> None:
                process["error"] = why

            self._model.service_deployments.update((*key, record["current"]), note)
            return _AFTER_MOVE
        if not due:
            return outcome.again
        return _AFTER_MOVE if outcome.again is None else min(_AFTER_MOVE, outcome.again)
