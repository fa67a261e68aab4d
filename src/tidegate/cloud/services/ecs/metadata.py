"""What a task may read of itself: the task metadata endpoint, version 4. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.services.ecs.model import TaskRecord

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t


def task_metadata(
    record: TaskRecord, definition: t.TaskDefinitionTypeDef, *, tags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what a task is told of itself; `tags` are its own, where it asks for them."""
    task: Any = record["task"]
    shown: dict[str, Any] = {
        "Cluster": task["clusterArn"],
        "TaskARN": task["taskArn"],
        "Family": definition["family"],
        "Revision": str(definition["revision"]),
        "DesiredStatus": task["desiredStatus"],
        "KnownStatus": task["lastStatus"],
        "Limits": {"CPU": int(task["cpu"]) / 1024, "Memory": int(task["memory"])},
        "AvailabilityZone": task.get("availabilityZone", ""),
        "LaunchType": "FARGATE",
        "Containers": [container_metadata(record, definition, each["name"]) for each in task["containers"]],
    }
    if "service" in record:
        shown["ServiceName"] = record["service"]
    for name, member in (("PullStartedAt", "pullStartedAt"), ("PullStoppedAt", "pullStoppedAt")):
        if member in task:
            shown[name] = _time(task[member])
    if tags is not None:
        shown["TaskTags"] = dict(tags)
    return shown


def container_metadata(record: TaskRecord, definition: t.TaskDefinitionTypeDef, name: str) -> dict[str, Any]:
    """Return what a container is told of itself; raise `KeyError` for one that there is not."""
    task: Any = record["task"]
    container: Any = next((each for each in task["containers"] if each["name"] == name), None)
    defined: Any = next((each for each in definition["containerDefinitions"] if each["name"] == name), None)
    if container is None or defined is None:
        raise KeyError(name)
    shown: dict[str, Any] = {
        "DockerId": container.get("runtimeId", ""),
        "Name": name,
        "DockerName": name,
        "Image": container["image"],
        "ImageID": container.get("imageDigest", ""),
        "Labels": {
            "com.amazonaws.ecs.cluster": task["clusterArn"],
            "com.amazonaws.ecs.container-name": name,
            "com.amazonaws.ecs.task-arn": task["taskArn"],
            "com.amazonaws.ecs.task-definition-family": definition["family"],
            "com.amazonaws.ecs.task-definition-version": str(definition["revision"]),
            **defined.get("dockerLabels", {}),
        },
        "DesiredStatus": task["desiredStatus"],
        "KnownStatus": container["lastStatus"],
        "Limits": {"CPU": defined.get("cpu", 0), **({"Memory": defined["memory"]} if "memory" in defined else {})},
        "CreatedAt": _time(task["createdAt"]),
        "Type": "NORMAL",
        "ContainerARN": container["containerArn"],
        "Networks": [_network(each) for each in task["attachments"]],
    }
    if "startedAt" in task:
        shown["StartedAt"] = _time(task["startedAt"])
    if "exitCode" in container:
        shown["ExitCode"] = container["exitCode"]
    if "healthCheck" in defined:
        shown["Health"] = {"status": container["healthStatus"]}
    logs = defined.get("logConfiguration")
    if logs is not None:
        shown["LogDriver"], shown["LogOptions"] = logs["logDriver"], logs.get("options", {})
    return shown


def _network(attachment: Mapping[str, Any]) -> dict[str, Any]:
    details = {each["name"]: each["value"] for each in attachment["details"]}
    return {
        "NetworkMode": "awsvpc",
        "IPv4Addresses": [details.get("privateIPv4Address", "")],
        "AttachmentIndex": 0,
        "MACAddress": details.get("macAddress", ""),
        "PrivateDNSName": details.get("privateDnsName", ""),
    }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
