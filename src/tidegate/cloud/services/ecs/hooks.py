"""Lifecycle hooks of a service deployment: configured, begun, answered, and told to the event bus.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecs.model import EcsModel, HookRecord, ServiceDeploymentRecord
from tidegate.cloud.services.ecs.plan import Answer, Begin, Hook, Pause, Point
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

PAUSE: Final = "PAUSE"
AWAITING_ACTION: Final = "AWAITING_ACTION"
SUCCEEDED: Final = "SUCCEEDED"
FAILED: Final = "FAILED"
TIMED_OUT: Final = "TIMED_OUT"


def hooks_of(configuration: Mapping[str, Any]) -> tuple[Hook, ...]:
    """Return the hooks that a (completed) deployment configuration has."""
    return tuple(
        Hook(
            frozenset(each["lifecycleStages"]),
            timedelta(minutes=each["timeoutConfiguration"]["timeoutInMinutes"]),
            each["timeoutConfiguration"]["action"] == "ROLLBACK",
        )
        for each in configuration.get("lifecycleHooks", ())
    )


def pauses_of(record: ServiceDeploymentRecord) -> tuple[Pause, ...]:
    """Return the pauses that a service deployment has made so far."""
    return tuple(
        Pause(
            each["detail"]["hookId"],
            each["hook"],
            Point(each["stage"], each["step"]),
            each["detail"]["expiresAt"],
            _answer(each),
        )
        for each in record.get("hooks", [])
    )


def begun(begin: Begin, hook: Hook, clock: Clock) -> HookRecord:
    """Return the record of a pause that begins now."""
    detail: t.DeploymentLifecycleHookDetailTypeDef = {
        "hookId": f"ecs-pause-{clock.secret(32)}",
        "targetType": PAUSE,
        "status": AWAITING_ACTION,
        "expiresAt": clock.now() + hook.patience,
        "timeoutAction": "ROLLBACK" if hook.roll_back else "CONTINUE",
    }
    return {"hook": begin.hook, "stage": begin.at.stage, "step": begin.at.step, "detail": detail}


def tell(model: EcsModel, clock: Clock, key: Key, record: ServiceDeploymentRecord, hook: HookRecord) -> None:
    """Have the event bus be told what has become of a hook; `key` is the service's."""
    deployment, detail, now = record["deployment"], hook["detail"], clock.now()
    model.events.put(
        (key[0], clock.new_id()),
        {
            "at": now,
            "detail_type": "ECS Hook State Change",
            "resources": [deployment["serviceDeploymentArn"]],
            "detail": {
                "eventType": "ERROR" if detail["status"] in (FAILED, TIMED_OUT) else "INFO",
                "eventName": f"HOOK_{detail['status']}",
                "hookId": detail["hookId"],
                "hookType": detail["targetType"],
                "expiresAt": _written(detail["expiresAt"]),
                "lifecycleStage": hook["stage"],
                "clusterArn": deployment["clusterArn"],
                "serviceArn": deployment["serviceArn"],
                "serviceDeploymentArn": deployment["serviceDeploymentArn"],
                "updatedAt": _written(now),
            },
        },
    )


def give_up(record: ServiceDeploymentRecord) -> None:
    """Have nobody wait any more: the deployment is over, or goes back."""
    for hook in record.get("hooks", []):
        if hook["detail"]["status"] == AWAITING_ACTION:
            hook["detail"]["status"] = FAILED


def _answer(hook: HookRecord) -> Answer:
    status, detail = hook["detail"]["status"], hook["detail"]
    if status == AWAITING_ACTION:
        return Answer.AWAITED
    goes_on = status == SUCCEEDED or (status == TIMED_OUT and detail["timeoutAction"] == "CONTINUE")
    return Answer.CONTINUE if goes_on else Answer.ROLL_BACK


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
