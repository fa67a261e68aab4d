"""The service registries of a service, checked against what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_MOST = 1


async def check_registries(
    caller: Caller, definition: t.TaskDefinitionTypeDef, registries: Sequence[Mapping[str, Any]]
) -> None:
    """Raise InvalidParameterException for the first thing that is wrong."""
    if len(registries) > _MOST:
        raise _invalid(f"At most {_MOST} service registry can be given.")
    for each in registries:
        arn = each.get("registryArn", "")
        try:
            service = (await caller("servicediscovery", "get_service", Id=arn))["Service"]
        except ServiceError as error:
            raise _invalid(f"The service registry {arn} cannot be used: {error.message}") from error
        if service["Arn"] != arn:
            raise _invalid(f"{arn} is not the ARN of a service registry.")
        _check_port(definition, each, {record["Type"] for record in service.get("DnsConfig", {}).get("DnsRecords", ())})


def _check_port(definition: t.TaskDefinitionTypeDef, registry: Mapping[str, Any], types: set[str]) -> None:
    name, container_port = registry.get("containerName"), registry.get("containerPort")
    if "port" in registry and (name is not None or container_port is not None):
        raise _invalid("Either port, or containerName and containerPort can be given, not both.")
    if (name is None) is not (container_port is None):
        raise _invalid("containerName and containerPort have to be given together.")
    if "SRV" in types and "port" not in registry and container_port is None:
        raise _invalid("For an SRV record either port, or containerName and containerPort have to be given.")
    if name is None:
        return
    container = next((each for each in definition["containerDefinitions"] if each["name"] == name), None)
    family = definition["taskDefinitionArn"].rpartition("/")[2]
    if container is None:
        raise _invalid(f"The container {name} does not exist in the task definition {family}.")
    if container_port not in {each["containerPort"] for each in container["portMappings"]}:
        raise _invalid(f"The container {name} did not have a container port {container_port} defined.")


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
