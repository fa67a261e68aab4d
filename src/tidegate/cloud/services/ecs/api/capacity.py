"""Capacity: Fargate and Fargate Spot, the two providers that there are.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.ecs.api.shared import find_cluster, in_cluster, missing
from tidegate.cloud.services.ecs.model import EcsModel, resource_id

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

    Strategy = list[t.CapacityProviderStrategyItemTypeDef]

PROVIDERS = ("FARGATE", "FARGATE_SPOT")
_MOST_LISTED = 10
_PLATFORM = "1.4.0"
_OLDER_PLATFORMS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")


class CapacityApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeCapacityProviders.html."""

    def __init__(self, model: EcsModel) -> None:
        self.model = model

    @operation(conditions=in_cluster)
    async def describe_capacity_providers(
        self, context: Context, request: t.DescribeCapacityProvidersRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe Fargate's capacity providers, all of them or those asked for, or those of a cluster."""
        wanted = [resource_id(each) for each in request.get("capacityProviders", PROVIDERS)]
        failures = [
            missing(context.arn("ecs", f"capacity-provider/{each}")) for each in wanted if each not in PROVIDERS
        ]
        known = [each for each in PROVIDERS if each in wanted]
        if "cluster" in request:
            cluster = find_cluster(self.model, context, request["cluster"])["cluster"]
            known = [each for each in known if each in cluster["capacityProviders"]]
        chosen, token = page(known, request.get("nextToken"), request.get("maxResults", _MOST_LISTED), key=str)
        tags: dict[str, Any] = {"tags": []} if "TAGS" in request.get("include", []) else {}
        providers = [
            {
                "capacityProviderArn": context.arn("ecs", f"capacity-provider/{each}"),
                "name": each,
                "status": "ACTIVE",
                "type": each,
                **tags,
            }
            for each in chosen
        ]
        return {"capacityProviders": providers, "failures": failures, "nextToken": token}


def checked_providers(names: Iterable[str]) -> list[str]:
    """Return the names of capacity providers; refuse those that are not Fargate's."""
    found = list(names)
    for name in found:
        if name not in PROVIDERS:
            raise not_offered(f"the capacity provider {name}: Fargate's are {' and '.join(PROVIDERS)}")
    return found


def checked_strategy(items: Sequence[Mapping[str, Any]]) -> Strategy:
    """Return a capacity provider strategy written out; raise InvalidParameterException."""
    names = checked_providers(item["capacityProvider"] for item in items)
    if len(set(names)) < len(names):
        raise _invalid("A capacity provider can only be used once in a capacity provider strategy.")
    if sum(item.get("base", 0) > 0 for item in items) > 1:
        raise _invalid("Only one capacity provider in a capacity provider strategy can have a base defined.")
    if items and not any(item.get("weight", 0) or item.get("base", 0) for item in items):
        raise _invalid("At least one capacity provider of a strategy must have a weight greater than zero.")
    return [
        {"capacityProvider": item["capacityProvider"], "weight": item.get("weight", 0), "base": item.get("base", 0)}
        for item in items
    ]


def chosen_strategy(cluster: t.ClusterTypeDef, request: Mapping[str, Any]) -> Strategy:
    """Return on which capacity a request wants its tasks; empty: on Fargate, by launch type.

    Without either, the cluster's default strategy decides. Raises InvalidParameterException.
    """
    launch_type = request.get("launchType")
    if "capacityProviderStrategy" in request:
        if launch_type is not None:
            raise _invalid("Specifying both a launch type and capacity provider strategy is not supported.")
        strategy = checked_strategy(request["capacityProviderStrategy"])
        if any(item["capacityProvider"] not in cluster["capacityProviders"] for item in strategy):
            raise _invalid(
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated "
                "with the cluster. Associate the capacity provider with the cluster and try again."
            )
        return strategy
    if launch_type not in (None, "FARGATE"):
        raise not_offered(f"the launch type {launch_type}")
    return list(cluster["defaultCapacityProviderStrategy"]) if launch_type is None else []


def checked_platform(request: Mapping[str, Any]) -> str:
    """Return the platform version that tasks run on; raise PlatformUnknownException.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html
    """
    version = request.get("platformVersion", "LATEST")
    if version not in ("LATEST", _PLATFORM, *_OLDER_PLATFORMS):
        raise ServiceError("PlatformUnknownException", "The specified platform does not exist.")
    if version in _OLDER_PLATFORMS:
        raise not_offered(f"the Fargate platform version {version}: LATEST is {_PLATFORM}")
    return _PLATFORM


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
