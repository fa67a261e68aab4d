"""The service deployment that goes on: begun, moved from stage to stage, taken back, ended.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecs.history import end
from tidegate.cloud.services.ecs.hooks import TIMED_OUT, begun, give_up, hooks_of, pauses_of, tell
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    COMPLETED,
    IN_PROGRESS,
    PENDING,
    ROLLBACK_FAILED,
    ROLLBACK_IN_PROGRESS,
    ROLLBACK_REQUESTED,
    ROLLBACK_SUCCESSFUL,
    STOP_REQUESTED,
    STOPPED,
    SUCCESSFUL,
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    ShiftRecord,
    TaskRecord,
    is_ongoing,
    primary,
)
from tidegate.cloud.services.ecs.plan import Cause, Hook, Pause, Plan, Shift, Stage
from tidegate.cloud.services.ecs.reconciler.traffic import Rules
from tidegate.cloud.services.ecs.traffic import shifts, steps
from tidegate.cloud.store import Key

_NO_CANDIDATE = " No rollback candidate was found to run the rollback."
# what ends a deployment: who, by the rollout's reason; why, by it and the event
_WORDS = {
    Cause.BREAKER: ("ECS deployment circuit breaker", "tasks failed to start."),
    Cause.ALARM: ("ECS deployment failed", "alarm detected."),
    Cause.USER: ("ECS deployment stopped", "a rollback was requested."),
    Cause.ABORTED: ("ECS deployment stopped", "it was stopped by request."),
    Cause.TIME: ("ECS deployment failed", "a lifecycle stage timed out."),
    Cause.NETWORK: ("ECS deployment failed", ""),
    Cause.HOOK: ("ECS deployment failed", "a lifecycle hook failed."),
}
_BECAUSE = {
    Cause.BREAKER: "the circuit breaker threshold was exceeded.",
    Cause.ALARM: "the following alarm(s) were triggered: {alarms}.",
    Cause.USER: "a rollback was requested.",
    Cause.ABORTED: "it was requested.",
    Cause.TIME: "the {stage} lifecycle stage timed out.",
    Cause.HOOK: "{hook} lifecycle hook(s) failed.",
}


class Process:
    """A service's service deployment, seen at one moment. What is changed is written by `put`."""

    def __init__(
        self, model: EcsModel, clock: Clock, key: Key, service: ServiceRecord, tasks: Mapping[str, TaskRecord]
    ) -> None:
        self._model = model
        self._clock = clock
        self._key = key
        self._service = service
        self._tasks = tasks
        self._now = clock.now()
        self._record = model.current(key, service)
        self._before = None if self._record is None else repr(self._record)

    @property
    def requested(self) -> Cause | None:
        """Return why the deployment is to end, where somebody has asked for it."""
        if self._record is None or not is_ongoing(self._record):
            return None
        if "error" in self._record:
            return Cause.NETWORK
        status = self._record["deployment"]["status"]
        return {ROLLBACK_REQUESTED: Cause.USER, STOP_REQUESTED: Cause.ABORTED}.get(status)

    @property
    def stage(self) -> Stage | None:
        """Return the stage of the shift; None where requests are not shifted, or not any more."""
        if self._record is None or "shift" not in self._record or not self._shifting:
            return None
        return Stage(self._record["deployment"]["lifecycleStage"])

    @property
    def source(self) -> str | None:
        """Return the deployment that requests are shifted away from."""
        if self._record is None or "shift" not in self._record or not self._shifting:
            return None
        return self._record["shift"]["source"]

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """Return the hooks that may pause it; none once it goes back, or the service away."""
        if self._record is None or self._service["service"]["status"] != ACTIVE:
            return ()
        deployment = self._record["deployment"]
        return hooks_of(deployment["deploymentConfiguration"]) if deployment["status"] == IN_PROGRESS else ()

    @property
    def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses that there have been."""
        return () if self._record is None else pauses_of(self._record)

    def begin(self, healthy: Mapping[str, int]) -> None:
        """Have one that waits begin; `healthy` is how many healthy tasks each deployment has."""
        if self._record is None or self._record["deployment"]["status"] not in (PENDING, ROLLBACK_REQUESTED):
            return
        deployment = self._record["deployment"]
        if "startedAt" in deployment:
            return
        deployment["startedAt"] = deployment["updatedAt"] = self._now
        if deployment["status"] == PENDING:
            deployment["status"] = IN_PROGRESS
        others = [each for each in self._service["deployments"] if each["id"] != self._record["target"]]
        source = self._served_most(others, healthy)
        if not shifts(deployment["deploymentConfiguration"]):
            return
        more = [each for each in others if each is not source]
        deployment["lifecycleStage"] = (Stage.RECONCILE_SERVICE if more else Stage.PRE_SCALE_UP).value
        self._record["shift"] = {"source": None if source is None else source["id"], "since": self._now, "step": 0}
        primary(self._service)["alternate"] = source is not None and not source["alternate"]

    def shift(self, rules: Rules) -> Shift | None:
        """Return how far requests are shifted; None where they are not, or not any more."""
        if self._record is None or "shift" not in self._record or not self._shifting:
            return None
        shift, deployment = self._record["shift"], self._record["deployment"]
        configuration: Any = deployment["deploymentConfiguration"]
        own = primary(self._service)
        return Shift(
            stage=Stage(deployment["lifecycleStage"]),
            since=self._clock.steady(shift["since"]),
            steps=steps(configuration),
            bake=timedelta(minutes=configuration.get("bakeTimeInMinutes", 0)),
            step=shift["step"],
            moved_at=self._clock.steady(shift["moved_at"]) if "moved_at" in shift else None,
            source=shift["source"],
            production=rules.shares(own, "productionListenerRule"),
            test=rules.shares(own, "testListenerRule"),
            rolling_back=deployment["status"] == ROLLBACK_IN_PROGRESS,
        )

    def pause(self, decided: Plan) -> None:
        """Write down which pauses begin, and which nobody answered in time."""
        record = self._record
        if record is None:
            return
        records = record.setdefault("hooks", []) if decided.begin else record.get("hooks", [])
        overdue = [each for each in records if each["detail"]["hookId"] in decided.timed_out]
        for each in overdue:
            each["detail"]["status"] = TIMED_OUT
        new = [begun(each, self.hooks[each.hook], self._clock) for each in decided.begin]
        records += new
        for each in (*overdue, *new):
            tell(self._model, self._clock, self._key, record, each)

    def advance(self, decided: Plan) -> None:
        """Write down how far it has come: stage and step, and which requests go where."""
        if self._record is not None and "shift" not in self._record and decided.stage is not None:
            self._record["deployment"]["lifecycleStage"] = decided.stage.value
        if self._record is None or "shift" not in self._record or not self._shifting:
            return
        shift: ShiftRecord = self._record["shift"]
        if decided.stage is not None:
            self._record["deployment"]["lifecycleStage"] = decided.stage.value
        if decided.step is not None:
            shift["step"] = decided.step
        if decided.stage is not None or decided.step is not None:
            shift["since"] = self._record["deployment"]["updatedAt"] = self._now
        if decided.moved:
            shift.setdefault("moved_at", self._now)
        else:
            shift.pop("moved_at", None)
        own = primary(self._service)
        for name, percent in (("traffic", decided.production), ("test_traffic", decided.test)):
            if percent is not None:
                for each in self._service["deployments"]:
                    rest = 100.0 - percent if each["id"] == shift["source"] else 0.0
                    each[name] = percent if each is own else rest  # type: ignore[literal-required]

    def words(self, decided: Plan) -> tuple[str, str]:
        """Return by what a deployment is ended, and why."""
        assert decided.ended is not None
        by, why = _WORDS[decided.ended]
        reason = primary(self._service)["reason"]
        if decided.ended is Cause.BREAKER and reason.startswith("tasks "):
            why = reason
        if decided.ended is Cause.NETWORK:
            why = "" if self._record is None else self._record.get("error", "")
        return by, why

    def fail(self, decided: Plan, failed: DeploymentRecord, back: DeploymentRecord | None, raised: list[str]) -> None:
        """Have it go back to a deployment, or end where it is."""
        record, cause = self._record, decided.ended
        if record is None or cause is None:
            return
        deployment = record["deployment"]
        stage = deployment.get("lifecycleStage", "")
        verb = "rolled back" if decided.roll_back else "stopped"
        error = record.pop("error", None)
        hook = next((each["stage"] for each in reversed(record.get("hooks", []))), "")
        values = {"alarms": ", ".join(raised), "stage": stage, "hook": hook}
        because = _BECAUSE[cause].format(**values) if cause in _BECAUSE else ""
        give_up(record)
        reason = error if error is not None else f"Service deployment {verb} because {because}"
        again = "rollback" in deployment
        if not again:
            record["ended_by"], record["failures"] = cause.name, failed["failed"]
            record["alarms"] = raised if cause is Cause.ALARM else []
        if back is None:
            status = ROLLBACK_FAILED if decided.roll_back or again else STOPPED
            reason += _NO_CANDIDATE if decided.roll_back and not again else ""
            end(record, self._service, self._tasks.values(), status, self._now, reason)
            return
        deployment["status"] = ROLLBACK_IN_PROGRESS
        deployment["statusReason"] = reason
        deployment["updatedAt"] = self._now
        deployment["rollback"] = {
            "reason": reason,
            "startedAt": self._now,
            "serviceRevisionArn": back["revision"],
        }
        if "shift" in record:
            deployment["lifecycleStage"] = Stage.PRODUCTION_TRAFFIC_SHIFT.value
            record["shift"] = {"source": failed["id"], "since": self._now, "step": 0}

    def complete(self) -> None:
        """End it well."""
        if self._record is not None and is_ongoing(self._record):
            back = self._record["deployment"]["status"] == ROLLBACK_IN_PROGRESS
            status = ROLLBACK_SUCCESSFUL if back else SUCCESSFUL
            end(self._record, self._service, self._tasks.values(), status, self._now)

    def forget(self) -> None:
        """Forget all of the service's history, for the service is gone."""
        self._record = None
        self._service.pop("current", None)
        self._model.forget_history(self._key)

    def put(self) -> None:
        """Write what has changed."""
        if self._record is not None and repr(self._record) != self._before:
            self._model.service_deployments.put((*self._key, self._service["current"]), self._record)

    @property
    def _shifting(self) -> bool:
        """Whether requests are being shifted, or were left in the middle of it."""
        own = primary(self._service)
        if self._service["service"]["status"] != ACTIVE or own["rollout"] == COMPLETED:
            return False
        return own["rollout"] == IN_PROGRESS or len(self._service["deployments"]) > 1

    def _served_most(self, deployments: list[DeploymentRecord], healthy: Mapping[str, int]) -> DeploymentRecord | None:
        """Return the deployment that serves now: the one that requests are to be shifted away from."""
        completed = self._service.get("last_completed", {}).get("id")
        serving = [
            each for each in deployments if each["id"] == completed or (each["traffic"] and healthy.get(each["id"]))
        ]
        return max(
            serving,
            key=lambda each: (healthy.get(each["id"], 0) > 0, each["traffic"], each["id"] == completed),
            default=None,
        )
