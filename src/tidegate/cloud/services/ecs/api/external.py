"""Services with an external deployment controller: what CreateService and UpdateService take for them.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-external.html. All that concerns tasks is
said of a task set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.errors import ServiceError

# member -> its name in ECS's message, where a service may not have it
_OF_TASK_SETS = {
    "taskDefinition": "TaskDefinition",
    "launchType": "LaunchType",
    "capacityProviderStrategy": "CapacityProviderStrategy",
    "platformVersion": "PlatformVersion",
    "networkConfiguration": "NetworkConfiguration",
    "loadBalancers": "LoadBalancers",
    "serviceRegistries": "ServiceRegistries",
}


def check_external(request: Mapping[str, Any]) -> None:
    """Raise InvalidParameterException where a new service names what only its task sets may."""
    for member, name in _OF_TASK_SETS.items():
        if request.get(member):
            raise ServiceError("InvalidParameterException", f"{name} must be blank.")
    _check_rolling(request)


def check_external_update(request: Mapping[str, Any]) -> None:
    """Raise InvalidParameterException where an update changes what only a new task set can."""
    for member, name in _OF_TASK_SETS.items():
        if member in request:
            raise ServiceError(
                "InvalidParameterException",
                f"Unable to update {name} on services with an EXTERNAL deployment controller. Create a new task set.",
            )
    if request.get("forceNewDeployment"):
        raise ServiceError(
            "InvalidParameterException",
            "Cannot force a new deployment on services with an EXTERNAL deployment controller.",
        )
    _check_rolling(request)


def _check_rolling(request: Mapping[str, Any]) -> None:
    """Raise InvalidParameterException for what only ECS's own deployments know."""
    given: Mapping[str, Any] = request.get("deploymentConfiguration", {})
    for member in given:
        if member not in ("maximumPercent", "minimumHealthyPercent") and _says_something(given[member]):
            raise ServiceError(
                "InvalidParameterException",
                f"deploymentConfiguration.{member} cannot be specified with an EXTERNAL deployment controller.",
            )


def _says_something(value: Any) -> bool:
    """Return whether a member of a deployment configuration is other than its default."""
    return any(value.values()) if isinstance(value, Mapping) else value not in ("ROLLING", 0, [])
