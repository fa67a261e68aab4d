"""Express services: one call for an image makes all that serves it. What they bring about is the reconciler's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller, Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.api.network import checked_network
from tidegate.cloud.services.ecs.api.shared import (
    check_fargate,
    find_active_definition,
    find_cluster,
    in_cluster,
    new_tags,
    service_arn,
)
from tidegate.cloud.services.ecs.express import (
    CONTAINER,
    DEFAULT_CPU,
    DEFAULT_MEMORY,
    DEFAULT_PATH,
    DEFAULT_PORT,
    DEFAULT_SCALING,
    ExpressRecord,
    RevisionRecord,
    family,
    free_port,
    log_group_name,
    task_definition,
)
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    DEFAULT_CLUSTER,
    DRAINING,
    INACTIVE,
    EcsModel,
    cluster_name,
)

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_ECS = "ecs.amazonaws.com"
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_OF_DEFINITION = ("primaryContainer", "executionRoleArn", "taskRoleArn", "cpu", "memory", "cpuArchitecture")
_REFUSED = ("primaryContainer.repositoryCredentials",)
_MOST_GROUPS = 4  # of the user, beside the managed one


def _arn_of(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return str(request["serviceArn"])


class ExpressApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateExpressGatewayService.html and its siblings.

    An endpoint is `http://ADDRESS` of the load balancer that services of the same subnets share, each with a listener
    of its own there, the first on port 80: names under `on.aws`, which tell the services of one listener apart on AWS,
    and their certificates, are nothing that a machine can have. The rule is by host all the same: it takes that name,
    too (`curl -H 'Host: …' http://ADDRESS`).
    """

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=service_arn, conditions=in_cluster, refuse=_REFUSED)
    async def create_express_gateway_service(
        self, context: Context, request: t.CreateExpressGatewayServiceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create an express service: its task definition at once, all else by the infrastructure role.

        Raises ClusterNotFoundException, InvalidParameterException, and what RegisterTaskDefinition raises.
        """
        given: Mapping[str, Any] = {**request}
        cluster, express_id = cluster_name(given.get("cluster")), self._clock.hex(32)
        name = given.get("serviceName") or f"express-{express_id[:8]}"
        if not _NAME.fullmatch(name):
            raise _invalid("serviceName can have up to 255 letters, digits, underscores and hyphens.")
        caller = self._calls.as_principal(context.principal, context.region, via=_ECS)
        found = self.model.clusters.get(context.region, cluster)
        if cluster == DEFAULT_CLUSTER and (found is None or found["cluster"]["status"] != ACTIVE):
            await caller("ecs", "create_cluster", clusterName=cluster, capacityProviders=["FARGATE"])
        find_cluster(self.model, context, cluster)
        role = given["infrastructureRoleArn"]
        self._calls.authorize(context, "iam:PassRole", role, {"iam:PassedToService": _ECS})
        arn = context.arn("ecs", f"service/{cluster}/{name}")
        tags = new_tags(self._calls, context, given, arn, "CreateExpressGatewayService")
        self._check_name(context, cluster, name)
        service = self._calls.as_service(_ECS, context.region)
        log_group = log_group_name(cluster, name, express_id)
        wanted = await self._revision(context, caller, service, given, None, family(cluster, name), log_group)
        vpc, public = await _place(service, wanted["shown"]["networkConfiguration"]["subnets"])
        self._check_name(context, cluster, name)  # again: since then, others were served
        now = self._clock.now()
        record: ExpressRecord = {
            "id": express_id,
            "arn": arn,
            "name": name,
            "cluster": cluster,
            "role": role,
            "status": ACTIVE,
            "created_at": now,
            "updated_at": now,
            "tags": [{"key": each["key"], "value": each.get("value", "")} for each in tags],
            "gateway": "",
            "port": 0,
            "serial": 1,
            "made": 0,
            "rolls": True,
            "wanted": wanted,
            "revisions": [],
            "resources": {},
        }
        with self.model.store.transaction():
            self._share(context.region, record, vpc, public=public)
            self.model.express.put((context.region, cluster, name), record)
        return {"service": self._described(context.region, record)}

    @operation(resource=_arn_of, refuse=_REFUSED)
    async def update_express_gateway_service(
        self, context: Context, request: t.UpdateExpressGatewayServiceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change an express service: other tasks are a canary deployment; what is not given stays as it is."""
        given: Mapping[str, Any] = {**request}
        record = self._find(context, given["serviceArn"])
        if record["status"] != ACTIVE:
            raise ServiceError("ServiceNotActiveException", "Service was not ACTIVE.")
        caller = self._calls.as_principal(context.principal, context.region, via=_ECS)
        service = self._calls.as_service(_ECS, context.region)
        cluster, name = record["cluster"], record["name"]
        log_group = log_group_name(cluster, name, record["id"])
        before, serial = record["wanted"], record["serial"]
        wanted = await self._revision(context, caller, service, given, before, family(cluster, name), log_group)
        subnets = wanted["shown"]["networkConfiguration"]["subnets"]
        gateway = self.model.express_gateways.get(context.region, record["gateway"])
        if gateway is not None and (await _place(service, subnets)) != (gateway["vpc"], gateway["public"]):
            raise _invalid("The subnets must be in the VPC of the service, and public or private as those before.")
        record = self._find(context, given["serviceArn"])
        if record["serial"] != serial or record["status"] != ACTIVE:
            raise ServiceError("ClientException", "The service was changed by another request: try again.")
        compared = ("taskDefinitionArn", "networkConfiguration", "healthCheckPath")
        rolls = any(wanted["shown"][each] != before["shown"][each] for each in compared)
        pending = record["made"] < record["serial"] and record["rolls"]
        record["wanted"], record["serial"], record["rolls"] = wanted, serial + 1, rolls or pending
        record["updated_at"] = self._clock.now()
        record.pop("reason", None)
        self.model.express.put((context.region, cluster, name), record)
        described = self._described(context.region, record)
        kept = ("serviceArn", "cluster", "serviceName", "status", "createdAt", "updatedAt")
        target = self._configuration(record, record["wanted"])
        return {"service": {**{each: described[each] for each in kept}, "targetConfiguration": target}}

    @operation(resource=_arn_of)
    async def describe_express_gateway_service(
        self, context: Context, request: t.DescribeExpressGatewayServiceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe an express service; where a part of it could not be made, its status says why."""
        record = self._find(context, request["serviceArn"], "ResourceNotFoundException")
        described = self._described(context.region, record)
        if "TAGS" not in request.get("include", []):
            described.pop("tags")
        return {"service": described}

    @operation(resource=_arn_of)
    async def delete_express_gateway_service(
        self, context: Context, request: t.DeleteExpressGatewayServiceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete an express service with all that was made for it but what it wrote: its logs, its task definitions."""
        record = self._find(context, request["serviceArn"])
        if record["status"] == INACTIVE:
            raise ServiceError("ServiceNotFoundException", "Service not found.")
        if record["status"] == ACTIVE:
            record["status"], record["updated_at"] = DRAINING, self._clock.now()
            record.pop("reason", None)
            self.model.express.put((context.region, record["cluster"], record["name"]), record)
        return {"service": self._described(context.region, record)}

    def _find(self, context: Context, arn: str, code: str = "ServiceNotFoundException") -> ExpressRecord:
        parts = arn.split("/")
        record = self.model.express.get(context.region, *parts[1:]) if len(parts) == 3 else None
        if record is None or record["arn"] != arn:
            raise ServiceError(code, f"Express service not found: {arn}")
        return record

    def _check_name(self, context: Context, cluster: str, name: str) -> None:
        express = self.model.express.get(context.region, cluster, name)
        service = self.model.services.get(context.region, cluster, name)
        if (express is not None and express["status"] != INACTIVE) or (
            service is not None and service["service"]["status"] != INACTIVE
        ):
            raise _invalid("Creation of service was not idempotent.")

    def _share(self, region: str, record: ExpressRecord, vpc: str, *, public: bool) -> None:
        """Put a service behind a load balancer of its subnets that has room, or behind a new one."""
        subnets = sorted(record["wanted"]["shown"]["networkConfiguration"]["subnets"])
        for (_, name), gateway in self.model.express_gateways.items(region):
            port = free_port(each["port"] for each in self.model.behind_gateway(region, name))
            if gateway["subnets"] == subnets and not gateway["closing"] and port is not None:
                record["gateway"], record["port"] = name, port
                return
        record["gateway"] = f"ecs-express-gateway-alb-{self._clock.hex(8)}"
        record["port"] = free_port(()) or DEFAULT_PORT
        self.model.express_gateways.put(
            (region, record["gateway"]), {"vpc": vpc, "subnets": subnets, "public": public, "closing": False}
        )

    async def _revision(
        self,
        context: Context,
        caller: Caller,
        service: Caller,
        given: Mapping[str, Any],
        before: RevisionRecord | None,
        family_name: str,
        log_group: str,
    ) -> RevisionRecord:
        """Return the configuration that a request wants, its task definition registered by the caller."""
        shown: dict[str, Any] = {} if before is None else {**before["shown"]}
        shown["createdAt"] = self._clock.now()
        path = given.get("healthCheckPath", shown.get("healthCheckPath", DEFAULT_PATH))
        if not path.startswith("/"):
            raise _invalid("healthCheckPath must start with a forward slash.")
        shown["healthCheckPath"] = path
        shown["scalingTarget"] = _scaling(
            {**shown.get("scalingTarget", DEFAULT_SCALING), **given.get("scalingTarget", {})}
        )
        if before is None or "networkConfiguration" in given:
            shown["networkConfiguration"] = await _network(service, given.get("networkConfiguration", {}), shown)
        if "taskDefinitionArn" in given:
            return self._by_definition(context, given, shown)
        if before is not None and not any(each in given for each in _OF_DEFINITION):
            return {**before, "shown": shown}
        if before is not None and before["own"]:
            shown = {name: value for name, value in shown.items() if name not in _OF_DEFINITION}
        container = {
            "containerPort": DEFAULT_PORT,
            **shown.get("primaryContainer", {}),
            **given.get("primaryContainer", {}),
        }
        shown.update({name: given[name] for name in _OF_DEFINITION if name in given})
        shown["primaryContainer"] = container
        shown = {"cpu": DEFAULT_CPU, "memory": DEFAULT_MEMORY, "cpuArchitecture": "X86_64", **shown}
        if "image" not in container or "executionRoleArn" not in shown:
            raise _invalid("Either taskDefinitionArn or both of primaryContainer and executionRoleArn are required.")
        wanted = task_definition(family_name, log_group, context.region, shown)
        made = await caller("ecs", "register_task_definition", **wanted)
        shown["taskDefinitionArn"] = made["taskDefinition"]["taskDefinitionArn"]
        return {"shown": shown, "port": container["containerPort"], "own": False}

    def _by_definition(self, context: Context, given: Mapping[str, Any], shown: dict[str, Any]) -> RevisionRecord:
        """Return the configuration with the user's own task definition."""
        others = [each for each in _OF_DEFINITION if each in given]
        if others:
            raise _invalid(f"taskDefinitionArn cannot be specified together with {', '.join(others)}.")
        definition: Any = find_active_definition(self.model, context, given["taskDefinitionArn"])["definition"]
        check_fargate(definition)
        main = next((each for each in definition["containerDefinitions"] if each["name"] == CONTAINER), None)
        ports = [] if main is None else main["portMappings"]
        if len(ports) != 1 or "name" not in ports[0]:
            raise _invalid(f"The task definition must have a container {CONTAINER} with a single, named port mapping.")
        shown = {name: value for name, value in shown.items() if name not in _OF_DEFINITION}
        shown["taskDefinitionArn"] = definition["taskDefinitionArn"]
        shown.update({each: definition[each] for each in _OF_DEFINITION if each in definition})
        architecture = definition.get("runtimePlatform", {}).get("cpuArchitecture")
        if architecture is not None:
            shown["cpuArchitecture"] = architecture
        return {"shown": shown, "port": ports[0]["containerPort"], "own": True}

    def _described(self, region: str, record: ExpressRecord) -> dict[str, Any]:
        service = self.model.services.get(region, record["cluster"], record["name"])
        live = [] if service is None else [each["revision"] for each in service["deployments"]]
        known = {each.get("revision"): each for each in record["revisions"]}
        shown = [known[each] for each in live if each in known] or [record["wanted"]]
        described: dict[str, Any] = {
            "cluster": record["cluster"],
            "serviceName": record["name"],
            "serviceArn": record["arn"],
            "infrastructureRoleArn": record["role"],
            "status": {
                "statusCode": record["status"],
                **({"statusReason": record["reason"]} if "reason" in record else {}),
            },
            "activeConfigurations": [self._configuration(record, each) for each in shown],
            "tags": record["tags"],
            "createdAt": record["created_at"],
            "updatedAt": record["updated_at"],
        }
        if service is not None and record["resources"] and "current" in service:
            arn = record["arn"].replace(":service/", ":service-deployment/")
            described["currentDeployment"] = f"{arn}/{service['current']}"
        return described

    def _configuration(self, record: ExpressRecord, revision: RevisionRecord) -> dict[str, Any]:
        region = record["arn"].split(":")[3]
        gateway = self.model.express_gateways.get(region, record["gateway"])
        paths = []
        if "endpoint" in record and gateway is not None:
            access = "PUBLIC" if gateway["public"] else "PRIVATE"
            paths = [{"accessType": access, "endpoint": record["endpoint"]}]
        arn = {"serviceRevisionArn": revision["revision"]} if "revision" in revision else {}
        return {**arn, **revision["shown"], "ingressPaths": paths}


def _scaling(scaling: dict[str, Any]) -> dict[str, Any]:
    if not 0 <= scaling["minTaskCount"] <= scaling["maxTaskCount"]:
        raise _invalid("scalingTarget: minTaskCount must be from 0 to maxTaskCount.")
    if scaling["autoScalingTargetValue"] <= 0:
        raise _invalid("scalingTarget: autoScalingTargetValue must be greater than 0.")
    return scaling


async def _network(service: Caller, given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return subnets and the user's security groups, checked; without subnets the default network's."""
    known: Mapping[str, Any] = before.get("networkConfiguration", {})
    subnets = list(given.get("subnets") or known.get("subnets", ()))
    groups = list(given.get("securityGroups", known.get("securityGroups", ())))
    if len(groups) > _MOST_GROUPS:
        raise _invalid(f"At most {_MOST_GROUPS} security groups can be given: one more is managed.")
    if not subnets:
        filters = [{"Name": "default-for-az", "Values": ["true"]}]
        subnets = [each["SubnetId"] for each in (await service("ec2", "describe_subnets", Filters=filters))["Subnets"]]
    if not subnets:
        raise _invalid("There is no default VPC: give networkConfiguration with subnets.")
    await checked_network(service, {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": groups}})
    return {"subnets": subnets, "securityGroups": groups}


async def _place(service: Caller, subnets: list[str]) -> tuple[str, bool]:
    """Return the VPC of subnets, and whether each of them has a route to an internet gateway."""
    vpc = (await service("ec2", "describe_subnets", SubnetIds=subnets))["Subnets"][0]["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    tables = (await service("ec2", "describe_route_tables", Filters=filters))["RouteTables"]
    of: dict[str | None, Any] = {}
    for table in tables:
        for each in table["Associations"]:
            of[None if each.get("Main") else each.get("SubnetId")] = table
    chosen = [of.get(subnet, of.get(None, {"Routes": []})) for subnet in subnets]
    return vpc, all(any(route.get("GatewayId", "").startswith("igw-") for route in each["Routes"]) for each in chosen)


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
