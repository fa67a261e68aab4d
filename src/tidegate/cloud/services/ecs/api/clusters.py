"""Clusters: names under which services and tasks are gathered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.ecs.api.account_settings import setting_of
from tidegate.cloud.services.ecs.api.capacity import checked_providers, checked_strategy
from tidegate.cloud.services.ecs.api.shared import cluster_arn, find_cluster, missing, new_tags
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    DEFAULT_CLUSTER,
    DRAINING,
    INACTIVE,
    RUNNING,
    STOPPED,
    ClusterRecord,
    EcsModel,
    cluster_name,
)
from tidegate.cloud.services.ecs.settings import CONTAINER_INSIGHTS, check_value

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_MOST_LISTED = 100


class ClustersApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html and its siblings."""

    def __init__(self, model: EcsModel, calls: Calls) -> None:
        self.model = model
        self._calls = calls

    @operation(resource=cluster_arn, refuse=("configuration", "serviceConnectDefaults"))
    async def create_cluster(self, context: Context, request: t.CreateClusterRequestTypeDef) -> Mapping[str, Any]:
        """Create a cluster; one that is there already is returned as it is."""
        name = request.get("clusterName", DEFAULT_CLUSTER)
        existing = self.model.clusters.get(context.region, name)
        if existing is not None and existing["cluster"]["status"] == ACTIVE:
            return {"cluster": self._counted(context.region, existing)}
        _check_settings(request.get("settings", []))
        arn = context.arn("ecs", f"cluster/{name}")
        insights = setting_of(self.model, context, CONTAINER_INSIGHTS)
        settings: list[t.ClusterSettingTypeDef] = [{"name": CONTAINER_INSIGHTS, "value": insights}]
        cluster: t.ClusterTypeDef = {
            "clusterArn": arn,
            "clusterName": name,
            "status": ACTIVE,
            "settings": list(request.get("settings", settings)),
            "capacityProviders": checked_providers(request.get("capacityProviders", [])),
            "defaultCapacityProviderStrategy": checked_strategy(request.get("defaultCapacityProviderStrategy", [])),
            "tags": new_tags(self._calls, context, request, arn, "CreateCluster"),
        }
        record: ClusterRecord = {"cluster": cluster}
        self.model.clusters.put((context.region, name), record)
        return {"cluster": self._counted(context.region, record)}

    @operation()
    async def describe_clusters(self, context: Context, request: t.DescribeClustersRequestTypeDef) -> Mapping[str, Any]:
        """Describe clusters by name or ARN; without any, the default one."""
        wanted, include = request.get("clusters") or [DEFAULT_CLUSTER], request.get("include", [])
        clusters, failures = [], []
        for each in wanted:
            record = self.model.clusters.get(context.region, cluster_name(each))
            if record is None:
                failures.append(missing(context.arn("ecs", f"cluster/{cluster_name(each)}")))
                continue
            cluster = self._counted(context.region, record)
            for member, word in (("tags", "TAGS"), ("settings", "SETTINGS"), ("statistics", "STATISTICS")):
                if word not in include:
                    cluster[member] = []
                elif member == "statistics":
                    cluster[member] = self._statistics(context.region, record)
            clusters.append(cluster)
        return {"clusters": clusters, "failures": failures}

    @operation()
    async def list_clusters(self, context: Context, request: t.ListClustersRequestTypeDef) -> Mapping[str, Any]:
        """List the ARNs of the active clusters."""
        arns = [
            each["cluster"]["clusterArn"]
            for each in self.model.clusters.values(context.region)
            if each["cluster"]["status"] == ACTIVE
        ]
        chosen, token = page(arns, request.get("nextToken"), request.get("maxResults", _MOST_LISTED), key=str)
        return {"clusterArns": chosen, "nextToken": token}

    @operation(resource=cluster_arn, refuse=("configuration", "serviceConnectDefaults"))
    async def update_cluster(self, context: Context, request: t.UpdateClusterRequestTypeDef) -> Mapping[str, Any]:
        """Change a cluster's settings."""
        record = find_cluster(self.model, context, request["cluster"])
        if "settings" in request:
            _merge_settings(record, request["settings"])
        self.model.clusters.put((context.region, cluster_name(request["cluster"])), record)
        return {"cluster": self._counted(context.region, record)}

    @operation(resource=cluster_arn)
    async def update_cluster_settings(
        self, context: Context, request: t.UpdateClusterSettingsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change a cluster's settings."""
        record = find_cluster(self.model, context, request["cluster"])
        _merge_settings(record, request["settings"])
        self.model.clusters.put((context.region, cluster_name(request["cluster"])), record)
        return {"cluster": self._counted(context.region, record)}

    @operation(resource=cluster_arn)
    async def put_cluster_capacity_providers(
        self, context: Context, request: t.PutClusterCapacityProvidersRequestTypeDef
    ) -> Mapping[str, Any]:
        """Say which of Fargate's capacity providers a cluster uses."""
        record = find_cluster(self.model, context, request["cluster"])
        record["cluster"]["capacityProviders"] = checked_providers(request["capacityProviders"])
        record["cluster"]["defaultCapacityProviderStrategy"] = checked_strategy(
            request["defaultCapacityProviderStrategy"]
        )
        self.model.clusters.put((context.region, cluster_name(request["cluster"])), record)
        return {"cluster": self._counted(context.region, record)}

    @operation(resource=cluster_arn)
    async def delete_cluster(self, context: Context, request: t.DeleteClusterRequestTypeDef) -> Mapping[str, Any]:
        """Delete a cluster that has neither services nor tasks."""
        name = cluster_name(request["cluster"])
        record = find_cluster(self.model, context, name)
        services = self.model.services.values(context.region, name)
        if any(each["service"]["status"] == ACTIVE for each in services):
            raise ServiceError(
                "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
            )
        tasks = self.model.tasks.values(context.region, name)
        if any(each["task"]["lastStatus"] != STOPPED for each in tasks):
            raise ServiceError("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
        record["cluster"]["status"] = INACTIVE
        self.model.clusters.put((context.region, name), record)
        return {"cluster": self._counted(context.region, record)}

    def _counted(self, region: str, record: ClusterRecord) -> dict[str, Any]:
        name = record["cluster"]["clusterName"]
        tasks = [each["task"] for each in self.model.tasks.values(region, name)]
        services = self.model.services.values(region, name)
        return {
            **record["cluster"],
            "runningTasksCount": sum(task["lastStatus"] == RUNNING for task in tasks),
            "pendingTasksCount": sum(
                task["desiredStatus"] == RUNNING and task["lastStatus"] != RUNNING for task in tasks
            ),
            "activeServicesCount": sum(each["service"]["status"] == ACTIVE for each in services),
            "registeredContainerInstancesCount": 0,
            "statistics": [],
        }

    def _statistics(self, region: str, record: ClusterRecord) -> list[dict[str, str]]:
        """Count tasks and services by where they run: all of them on Fargate."""
        counted = self._counted(region, record)
        services = self.model.services.values(region, record["cluster"]["clusterName"])
        numbers = {
            "runningEC2TasksCount": 0,
            "runningFargateTasksCount": counted["runningTasksCount"],
            "pendingEC2TasksCount": 0,
            "pendingFargateTasksCount": counted["pendingTasksCount"],
            "activeEC2ServiceCount": 0,
            "activeFargateServiceCount": counted["activeServicesCount"],
            "drainingEC2ServiceCount": 0,
            "drainingFargateServiceCount": sum(each["service"]["status"] == DRAINING for each in services),
        }
        return [{"name": name, "value": str(number)} for name, number in numbers.items()]


def _check_settings(settings: Any) -> None:
    if any(not {"name", "value"} <= each.keys() for each in settings):
        raise ServiceError("InvalidParameterException", "A setting has a name and a value.")
    for each in settings:
        check_value(each["name"], each["value"])


def _merge_settings(record: ClusterRecord, settings: Any) -> None:
    _check_settings(settings)
    values = {each["name"]: each for each in [*record["cluster"]["settings"], *settings]}
    record["cluster"]["settings"] = list(values.values())
