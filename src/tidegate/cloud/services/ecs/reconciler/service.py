"""Makes a service real: reads what there is, has `plan` decide, starts and stops tasks, tells what happened.

Everything between reading the records and writing them happens without waiting, in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.containers import container_ports, has_probe
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    COMPLETED,
    DRAINING,
    FAILED,
    IN_PROGRESS,
    INACTIVE,
    MOST_EVENTS,
    PRIMARY,
    RUNNING,
    STOPPED,
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    TaskRecord,
    is_live,
    primary,
    task_key,
)
from tidegate.cloud.services.ecs.plan import (
    Alarms,
    Breaker,
    Condition,
    Deployment,
    Plan,
    Rollout,
    Service,
    Stop,
    Task,
    Why,
    plan,
)
from tidegate.cloud.services.ecs.start import choose_provider, new_task, registrations
from tidegate.cloud.store import Key

# without any health check a task counts as serving once it has run that long, so that one that crashes at its start
# is not taken for a success
SETTLE = timedelta(seconds=1)

Health = Mapping[tuple[str, str, int], Mapping[str, Any]]  # (target group, address, port) -> TargetHealth


class ServiceReconciler:
    """The controller of `ecs.service`."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Take a service's next step; return the seconds after which time alone may have changed something."""
        record = self._model.services.get(*key)
        if record is None or record["service"]["status"] == INACTIVE:
            return None
        health = await self._health(key, record)
        alarms = await self._alarms(key, record)
        with self._model.store.transaction():
            record = self._model.services.get(*key)
            if record is None:
                return None
            return _Step(self._model, self._clock, key, record, health, alarms).take()

    async def _health(self, key: Key, record: ServiceRecord) -> Health:
        caller = self._calls.as_service("ecs.amazonaws.com", key[0])
        health: dict[tuple[str, str, int], Mapping[str, Any]] = {}
        for balancer in record["service"]["loadBalancers"]:
            group = balancer["targetGroupArn"]
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


class _Step:
    """One look at a service and what follows from it."""

    def __init__(
        self,
        model: EcsModel,
        clock: Clock,
        key: Key,
        record: ServiceRecord,
        health: Health,
        alarms: Sequence[Mapping[str, Any]],
    ) -> None:
        self._model = model
        self._now = clock.now()
        self._clock = clock
        self._key = key
        self._record = record
        self._name = record["service"]["serviceName"]
        self._tasks = model.service_tasks(*key)
        self._health = health
        self._alarms = alarms
        self._timers: list[datetime] = []

    def take(self) -> float | None:
        """Count failures, decide, act, and write the service."""
        self._note_failures()
        conditions = {task_id: self._condition(each) for task_id, each in self._tasks.items() if is_live(each)}
        self._note_healthy(conditions)
        decided = plan(self._view(conditions), self._now)
        if decided.failed:
            self._fail(decided)
            self._model.services.put(self._key, self._record)  # which brings us here again
            return None
        self._stop(decided)
        self._start(decided)
        self._finish(decided)
        if (
            self._record["service"]["status"] == DRAINING
            and all(each["task"]["lastStatus"] == STOPPED for each in self._tasks.values())
            and not self._model.standby.items(*self._key)
        ):
            self._record["service"]["status"] = INACTIVE
            self._record["deployments"] = []
        self._model.services.update(self._key, self._replace)
        if decided.again is not None:
            self._timers.append(decided.again)
        return max(0.05, (min(self._timers) - self._now).total_seconds()) if self._timers else None

    def _replace(self, record: ServiceRecord) -> None:
        record.update(self._record)

    def _view(self, conditions: Mapping[str, Condition]) -> Service:
        configuration: Any = self._record["service"]["deploymentConfiguration"]
        breaker = configuration["deploymentCircuitBreaker"]
        threshold = breaker.get("thresholdConfiguration")
        completed = self._record.get("last_completed")
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
            tasks=tuple(
                Task(task_id, self._tasks[task_id]["deployment"], condition, self._tasks[task_id]["task"]["createdAt"])
                for task_id, condition in conditions.items()
            ),
            breaker=Breaker(breaker["rollback"], threshold["value"] if threshold else None)
            if breaker["enable"]
            else None,
            last_completed=None if completed is None else completed["id"],
            alarms=self._watch(configuration),
        )

    def _watch(self, configuration: Mapping[str, Any]) -> Alarms | None:
        """Return what the alarms say of the deployment in progress.

        One for which an alarm was raised before it began is not watched: that alarm is not about it.
        """
        if not self._alarms or not configuration.get("alarms", {}).get("enable"):
            return None
        current = primary(self._record)
        triggered = any(each["StateValue"] == "ALARM" for each in self._alarms)
        if current["rollout"] != IN_PROGRESS or not current.setdefault("watched", not triggered):
            return None
        bake = max(_periods(each) for each in self._alarms)
        return Alarms(configuration["alarms"]["rollback"], triggered, timedelta(seconds=bake))

    # what the tasks are worth

    def _condition(self, record: TaskRecord) -> Condition:
        task = record["task"]
        if task["lastStatus"] != RUNNING:
            return Condition.STARTING
        verdicts = [
            self._target_condition(record, each["target_group"], each["port"]) for each in record["registrations"]
        ]
        if self._has_probe(record):
            verdicts.append(
                {"HEALTHY": Condition.HEALTHY, "UNHEALTHY": Condition.UNHEALTHY}.get(
                    task["healthStatus"], Condition.STARTING
                )
            )
        if not verdicts:
            settled = task["startedAt"] + SETTLE
            if self._now < settled:
                self._timers.append(settled)
                return Condition.STARTING
            return Condition.HEALTHY
        if Condition.UNHEALTHY in verdicts:
            patient_until = task["startedAt"] + timedelta(
                seconds=self._record["service"].get("healthCheckGracePeriodSeconds", 0)
            )
            if self._now < patient_until:
                self._timers.append(patient_until)
                return Condition.STARTING
            return Condition.UNHEALTHY
        return Condition.STARTING if Condition.STARTING in verdicts else Condition.HEALTHY

    def _target_condition(self, record: TaskRecord, group: str, port: int) -> Condition:
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

    # what happened to them

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
        for task_id, condition in conditions.items():
            record = self._tasks[task_id]
            if condition is Condition.HEALTHY and not record["was_healthy"]:
                record["was_healthy"] = True
                self._model.tasks.put(task_key(record), record)
                deployment = self._deployment(record.get("deployment"))
                if deployment is not None:
                    self._keep_digests(deployment, record)
                    deployment["failed"] = 0
                    deployment.pop("last_failure", None)

    def _keep_digests(self, deployment: DeploymentRecord, record: TaskRecord) -> None:
        """Have the deployment's later tasks use the very images of its first one (version consistency)."""
        for container in record["task"]["containers"]:
            if "imageDigest" in container:
                deployment["images"].setdefault(container["name"], container["imageDigest"])

    # what is done about it

    def _start(self, decided: Plan) -> None:
        if not decided.start:
            return
        service, deployment = self._record["service"], primary(self._record)
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
        for _ in range(decided.start):
            record = new_task(
                self._model.take_standby(self._key, deployment["network"], ports) or self._clock.hex(32),
                service["clusterArn"],
                definition["definition"],
                deployment["network"],
                self._now,
                group=f"service:{self._name}",
                started_by=deployment["id"],
                tags=tags,
                provider=choose_provider(service.get("capacityProviderStrategy", []), self._providers()),
                platform_version=deployment["platform_version"],
            )
            record["service"] = self._name
            record["deployment"] = deployment["id"]
            record["images"] = dict(deployment["images"])
            record["registrations"] = registrations(service["loadBalancers"])
            key = task_key(record)
            self._model.tasks.put(key, record)
            self._tasks[key[2]] = record
            started.append(key[2])
        self._record["steady"] = False
        plural = "task" if len(started) == 1 else "tasks"
        self._tell(f"has started {len(started)} {plural}: {_listed(started)}.")

    def _providers(self) -> dict[str, int]:
        running: dict[str, int] = {}
        for record in self._tasks.values():
            if is_live(record):
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
        if stop.why is not Why.UNHEALTHY:
            return f"Scaling activity initiated by (deployment {record.get('deployment')})"
        for each in record["registrations"]:
            found = self._health.get((each["target_group"], record["address"], each["port"]))
            if found is not None and found["State"] == "unhealthy":
                return (
                    f"Task failed ELB health checks in (target-group {each['target_group']}) "
                    f"due to (reason {found.get('Description', found.get('Reason', 'unknown'))})"
                )
        return "Task failed container health checks"

    def _fail(self, decided: Plan) -> None:
        """End the primary deployment by the circuit breaker or an alarm; go back to the last that was completed."""
        failed = primary(self._record)
        by, why = "ECS deployment circuit breaker", "tasks failed to start."
        if decided.alarmed:
            by, why = "ECS deployment failed", "alarm detected."
        elif failed["reason"].startswith("tasks "):
            why = failed["reason"]
        failed["rollout"] = FAILED
        failed["reason"] = f"{by}: {why}"
        failed["updated_at"] = failed["finished_at"] = self._now
        self._tell(f"(deployment {failed['id']}) deployment failed: {why}")
        target = self._record.get("last_completed")
        if decided.roll_back_to is None or target is None:
            return
        current = self._deployment(target["id"])
        back = current if current is not None else target
        failed["status"] = ACTIVE
        back["status"] = PRIMARY
        back["rollout"] = IN_PROGRESS
        back["reason"] = f"{by}: rolling back to deploymentId {back['id']}."
        back["updated_at"] = self._now
        back["failed"] = 0
        for forgotten in ("last_failure", "watched", "arrived_at"):
            back.pop(forgotten, None)  # type: ignore[misc]
        others = [each for each in self._record["deployments"] if each["id"] != back["id"]]
        self._record["deployments"] = [back, *others]
        self._record["service"]["taskDefinition"] = back["definition"]
        self._record["service"]["networkConfiguration"] = {"awsvpcConfiguration": back["network"]}
        self._tell(f"rolling back to deployment {back['id']}.")

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
        if decided.steady and not self._record["steady"] and self._record["service"]["status"] == ACTIVE:
            self._record["steady"] = True
            self._tell("has reached a steady state.")
        elif not decided.steady:
            self._record["steady"] = False

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
