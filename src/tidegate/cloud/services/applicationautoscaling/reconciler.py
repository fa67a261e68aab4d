"""Keeps the desired count of one service: reads it and the alarms of its policies, plans, sets it, sees it through.

Alarms do not call: whenever one changes, and once a period while it goes on, its targets are looked at again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.schedule import next_after, parse
from tidegate.cloud.services.applicationautoscaling.model import (
    DIMENSION,
    NAMESPACE,
    AutoScalingModel,
    ScheduledRecord,
)
from tidegate.cloud.services.applicationautoscaling.plan import (
    COOLDOWN,
    Bounds,
    Past,
    Plan,
    Signal,
    Step,
    Stepping,
    Tracking,
    plan,
)
from tidegate.cloud.services.applicationautoscaling.tracking import (
    PERIOD,
    alarms_of,
    is_high,
    own_alarms,
    remove_alarms,
)
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import type_defs as t

_UNTIL_FULFILLED = 5.0  # seconds between two looks at an activity that is in progress
_ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
PRINCIPAL = "ecs.application-autoscaling.amazonaws.com"

Raised = Mapping[str, str]  # alarm -> what it was raised by, as CloudWatch writes it


class Scaling:
    """Scales one target (key: region, resource id)."""

    def __init__(self, model: AutoScalingModel, calls: Calls, clock: Clock) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._latest: datetime | None = None  # when the last activity began: no two begin at the same moment

    def keys(self) -> list[Key]:
        """Return all targets."""
        return [key for key, _ in self._model.targets.items()]

    async def reconcile(self, key: Key) -> float | None:
        """Do what is to be done now; come back for what time brings."""
        region, resource = key
        call = self._calls.as_service(PRINCIPAL, region)
        if self._model.targets.get(*key) is None:
            return None
        service = await _service(call, resource)
        policies = self._model.policies.values(region, resource)
        if service is None:  # the service is gone, and as on AWS its target goes with it
            self._model.remove_target(region, resource)
            await remove_alarms(call, own_alarms(policies))
            return None
        self._see_through(key, service)
        due = self._run_scheduled(key)
        raised: dict[str, str] = {}
        followed = [await self._followed(call, key, policy, raised) for policy in policies]
        record = self._model.targets.get(*key)
        if record is None:
            return None
        state = self._model.states.get(*key) or {}
        past = Past(state.get("scaled_out"), state.get("before_scale_out", 0), state.get("scaled_in"))
        current = service["desiredCount"]
        todo = plan(current, _bounds(record["target"], service), followed, past, self._clock.now())
        if todo is not None:
            await self._set(call, key, current, todo, record["target"], raised)
        waits = [PERIOD] if policies else []
        if "activity" in (self._model.states.get(*key) or {}):
            waits.append(int(_UNTIL_FULFILLED))
        if due is not None:
            return max(0.0, min([*waits, (due - self._clock.now()).total_seconds()]))
        return min(waits, default=None)

    # policies

    async def _followed(
        self, call: Caller, key: Key, policy: t.ScalingPolicyTypeDef, raised: dict[str, str]
    ) -> Tracking | Stepping:
        """Return a policy with what its alarms say; `raised` is filled with what they are raised by."""
        arn = policy["PolicyARN"]
        alarms = (await call("cloudwatch", "describe_alarms", ActionPrefix=arn))["MetricAlarms"]
        there = {alarm["AlarmName"] for alarm in alarms}
        for request in alarms_of(policy):
            known = self._model.policies.get(*key, policy["PolicyName"])
            if request["AlarmName"] not in there and known is not None and known["PolicyARN"] == arn:
                await call("cloudwatch", "put_metric_alarm", **request)
        used = (self._model.states.get(*key) or {}).get("used", {})
        calling = [alarm for alarm in alarms if alarm["ActionsEnabled"] and arn in alarm[_ACTIONS[alarm["StateValue"]]]]
        signals = []
        for alarm in calling:
            by = f"{alarm['StateUpdatedTimestamp'].isoformat()} {alarm.get('StateReasonData', '')}"
            raised[alarm["AlarmName"]] = by
            if used.get(alarm["AlarmName"]) != by:
                signals.append(Signal(alarm["AlarmName"], _datapoints(alarm), alarm.get("Threshold", 0.0)))
        if policy["PolicyType"] == "StepScaling":
            return _stepping(policy, tuple(signals))
        configuration = policy["TargetTrackingScalingPolicyConfiguration"]
        high = [each for each in signals if is_high({"AlarmName": each.alarm})]
        low = [each for each in signals if not is_high({"AlarmName": each.alarm})]
        return Tracking(
            name=policy["PolicyName"],
            target=configuration["TargetValue"],
            high=high[0] if high else None,
            low=low[0] if low else None,
            above=any(is_high(alarm) for alarm in calling),
            scale_out_cooldown=configuration.get("ScaleOutCooldown", COOLDOWN),
            scale_in_cooldown=configuration.get("ScaleInCooldown", COOLDOWN),
            scale_in=not configuration.get("DisableScaleIn", False),
        )

    async def _set(
        self, call: Caller, key: Key, current: int, todo: Plan, target: t.ScalableTargetTypeDef, raised: Raised
    ) -> None:
        """Set the desired count, and note that it was done, why, and with what outcome."""
        region, resource = key
        _, cluster, name = resource.split("/")
        now = self._clock.now()
        activity = self._activity(resource, f"Setting desired count to {todo.desired}.", _cause(current, todo, target))
        try:
            await call("ecs", "update_service", cluster=cluster, service=name, desiredCount=todo.desired)
        except ServiceError as error:
            activity |= {
                "StatusCode": "Failed",
                "EndTime": now,
                "StatusMessage": f"Failed to set desired count to {todo.desired}. Reason: {error.message}",
            }
            self._model.add_activity(region, activity)
            return
        activity["StatusMessage"] = (
            f"Successfully set desired count to {todo.desired}. Waiting for change to be fulfilled by ecs."
        )
        with self._model.transaction():
            state = self._model.states.get(*key) or {}
            self._end(state, now, "Overridden", "A later scaling activity took its place.")
            if todo.policy is not None and todo.desired > current:
                state["scaled_out"], state["before_scale_out"] = now, current
                state.pop("scaled_in", None)  # a scale-out ends the cooldown of a scale-in
            elif todo.policy is not None:
                state["scaled_in"] = now
            if todo.policy is not None:
                state["used"] = dict(raised)
            state["activity"], state["wanted"] = list(self._model.add_activity(region, activity)), todo.desired
            if self._model.targets.get(*key) is not None:
                self._model.states.put(key, state)

    # scheduled actions

    def _run_scheduled(self, key: Key) -> datetime | None:
        """Do the scheduled actions that are due; return when the next one is. One that was missed is done once."""
        now = self._clock.now()
        with self._model.transaction():
            for name, record in self._model.scheduled.items(*key):
                if record["due"] is None or record["due"] > now:
                    continue
                target = self._model.targets.get(*key)
                if target is not None and not target["target"].get("SuspendedState", {}).get(
                    "ScheduledScalingSuspended"
                ):
                    self._change_bounds(key, target["target"], record, now)
                    self._model.targets.put(key, target)
                action = record["action"]
                record["due"] = next_after(
                    parse(action["Schedule"]),
                    now,
                    action.get("Timezone"),
                    action.get("StartTime"),
                    action.get("EndTime"),
                    action["CreationTime"],
                )
                self._model.scheduled.put(name, record)
        return min(
            (each["due"] for each in self._model.scheduled.values(*key) if each["due"] is not None), default=None
        )

    def _change_bounds(self, key: Key, target: t.ScalableTargetTypeDef, record: ScheduledRecord, now: datetime) -> None:
        bounds = record["action"].get("ScalableTargetAction", {})
        minimum = bounds.get("MinCapacity", target["MinCapacity"])
        maximum = bounds.get("MaxCapacity", target["MaxCapacity"])
        words = {"MinCapacity": f"min capacity to {minimum}", "MaxCapacity": f"max capacity to {maximum}"}
        what = " and ".join(text for name, text in words.items() if name in bounds)
        cause = f"scheduled action name {record['action']['ScheduledActionName']} was triggered"
        activity = self._activity(key[1], f"Setting {what}.", cause)
        activity |= {"StatusCode": "Successful", "EndTime": now, "StatusMessage": f"Successfully set {what}"}
        if minimum > maximum:
            why = "Maximum capacity cannot be less than minimum capacity"
            activity |= {"StatusCode": "Failed", "StatusMessage": f"Failed to set {what}. Reason: {why}"}
        else:
            target["MinCapacity"], target["MaxCapacity"] = minimum, maximum
        self._model.add_activity(key[0], activity)

    # activities

    def _activity(self, resource: str, what: str, why: str) -> t.ScalingActivityTypeDef:
        now = self._clock.now()
        self._latest = now if self._latest is None else max(now, self._latest + timedelta(milliseconds=1))
        return {
            "ActivityId": self._clock.new_id(),
            "ServiceNamespace": NAMESPACE,
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "Description": what,
            "Cause": why,
            "StartTime": self._latest,
            "StatusCode": "InProgress",
        }

    def _see_through(self, key: Key, service: Any) -> None:
        """End the activity in progress, once the service runs what it was set to, or was set to another count."""
        state = self._model.states.get(*key)
        if state is None or "activity" not in state:
            return
        wanted, now = state["wanted"], self._clock.now()
        if service["desiredCount"] != wanted:
            self._end(state, now, "Overridden", "The desired count was set to another value.")
        elif service.get("runningCount", wanted) == wanted:
            message = f"Successfully set desired count to {wanted}. Change successfully fulfilled by ecs."
            self._end(state, now, "Successful", message)
        else:
            return
        self._model.states.put(key, state)

    def _end(self, state: Any, now: datetime, status: Any, message: str) -> None:
        key = state.pop("activity", None)
        state.pop("wanted", None)
        if key is None:
            return

        def change(activity: t.ScalingActivityTypeDef) -> None:
            activity |= {"StatusCode": status, "StatusMessage": message, "EndTime": now}

        self._model.activities.update(tuple(key), change)


async def _service(call: Caller, resource: str) -> Any | None:
    """Return the ECS service, or None where there is none (any more)."""
    _, cluster, name = resource.split("/")
    try:
        found = (await call("ecs", "describe_services", cluster=cluster, services=[name]))["services"]
    except ServiceError as error:
        if error.code == "ClusterNotFoundException":
            return None
        raise
    return next((each for each in found if each["status"] != "INACTIVE"), None)


def _datapoints(alarm: Mapping[str, Any]) -> tuple[float, ...]:
    """Return what an alarm was raised by; nothing where somebody set it and did not say."""
    try:
        values = json.loads(alarm.get("StateReasonData", "{}"))["recentDatapoints"]
        return tuple(float(value) for value in values if value is not None)
    except (ValueError, TypeError, KeyError):
        return ()


def _stepping(policy: t.ScalingPolicyTypeDef, signals: tuple[Signal, ...]) -> Stepping:
    configuration: Any = policy["StepScalingPolicyConfiguration"]
    return Stepping(
        name=policy["PolicyName"],
        adjustment=configuration["AdjustmentType"],
        steps=tuple(
            Step(each.get("MetricIntervalLowerBound"), each.get("MetricIntervalUpperBound"), each["ScalingAdjustment"])
            for each in configuration["StepAdjustments"]
        ),
        signals=signals,
        cooldown=configuration.get("Cooldown", COOLDOWN),
        magnitude=configuration.get("MinAdjustmentMagnitude", 0),
        aggregation=configuration["MetricAggregationType"],
    )


def _bounds(target: t.ScalableTargetTypeDef, service: Mapping[str, Any]) -> Bounds:
    """Return the bounds; while a deployment is in progress nothing is scaled in, as on AWS.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
    """
    suspended = target.get("SuspendedState", {})
    deploying = any(each.get("rolloutState") == "IN_PROGRESS" for each in service.get("deployments", ()))
    return Bounds(
        target["MinCapacity"],
        target["MaxCapacity"],
        suspended.get("DynamicScalingOutSuspended", False),
        suspended.get("DynamicScalingInSuspended", False) or deploying,
    )


def _cause(current: int, todo: Plan, target: t.ScalableTargetTypeDef) -> str:
    if todo.policy is None:
        if current < todo.desired:
            return f"minimum capacity was set to {target['MinCapacity']}"
        return f"maximum capacity was set to {target['MaxCapacity']}"
    return f"monitor alarm {todo.alarm} in state ALARM triggered policy {todo.policy}"
