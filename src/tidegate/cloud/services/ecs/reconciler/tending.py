"""The tasks of a service tended: failures counted, tasks started, stopped, and told of in the service's events.

Nothing here waits: it is all done within one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecs.containers import container_ports
from tidegate.cloud.services.ecs.discovery import places
from tidegate.cloud.services.ecs.model import (
    IN_PROGRESS,
    MOST_EVENTS,
    STOPPED,
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    ServiceRevisionRecord,
    TaskRecord,
    is_live,
    task_key,
)
from tidegate.cloud.services.ecs.plan import Condition, Plan, Stop, Task, Why
from tidegate.cloud.services.ecs.reconciler.conditions import Conditions, Health
from tidegate.cloud.services.ecs.settings import LOG_DRIVER_MODE, effective
from tidegate.cloud.services.ecs.start import choose_provider, new_task, registrations
from tidegate.cloud.store import Key


class Tending:
    """A service's record (changed, not written) and some of its tasks, at one moment.

    `timers` are the moments at which time alone makes a difference.
    """

    def __init__(
        self,
        model: EcsModel,
        clock: Clock,
        key: Key,
        record: ServiceRecord,
        tasks: dict[str, TaskRecord],
        health: Health,
    ) -> None:
        self._model = model
        self._now = clock.now()
        self._clock = clock
        self._key = key
        self._record = record
        self._name = record["service"]["serviceName"]
        self._title = f"(service {self._name})"
        self._tasks = tasks
        self.timers: list[datetime] = []
        grace = record["service"].get("healthCheckGracePeriodSeconds", 0)
        self._conditions = Conditions(model, health, grace, clock, self._now, self.timers)

    def _steady(self, moment: datetime | None) -> datetime | None:
        return None if moment is None else self._clock.steady(moment)

    def _deployments(self) -> list[DeploymentRecord]:
        """Return what the tasks may be of."""
        return self._record["deployments"]

    def _seen(self) -> dict[str, Condition]:
        """Count what has happened to the tasks, and return what the live ones are worth."""
        self._note_failures()
        conditions = {task_id: self._conditions.of(each) for task_id, each in self._tasks.items() if is_live(each)}
        self._note_healthy(conditions)
        return conditions

    def _task(self, task_id: str, condition: Condition) -> Task:
        record = self._tasks[task_id]
        until = record.get("protected_until")
        protected = until is not None and self._now < until
        if until is not None and protected:
            self.timers.append(until)
        return Task(task_id, record["deployment"], condition, record["task"]["createdAt"], protected)

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
        definition = self._model.definition_by_arn(record["definition"])
        loose = {
            each["name"]
            for each in ([] if definition is None else definition["definition"]["containerDefinitions"])
            if each.get("versionConsistency") == "disabled"
        }
        for container in record["task"]["containers"]:
            if "imageDigest" in container and container["name"] not in loose:
                deployment["images"].setdefault(container["name"], container["imageDigest"])
        if deployment["images"] == known:
            return

        def note(revision: ServiceRevisionRecord) -> None:
            for image in revision["revision"]["containerImages"]:
                digest = deployment["images"].get(image["containerName"])
                if digest is not None:
                    image["imageDigest"] = digest

        self._model.service_revisions.update((*self._key, deployment["id"].rpartition("/")[2]), note)

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
        root = f"arn:aws:iam::{service['serviceArn'].split(':')[4]}:root"
        settings = self._model.put_settings(self._key[0])
        log_mode = effective(LOG_DRIVER_MODE, service["createdBy"], root, settings)["value"]
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
                log_mode=log_mode,
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

    def _tell(self, what: str) -> None:
        event: Any = {"id": self._clock.new_id(), "createdAt": self._now, "message": f"{self._title} {what}"}
        self._record["events"] = [event, *self._record["events"]][:MOST_EVENTS]

    def _deployment(self, deployment_id: str | None) -> DeploymentRecord | None:
        return next((each for each in self._deployments() if each["id"] == deployment_id), None)

    def _ending(self, deployment_id: str) -> int:
        """Return how many tasks of a deployment are still stopping."""
        return sum(
            task.get("deployment") == deployment_id and not is_live(task) and task["task"]["lastStatus"] != STOPPED
            for task in self._tasks.values()
        )


def _listed(task_ids: list[str]) -> str:
    return " ".join(f"(task {task_id})" for task_id in task_ids)
