"""Task sets: new ones, found, and as DescribeTaskSets shows them. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskSet.html
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tidegate.cloud.services.ecs.model import (
    DRAINING,
    PRIMARY,
    DeploymentRecord,
    ServiceRecord,
    TaskRecord,
    TaskSetRecord,
    count,
)
from tidegate.cloud.services.ecs.plan import share

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

STEADY_STATE: Final = "STEADY_STATE"
STABILIZING: Final = "STABILIZING"
# what a service shows of its primary task set
_OF_PRIMARY = (
    "taskDefinition",
    "networkConfiguration",
    "loadBalancers",
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "platformFamily",
)


def find_task_set(record: ServiceRecord, id_or_arn: str) -> TaskSetRecord | None:
    """Return a service's task set by its id (`ecs-svc/…`) or its ARN."""
    return next(
        (
            each
            for each in record.get("task_sets", [])
            if id_or_arn in (each["task_set"]["id"], each["task_set"]["taskSetArn"])
        ),
        None,
    )


def desired_of(record: ServiceRecord, task_set: TaskSetRecord) -> int:
    """Return how many tasks are wanted in a task set."""
    if task_set["deployment"]["status"] == DRAINING:
        return 0
    return share(record["service"]["desiredCount"], task_set["task_set"]["scale"]["value"])


def described_task_set(record: ServiceRecord, task_set: TaskSetRecord, tasks: Iterable[TaskRecord]) -> dict[str, Any]:
    """Return a task set with what is counted from the service's tasks; it is steady only while it is what is wanted."""
    own = [task for task in tasks if task.get("deployment") == task_set["task_set"]["id"]]
    running, pending = count(own)
    desired = desired_of(record, task_set)
    steady = task_set["task_set"]["stabilityStatus"] == STEADY_STATE and (running, pending) == (desired, 0)
    return {
        **task_set["task_set"],
        "status": task_set["deployment"]["status"],
        "computedDesiredCount": desired,
        "runningCount": running,
        "pendingCount": pending,
        "stabilityStatus": STEADY_STATE if steady else STABILIZING,
    }


def show_primary(record: ServiceRecord) -> None:
    """Have a service show what its primary task set is made of; without one, nothing of the kind."""
    service: Any = record["service"]
    for name in _OF_PRIMARY:
        service.pop(name, None)
    service["loadBalancers"] = []
    for each in record.get("task_sets", []):
        if each["deployment"]["status"] == PRIMARY:
            shown: Any = each["task_set"]
            service.update({name: shown[name] for name in _OF_PRIMARY if name in shown})


def new_task_set(service: t.ServiceTypeDef, deployment: DeploymentRecord, scale: float, **more: Any) -> TaskSetRecord:
    """Return the record of a task set whose tasks a deployment says; `more` are members that the caller gave."""
    now: datetime = deployment["created_at"]
    arn = service["serviceArn"].replace(":service/", ":task-set/")
    shown: t.TaskSetTypeDef = {
        "id": deployment["id"],
        "taskSetArn": f"{arn}/{deployment['id']}",
        "serviceArn": service["serviceArn"],
        "clusterArn": service["clusterArn"],
        "taskDefinition": deployment["definition"],
        "createdAt": now,
        "updatedAt": now,
        "platformVersion": deployment["platform_version"],
        "platformFamily": "Linux",
        "networkConfiguration": {"awsvpcConfiguration": deployment["network"]},
        "loadBalancers": deployment["balancers"],
        "serviceRegistries": [],
        "scale": {"value": scale, "unit": "PERCENT"},
        "stabilityStatus": STABILIZING,
        "stabilityStatusAt": now,
        **more,  # type: ignore[typeddict-item]
    }
    if deployment["providers"]:
        shown["capacityProviderStrategy"] = deployment["providers"]
    else:
        shown["launchType"] = "FARGATE"
    return {"task_set": shown, "deployment": deployment}
