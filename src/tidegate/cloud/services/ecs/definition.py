"""Task definitions checked as Fargate checks them, and completed with ECS's defaults. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ecs.secrets import is_environment_file
from tidegate.cloud.services.ecs.sizes import check_size

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,255}$")
_ECR = re.compile(r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/")
_BUFFER = re.compile(r"[1-9]\d*[kmgKMG]?[bB]?")
_MOST_CONTAINERS = 10
_MOST_FILES = 10  # environment files of a container
_LONGEST_STOP = 120  # seconds that Fargate lets a container take to end
_START_TIMEOUTS = range(2, 121)  # seconds
_EPHEMERAL = range(21, 201)  # GiB
_RESTART_PERIODS = range(60, 1801)  # seconds
_MOST_EXIT_CODES = 50
_AWSLOGS_REQUIRED = ("awslogs-group", "awslogs-region", "awslogs-stream-prefix")
_NOT_ON_FARGATE = {
    "links": "links",
    "privileged": "privileged containers",
    "dnsServers": "dnsServers",
    "dnsSearchDomains": "dnsSearchDomains",
    "dockerSecurityOptions": "dockerSecurityOptions",
    "extraHosts": "extraHosts with network mode awsvpc",
    "hostname": "hostname with network mode awsvpc",
}


def is_for_fargate(definition: Mapping[str, Any]) -> bool:
    """Return whether a task definition says that it is for Fargate."""
    return "FARGATE" in definition.get("requiresCompatibilities", [])


def check(request: Mapping[str, Any], registry: str) -> None:
    """Raise ClientException for the first thing that is wrong. `registry` is the local registry's address."""
    containers = request["containerDefinitions"]
    if not containers:
        raise _invalid("Container list cannot be empty.")
    if len(containers) > _MOST_CONTAINERS:
        raise _invalid(f"A task can have at most {_MOST_CONTAINERS} containers.")
    for container in containers:
        _check_container(request, container)
    names = [container["name"] for container in containers]
    if len(set(names)) != len(names):
        raise _invalid("Container.name contains duplicates.")
    if not any(container.get("essential", True) for container in containers):
        raise _invalid("A task definition must have at least one essential container.")
    order(containers)
    _check_volumes(request)
    if is_for_fargate(request):
        _check_for_fargate(request, registry)


def completed(container: Mapping[str, Any]) -> Any:
    """Return a container definition with the defaults that ECS shows."""
    ports = [
        {"hostPort": port["containerPort"], "protocol": "tcp", **port} for port in container.get("portMappings", [])
    ]
    defaults: dict[str, Any] = {
        "cpu": 0,
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
    }
    probe = container.get("healthCheck")
    if probe is not None:
        defaults["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **probe}
    return {**defaults, **container, "portMappings": ports, **({} if probe is None else _only(defaults, "healthCheck"))}


def order(containers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the containers' names so that each comes after those that it depends on; raise on a cycle."""
    needs = {each["name"]: {on["containerName"] for on in each.get("dependsOn", [])} for each in containers}
    for name, others in needs.items():
        for other in others - needs.keys():
            raise _invalid(f"Container '{name}' depends on container '{other}', which the task definition lacks.")
    ordered: list[str] = []
    while len(ordered) < len(needs):
        ready = [name for name in needs if name not in ordered and needs[name] <= set(ordered)]
        if not ready:
            raise _invalid("There is a cycle in the container dependencies.")
        ordered += ready
    return ordered


def is_from_ecr(image: str, registry: str) -> bool:
    """Return whether an image comes from ECR, by its AWS name or by the local registry's."""
    return _ECR.match(image) is not None or image.startswith(f"{registry}/")


def _only(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: values[name]}


def _check_container(request: Mapping[str, Any], container: Mapping[str, Any]) -> None:
    name = container.get("name")
    if not name or not _NAME.match(name):
        raise _invalid("Container.name should not be null or empty, and have only letters, digits, - and _.")
    if not container.get("image"):
        raise _invalid(f"Container.image should not be null or empty: container '{name}'.")
    if "memory" not in container and "memoryReservation" not in container and "memory" not in request:
        raise _invalid(
            f"Invalid setting for container '{name}'. "
            "At least one of 'memory' or 'memoryReservation' must be specified."
        )
    if container.get("memoryReservation", 0) > container.get("memory", float("inf")):
        raise _invalid(
            f"Invalid setting for container '{name}'. The 'memoryReservation' must be lower than or equal to 'memory'."
        )
    for port in container.get("portMappings", []):
        if "containerPortRange" in port:
            raise not_offered("ecs:RegisterTaskDefinition containerDefinitions.portMappings.containerPortRange")
        if port.get("protocol", "tcp") != "tcp":
            raise not_offered("ecs:RegisterTaskDefinition containerDefinitions.portMappings.protocol udp")
        number, host = port.get("containerPort"), port.get("hostPort", 0)
        if number is None or not 0 < number < 65536:
            raise _invalid(f"Invalid 'containerPort' setting for container '{name}'.")
        if request.get("networkMode") == "awsvpc" and host not in (0, number):
            raise _invalid("When networkMode=awsvpc, the host ports and container ports in port mappings must match.")
    _check_secrets(container)
    if container.get("startTimeout", _START_TIMEOUTS.start) not in _START_TIMEOUTS:
        raise _invalid(f"Invalid 'startTimeout' for container '{name}': it must be between 2 and 120 seconds.")
    policy = container.get("restartPolicy", {})
    if policy.get("restartAttemptPeriod", _RESTART_PERIODS.start) not in _RESTART_PERIODS:
        raise _invalid(
            f"Invalid 'restartPolicy.restartAttemptPeriod' for container '{name}': it must be between "
            f"{_RESTART_PERIODS.start} and {_RESTART_PERIODS.stop - 1} seconds."
        )
    if len(policy.get("ignoredExitCodes", [])) > _MOST_EXIT_CODES:
        raise _invalid(f"Container '{name}' can have at most {_MOST_EXIT_CODES} 'restartPolicy.ignoredExitCodes'.")
    probe = container.get("healthCheck")
    if probe is not None and (not probe["command"] or probe["command"][0] not in ("CMD", "CMD-SHELL", "NONE")):
        raise _invalid(f"Invalid 'healthCheck.command' for container '{name}': it starts with CMD or CMD-SHELL.")


def _check_secrets(container: Mapping[str, Any]) -> None:
    if any(not each.get("name") for each in container.get("environment", [])):
        raise _invalid(f"Environment variables of container '{container.get('name')}' must have names.")
    names = [each["name"] for each in (*container.get("environment", []), *container.get("secrets", []))]
    for secret in container.get("secrets", []):
        if names.count(secret["name"]) > 1:
            raise _invalid(
                "The secret name must be unique and not shared with any new or existing environment variables set on "
                f"the container, such as '{secret['name']}'."
            )
    files = container.get("environmentFiles", [])
    if len(files) > _MOST_FILES:
        raise _invalid(f"A container can have at most {_MOST_FILES} environment files: '{container['name']}'.")
    for each in files:
        if not is_environment_file(each["value"]):
            raise _invalid(
                f"Invalid 'environmentFiles' setting for container '{container['name']}': {each['value']} is not the "
                "ARN of an object in S3 whose name ends with .env."
            )


def _check_volumes(request: Mapping[str, Any]) -> None:
    volumes = {volume.get("name") for volume in request.get("volumes", [])}
    for container in request["containerDefinitions"]:
        for mount in container.get("mountPoints", []):
            if mount.get("sourceVolume") not in volumes:
                raise _invalid(f"Unknown volume '{mount.get('sourceVolume')}'.")


def _check_for_fargate(request: Mapping[str, Any], registry: str) -> None:
    if request.get("networkMode", "awsvpc") != "awsvpc":
        raise _invalid("Fargate only supports network mode 'awsvpc'.")
    cpu, memory = check_size(request.get("cpu"), request.get("memory"))
    containers = request["containerDefinitions"]
    if request.get("placementConstraints"):
        raise _invalid("Fargate task definitions do not support placement constraints.")
    if request.get("pidMode") == "host" or request.get("ipcMode"):
        raise _invalid("Fargate task definitions support neither pidMode 'host' nor 'ipcMode'.")
    if sum(each.get("cpu", 0) for each in containers) > cpu:
        raise _invalid("The sum of the containers' 'cpu' exceeds the task's 'cpu'.")
    if sum(each.get("memoryReservation", each.get("memory", 0)) for each in containers) > memory:
        raise _invalid("The sum of the containers' memory exceeds the task's 'memory'.")
    size = request.get("ephemeralStorage", {}).get("sizeInGiB")
    if size is not None and size not in _EPHEMERAL:
        raise _invalid("The ephemeral storage size must be between 21 GiB and 200 GiB.")
    for why in _unsupported_on_fargate(request):
        raise _invalid(f"Fargate task definitions do not support {why}.")
    if "executionRoleArn" not in request:
        for container in containers:
            if is_from_ecr(container["image"], registry):
                raise _invalid("Fargate requires task definition to have execution role ARN to support ECR images.")
            if container.get("logConfiguration", {}).get("logDriver") == "awslogs":
                raise _invalid(
                    "Fargate requires task definition to have execution role ARN to support log driver awslogs."
                )
            if container.get("secrets"):
                raise _invalid("Fargate requires task definition to have execution role ARN to support secrets.")


def _unsupported_on_fargate(request: Mapping[str, Any]) -> Iterator[str]:
    for volume in request.get("volumes", []):
        if volume.get("host", {}).get("sourcePath"):
            yield "a host sourcePath of volumes"
    for container in request["containerDefinitions"]:
        for member, why in _NOT_ON_FARGATE.items():
            if container.get(member):
                yield why
        linux = container.get("linuxParameters", {})
        for member in ("devices", "sharedMemorySize", "tmpfs", "maxSwap", "swappiness"):
            if member in linux:
                yield f"linuxParameters.{member}"
        added = set(linux.get("capabilities", {}).get("add", []))
        if added - {"SYS_PTRACE"}:
            yield "added Linux capabilities other than SYS_PTRACE"
        if container.get("stopTimeout", 0) > _LONGEST_STOP:
            yield f"a stopTimeout over {_LONGEST_STOP} seconds"
        if container.get("resourceRequirements"):
            yield "resourceRequirements"
        yield from _log_faults(container)


def _log_faults(container: Mapping[str, Any]) -> Iterator[str]:
    logs = container.get("logConfiguration")
    if logs is None:
        return
    if logs["logDriver"] != "awslogs":
        if logs["logDriver"] in ("splunk", "awsfirelens"):
            raise not_offered(f"the log driver {logs['logDriver']}")
        yield f"the log driver {logs['logDriver']}"
        return
    options = logs.get("options", {})
    for option in _AWSLOGS_REQUIRED:
        if option not in options:
            raise _invalid(f"Log driver awslogs requires options: {', '.join(_AWSLOGS_REQUIRED)}")
    if options.get("mode", "blocking") not in ("blocking", "non-blocking"):
        raise _invalid("The log option 'mode' must be blocking or non-blocking.")
    if not _BUFFER.fullmatch(options.get("max-buffer-size", "1m")):
        raise _invalid("The log option 'max-buffer-size' must be a number of bytes, or of k, m or g, such as 10m.")
    for option in options.keys() - {*_AWSLOGS_REQUIRED, "awslogs-create-group", "mode", "max-buffer-size"}:
        raise not_offered(f"the awslogs option {option}")


def _invalid(why: str) -> ServiceError:
    return ServiceError("ClientException", why)
