"""Express services: their records, and the requests that what they consist of is made by. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-work.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NotRequired, TypedDict

CONTAINER: Final = "Main"
MOST_SERVICES: Final = 25  # that share a load balancer
MANAGED: Final = {"AmazonECSManaged": "true"}
DEFAULT_PATH: Final = "/ping"
DEFAULT_CPU, DEFAULT_MEMORY = "256", "512"
DEFAULT_PORT: Final = 80
DEFAULT_SCALING: Mapping[str, Any] = {
    "minTaskCount": 1,
    "maxTaskCount": 20,
    "autoScalingMetric": "AVERAGE_CPU",
    "autoScalingTargetValue": 60,
}
_METRICS = {
    "AVERAGE_CPU": "ECSServiceAverageCPUUtilization",
    "AVERAGE_MEMORY": "ECSServiceAverageMemoryUtilization",
    "REQUEST_COUNT_PER_TARGET": "ALBRequestCountPerTarget",
}
_FIRST_PORT = 80
_MORE_PORTS = range(8001, 8001 + MOST_SERVICES)
# parts of a service, as `ExpressRecord.resources` names them; the groups are those of `group_names`
LOGS, BALANCER, BALANCER_GROUP, LISTENER, RULE = "log group", "load balancer", "load balancer group", "listener", "rule"
FIRST_TARGETS, OTHER_TARGETS, SERVICE_GROUP = "target group", "alternate target group", "service group"
ALARM, SERVICE, TARGET, POLICY = "alarm", "service", "scalable target", "scaling policy"


class ResourceRecord(TypedDict):
    """A part of an express service: `status` is AWS's ManagedResourceStatus, `id` what its own service calls it."""

    arn: str
    id: str
    status: str
    reason: NotRequired[str]
    updated_at: datetime


class RevisionRecord(TypedDict):
    """What a service revision is made of, as ExpressGatewayServiceConfiguration shows it; `port` is the container's.

    `own` is whether the user brought the task definition.
    """

    shown: dict[str, Any]
    port: int
    own: bool
    revision: NotRequired[str]  # the service revision's ARN


class ExpressRecord(TypedDict):
    """An express service: what is wanted (the `serial`th), which of it has been `made`, and what was made before.

    `id` is 32 hexadecimal digits, of which the names of its parts are made. `gateway` names the load balancer that it
    shares, on which it has the listener at `port`.
    """

    id: str
    arn: str
    name: str
    cluster: str
    role: str
    status: str
    reason: NotRequired[str]
    created_at: datetime
    updated_at: datetime
    tags: list[dict[str, str]]
    gateway: str
    port: int
    endpoint: NotRequired[str]
    serial: int
    made: int
    rolls: bool  # whether the wanted configuration needs other tasks than the one before
    wanted: RevisionRecord
    revisions: list[RevisionRecord]
    resources: dict[str, ResourceRecord]
    scaled_by: NotRequired[str]  # the resource label that the scaling policy was put with


class GatewayRecord(TypedDict):
    """A load balancer that express services of the same subnets share; one that is `closing` takes none in."""

    vpc: str
    subnets: list[str]
    public: bool
    closing: bool


def free_port(taken: Iterable[int]) -> int | None:
    """Return the listener port for one more service of a load balancer; None where it has all that it may have."""
    used = set(taken)
    if len(used) >= MOST_SERVICES:
        return None
    free: set[int] = {_FIRST_PORT, *_MORE_PORTS} - used
    return min(free)


def host_name(record: ExpressRecord) -> str:
    """Return the host name that AWS would give the service."""
    region = record["arn"].split(":")[3]
    return f"{record['name'][:2].lower().replace('_', '-')}-{record['id']}.ecs.{region}.on.aws"


def endpoint(address: str, port: int) -> str:
    """Return a listener's URL; `address` is the DNSName of the load balancer, with its first port where it has one."""
    return f"http://{address}" if port == _FIRST_PORT else f"http://{address.partition(':')[0]}:{port}"


def target_group_names(record: ExpressRecord) -> tuple[str, str]:
    """Return the names of the target groups between which requests are shifted."""
    return f"ecs-gateway-tg-{record['id'][:16]}", f"ecs-gateway-tg-{record['id'][16:]}"


def service_group_name(record: ExpressRecord) -> str:
    """Return the name of the security group of the tasks."""
    return f"ecs-express-service-{record['id'][:16]}"


def log_group_name(cluster: str, name: str, express_id: str) -> str:
    """Return the name of the log group that a service has where it names none."""
    return f"/aws/ecs/{cluster}/{name}-{express_id[:4]}"


def alarm_name(record: ExpressRecord) -> str:
    """Return the name of the alarm that takes a deployment back."""
    return f"{record['cluster']}/{record['name']}-{record['id'][:8]}/rollback"


def family(cluster: str, name: str) -> str:
    """Return the family of a service's task definitions."""
    return f"{cluster}-{name}"[:255]


def task_definition(family_name: str, log_group: str, region: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that registers the task definition of a configuration."""
    container = shown["primaryContainer"]
    logs = container.get("awsLogsConfiguration", {"logGroup": log_group, "logStreamPrefix": "ecs"})
    port = container["containerPort"]
    main: dict[str, Any] = {
        "name": CONTAINER,
        "image": container["image"],
        "essential": True,
        "portMappings": [{"name": f"main-{port}-tcp", "containerPort": port, "protocol": "tcp"}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": logs["logGroup"],
                "awslogs-region": region,
                "awslogs-stream-prefix": logs["logStreamPrefix"],
            },
        },
        **{name: container[name] for name in ("command", "environment", "secrets") if container.get(name)},
    }
    return {
        "family": family_name,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": shown["cpu"],
        "memory": shown["memory"],
        "runtimePlatform": {"operatingSystemFamily": "LINUX", "cpuArchitecture": shown["cpuArchitecture"]},
        "containerDefinitions": [main],
        **{name: shown[name] for name in ("executionRoleArn", "taskRoleArn") if name in shown},
    }


def target_group(name: str, vpc: str, wanted: RevisionRecord) -> dict[str, Any]:
    """Return the request that creates a target group."""
    return {
        "Name": name,
        "Protocol": "HTTP",
        "Port": wanted["port"],
        "VpcId": vpc,
        "TargetType": "ip",
        "HealthCheckPath": wanted["shown"]["healthCheckPath"],
    }


def rule(record: ExpressRecord, address: str, groups: tuple[str, str]) -> dict[str, Any]:
    """Return conditions and actions of the listener rule: by host, all to the first target group."""
    hosts = [host_name(record), address.partition(":")[0]]
    weighted = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(groups, (100, 0), strict=True)]
    return {
        "Priority": 1,
        "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": hosts}}],
        "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}],
    }


def alarm(record: ExpressRecord, balancer: str, groups: tuple[str, str]) -> dict[str, Any]:
    """Return the request that puts the alarm: more than 1 % of 4xx and 5xx answers in 2 of 3 minutes.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-update-full.html
    """
    metrics = {"e4": "HTTPCode_Target_4XX_Count", "e5": "HTTPCode_Target_5XX_Count", "all": "RequestCount"}
    queries = []
    for number, group in enumerate(groups):
        dimensions = [
            {"Name": "LoadBalancer", "Value": balancer.partition(":loadbalancer/")[2]},
            {"Name": "TargetGroup", "Value": group.rpartition(":")[2]},
        ]
        for short, name in metrics.items():
            metric = {"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions}
            stat = {"Metric": metric, "Period": 60, "Stat": "Sum"}
            queries.append({"Id": f"{short}_{number}", "MetricStat": stat, "ReturnData": False})
    errors = "+".join(f"FILL({each}_{number},0)" for each in ("e4", "e5") for number in (0, 1))
    every = "FILL(all_0,0)+FILL(all_1,0)"
    return {
        "AlarmName": alarm_name(record),
        "AlarmDescription": "Takes a deployment back that answers with errors. Managed by Amazon ECS.",
        "Metrics": [*queries, {"Id": "percent", "Expression": f"100*({errors})/({every})", "ReturnData": True}],
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1.0,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "TreatMissingData": "notBreaching",
        "Tags": tags(),
    }


def service(record: ExpressRecord, groups: tuple[str, str], rule_arn: str, service_group: str) -> dict[str, Any]:
    """Return the request that creates the service: canary deployments that the alarm takes back."""
    wanted = record["wanted"]
    return {
        "cluster": record["cluster"],
        "serviceName": record["name"],
        "clientToken": record["id"],
        "taskDefinition": wanted["shown"]["taskDefinitionArn"],
        "desiredCount": wanted["shown"]["scalingTarget"]["minTaskCount"],
        "launchType": "FARGATE",
        "networkConfiguration": network(record, service_group, public=True),
        "loadBalancers": [balancer(record, groups, rule_arn)],
        "deploymentConfiguration": {
            "strategy": "CANARY",
            "bakeTimeInMinutes": 3,
            "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 3},
            "alarms": {"alarmNames": [alarm_name(record)], "enable": True, "rollback": True},
        },
        "tags": record["tags"],
    }


def network(record: ExpressRecord, service_group: str, *, public: bool) -> dict[str, Any]:
    """Return the network of the tasks: the managed security group, and those that the user gave."""
    given = record["wanted"]["shown"]["networkConfiguration"]
    return {
        "awsvpcConfiguration": {
            "subnets": given["subnets"],
            "securityGroups": [service_group, *given["securityGroups"]],
            "assignPublicIp": "ENABLED" if public else "DISABLED",
        }
    }


def balancer(record: ExpressRecord, groups: tuple[str, str], rule_arn: str) -> dict[str, Any]:
    """Return the load balancer entry of the service."""
    return {
        "targetGroupArn": groups[0],
        "containerName": CONTAINER,
        "containerPort": record["wanted"]["port"],
        "advancedConfiguration": {
            "alternateTargetGroupArn": groups[1],
            "productionListenerRule": rule_arn,
            "roleArn": record["role"],
        },
    }


def scalable(record: ExpressRecord) -> dict[str, str]:
    """Return what names the service to Application Auto Scaling."""
    return {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{record['cluster']}/{record['name']}",
        "ScalableDimension": "ecs:service:DesiredCount",
    }


def policy_name(record: ExpressRecord) -> str:
    """Return the name of the scaling policy."""
    return f"{record['name']}-target-tracking"


def resource_label(balancer_arn: str, group_arn: str) -> str:
    """Return the label by which a scaling policy counts the requests of a target group."""
    return f"{balancer_arn.partition(':loadbalancer/')[2]}/{group_arn.rpartition(':')[2]}"


def scaling_policy(record: ExpressRecord, label: str) -> dict[str, Any]:
    """Return the request that puts the scaling policy."""
    scaling = record["wanted"]["shown"]["scalingTarget"]
    metric = metric_of(scaling["autoScalingMetric"])
    specification = {"PredefinedMetricType": metric}
    if metric == "ALBRequestCountPerTarget":
        specification["ResourceLabel"] = label
    return {
        "PolicyName": policy_name(record),
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": float(scaling["autoScalingTargetValue"]),
            "PredefinedMetricSpecification": specification,
        },
        **scalable(record),
    }


def metric_of(name: str) -> str:
    """Return Application Auto Scaling's name of an express service's metric."""
    return _METRICS[name]


def tags() -> list[dict[str, str]]:
    """Return the tags of what ECS manages, as Elastic Load Balancing, EC2 and CloudWatch write them."""
    return [{"Key": key, "Value": value} for key, value in MANAGED.items()]


def managed_resources(record: ExpressRecord, gateway: GatewayRecord) -> dict[str, Any]:
    """Return the parts as DescribeServiceRevisions shows them (ECSManagedResources)."""
    shown, have = record["wanted"]["shown"], record["resources"]
    scaling = shown["scalingTarget"]

    def part(name: str, **more: Any) -> dict[str, Any]:
        one = have[name]
        reason = {"statusReason": one["reason"]} if "reason" in one else {}
        return {"arn": one["arn"], "status": one["status"], **reason, "updatedAt": one["updated_at"], **more}

    def listed(*names: str, **more: Any) -> list[dict[str, Any]]:
        return [part(name, **more) for name in names if name in have]

    path: dict[str, Any] = {
        "accessType": "PUBLIC" if gateway["public"] else "PRIVATE",
        "endpoint": record.get("endpoint", ""),
        "loadBalancerSecurityGroups": listed(BALANCER_GROUP),
        "targetGroups": listed(
            FIRST_TARGETS,
            OTHER_TARGETS,
            healthCheckPath=shown["healthCheckPath"],
            healthCheckPort=record["wanted"]["port"],
            port=record["wanted"]["port"],
        ),
    }
    if BALANCER in have:
        scheme = "internet-facing" if gateway["public"] else "internal"
        group = [have[BALANCER_GROUP]["id"]]
        path["loadBalancer"] = part(BALANCER, scheme=scheme, subnetIds=gateway["subnets"], securityGroupIds=group)
    path |= {name: part(each) for name, each in (("listener", LISTENER), ("rule", RULE)) if each in have}
    scaled: dict[str, Any] = {}
    if TARGET in have:
        bounds = {"minCapacity": scaling["minTaskCount"], "maxCapacity": scaling["maxTaskCount"]}
        scaled["scalableTarget"] = part(TARGET, **bounds)
    scaled["applicationAutoScalingPolicies"] = listed(
        POLICY,
        policyType="TargetTrackingScaling",
        targetValue=float(scaling["autoScalingTargetValue"]),
        metric=metric_of(scaling["autoScalingMetric"]),
    )
    logs = [part(LOGS, logGroupName=have[LOGS]["id"])] if LOGS in have else []
    return {
        "ingressPaths": [path],
        "autoScaling": scaled,
        "metricAlarms": listed(ALARM),
        "serviceSecurityGroups": listed(SERVICE_GROUP),
        "logGroups": logs,
    }
