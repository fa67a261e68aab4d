"""New tasks, as RunTask and the service scheduler both make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.services.ecs.model import PROVISIONING, RUNNING, Registration, TaskRecord, task_arn
from tidegate.cloud.services.ecs.sizes import cpu_units, memory_mib
from tidegate.cloud.services.ecs.traffic import groups_of

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t


def new_task(
    task_id: str,
    cluster_arn: str,
    definition: t.TaskDefinitionTypeDef,
    network: t.AwsVpcConfigurationOutputTypeDef,
    now: datetime,
    *,
    group: str,
    started_by: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    tags: Sequence[t.TagTypeDef] = (),
    provider: str | None = None,
    platform_version: str = "1.4.0",
    executable: bool = False,
    log_mode: str = "non-blocking",
) -> TaskRecord:
    """Return the record of a task that is to be started: desired RUNNING, last PROVISIONING.

    `executable`: commands may be executed in it. `log_mode` is how output is delivered where a container does not say.
    """
    overrides = overrides or {}
    arn = task_arn(cluster_arn, task_id)
    cpu = overrides.get("cpu", definition["cpu"])
    memory = overrides.get("memory", definition["memory"])
    containers: list[t.ContainerTypeDef] = [
        {
            "containerArn": f"{arn.replace(':task/', ':container/')}/{each['name']}",
            "taskArn": arn,
            "name": each["name"],
            "image": each["image"],
            "lastStatus": "PENDING",
            "networkInterfaces": [],
            "healthStatus": "UNKNOWN",
            "cpu": str(each.get("cpu", 0)),
        }
        for each in definition["containerDefinitions"]
    ]
    for container in containers if executable else ():
        container["managedAgents"] = [{"name": "ExecuteCommandAgent", "lastStatus": "PENDING"}]
    default: t.EphemeralStorageTypeDef = {"sizeInGiB": 20}
    storage = definition.get("ephemeralStorage", default)
    kept: t.TaskOverrideOutputTypeDef = {
        "containerOverrides": list(overrides.get("containerOverrides", [])),
        "inferenceAcceleratorOverrides": [],
    }
    for name in ("cpu", "memory", "taskRoleArn", "executionRoleArn"):
        if name in overrides:
            kept[name] = overrides[name]
    task: t.TaskTypeDef = {
        "taskArn": arn,
        "clusterArn": cluster_arn,
        "taskDefinitionArn": definition["taskDefinitionArn"],
        "attachments": [],
        "attributes": [
            {"name": "ecs.cpu-architecture", "value": _architecture(definition)},
        ],
        "connectivity": "CONNECTED",
        "containers": containers,
        "cpu": str(cpu_units(cpu)),
        "memory": str(memory_mib(memory)),
        "createdAt": now,
        "desiredStatus": RUNNING,
        "lastStatus": PROVISIONING,
        "enableExecuteCommand": executable,
        "group": group,
        "healthStatus": "UNKNOWN",
        "platformVersion": platform_version,
        "platformFamily": "Linux",
        "overrides": kept,
        "tags": list(tags),
        "version": 1,
        "ephemeralStorage": storage,
    }
    if provider is None:
        task["launchType"] = "FARGATE"
    else:
        task["capacityProviderName"] = provider
    if started_by is not None:
        task["startedBy"] = started_by
    return {
        "task": task,
        "definition": definition["taskDefinitionArn"],
        "network": network,
        "log_mode": log_mode,
        "images": {},
        "registrations": [],
        "registered": False,
        "draining": False,
        "counted": False,
        "was_healthy": False,
    }


def registrations(balancers: Sequence[Mapping[str, Any]], *, alternate: bool = False) -> list[Registration]:
    """Return where a service's task is to be registered; `alternate`: in the other one of two target groups."""
    found = []
    for each in balancers:
        entry: Registration = {
            "target_group": each["targetGroupArn"],
            "container": each["containerName"],
            "port": each["containerPort"],
        }
        if "advancedConfiguration" in each:
            entry["target_group"] = groups_of(each, alternate=alternate)[0]
            if "roleArn" in each["advancedConfiguration"]:
                entry["role"] = each["advancedConfiguration"]["roleArn"]
        found.append(entry)
    return found


def choose_provider(strategy: Sequence[Mapping[str, Any]], running: Mapping[str, int]) -> str | None:
    """Return the capacity provider of the next task: bases first, then the one furthest below its weight.

    `running` counts the live tasks by provider. Without a strategy the answer is None: the launch type decides.
    """
    for item in strategy:
        if running.get(item["capacityProvider"], 0) < item.get("base", 0):
            return str(item["capacityProvider"])
    weighted = [item for item in strategy if item.get("weight", 0) > 0]
    if not weighted:
        return str(strategy[0]["capacityProvider"]) if strategy else None

    def fullness(item: Mapping[str, Any]) -> float:
        beyond: int = running.get(item["capacityProvider"], 0) - item.get("base", 0)
        return beyond / int(item["weight"])

    return str(min(weighted, key=fullness)["capacityProvider"])


def _architecture(definition: t.TaskDefinitionTypeDef) -> str:
    return definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64").lower()
