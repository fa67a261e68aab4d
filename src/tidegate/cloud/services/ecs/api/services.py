"""Services: created, changed, deleted. What they bring about is the reconciler's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.ecs.api.balancers import check_balancers
from tidegate.cloud.services.ecs.api.capacity import checked_platform, checked_strategy, chosen_strategy
from tidegate.cloud.services.ecs.api.configuration import DEFAULTS, merged_configuration
from tidegate.cloud.services.ecs.api.deploying import begin_deployment
from tidegate.cloud.services.ecs.api.external import check_external, check_external_update
from tidegate.cloud.services.ecs.api.network import checked_network
from tidegate.cloud.services.ecs.api.registries import check_registries
from tidegate.cloud.services.ecs.api.shared import (
    check_executable,
    check_fargate,
    find_active_definition,
    find_cluster,
    find_service,
    in_cluster,
    missing,
    new_tags,
    service_arn,
)
from tidegate.cloud.services.ecs.describe import described_service
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    DRAINING,
    INACTIVE,
    EcsModel,
    ServiceRecord,
    cluster_name,
    is_external,
    primary,
    resource_id,
)
from tidegate.cloud.services.ecs.traffic import advanced, shifts

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_REFUSED = (
    "placementConstraints",
    "placementStrategy",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
    "deploymentConfiguration.earlySuccessCriteria",
)
_EXTERNAL = "EXTERNAL"
# what can be changed of a service as it is
_CHANGED = (
    "desiredCount",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "enableECSManagedTags",
    "propagateTags",
    "availabilityZoneRebalancing",
)


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
        found = find_cluster(self.model, context, cluster)["cluster"]
        name = request["serviceName"]
        existing = self.model.services.get(context.region, cluster, name)
        if existing is not None and existing["service"]["status"] != INACTIVE:
            if request.get("clientToken") and request["clientToken"] in existing["tokens"]:
                return {"service": described_service(self.model, context.region, existing)}
            raise ServiceError("InvalidParameterException", "Creation of service was not idempotent.")
        controller = request.get("deploymentController", {"type": "ECS"})["type"]
        if controller not in ("ECS", _EXTERNAL):
            raise not_offered(f"ecs:CreateService deploymentController {controller}")
        if request.get("schedulingStrategy", "REPLICA") != "REPLICA":
            raise not_offered("ecs:CreateService schedulingStrategy DAEMON")
        if "role" in request:
            raise ServiceError(
                "InvalidParameterException",
                "You cannot specify an IAM role for services that require a service linked role.",
            )
        arn = context.arn("ecs", f"service/{cluster}/{name}")
        service = self._new_service(context, request, arn, found["clusterArn"])
        record: ServiceRecord = {
            "service": service,
            "deployments": [],
            "events": [],
            "steady": False,
            "tokens": {request["clientToken"]: "create"} if "clientToken" in request else {},
        }
        if controller == _EXTERNAL:
            check_external(request)
            record["task_sets"] = []
            self.model.services.put((context.region, cluster, name), record)
            return {"service": described_service(self.model, context.region, record)}
        if "taskDefinition" not in request:
            raise ServiceError("InvalidParameterException", "TaskDefinition can not be blank.")
        definition = find_active_definition(self.model, context, request["taskDefinition"])["definition"]
        strategy = chosen_strategy(found, request)
        check_fargate(definition)
        checked_platform(request)
        if service["enableExecuteCommand"]:
            check_executable(definition, "created")
        caller = self._calls.as_service("ecs.amazonaws.com", context.region)
        network = await checked_network(caller, request.get("networkConfiguration"))
        balancers: Any = [dict(each) for each in request.get("loadBalancers", [])]
        self._authorize_roles(context, balancers)
        await check_balancers(caller, definition, balancers, shifts=shifts(service["deploymentConfiguration"]))
        registries: Any = [dict(each) for each in request.get("serviceRegistries", [])]
        await check_registries(caller, definition, registries)
        service["loadBalancers"] = balancers
        service["serviceRegistries"] = registries
        service["platformVersion"] = request.get("platformVersion", "LATEST")
        service["platformFamily"] = "Linux"
        if strategy:
            service["capacityProviderStrategy"] = strategy
        else:
            service["launchType"] = "FARGATE"
        _check_grace(request, balancers)
        if not balancers:
            del service["healthCheckGracePeriodSeconds"]
        with self.model.store.transaction():
            begin_deployment(self.model, self._clock, context, record, definition, network)
            self.model.services.put((context.region, cluster, name), record)
        return {"service": described_service(self.model, context.region, record)}

    def _new_service(
        self, context: Context, request: t.CreateServiceRequestTypeDef, arn: str, cluster_arn: str
    ) -> t.ServiceTypeDef:
        """Return what every new service has, whoever deploys it."""
        configuration = merged_configuration(DEFAULTS, request.get("deploymentConfiguration", {}))
        tags = new_tags(self._calls, context, request, arn, "CreateService")
        controller: Any = request.get("deploymentController", {"type": "ECS"})["type"]
        return {
            "serviceArn": arn,
            "serviceName": request["serviceName"],
            "clusterArn": cluster_arn,
            "loadBalancers": [],
            "serviceRegistries": [],
            "status": ACTIVE,
            "desiredCount": request.get("desiredCount", 1),
            "deploymentConfiguration": configuration,
            "roleArn": f"arn:aws:iam::{context.account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
            "createdAt": self._clock.now(),
            "createdBy": context.principal.role_arn or context.principal.arn,
            "placementConstraints": [],
            "placementStrategy": [],
            "healthCheckGracePeriodSeconds": request.get("healthCheckGracePeriodSeconds", 0),
            "schedulingStrategy": "REPLICA",
            "deploymentController": {"type": controller},
            "enableECSManagedTags": request.get("enableECSManagedTags", False),
            "propagateTags": request.get("propagateTags", "NONE"),
            "enableExecuteCommand": request.get("enableExecuteCommand", False),
            "availabilityZoneRebalancing": request.get("availabilityZoneRebalancing", "ENABLED"),
            "tags": tags,
        }

    @operation(resource=service_arn, conditions=in_cluster, refuse=_REFUSED)
    async def update_service(self, context: Context, request: t.UpdateServiceRequestTypeDef) -> Mapping[str, Any]:
        """Change a service; what concerns its tasks begins a deployment."""
        cluster = cluster_name(request.get("cluster"))
        record = find_service(self.model, context, cluster, request["service"])
        name = record["service"]["serviceName"]
        if record["service"]["status"] != ACTIVE:
            raise ServiceError("ServiceNotActiveException", "Service was not ACTIVE.")
        controller = record["service"]["deploymentController"]
        if request.get("deploymentController", controller) != controller:
            raise not_offered("ecs:UpdateService deploymentController of another type: create another service")
        if is_external(record):
            check_external_update(request)
            _change(record, request)
            self.model.services.put((context.region, cluster, name), record)
            return {"service": described_service(self.model, context.region, record)}
        current = primary(record)
        definition_arn, network = current["definition"], current["network"]
        definition = self.model.definition_by_arn(definition_arn)
        if "taskDefinition" in request:
            definition = find_active_definition(self.model, context, request["taskDefinition"])
            check_fargate(definition["definition"])
            definition_arn = definition["definition"]["taskDefinitionArn"]
        assert definition is not None
        caller = self._calls.as_service("ecs.amazonaws.com", context.region)
        if "networkConfiguration" in request:
            network = await checked_network(caller, request["networkConfiguration"])
        balancers = [dict(each) for each in request.get("loadBalancers", record["service"]["loadBalancers"])]
        if "loadBalancers" in request:
            self._authorize_roles(context, balancers)
        _check_grace(request, balancers)
        given: Mapping[str, Any] = request.get("deploymentConfiguration", {})
        configuration = merged_configuration(record["service"]["deploymentConfiguration"], given)
        await check_balancers(caller, definition["definition"], balancers, shifts=shifts(configuration))
        registries = [dict(each) for each in request.get("serviceRegistries", record["service"]["serviceRegistries"])]
        await check_registries(caller, definition["definition"], registries)
        if request.get("enableExecuteCommand"):
            check_executable(definition["definition"], "updated")
        checked_platform(request)

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
            or registries != service["serviceRegistries"]
            or platform != service["platformVersion"]
            or "capacityProviderStrategy" in request
        )
        service["loadBalancers"] = balancers  # type: ignore[typeddict-item]
        service["serviceRegistries"] = registries  # type: ignore[typeddict-item]
        service["platformVersion"] = platform
        if "capacityProviderStrategy" in request:
            _use_strategy(service, request["capacityProviderStrategy"])
        _change(record, request)
        record["steady"] = False
        with self.model.store.transaction():
            if anew:
                begin_deployment(self.model, self._clock, context, record, definition["definition"], network)
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
        for task_set in record.get("task_sets", []):
            task_set["deployment"]["status"] = DRAINING
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
            and request.get("resourceManagementType")
            in (None, each["service"].get("resourceManagementType", "CUSTOMER"))
        ]
        chosen, token = page(arns, request.get("nextToken"), request.get("maxResults", 10), key=str)
        return {"serviceArns": chosen, "nextToken": token}

    def _authorize_roles(self, context: Context, balancers: Sequence[Mapping[str, Any]]) -> None:
        """Have the caller be allowed to give ECS the roles that it moves requests as."""
        for each in advanced(balancers):
            role = each["advancedConfiguration"].get("roleArn")
            if role is not None:
                self._calls.authorize(context, "iam:PassRole", role, {"iam:PassedToService": "ecs.amazonaws.com"})


def _use_strategy(service: t.ServiceTypeDef, items: Sequence[Mapping[str, Any]]) -> None:
    """Put a service on other capacity; an empty strategy is Fargate, by launch type."""
    strategy = checked_strategy(items)
    service.pop("capacityProviderStrategy", None)
    service.pop("launchType", None)
    if strategy:
        service["capacityProviderStrategy"] = strategy
    else:
        service["launchType"] = "FARGATE"


def _check_grace(request: Mapping[str, Any], balancers: Sequence[Mapping[str, Any]]) -> None:
    if request.get("healthCheckGracePeriodSeconds") and not balancers:
        raise ServiceError(
            "InvalidParameterException",
            "Health check grace period is only valid for services configured to use load balancers",
        )


def _change(record: ServiceRecord, request: t.UpdateServiceRequestTypeDef) -> None:
    """Change what begins no deployment."""
    service, wanted = record["service"], cast("Mapping[str, Any]", request)
    given = wanted.get("deploymentConfiguration", {})
    service["deploymentConfiguration"] = merged_configuration(service["deploymentConfiguration"], given)
    values: Any = service
    values.update({name: wanted[name] for name in _CHANGED if name in wanted})
    record["steady"] = False
