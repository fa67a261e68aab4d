"""One look at a service and what follows from it: `plan` asked, tasks started and stopped, deployments ended.

Nothing here waits: a step is taken within one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecs.history import breaker_of
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    COMPLETED,
    DRAINING,
    FAILED,
    IN_PROGRESS,
    INACTIVE,
    PRIMARY,
    STOPPED,
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    primary,
)
from tidegate.cloud.services.ecs.plan import (
    Alarms,
    Condition,
    Deployment,
    Plan,
    Rollout,
    Service,
    Stage,
    plan,
)
from tidegate.cloud.services.ecs.reconciler.conditions import Health
from tidegate.cloud.services.ecs.reconciler.process import Process
from tidegate.cloud.services.ecs.reconciler.tending import Tending
from tidegate.cloud.services.ecs.reconciler.traffic import Rules
from tidegate.cloud.store import Key


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read before a step: the health of targets, the alarms, the listener rules."""

    health: Health
    alarms: Sequence[Mapping[str, Any]]
    rules: Rules


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left to do after a step: when to look again, and where requests are to go (percent; None: as they do).

    `stage` is the stage of the shift, None where requests are not shifted; `check`: whether the rules allow it.
    """

    again: float | None = None
    stage: Stage | None = None
    check: bool = False
    production: float | None = None
    test: float | None = None


class Step(Tending):
    """Taken once."""

    def __init__(self, model: EcsModel, clock: Clock, key: Key, record: ServiceRecord, seen: Seen) -> None:
        super().__init__(model, clock, key, record, model.service_tasks(*key), seen.health)
        self._alarms, self._rules = seen.alarms, seen.rules
        self._process = Process(model, clock, key, record, self._tasks)

    def take(self) -> Outcome:
        """Count failures, decide, act, and write the service."""
        conditions = self._seen()
        self._process.begin(self._healthy(conditions))
        decided = plan(self._view(conditions), self._now)
        stage = self._process.stage
        self._process.pause(decided)
        if decided.failed:
            self._fail(decided)
            self._process.put()
            self._model.services.put(self._key, self._record)  # which brings us here again
            return Outcome()
        self._stop(decided)
        self._start(primary(self._record), decided.start)
        source = self._deployment(self._process.source or self._completed())
        if source is not None:
            self._start(source, decided.restart)
        self._process.advance(decided)
        self._finish(decided)
        self._retire()
        self._process.put()
        self._model.services.update(self._key, self._replace)
        if decided.again is not None:
            self.timers.append(decided.again)
        again = max(0.05, (min(self.timers) - self._now).total_seconds()) if self.timers else None
        return Outcome(again, stage, stage is Stage.PRE_SCALE_UP, decided.production, decided.test)

    def _replace(self, record: ServiceRecord) -> None:
        record.update(self._record)

    def _view(self, conditions: Mapping[str, Condition]) -> Service:
        configuration: Any = self._record["service"]["deploymentConfiguration"]
        shift = self._process.shift(self._rules)
        alarms = self._watch(configuration)
        if shift is not None and alarms is not None:  # there the bake time is the strategy's own
            alarms = Alarms(alarms.rollback, alarms.triggered, timedelta(0))
        return Service(
            desired=self._record["service"]["desiredCount"],
            minimum_percent=configuration["minimumHealthyPercent"],
            maximum_percent=configuration["maximumPercent"],
            deployments=tuple(
                Deployment(
                    id=each["id"],
                    primary=each["status"] == PRIMARY,
                    rollout=Rollout(each["rollout"]),
                    failures=each["failed"],
                    last_failure=self._steady(each.get("last_failure")),
                    arrived_at=self._steady(each.get("arrived_at")),
                    ending=self._ending(each["id"]),
                )
                for each in self._record["deployments"]
            ),
            tasks=tuple(self._task(task_id, condition) for task_id, condition in conditions.items()),
            breaker=breaker_of(configuration),
            last_completed=self._completed(),
            alarms=alarms,
            shift=shift,
            requested=self._process.requested,
            hooks=self._process.hooks,
            pauses=self._process.pauses,
        )

    def _completed(self) -> str | None:
        """Return the deployment that arrived last."""
        completed = self._record.get("last_completed")
        return None if completed is None else completed["id"]

    def _watch(self, configuration: Mapping[str, Any]) -> Alarms | None:
        """Return what the alarms say of the deployment in progress.

        One for which an alarm was raised before it began is not watched: that alarm is not about it.
        """
        if not self._alarms or not configuration.get("alarms", {}).get("enable"):
            return None
        current = primary(self._record)
        triggered = bool(self._raised())
        if current["rollout"] != IN_PROGRESS or not current.setdefault("watched", not triggered):
            return None
        bake = max(_periods(each) for each in self._alarms)
        return Alarms(configuration["alarms"]["rollback"], triggered, timedelta(seconds=bake))

    def _raised(self) -> list[str]:
        return [each["AlarmName"] for each in self._alarms if each["StateValue"] == "ALARM"]

    def _healthy(self, conditions: Mapping[str, Condition]) -> dict[str, int]:
        """Return how many healthy tasks each deployment has."""
        healthy: dict[str, int] = {}
        for task_id, condition in conditions.items():
            if condition is Condition.HEALTHY:
                deployment = self._tasks[task_id]["deployment"]
                healthy[deployment] = healthy.get(deployment, 0) + 1
        return healthy

    # what is done about it

    def _fail(self, decided: Plan) -> None:
        """End the primary deployment before it has arrived; go back to another one where that is wanted."""
        failed = primary(self._record)
        by, why = self._process.words(decided)
        failed["rollout"] = FAILED
        failed["reason"] = f"{by}: {why}"
        failed["updated_at"] = failed["finished_at"] = self._now
        self._tell(f"(deployment {failed['id']}) deployment failed: {why}")
        back = self._back_to(decided.roll_back_to)
        self._process.fail(decided, failed, back, self._raised())
        if back is None:
            return
        failed["status"] = "ACTIVE"
        back["status"] = PRIMARY
        back["rollout"] = IN_PROGRESS
        back["reason"] = f"{by}: rolling back to deploymentId {back['id']}."
        back["updated_at"] = self._now
        back["failed"] = 0
        for forgotten in ("last_failure", "watched", "arrived_at"):
            back.pop(forgotten, None)  # type: ignore[misc]
        others = [each for each in self._record["deployments"] if each["id"] != back["id"]]
        self._record["deployments"] = [back, *others]
        service = self._record["service"]
        service["taskDefinition"] = back["definition"]
        service["networkConfiguration"] = {"awsvpcConfiguration": back["network"]}
        service["loadBalancers"] = back["balancers"]
        service["serviceRegistries"] = back.get("registries", [])
        if back["providers"]:
            service["capacityProviderStrategy"] = back["providers"]
            service.pop("launchType", None)
        else:
            service["launchType"] = "FARGATE"
            service.pop("capacityProviderStrategy", None)
        self._tell(f"rolling back to deployment {back['id']}.")

    def _back_to(self, deployment_id: str | None) -> DeploymentRecord | None:
        """Return the deployment to go back to; it may have left the list meanwhile."""
        current, completed = self._deployment(deployment_id), self._record.get("last_completed")
        if current is None and completed is not None and completed["id"] == deployment_id:
            return completed
        return current

    def _finish(self, decided: Plan) -> None:
        self._record["deployments"] = [
            each for each in self._record["deployments"] if each["id"] not in decided.retired
        ]
        if decided.arrived:
            primary(self._record).setdefault("arrived_at", self._now)
        if decided.completed:
            arrived = primary(self._record)
            arrived["rollout"] = COMPLETED
            arrived["reason"] = f"ECS deployment {arrived['id']} completed."
            arrived["updated_at"] = arrived["finished_at"] = self._now
            self._record["last_completed"] = arrived
            self._tell(f"(deployment {arrived['id']}) deployment completed.")
            self._process.complete()
        if decided.steady and not self._record["steady"] and self._record["service"]["status"] == ACTIVE:
            self._record["steady"] = True
            self._tell("has reached a steady state.")
        elif not decided.steady:
            self._record["steady"] = False

    def _retire(self) -> None:
        """Have a service that drains be inactive once nothing of it is left."""
        if (
            self._record["service"]["status"] == DRAINING
            and all(each["task"]["lastStatus"] == STOPPED for each in self._tasks.values())
            and not self._model.standby.items(*self._key)
        ):
            self._record["service"]["status"] = INACTIVE
            self._record["deployments"] = []
            self._process.forget()


def _periods(alarm: Mapping[str, Any]) -> int:
    """Return how many seconds an alarm looks back: none of its own if it follows from others."""
    queries = [each["MetricStat"]["Period"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
    return int(alarm.get("EvaluationPeriods", 0) * alarm.get("Period", max(queries, default=0)))
