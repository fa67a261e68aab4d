"""A change of an alarm's state is told to the event bus, and what the alarm is to do then is done.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html

Scaling policies are not called: Application Auto Scaling sees the alarm change and reads it. What is done here is to
see whether the policy exists, which is what the alarm's history says.
"""

from __future__ import annotations

import json

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudwatch.alarm_text import event, message
from tidegate.cloud.services.cloudwatch.alarms import Alarms, ChangeRecord
from tidegate.cloud.store import Key

PRINCIPAL = "cloudwatch.amazonaws.com"


class Actions:
    """The controller of `cloudwatch.alarm-change`: keys are (region, alarm, change)."""

    def __init__(self, alarms: Alarms, calls: Calls, clock: Clock) -> None:
        self._alarms = alarms
        self._calls = calls
        self._clock = clock

    def keys(self) -> list[Key]:
        """Return the changes that not everybody was told of."""
        return [key for key, _ in self._alarms.changes.items()]

    async def reconcile(self, key: Key) -> float | None:
        """Tell the next one; each step is written down, so that a kill repeats at most one of them."""
        change = self._alarms.changes.get(*key)
        if change is None:
            return None
        caller = self._calls.as_service(PRINCIPAL, key[0])
        if not change["announced"]:
            entry = event(change["kind"], change["alarm"], change["previous"])
            await caller("events", "put_events", Entries=[entry])
            self._alarms.changes.update(key, _announce)
            return 0.0
        if not change["actions"]:
            self._alarms.changes.delete(*key)
            return None
        arn = change["actions"][0]
        try:
            await self._act(caller, arn, change)
        except ServiceError as error:
            self._done(key, change, arn, error)
        else:
            self._done(key, change, arn, None)
        return 0.0

    async def _act(self, caller: Caller, arn: str, change: ChangeRecord) -> None:
        if arn.split(":")[2] == "sns":
            subject, body = message(change["kind"], change["alarm"], change["previous"])
            await caller("sns", "publish", TopicArn=arn, Subject=subject[:100], Message=body)
            return
        answer = await caller(
            "application-autoscaling", "describe_scaling_policies", ServiceNamespace="ecs", PolicyNames=[arn]
        )
        if not answer["ScalingPolicies"]:
            raise ServiceError("ObjectNotFoundException", f"No scaling policy found: {arn}")

    def _done(self, key: Key, change: ChangeRecord, arn: str, error: ServiceError | None) -> None:
        """Note what came of an action; a topic or a policy that is not there is not tried again, as on AWS."""
        data = {
            "actionState": "Succeeded" if error is None else "Failed",
            "stateUpdateTimestamp": int(change["alarm"]["StateUpdatedTimestamp"].timestamp() * 1000),
            "notificationResource": arn,
        }
        summary = f"Successfully executed action {arn}"
        if error is not None:
            data["error"] = error.message
            summary = f'Failed to execute action {arn}. Received error: "{error.message}"'

        def left(record: ChangeRecord) -> None:
            record["actions"] = [each for each in record["actions"] if each != arn]

        with self._alarms.transaction():
            self._alarms.note((key[0], key[1]), change["kind"], "Action", summary, json.dumps(data), self._clock.now())
            self._alarms.changes.update(key, left)


def _announce(record: ChangeRecord) -> None:
    record["announced"] = True
