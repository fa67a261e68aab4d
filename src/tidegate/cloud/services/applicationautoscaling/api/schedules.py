"""Scheduled actions: bounds that change at a time, or again and again.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScheduledAction.html and its siblings
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.schedule import InvalidScheduleError, next_after, parse, zone
from tidegate.cloud.services.applicationautoscaling.api.shared import find_target, fits, invalid, paged, resource_of
from tidegate.cloud.services.applicationautoscaling.model import DIMENSION, NAMESPACE, AutoScalingModel

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import type_defs as t

_OPTIONAL = ("Timezone", "StartTime", "EndTime", "ScalableTargetAction")


class SchedulesApi:
    """What is done to a target by the clock."""

    def __init__(self, model: AutoScalingModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation()
    async def put_scheduled_action(
        self, context: Context, request: t.PutScheduledActionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a scheduled action, or change what is given of an existing one."""
        resource, name = resource_of(request), request["ScheduledActionName"]
        find_target(self.model, context, resource)
        before = self.model.scheduled.get(context.region, resource, name)
        if before is None and "Schedule" not in request:
            raise invalid("A Schedule is required to create a scheduled action.")
        given: Mapping[str, Any] = request
        known: Mapping[str, Any] = {} if before is None else before["action"]
        action: Any = {each: known[each] for each in _OPTIONAL if each in known}
        action |= {each: given[each] for each in _OPTIONAL if each in given}
        now = self._clock.now()
        action |= {
            "ScheduledActionName": name,
            "ScheduledActionARN": known.get("ScheduledActionARN") or self._arn(context, resource, name),
            "ServiceNamespace": NAMESPACE,
            "Schedule": given.get("Schedule") or known["Schedule"],
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
            "CreationTime": known.get("CreationTime", now),
        }
        _check(action)
        try:
            zone(action.get("Timezone"))
            schedule = parse(action["Schedule"])
        except InvalidScheduleError as error:
            raise invalid(str(error)) from None
        due = next_after(
            schedule,
            now,
            action.get("Timezone"),
            action.get("StartTime"),
            action.get("EndTime"),
            action["CreationTime"],
        )
        self.model.scheduled.put((context.region, resource, name), {"action": action, "due": due})
        return {}

    @operation()
    async def delete_scheduled_action(
        self, context: Context, request: t.DeleteScheduledActionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a scheduled action."""
        resource, name = resource_of(request), request["ScheduledActionName"]
        if self.model.scheduled.get(context.region, resource, name) is None:
            raise ServiceError(
                "ObjectNotFoundException",
                f"No scheduled action found for service namespace: {NAMESPACE}, resource ID: {resource}, "
                f"scalable dimension: {DIMENSION}, scheduled action name: {name}",
            )
        self.model.scheduled.delete(context.region, resource, name)
        return {}

    @operation()
    async def describe_scheduled_actions(
        self, context: Context, request: t.DescribeScheduledActionsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe scheduled actions."""
        names, resource = request.get("ScheduledActionNames"), request.get("ResourceId")
        found = [
            record["action"]
            for record in self.model.scheduled.values(context.region)
            if fits(request)
            and resource in (None, record["action"]["ResourceId"])
            and (not names or record["action"]["ScheduledActionName"] in names)
        ]
        return paged(
            request,
            found,
            lambda each: f"{each['ResourceId']}\x1f{each['ScheduledActionName']}",
            "ScheduledActions",
        )

    def _arn(self, context: Context, resource: str, name: str) -> str:
        action = f"scheduledAction:{self._clock.new_id()}:resource/ecs/{resource}:scheduledActionName/{name}"
        return f"arn:aws:autoscaling:{context.region}:{context.account}:{action}"


def _check(action: Mapping[str, Any]) -> None:
    bounds = action.get("ScalableTargetAction", {})
    if not bounds:
        raise invalid("A scheduled action must have a MinCapacity or a MaxCapacity.")
    if any(each < 0 for each in bounds.values()):
        raise invalid("MinCapacity and MaxCapacity must be greater than or equal to 0.")
    if bounds.get("MaxCapacity", bounds.get("MinCapacity", 0)) < bounds.get("MinCapacity", 0):
        raise invalid("Maximum capacity cannot be less than minimum capacity")
    if "StartTime" in action and "EndTime" in action and action["EndTime"] <= action["StartTime"]:
        raise invalid("The end time must be later than the start time.")
