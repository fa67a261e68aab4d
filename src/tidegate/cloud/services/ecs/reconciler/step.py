"""One look at a service and what follows from it: failures counted, `plan` asked, tasks started and stopped.

Nothing here waits: a step is taken within one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecs.containers import container_ports
from tidegate.cloud.services.ecs.discovery import places
from tidegate.cloud.services.ecs.history import breaker_of
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    COMPLETED,
    DRAINING,
    FAILED,
    IN_PROGRESS,
    INACTIVE,
    MOST_EVENTS,
    PRIMARY,
    STOPPED,
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    ServiceRevisionRecord,
    TaskRecord,
    is_live,
    primary,
    task_key,
)
from tidegate.cloud.services.ecs.plan import (
    Alarms,
    Condition,
    Deployment,
    Plan,
    Rollout,
    Service,
    Stage,
    Stop,
    Task,
    Why,
    plan,
)
from tidegate.cloud.services.ecs.reconciler.conditions import Conditions, Health
from tidegate.cloud.services.ecs.reconciler.process import Process
from tidegate.cloud.services.ecs.reconciler.traffic import Rules
from tidegate.cloud.services.ecs.start import choose_provider, new_task, registrations
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


class Step:
    """Taken once."""

    def __init__(self, model: EcsModel, clock: Clock, key: Key, record: ServiceRecord, seen: Seen) -> None:
        self._model = model
        self._now = clock.now()
        self._clock = clock
        self._key = key
        self._record = record
        self._name = record["service"]["serviceName"]
        self._tasks = model.service_tasks(*key)
        self._seen = seen
        self._timers: list[datetime] = []
        grace = record["service"].get("healthCheckGracePeriodSeconds", 0)
        self._conditions = Conditions(model, seen.health, grace, self._now, self._timers)
        self._process = Process(model, key, record, self._tasks, self._now)

    def take(self) -> Outcome:
        """Count failures, decide, act, and write the service."""
        self._note_failures()
        conditions = {task_id: self._conditions.of(each) for task_id, each in self._tasks.items() if is_live(each)}
        self._note_healthy(conditions)
        self._process.begin(self._healthy(conditions))
        decided = plan(self._view(conditions), self._now)
        stage = self._process.stage
        if decided.failed:
            self._fail(decided)
            self._process.put()
            self._model.services.put(self._key, self._record)  # which brings us here again
            return Outcome()
        self._stop(decided)
        self._start(primary(self._record), decided.start)
        source = self._deployment(self._process.source)
        if source is not None:
            self._start(source, decided.restart)
        self._process.advance(decided)
        self._finish(decided)
        self._retire()
        self._process.put()
        self._model.services.update(self._key, self._replace)
        if decided.again is not None:
            self._timers.append(decided.again)
        again = max(0.05, (min(self._timers) - self._now).total_seconds()) if self._timers else None
        return Outcome(again, stage, stage is Stage.PRE_SCALE_UP, decided.production, decided.test)

    def _replace(self, record: ServiceRecord) -> None:
        record.update(self._record)

    def _view(self, conditions: Mapping[str, Condition]) -> Service:
        configuration: Any = self._record["service"]["deploymentConfiguration"]
        completed = self._record.get("last_completed")
        shift = self._process.shift(self._seen.rules)
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
                    last_failure=each.get("last_failure"),
                    arrived_at=each.get("arrived_at"),
                    ending=sum(
                        task.get("deployment") == each["id"]
                        and not is_live(task)
                        and task["task"]["lastStatus"] != STOPPED
                        for task in self._tasks.values()
                    ),
                )
                for each in self._record["deployments"]
            ),
            tasks=tuple(self._task(task_id, condition) for task_id, condition in conditions.items()),
            breaker=breaker_of(configuration),
            last_completed=None if completed is None else completed["id"],
            alarms=alarms,
            shift=shift,
            requested=self._process.requested,
        )

    def _task(self, task_id: str, condition: Condition) -> Task:
        record = self._tasks[task_id]
        until = record.get("protected_until")
        protected = until is not None and self._now < until
        if until is not None and protected:
            self._timers.append(until)
        return Task(task_id, record["deployment"], condition, record["task"]["createdAt"], protected)

    def _watch(self, configuration: Mapping[str, Any]) -> Alarms | None:
        """Return what the alarms say of the deployment in progress.

        One for which an alarm was raised before it began is not watched: that alarm is not about it.
        """
        if not self._seen.alarms or not configuration.get("alarms", {}).get("enable"):
            return None
        current = primary(self._record)
        triggered = bool(self._raised())
        if current["rollout"] != IN_PROGRESS or not current.setdefault("watched", not triggered):
            return None
        bake = max(_periods(each) for each in self._seen.alarms)
        return Alarms(configuration["alarms"]["rollback"], triggered, timedelta(seconds=bake))

    def _raised(self) -> list[str]:
        return [each["AlarmName"] for each in self._seen.alarms if each["StateValue"] == "ALARM"]

    def _healthy(self, conditions: Mapping[str, Condition]) -> dict[str, int]:
        """Return how many healthy tasks each deployment has."""
        healthy: dict[str, int] = {}
        for task_id, condition in conditions.items():
            if condition is Condition.HEALTHY:
                deployment = self._tasks[task_id]["deployment"]
                healthy[deployment] = healthy.get(deployment, 0) + 1
        return healthy

    # what happened to the tasks

    def _note_failures(self) -> None:
        """Count, once each, the tasks that ended without ever having served."""
        for record in self._tasks.values():
            if record["counted"] or is_live(record):
                continue
            if record["task"].get("stopCode") not in ("TaskFailedToStart", "EssentialContainerExited"):
                continue
            self._count(record, "tasks failed to start.")
            reason = record["task"].get("stoppedReason", "")
            if record["task"]["stopCode"] == "TaskFailedToStart":
                self._tell(f"was unable to start a task: {reason}")

    def _count(self, record: TaskRecord, why: str) -> None:
        record["counted"] = True
        self._model.tasks.put(task_key(record), record)
        deployment = self._deployment(record.get("deployment"))
        if deployment is not None and not record["was_healthy"]:
            deployment["failed"] += 1
            deployment["last_failure"] = self._now
            deployment["updated_at"] = self._now
            if deployment["rollout"] == IN_PROGRESS:
                deployment["reason"] = why

    def _note_healthy(self, conditions: Mapping[str, Condition]) -> None:
        breaker: Any = self._record["service"]["deploymentConfiguration"]["deploymentCircuitBreaker"]
        for task_id, condition in conditions.items():
            record = self._tasks[task_id]
            if condition is Condition.HEALTHY and not record["was_healthy"]:
                record["was_healthy"] = True
                self._model.tasks.put(task_key(record), record)
                deployment = self._deployment(record.get("deployment"))
                if deployment is not None:
                    self._keep_digests(deployment, record)
                    if breaker.get("resetOnHealthyTask", True):
                        deployment["failed"] = 0
                        deployment.pop("last_failure", None)

    def _keep_digests(self, deployment: DeploymentRecord, record: TaskRecord) -> None:
        """Have the deployment's later tasks use the very images of its first one (version consistency)."""
        known = dict(deployment["images"])
        for container in record["task"]["containers"]:
            if "imageDigest" in container:
                deployment["images"].setdefault(container["name"], container["imageDigest"])
        if deployment["images"] == known:
            return

        def note(revision: ServiceRevisionRecord) -> None:
            for image in revision["revision"]["containerImages"]:
                digest = deployment["images"].get(image["containerName"])
                if digest is not None:
                    image["imageDigest"] = digest

        self._model.service_revisions.update((*self._key, deployment["id"].rpartition("/")[2]), note)

    # what is done about it

    def _start(self, deployment: DeploymentRecord, number: int) -> None:
        if not number:
            return
        service = self._record["service"]
        definition = self._model.definition_by_arn(deployment["definition"])
        if definition is None:
            self._tell(f"was unable to place a task: {deployment['definition']} was deleted.")
            return
        tags = list(definition["tags"]) if service.get("propagateTags") == "TASK_DEFINITION" else []
        if service.get("propagateTags") == "SERVICE":
            tags = list(service.get("tags", []))
        if service.get("enableECSManagedTags"):
            tags += [
                {"key": "aws:ecs:serviceName", "value": self._name},
                {"key": "aws:ecs:clusterName", "value": self._key[1]},
            ]
        started = []
        ports = list(container_ports(definition["definition"]))
        for _ in range(number):
            record = new_task(
                self._model.take_standby(self._key, deployment["network"], ports) or self._clock.hex(32),
                service["clusterArn"],
                definition["definition"],
                deployment["network"],
                self._now,
                group=f"service:{self._name}",
                started_by=deployment["id"],
                tags=tags,
                provider=choose_provider(deployment["providers"], self._providers(deployment)),
                platform_version=deployment["platform_version"],
                executable=service.get("enableExecuteCommand", False),
            )
            record["service"] = self._name
            record["deployment"] = deployment["id"]
            record["images"] = dict(deployment["images"])
            record["registrations"] = registrations(deployment["balancers"], alternate=deployment["alternate"])
            record["registries"] = places(deployment.get("registries", []))
            key = task_key(record)
            self._model.tasks.put(key, record)
            self._tasks[key[2]] = record
            started.append(key[2])
        self._record["steady"] = False
        plural = "task" if len(started) == 1 else "tasks"
        self._tell(f"has started {len(started)} {plural}: {_listed(started)}.")

    def _providers(self, deployment: DeploymentRecord) -> dict[str, int]:
        """Return how many tasks of a deployment each capacity provider runs."""
        running: dict[str, int] = {}
        for record in self._tasks.values():
            if is_live(record) and record.get("deployment") == deployment["id"]:
                name = record["task"].get("capacityProviderName", "")
                running[name] = running.get(name, 0) + 1
        return running

    def _stop(self, decided: Plan) -> None:
        stopped = []
        for stop in decided.stop:
            record = self._tasks[stop.task]
            reason = self._reason(stop, record)
            if stop.why is Why.UNHEALTHY:
                self._count(record, "tasks failed health checks.")
                self._tell(f"(task {stop.task}) is unhealthy: {reason}")
            task: Any = record["task"]
            task["desiredStatus"] = STOPPED
            task["stopCode"] = "ServiceSchedulerInitiated"
            task["stoppedReason"] = reason
            task["stoppingAt"] = self._now
            self._model.tasks.put(task_key(record), record)
            stopped.append(stop.task)
        if stopped:
            self._record["steady"] = False
            if any(self._tasks[task_id]["registered"] for task_id in stopped):
                self._tell(f"has begun draining connections on {len(stopped)} tasks.")
            self._tell(f"has stopped {len(stopped)} running tasks: {_listed(stopped)}.")

    def _reason(self, stop: Stop, record: TaskRecord) -> str:
        if stop.why is Why.UNHEALTHY:
            return self._conditions.fault(record)
        return f"Scaling activity initiated by (deployment {record.get('deployment')})"

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

    def _deployment(self, deployment_id: str | None) -> DeploymentRecord | None:
        return next((each for each in self._record["deployments"] if each["id"] == deployment_id), None)

    def _tell(self, what: str) -> None:
        event: Any = {"id": self._clock.new_id(), "createdAt": self._now, "message": f"(service {self._name}) {what}"}
        self._record["events"] = [event, *self._record["events"]][:MOST_EVENTS]


def _periods(alarm: Mapping[str, Any]) -> int:
    """Return how many seconds an alarm looks back: none of its own if it follows from others."""
    queries = [each["MetricStat"]["Period"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
    return int(alarm.get("EvaluationPeriods", 0) * alarm.get("Period", max(queries, default=0)))


def _listed(task_ids: list[str]) -> str:
    return " ".join(f"(task {task_id})" for task_id in task_ids)
