"""From a task definition to containers: limits, environment, mounts, names. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.services.ecs.model import TaskRecord

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_MIB = 1 << 20
_DEFAULT_STOP_TIMEOUT = 30  # seconds
_LOG_BUFFER = "10m"
_ECR = re.compile(r"^\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<rest>.+)$")


def local_image(image: str, registry: str, region: str, home_region: str) -> str:
    """Return the name under which the local registry has an ECR image; other names stay as they are.

    `registry` is the local registry's address. It serves `home_region` by plain names, any other region below
    `aws--REGION/`. A name of the local registry itself is already right.
    """
    match = _ECR.match(image)
    if match is None:
        return image
    prefix = "" if match["region"] == home_region else f"aws--{match['region']}/"
    return f"{registry}/{prefix}{match['rest']}"


def with_digest(image: str, digest: str | None) -> str:
    """Return an image name that is pinned to a digest instead of its tag."""
    if digest is None:
        return image
    name = image.partition("@")[0]
    head, separator, tail = name.rpartition(":")
    return f"{head if separator and '/' not in tail else name}@{digest}"


def container_values(
    definition: t.TaskDefinitionTypeDef,
    container: Mapping[str, Any],
    record: TaskRecord,
    environment: Mapping[str, str],
    volumes: Mapping[str, str],
) -> dict[str, Any]:
    """Return what a container is made of, as the docker plane's `ContainerSpec` takes it, without its image.

    `environment` is put under the definition's own, `volumes` maps the task's volumes to the engine's.
    """
    override = _override(record, container["name"])
    cpus, memory = int(record["task"]["cpu"]) / 1024, int(record["task"]["memory"])
    cpu = override.get("cpu", container.get("cpu", 0))
    limit = override.get("memory", container.get("memory", memory))
    reservation = override.get("memoryReservation", container.get("memoryReservation"))
    linux = container.get("linuxParameters", {})
    probe = container.get("healthCheck")
    values: dict[str, Any] = {
        "name": container["name"],
        "command": _tuple(override.get("command", container.get("command"))),
        "entrypoint": _tuple(container.get("entryPoint")),
        "environment": {
            **environment,
            **_pairs(container.get("environment", [])),
            **_pairs(override.get("environment", [])),
        },
        "working_directory": container.get("workingDirectory"),
        "user": container.get("user"),
        "cpus": cpu / 1024 if cpu else cpus,
        "memory": limit * _MIB,
        "memory_reservation": None if reservation is None else reservation * _MIB,
        "read_only": container.get("readonlyRootFilesystem", False),
        "init": linux.get("initProcessEnabled", False),
        "tty": container.get("pseudoTerminal", False),
        "stdin": container.get("interactive", False),
        "ulimits": {each["name"]: (each["softLimit"], each["hardLimit"]) for each in container.get("ulimits", [])},
        "add_capabilities": tuple(linux.get("capabilities", {}).get("add", ())),
        "drop_capabilities": tuple(linux.get("capabilities", {}).get("drop", ())),
        "volumes": tuple(
            (volumes[mount["sourceVolume"]], mount["containerPath"], mount.get("readOnly", False))
            for mount in container.get("mountPoints", [])
        ),
        "labels": dict(container.get("dockerLabels", {})),
        "shared_processes": definition.get("pidMode") == "task",
        "log_buffer": _log_buffer(container, record),
    }
    if probe is not None and probe["command"][0] != "NONE":
        values["probe"] = {
            "command": tuple(probe["command"]),
            "interval": probe["interval"],
            "timeout": probe["timeout"],
            "retries": probe["retries"],
            "start_period": probe.get("startPeriod", 0),
        }
    return values


def has_probe(container: Mapping[str, Any]) -> bool:
    """Return whether a container definition has a health check that is run."""
    return "healthCheck" in container and container["healthCheck"]["command"][0] != "NONE"


def container_ports(definition: t.TaskDefinitionTypeDef) -> tuple[int, ...]:
    """Return the ports that a task's containers listen on, in order."""
    ports = {port["containerPort"] for each in definition["containerDefinitions"] for port in each["portMappings"]}
    return tuple(sorted(ports))


def stop_timeout(container: Mapping[str, Any]) -> int:
    """Return how many seconds a container has to end after its stop signal."""
    return int(container.get("stopTimeout", _DEFAULT_STOP_TIMEOUT))


def log_target(container: Mapping[str, Any], task_id: str) -> tuple[str, str, str, bool] | None:
    """Return where a container's output goes: group, stream, region, and whether to create the group."""
    logs = container.get("logConfiguration")
    if logs is None or logs["logDriver"] != "awslogs":
        return None
    options = logs["options"]
    stream = f"{options['awslogs-stream-prefix']}/{container['name']}/{task_id}"
    create = options.get("awslogs-create-group", "false").lower() == "true"
    return options["awslogs-group"], stream, options["awslogs-region"], create


def role(record: TaskRecord, definition: t.TaskDefinitionTypeDef, kind: str) -> str | None:
    """Return the ARN of the task's `taskRoleArn` or `executionRoleArn`, overridden or defined; None without."""
    overrides: Mapping[str, Any] = record["task"]["overrides"]
    values: Mapping[str, Any] = definition
    name = overrides.get(kind) or values.get(kind)
    if name is None or name.startswith("arn:"):
        return name
    account = definition["taskDefinitionArn"].split(":")[4]
    return f"arn:aws:iam::{account}:role/{name}"


def _log_buffer(container: Mapping[str, Any], record: TaskRecord) -> str | None:
    """Return how much output may wait to be taken before the oldest is lost; None: the container waits.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html
    """
    options = container.get("logConfiguration", {}).get("options", {})
    mode = options.get("mode", record.get("log_mode", "blocking"))
    return str(options.get("max-buffer-size", _LOG_BUFFER)) if mode == "non-blocking" else None


def _override(record: TaskRecord, name: str) -> Mapping[str, Any]:
    overrides: Any = record["task"]["overrides"].get("containerOverrides", [])
    return next((each for each in overrides if each["name"] == name), {})


def _pairs(items: Any) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in items}


def _tuple(words: Any) -> tuple[str, ...] | None:
    return tuple(words) if words else None
