"""ECS: clusters, task definitions, services."""

from __future__ import annotations

import re
from typing import Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
    without,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries, lowered

_LONGEST_NAME = 255
_OPERATION = "Error occurred during operation '{}'."
_BROKEN = _OPERATION.format("ECS Deployment Circuit Breaker was triggered")
_REPLACED = _OPERATION.format("ECS Deployment was replaced by another one")
_FAILED = re.compile(r"\(deployment \S+\) deployment failed: (.*)", re.DOTALL)
_PROVIDERS = ("CapacityProviders", "DefaultCapacityProviderStrategy")
_NO_INSIGHTS = [{"Name": "containerInsights", "Value": "disabled"}]
# what a service's properties go back to when a template does not have them any more
_SERVICE_DEFAULTS: Properties = {
    "AvailabilityZoneRebalancing": "ENABLED",
    "DeploymentConfiguration": {},
    "EnableExecuteCommand": False,
    "EnableECSManagedTags": False,
    "HealthCheckGracePeriodSeconds": 0,
    "LoadBalancers": [],
    "PlatformVersion": "LATEST",
    "PropagateTags": "NONE",
    "ServiceRegistries": [],
}
_DEPLOYMENT_DEFAULTS: Properties = {
    "Alarms": {"AlarmNames": [], "Enable": False, "Rollback": False},
    "BakeTimeInMinutes": 0,
    "DeploymentCircuitBreaker": {"Enable": False, "Rollback": False},
    "LifecycleHooks": [],
    "MaximumPercent": 200,
    "MinimumHealthyPercent": 100,
    "Strategy": "ROLLING",
}


async def _change_tags(step: Step, before: Properties, arn: str) -> None:
    put, taken = tag_changes(before, step.properties)
    if put:
        await step.call("ecs", "tag_resource", resourceArn=arn, tags=lowered(put))
    if taken:
        await step.call("ecs", "untag_resource", resourceArn=arn, tagKeys=taken)


class Cluster(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-cluster.html."""

    type = "AWS::ECS::Cluster"
    missing = frozenset({"ClusterNotFoundException"})

    async def create(self, step: Step) -> str:
        """Create the cluster; one of that name would be returned by ECS, and be deleted with the stack."""
        name = step.name("ClusterName", _LONGEST_NAME)
        if await self._describe(step, name) is not None:
            raise FailedError(
                f"Resource of type '{self.type}' with identifier '{name}' already exists.", "AlreadyExists"
            )
        request = without(step.properties, "ClusterName", "ClusterSettings")
        if "ClusterSettings" in step.properties:
            request["Settings"] = step.properties["ClusterSettings"]
        await step.send("ecs", "create_cluster", {**request, "ClusterName": name})
        return name

    async def find(self, step: Step) -> str | None:
        """Return the cluster of that name if it is this resource's."""
        name = step.name("ClusterName", _LONGEST_NAME)
        found = await self._describe(step, name)
        return name if found is not None and carries(step, found["tags"]) else None

    async def read(self, step: Step) -> Attributes:
        """Return `Arn`."""
        found = await self._describe(step, step.physical_id)
        return {} if found is None else {"Arn": found["clusterArn"]}

    async def update(self, step: Step, before: Properties) -> None:
        """Change the settings, the capacity providers and the tags."""
        after, name = step.properties, step.physical_id
        request = {
            each: after[each]
            for each in ("Configuration", "ServiceConnectDefaults")
            if each in after and changed(before, after, each)
        }
        if changed(before, after, "ClusterSettings"):
            request["Settings"] = after.get("ClusterSettings", _NO_INSIGHTS)
        if request:
            await step.send("ecs", "update_cluster", {"Cluster": name, **request})
        if changed(before, after, *_PROVIDERS):
            providers = {each: after.get(each, []) for each in _PROVIDERS}
            await step.send("ecs", "put_cluster_capacity_providers", {"Cluster": name, **providers})
        await _change_tags(step, before, f"arn:aws:ecs:{step.region}:{step.account}:cluster/{name}")

    async def delete(self, step: Step) -> None:
        """Delete the cluster; ECS refuses while there are services or tasks in it."""
        await step.call("ecs", "delete_cluster", cluster=step.physical_id)

    async def _describe(self, step: Step, name: str) -> Any | None:
        answer = await step.call("ecs", "describe_clusters", clusters=[name], include=["TAGS"])
        return next((each for each in answer["clusters"] if each["status"] == "ACTIVE"), None)


class ClusterCapacityProviderAssociations(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-clustercapacityproviderassociations.html.

    It is a property of its cluster: creating it twice does no harm.
    """

    type = "AWS::ECS::ClusterCapacityProviderAssociations"
    missing = frozenset({"ClusterNotFoundException"})

    async def create(self, step: Step) -> str:
        """Give the cluster its capacity providers, and return the cluster's name."""
        await step.send("ecs", "put_cluster_capacity_providers", step.properties)
        return str(step.properties["Cluster"]).rpartition("/")[2]

    async def update(self, step: Step, before: Properties) -> None:
        """Give the cluster others."""
        await step.send("ecs", "put_cluster_capacity_providers", step.properties)

    async def delete(self, step: Step) -> None:
        """Leave the cluster without any."""
        none: dict[str, Any] = {"capacityProviders": [], "defaultCapacityProviderStrategy": []}
        await step.call("ecs", "put_cluster_capacity_providers", cluster=step.physical_id, **none)


class TaskDefinition(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-taskdefinition.html.

    Nothing finds a revision that an interrupted create has registered: another one is registered, which does no harm.
    """

    type = "AWS::ECS::TaskDefinition"

    async def create(self, step: Step) -> str:
        """Register a revision and return its ARN."""
        if "ProxyConfiguration" in step.properties:
            raise not_offered(f"cloudformation {self.type} ProxyConfiguration")
        request = {**step.properties, "Family": step.name("Family", _LONGEST_NAME)}
        answer = await step.send("ecs", "register_task_definition", request)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    async def read(self, step: Step) -> Attributes:
        """Return `TaskDefinitionArn`."""
        return {"TaskDefinitionArn": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Change the tags: everything else is another revision."""
        await _change_tags(step, before, step.physical_id)

    async def delete(self, step: Step) -> None:
        """Deregister the revision; it stays as an inactive one, as on AWS."""
        await step.call("ecs", "deregister_task_definition", taskDefinition=step.physical_id)

    def is_missing(self, error: ServiceError) -> bool:
        """Return whether there is no such revision, which ECS has no code of its own for."""
        return error.code == "ClientException" and "Unable to describe task definition" in error.message


class Service(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-service.html.

    Creating is idempotent by the step's token.
    """

    type = "AWS::ECS::Service"
    missing = frozenset({"ServiceNotFoundException", "ClusterNotFoundException"})

    async def create(self, step: Step) -> str:
        """Create the service and return its ARN."""
        name = step.name("ServiceName", _LONGEST_NAME)
        request = {**self._request(step.properties), "ServiceName": name, "ClientToken": step.token}
        answer = await step.send("ecs", "create_service", request)
        return str(answer["service"]["serviceArn"])

    async def settled(self, step: Step) -> bool:
        """Return whether the service is stable: one deployment, completed, with all its tasks running.

        A deployment that was rolled back is told by the service not being what was asked for any more: what was rolled
        back may be over between two looks, and what is left of it may be seen long after the next update.
        """
        service = await self._describe(step)
        if service is None or service["status"] != "ACTIVE":
            raise FailedError(f"The service {step.physical_id} is not active.", "NotStabilized")
        if service["deploymentController"]["type"] == "EXTERNAL":
            return True  # others deploy it
        primary = next(each for each in service["deployments"] if each["status"] == "PRIMARY")
        if primary["rolloutState"] == "FAILED" or not _is_wanted(primary, step.properties):
            raise FailedError(_failure(service))
        return (
            primary["rolloutState"] == "COMPLETED"
            and len(service["deployments"]) == 1
            and service["runningCount"] == service["desiredCount"]
        )

    async def read(self, step: Step) -> Attributes:
        """Return `Name` and `ServiceArn`."""
        return {"Name": step.physical_id.rpartition("/")[2], "ServiceArn": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Change the service; its desired count only where the template has one, for scaling changes it as well."""
        after = step.properties
        if changed(before, after, "LaunchType") and "LaunchType" in after:
            raise FailedError(f"{self.type} LaunchType cannot be updated", "NotUpdatable")
        request = without(
            self._request(after), "Cluster", "LaunchType", "Role", "SchedulingStrategy", "ServiceName", "Tags"
        )
        request |= {name: value for name, value in _SERVICE_DEFAULTS.items() if name in before and name not in after}
        if "DeploymentConfiguration" in request:
            request["DeploymentConfiguration"] = {**_DEPLOYMENT_DEFAULTS, **request["DeploymentConfiguration"]}
        if not changed(before, after, "CapacityProviderStrategy"):
            request.pop("CapacityProviderStrategy", None)  # giving one begins a deployment, even if it is the same
        elif "CapacityProviderStrategy" not in after:
            request["CapacityProviderStrategy"] = []
        forced = after.get("ForceNewDeployment", {}).get("EnableForceNewDeployment", False)
        if forced and changed(before, after, "ForceNewDeployment"):
            request["ForceNewDeployment"] = True
        await step.send("ecs", "update_service", {**request, **self._named(step)})
        await _change_tags(step, before, step.physical_id)

    async def delete(self, step: Step) -> None:
        """Have the service drain, whatever it is scaled to."""
        named = self._named(step)
        await step.call("ecs", "delete_service", cluster=named["Cluster"], service=named["Service"], force=True)

    async def gone(self, step: Step) -> bool:
        """Return whether the service is inactive and its tasks have stopped: their network goes next."""
        try:
            service = await self._describe(step)
        except ServiceError as error:
            if self.is_missing(error):
                return True
            raise
        if service is None:
            return True
        return bool(service["status"] == "INACTIVE" and service["runningCount"] + service["pendingCount"] == 0)

    def _named(self, step: Step) -> dict[str, str]:
        cluster, name = step.physical_id.split("/")[-2:]
        return {"Cluster": cluster, "Service": name}

    def _request(self, properties: Properties) -> dict[str, Any]:
        """Return the properties as ECS has them; the first deployment needs no forcing."""
        request = without(properties, "ForceNewDeployment", "PlacementStrategies")
        if "PlacementStrategies" in properties:
            request["PlacementStrategy"] = properties["PlacementStrategies"]
        return request

    async def _describe(self, step: Step) -> Any | None:
        named = self._named(step)
        answer = await step.call("ecs", "describe_services", cluster=named["Cluster"], services=[named["Service"]])
        return next(iter(answer["services"]), None)


def _is_wanted(deployment: Properties, properties: Properties) -> bool:
    """Return whether a deployment is of the task definition and in the network that the properties name."""
    definition = str(properties.get("TaskDefinition", "")).rpartition("/")[2]
    actual = str(deployment["taskDefinition"]).rpartition("/")[2]
    if definition and definition != (actual if ":" in definition else actual.partition(":")[0]):
        return False
    network = properties.get("NetworkConfiguration", {}).get("AwsvpcConfiguration", {})
    wanted = _network(only(network, "Subnets", "SecurityGroups", "AssignPublicIp"))
    there = _network(deployment["networkConfiguration"]["awsvpcConfiguration"])
    return all(there.get(name) == value for name, value in wanted.items())


def _failure(service: Properties) -> str:
    """Return what became of a deployment, by the service's events: the circuit breaker, or anything else."""
    found = (_FAILED.search(event["message"]) for event in service.get("events", []))
    why = next((match[1] for match in found if match), None)
    if why is None:
        return _REPLACED
    return _BROKEN if why.startswith("tasks failed") else _OPERATION.format(f"ECS Deployment failed: {why}")


def _network(configuration: Properties) -> dict[str, Any]:
    plain = {name.lower(): value for name, value in configuration.items()}
    return {name: value if isinstance(value, str) else set(value) for name, value in plain.items() if value}


HANDLERS: tuple[Handler, ...] = (Cluster(), ClusterCapacityProviderAssociations(), TaskDefinition(), Service())
