"""Keeps the desired count of one service: reads it and its metrics, plans, sets it, sees the activity through."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.applicationautoscaling.model import DIMENSION, NAMESPACE, AutoScalingModel
from tidegate.cloud.services.applicationautoscaling.plan import (
    COOLDOWN,
    PERIOD,
    WINDOW,
    Bounds,
    Datapoint,
    Past,
    Plan,
    Tracking,
    plan,
)
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import type_defs as t

_METRICS = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}
_UNTIL_FULFILLED = 5.0  # seconds between two looks at an activity that is in progress
PRINCIPAL = "ecs.application-autoscaling.amazonaws.com"


class Scaling:
    """Scales one target (key: region, resource id)."""

    def __init__(self, model: AutoScalingModel, calls: Calls, clock: Clock) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock

    def keys(self) -> list[Key]:
        """Return all targets."""
        return [key for key, _ in self._model.targets.items()]

    async def reconcile(self, key: Key) -> float | None:
        """Do what is to be done now; come back for the next datapoint where there is a policy to be followed."""
        region, resource = key
        call = self._calls.as_service(PRINCIPAL, region)
        if self._model.targets.get(*key) is None:
            return None
        service = await _service(call, resource)
        if service is None:  # the service is gone, and as on AWS its target goes with it
            self._model.remove_target(region, resource)
            return None
        self._see_through(key, service)
        policies = self._model.policies.values(region, resource)
        tracked = [await self._tracking(call, resource, policy) for policy in policies]
        record = self._model.targets.get(*key)
        if record is None:
            return None
        state = self._model.states.get(*key) or {}
        past = Past(state.get("scaled_out"), state.get("before_scale_out", 0), state.get("scaled_in"))
        current = service["desiredCount"]
        todo = plan(current, _bounds(record["target"]), tracked, past, self._clock.now())
        if todo is not None:
            await self._set(call, key, current, todo, record["target"])
        if "activity" in (self._model.states.get(*key) or {}):
            return _UNTIL_FULFILLED
        return PERIOD if policies else None

    async def _tracking(self, call: Caller, resource: str, policy: t.ScalingPolicyTypeDef) -> Tracking:
        configuration = policy["TargetTrackingScalingPolicyConfiguration"]
        metric = _METRICS[configuration["PredefinedMetricSpecification"]["PredefinedMetricType"]]
        return Tracking(
            name=policy["PolicyName"],
            target=configuration["TargetValue"],
            datapoints=await _datapoints(call, resource, metric, self._clock.now()),
            scale_out_cooldown=configuration.get("ScaleOutCooldown", COOLDOWN),
            scale_in_cooldown=configuration.get("ScaleInCooldown", COOLDOWN),
            scale_in=not configuration.get("DisableScaleIn", False),
        )

    async def _set(self, call: Caller, key: Key, current: int, todo: Plan, target: t.ScalableTargetTypeDef) -> None:
        """Set the desired count, and note that it was done, why, and with what outcome."""
        region, resource = key
        _, cluster, name = resource.split("/")
        now = self._clock.now()
        activity: t.ScalingActivityTypeDef = {
            "ActivityId": self._clock.new_id(),
            "ServiceNamespace": NAMESPACE,
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "Description": f"Setting desired count to {todo.desired}.",
            "Cause": _cause(current, todo, target, resource),
            "StartTime": now,
            "StatusCode": "InProgress",
            "StatusMessage": f"Successfully set desired count to {todo.desired}. Waiting for change to be fulfilled by "
            "ecs.",
        }
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
        with self._model.transaction():
            state = self._model.states.get(*key) or {}
            self._end(state, now, "Overridden", "A later scaling activity took its place.")
            if todo.policy is not None and todo.desired > current:
                state["scaled_out"], state["before_scale_out"] = now, current
                state.pop("scaled_in", None)  # a scale-out ends the cooldown of a scale-in
            elif todo.policy is not None:
                state["scaled_in"] = now
            state["activity"], state["wanted"] = list(self._model.add_activity(region, activity)), todo.desired
            if self._model.targets.get(*key) is not None:
                self._model.states.put(key, state)

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


async def _datapoints(call: Caller, resource: str, metric: str, now: datetime) -> list[Datapoint]:
    _, cluster, name = resource.split("/")
    dimensions = [{"Name": "ClusterName", "Value": cluster}, {"Name": "ServiceName", "Value": name}]
    query = {
        "Id": "m1",
        "MetricStat": {
            "Metric": {"Namespace": "AWS/ECS", "MetricName": metric, "Dimensions": dimensions},
            "Period": PERIOD,
            "Stat": "Average",
        },
    }
    answer = await call(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=[query],
        StartTime=now - WINDOW,
        EndTime=now,
        ScanBy="TimestampAscending",
    )
    result = answer["MetricDataResults"][0]
    return list(zip(result["Timestamps"], result["Values"], strict=True))


def _bounds(target: t.ScalableTargetTypeDef) -> Bounds:
    suspended = target.get("SuspendedState", {})
    return Bounds(
        target["MinCapacity"],
        target["MaxCapacity"],
        suspended.get("DynamicScalingOutSuspended", False),
        suspended.get("DynamicScalingInSuspended", False),
    )


def _cause(current: int, todo: Plan, target: t.ScalableTargetTypeDef, resource: str) -> str:
    if todo.policy is None:
        if current < todo.desired:
            return f"minimum capacity was set to {target['MinCapacity']}"
        return f"maximum capacity was set to {target['MaxCapacity']}"
    level = "AlarmHigh" if todo.desired > current else "AlarmLow"
    return f"monitor alarm TargetTracking-{resource}-{level} in state ALARM triggered policy {todo.policy}"
