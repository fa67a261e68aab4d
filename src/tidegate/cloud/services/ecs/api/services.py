"""Services: created, changed, deleted. What they bring about is the reconciler's."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tidegate.cloud.call import Caller, Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.ecs.api.network import checked_network
from tidegate.cloud.services.ecs.api.shared import (
    find_active_definition,
    find_cluster,
    find_service,
    in_cluster,
    missing,
    service_arn,
)
from tidegate.cloud.services.ecs.definition import is_for_fargate
from tidegate.cloud.services.ecs.describe import described_service
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    DRAINING,
    IN_PROGRESS,
    INACTIVE,
    PRIMARY,
    DeploymentRecord,
    EcsModel,
    ServiceRecord,
    cluster_name,
    primary,
    resource_id,
)

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_PLATFORM = "1.4.0"
_REFUSED = (
    "serviceRegistries",
    "placementConstraints",
    "placementStrategy",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
    "enableExecuteCommand",
    "loadBalancers.advancedConfiguration",
    "deploymentConfiguration.bakeTimeInMinutes",
    "deploymentConfiguration.lifecycleHooks",
    "deploymentConfiguration.linearConfiguration",
    "deploymentConfiguration.canaryConfiguration",
    "deploymentConfiguration.earlySuccessCriteria",
)
_DEFAULT_DEPLOYMENT: t.DeploymentConfigurationOutputTypeDef = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}


class ServicesApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html and its siblings."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=service_arn, conditions=in_cluster, refuse=_REFUSED)
    async def create_service(self, context: Context, request: t.CreateServiceRequestTypeDef) -> Mapping[str, Any]:
        """Create a service; the scheduler starts its tasks."""
        cluster = cluster_name(request.get("cluster"))
        cluster_arn = find_cluster(self.model, context, cluster)["cluster"]["clusterArn"]
        name = request["serviceName"]
        existing = self.model.services.get(context.region, cluster, name)
        if existing is not None and existing["service"]["status"] != INACTIVE:
            if request.get("clientToken") and request["clientToken"] in existing["tokens"]:
                return {"service": described_service(self.model, context.region, existing)}
            raise ServiceError("InvalidParameterException", "Creation of service was not idempotent.")
        for member, allowed in (("deploymentController", "ECS"), ("schedulingStrategy", "REPLICA")):
            given: Any = request.get(member, allowed)
            if (given["type"] if isinstance(given, Mapping) else given) != allowed:
                raise not_offered(f"ecs:CreateService {member} {given}")
        if "role" in request:
            raise ServiceError(
                "InvalidParameterException",
                "You cannot specify an IAM role for services that require a service linked role.",
            )
        if "taskDefinition" not in request:
            raise ServiceError("InvalidParameterException", "TaskDefinition can not be blank.")
        definition = find_active_definition(self.model, context, request["taskDefinition"])["definition"]
        launch_type, strategy = _launch(request)
        _check_fargate(definition)
        caller = self._calls.as_service("ecs.amazonaws.com", context.region)
        network = await checked_network(caller, request.get("networkConfiguration"))
        balancers = [dict(each) for each in request.get("loadBalancers", [])]
        await _check_balancers(caller, definition, balancers)
        now = self._clock.now()
        service: t.ServiceTypeDef = {
            "serviceArn": context.arn("ecs", f"service/{cluster}/{name}"),
            "serviceName": name,
            "clusterArn": cluster_arn,
            "loadBalancers": balancers,  # type: ignore[typeddict-item]
            "serviceRegistries": [],
            "status": ACTIVE,
            "desiredCount": request.get("desiredCount", 1),
            "platformVersion": request.get("platformVersion", "LATEST"),
            "platformFamily": "Linux",
            "deploymentConfiguration": _deployment_configuration(
                _DEFAULT_DEPLOYMENT, request.get("deploymentConfiguration", {})
            ),
            "roleArn": f"arn:aws:iam::{context.account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
            "createdAt": now,
            "createdBy": context.principal.role_arn or context.principal.arn,
            "placementConstraints": [],
            "placementStrategy": [],
            "healthCheckGracePeriodSeconds": request.get("healthCheckGracePeriodSeconds", 0),
            "schedulingStrategy": "REPLICA",
            "deploymentController": {"type": "ECS"},
            "enableECSManagedTags": request.get("enableECSManagedTags", False),
            "propagateTags": request.get("propagateTags", "NONE"),
            "enableExecuteCommand": False,
            "availabilityZoneRebalancing": request.get("availabilityZoneRebalancing", "ENABLED"),
            "tags": list(request.get("tags", [])),
        }
        if strategy:
            service["capacityProviderStrategy"] = strategy
        else:
            service["launchType"] = launch_type
        if not balancers:
            del service["healthCheckGracePeriodSeconds"]
        record: ServiceRecord = {
            "service": service,
            "deployments": [],
            "events": [],
            "steady": False,
            "tokens": {request["clientToken"]: "create"} if "clientToken" in request else {},
        }
        self._deploy(context, record, definition["taskDefinitionArn"], network)
        self.model.services.put((context.region, cluster, name), record)
        return {"service": described_service(self.model, context.region, record)}

    @operation(resource=service_arn, conditions=in_cluster, refuse=_REFUSED)
    async def update_service(self, context: Context, request: t.UpdateServiceRequestTypeDef) -> Mapping[str, Any]:
        """Change a service; what concerns its tasks begins a deployment."""
        cluster = cluster_name(request.get("cluster"))
        record = find_service(self.model, context, cluster, request["service"])
        name = record["service"]["serviceName"]
        if record["service"]["status"] != ACTIVE:
            raise ServiceError("ServiceNotActiveException", "Service was not ACTIVE.")
        if request.get("deploymentController", {"type": "ECS"})["type"] != "ECS":
            raise not_offered(f"ecs:UpdateService deploymentController {request['deploymentController']}")
        current = primary(record)
        definition_arn, network = current["definition"], current["network"]
        definition = self.model.definition_by_arn(definition_arn)
        if "taskDefinition" in request:
            definition = find_active_definition(self.model, context, request["taskDefinition"])
            _check_fargate(definition["definition"])
            definition_arn = definition["definition"]["taskDefinitionArn"]
        assert definition is not None
        caller = self._calls.as_service("ecs.amazonaws.com", context.region)
        if "networkConfiguration" in request:
            network = await checked_network(caller, request["networkConfiguration"])
        balancers = [dict(each) for each in request.get("loadBalancers", record["service"]["loadBalancers"])]
        await _check_balancers(caller, definition["definition"], balancers)

        # from here on nothing is awaited: the record is read again, so that no change in between is lost
        record = find_service(self.model, context, cluster, name)
        current = primary(record)
        service = record["service"]
        platform = request.get("platformVersion", service["platformVersion"])
        anew = (
            request.get("forceNewDeployment", False)
            or definition_arn != current["definition"]
            or network != current["network"]
            or balancers != service["loadBalancers"]
            or platform != service["platformVersion"]
            or "capacityProviderStrategy" in request
        )
        service["loadBalancers"] = balancers  # type: ignore[typeddict-item]
        service["platformVersion"] = platform
        if "capacityProviderStrategy" in request:
            service["capacityProviderStrategy"] = _strategy(request["capacityProviderStrategy"])
            service.pop("launchType", None)
        if "desiredCount" in request:
            service["desiredCount"] = request["desiredCount"]
        if "deploymentConfiguration" in request:
            service["deploymentConfiguration"] = _deployment_configuration(
                service["deploymentConfiguration"], request["deploymentConfiguration"]
            )
        if "healthCheckGracePeriodSeconds" in request:
            service["healthCheckGracePeriodSeconds"] = request["healthCheckGracePeriodSeconds"]
        if "enableECSManagedTags" in request:
            service["enableECSManagedTags"] = request["enableECSManagedTags"]
        if "propagateTags" in request:
            service["propagateTags"] = request["propagateTags"]
        if "availabilityZoneRebalancing" in request:
            service["availabilityZoneRebalancing"] = request["availabilityZoneRebalancing"]
        record["steady"] = False
        if anew:
            self._deploy(context, record, definition_arn, network)
        self.model.services.put((context.region, cluster, name), record)
        return {"service": described_service(self.model, context.region, record)}

    @operation(resource=service_arn, conditions=in_cluster)
    async def delete_service(self, context: Context, request: t.DeleteServiceRequestTypeDef) -> Mapping[str, Any]:
        """Delete a service: it drains, and is inactive once its tasks have stopped."""
        cluster = cluster_name(request.get("cluster"))
        record = find_service(self.model, context, cluster, request["service"])
        service = record["service"]
        if service["status"] == INACTIVE:
            raise ServiceError("ServiceNotFoundException", "Service not found.")
        if service["desiredCount"] > 0 and not request.get("force"):
            raise ServiceError(
                "InvalidParameterException",
                "The service cannot be stopped while it is scaled above 0.",
            )
        service["status"] = DRAINING
        service["desiredCount"] = 0
        self.model.services.put((context.region, cluster, service["serviceName"]), record)
        return {"service": described_service(self.model, context.region, record)}

    @operation(
        resource=lambda api, context, request: [
            service_arn(api, context, {**request, "service": each}) for each in request["services"]
        ],
        conditions=in_cluster,
    )
    async def describe_services(self, context: Context, request: t.DescribeServicesRequestTypeDef) -> Mapping[str, Any]:
        """Describe up to ten services of a cluster."""
        cluster = cluster_name(request.get("cluster"))
        find_cluster(self.model, context, cluster)
        if not request["services"]:
            raise ServiceError("InvalidParameterException", "Services cannot be empty.")
        if len(request["services"]) > 10:
            raise ServiceError("InvalidParameterException", "Too many services: at most 10 are described at once.")
        services, failures = [], []
        for each in request["services"]:
            record = self.model.services.get(context.region, cluster, resource_id(each))
            if record is None:
                failures.append(missing(service_arn(self, context, {"cluster": cluster, "service": each})))
                continue
            described = described_service(self.model, context.region, record)
            if "TAGS" not in request.get("include", []):
                described.pop("tags", None)
            services.append(described)
        return {"services": services, "failures": failures}

    @operation(conditions=in_cluster)
    async def list_services(self, context: Context, request: t.ListServicesRequestTypeDef) -> Mapping[str, Any]:
        """List the ARNs of a cluster's services."""
        cluster = cluster_name(request.get("cluster"))
        find_cluster(self.model, context, cluster)
        launch_type, strategy = request.get("launchType"), request.get("schedulingStrategy")
        arns = [
            each["service"]["serviceArn"]
            for each in self.model.services.values(context.region, cluster)
            if each["service"]["status"] != INACTIVE
            and launch_type in (None, each["service"].get("launchType"))
            and strategy in (None, "REPLICA")
            and request.get("resourceManagementType") in (None, "CUSTOMER")
        ]
        chosen, token = page(arns, request.get("nextToken"), request.get("maxResults", 10), key=str)
        return {"serviceArns": chosen, "nextToken": token}

    def _deploy(
        self, context: Context, record: ServiceRecord, definition: str, network: t.AwsVpcConfigurationOutputTypeDef
    ) -> None:
        """Begin a deployment: it becomes the primary one, the one before it stays active while it has tasks."""
        now = self._clock.now()
        service = record["service"]
        number = "".join(random.choices("0123456789", k=19))  # noqa: S311 - an identifier, no secret
        path = f"{service['clusterArn'].rpartition('/')[2]}/{service['serviceName']}"
        for each in record["deployments"]:
            each["status"] = ACTIVE
        deployment: DeploymentRecord = {
            "id": f"ecs-svc/{number}",
            "revision": context.arn("ecs", f"service-revision/{path}/{number}"),
            "status": PRIMARY,
            "rollout": IN_PROGRESS,
            "reason": f"ECS deployment ecs-svc/{number} in progress.",
            "definition": definition,
            "network": network,
            "platform_version": _PLATFORM,
            "created_at": now,
            "updated_at": now,
            "failed": 0,
            "images": {},
        }
        record["deployments"].insert(0, deployment)
        service["taskDefinition"] = definition
        service["networkConfiguration"] = {"awsvpcConfiguration": network}
        record["steady"] = False


async def _check_balancers(
    caller: Caller, definition: t.TaskDefinitionTypeDef, balancers: Sequence[Mapping[str, Any]]
) -> None:
    for each in balancers:
        if "targetGroupArn" not in each:
            raise ServiceError(
                "InvalidParameterException",
                "A Classic Load Balancer cannot serve tasks of network mode awsvpc: use a target group of an "
                "Application Load Balancer.",
            )
        container = next(
            (c for c in definition["containerDefinitions"] if c["name"] == each.get("containerName")), None
        )
        family = definition["taskDefinitionArn"].rpartition("/")[2]
        if container is None:
            raise ServiceError(
                "InvalidParameterException",
                f"The container {each.get('containerName')} does not exist in the task definition {family}.",
            )
        if each.get("containerPort") not in {port["containerPort"] for port in container["portMappings"]}:
            raise ServiceError(
                "InvalidParameterException",
                f"The container {each.get('containerName')} did not have a container port "
                f"{each.get('containerPort')} defined.",
            )
        try:
            groups = await caller("elbv2", "describe_target_groups", TargetGroupArns=[each["targetGroupArn"]])
        except ServiceError as error:
            raise ServiceError("InvalidParameterException", error.message) from error
        group = groups["TargetGroups"][0]
        if group.get("TargetType") != "ip":
            raise ServiceError(
                "InvalidParameterException",
                f"The provided target group {group['TargetGroupArn']} has target type {group.get('TargetType')}, "
                "which is incompatible with the awsvpc network mode specified in the task definition.",
            )
        if not group.get("LoadBalancerArns"):
            raise ServiceError(
                "InvalidParameterException",
                f"The target group with targetGroupArn {group['TargetGroupArn']} does not have an associated "
                "load balancer.",
            )


def _launch(request: Mapping[str, Any]) -> tuple[Literal["FARGATE"], list[t.CapacityProviderStrategyItemTypeDef]]:
    if "capacityProviderStrategy" in request:
        if "launchType" in request:
            raise ServiceError(
                "InvalidParameterException",
                "Specifying both a launch type and capacity provider strategy is not supported.",
            )
        return "FARGATE", _strategy(request["capacityProviderStrategy"])
    launch_type = request.get("launchType", "FARGATE")
    if launch_type != "FARGATE":
        raise not_offered(f"the launch type {launch_type}")
    return "FARGATE", []


def _strategy(items: Sequence[Mapping[str, Any]]) -> list[t.CapacityProviderStrategyItemTypeDef]:
    for item in items:
        if item["capacityProvider"] not in ("FARGATE", "FARGATE_SPOT"):
            raise not_offered(f"the capacity provider {item['capacityProvider']}")
    return [
        {"capacityProvider": item["capacityProvider"], "weight": item.get("weight", 0), "base": item.get("base", 0)}
        for item in items
    ]


def _check_fargate(definition: t.TaskDefinitionTypeDef) -> None:
    if not is_for_fargate(definition):
        raise ServiceError("InvalidParameterException", "Task definition does not support launch_type FARGATE.")


def _deployment_configuration(
    current: Mapping[str, Any], given: Mapping[str, Any]
) -> t.DeploymentConfigurationOutputTypeDef:
    if given.get("strategy", "ROLLING") != "ROLLING":
        raise not_offered(f"the deployment strategy {given['strategy']}")
    merged: Any = {**current, **given}
    breaker = merged["deploymentCircuitBreaker"]
    threshold = breaker.get("thresholdConfiguration")
    if threshold is not None and threshold["type"] != "COUNT":
        raise not_offered(f"deploymentCircuitBreaker.thresholdConfiguration {threshold['type']}")
    if "resetOnHealthyTask" in breaker and not breaker["resetOnHealthyTask"]:
        raise not_offered("deploymentCircuitBreaker.resetOnHealthyTask false")
    result: t.DeploymentConfigurationOutputTypeDef = merged
    return result
