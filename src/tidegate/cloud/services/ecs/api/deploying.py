"""A deployment begins: its revision, its service deployment, and the end of the one that it overtakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.cloud.call import Context
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecs.history import end, new_revision, new_service_deployment
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    HISTORY,
    IN_PROGRESS,
    PRIMARY,
    STOPPED,
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    is_ongoing,
    primary,
)

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_PLATFORM = "1.4.0"
_OVERTAKEN = "Service deployment stopped because another service deployment started."


def begin_deployment(
    model: EcsModel,
    clock: Clock,
    context: Context,
    record: ServiceRecord,
    definition: t.TaskDefinitionTypeDef,
    network: t.AwsVpcConfigurationOutputTypeDef,
) -> None:
    """Give a service a deployment: it becomes the primary one, the one before it stays active while it has tasks.

    The service's record is changed and not written; call it within a transaction.
    """
    now, service = clock.now(), record["service"]
    cluster, name = service["clusterArn"].rpartition("/")[2], service["serviceName"]
    key = (context.region, cluster, name)
    overtaken = model.current(key, record)
    if overtaken is not None and is_ongoing(overtaken):
        end(overtaken, record, model.service_tasks(*key).values(), STOPPED, now, _OVERTAKEN)
        model.service_deployments.put((*key, record["current"]), overtaken)
    number = clock.text("123456789", 1) + clock.text("0123456789", 18)
    deployment: DeploymentRecord = {
        "id": f"ecs-svc/{number}",
        "revision": context.arn("ecs", f"service-revision/{cluster}/{name}/{number}"),
        "status": PRIMARY,
        "rollout": IN_PROGRESS,
        "reason": f"ECS deployment ecs-svc/{number} in progress.",
        "definition": definition["taskDefinitionArn"],
        "network": network,
        "platform_version": _PLATFORM,
        "created_at": now,
        "updated_at": now,
        "failed": 0,
        "images": {},
        "balancers": service["loadBalancers"],
        "registries": service["serviceRegistries"],
        "providers": service.get("capacityProviderStrategy", []),
        # where requests are shifted, this is decided when it begins
        "alternate": bool(record["deployments"]) and primary(record)["alternate"],
        "traffic": 0.0,
        "test_traffic": 0.0,
    }
    for each in record["deployments"]:
        each["status"] = ACTIVE
    record["deployments"].insert(0, deployment)
    service["taskDefinition"] = deployment["definition"]
    service["networkConfiguration"] = {"awsvpcConfiguration": network}
    record["steady"] = False
    record["current"] = clock.secret(16)[:21]
    process = new_service_deployment(record["current"], record, deployment, now)
    model.service_deployments.put((*key, record["current"]), process)
    model.service_revisions.put((*key, number), new_revision(record, deployment, definition))
    model.forget_history(key, now - HISTORY)
