"""What Cloud Map is told of tasks. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-discovery.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.services.ecs.containers import has_probe
from tidegate.cloud.services.ecs.model import RegistryPlace, TaskRecord, resource_id

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t


def places(registries: Sequence[Mapping[str, Any]]) -> list[RegistryPlace]:
    """Return where a task of a service with these registries is to be found."""
    found: list[RegistryPlace] = []
    for each in registries:
        place: RegistryPlace = {"service": each["registryArn"]}
        port = each.get("port") or each.get("containerPort")
        if port is not None:
            place["port"] = port
        found.append(place)
    return found


def attributes(record: TaskRecord, place: RegistryPlace, region: str) -> dict[str, str]:
    """Return the attributes of a task's instance."""
    task = record["task"]
    found = {
        "AWS_INSTANCE_IPV4": record["address"],
        "AVAILABILITY_ZONE": task.get("availabilityZone", ""),
        "REGION": region,
        "ECS_CLUSTER_NAME": resource_id(task["clusterArn"]),
        "ECS_SERVICE_NAME": record["service"],
        "ECS_TASK_DEFINITION_FAMILY": resource_id(task["taskDefinitionArn"]).partition(":")[0],
    }
    if "port" in place:
        found["AWS_INSTANCE_PORT"] = str(place["port"])
    return found


def is_well(record: TaskRecord, definition: t.TaskDefinitionTypeDef) -> bool:
    """Return whether clients are to find a task: it is healthy, or nobody looks whether it is."""
    if record["task"].get("healthStatus") == "HEALTHY":
        return True
    return not any(has_probe(each) for each in definition["containerDefinitions"])
