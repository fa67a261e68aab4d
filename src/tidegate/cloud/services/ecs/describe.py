"""Services as DescribeServices shows them: the record, and what is counted from the tasks. Pure reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tidegate.cloud.services.ecs.model import (
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    TaskRecord,
    count,
)
from tidegate.cloud.services.ecs.task_sets import described_task_set

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t


def described_service(model: EcsModel, region: str, record: ServiceRecord) -> dict[str, Any]:
    """Return a service with its counts, deployments and events."""
    service = record["service"]
    cluster = service["clusterArn"].rpartition("/")[2]
    tasks = list(model.service_tasks(region, cluster, service["serviceName"]).values())
    running, pending = count(tasks)
    deployments = service["serviceArn"].replace(":service/", ":service-deployment/")
    newest = record["deployments"][0] if record["deployments"] else None
    return {
        **service,
        "runningCount": running,
        "pendingCount": pending,
        "deployments": [_deployment(record, each, tasks) for each in record["deployments"]],
        "events": record["events"],
        **(
            {"taskSets": [described_task_set(record, each, tasks) for each in record["task_sets"]]}
            if "task_sets" in record
            else {}
        ),
        **({} if newest is None else {"currentServiceRevisions": _revisions(record, tasks)}),
        **({"currentServiceDeployment": f"{deployments}/{record['current']}"} if "current" in record else {}),
    }


def _deployment(record: ServiceRecord, deployment: DeploymentRecord, tasks: Iterable[TaskRecord]) -> dict[str, Any]:
    own = [task for task in tasks if task.get("deployment") == deployment["id"]]
    running, pending = count(own)
    described: dict[str, Any] = {
        "id": deployment["id"],
        "status": deployment["status"],
        "taskDefinition": deployment["definition"],
        "desiredCount": record["service"]["desiredCount"] if deployment["status"] == "PRIMARY" else 0,
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": deployment["failed"],
        "createdAt": deployment["created_at"],
        "updatedAt": deployment["updated_at"],
        "platformVersion": deployment["platform_version"],
        "platformFamily": "Linux",
        "networkConfiguration": {"awsvpcConfiguration": deployment["network"]},
        "rolloutState": deployment["rollout"],
        "rolloutStateReason": deployment["reason"],
    }
    if deployment["providers"]:
        described["capacityProviderStrategy"] = deployment["providers"]
    else:
        described["launchType"] = "FARGATE"
    return described


def _revisions(record: ServiceRecord, tasks: Iterable[TaskRecord]) -> list[t.ServiceCurrentRevisionSummaryTypeDef]:
    revisions: list[t.ServiceCurrentRevisionSummaryTypeDef] = []
    for deployment in record["deployments"]:
        running, pending = count([task for task in tasks if task.get("deployment") == deployment["id"]])
        if running or pending:
            revisions.append(
                {
                    "arn": deployment["revision"],
                    "requestedTaskCount": running + pending,
                    "runningTaskCount": running,
                    "pendingTaskCount": pending,
                }
            )
    return revisions
