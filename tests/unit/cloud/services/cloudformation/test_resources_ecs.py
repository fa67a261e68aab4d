"""Handlers of the resource types that run something: ECS, load balancing, scaling. Through the real services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cloud.services.cloudformation.stack import Stack, golden
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.autoscaling import ScalableTarget, ScalingPolicy
from tidegate.cloud.services.cloudformation.resources.ecs import (
    Cluster,
    ClusterCapacityProviderAssociations,
    Service,
    TaskDefinition,
    _failure,
)
from tidegate.cloud.services.cloudformation.resources.elbv2 import Listener, ListenerRule, LoadBalancer, TargetGroup
from tidegate.cloud.services.cloudformation.resources.handler import FailedError
from tidegate.cloud.services.ecs.model import EcsModel
from tidegate.cloud.services.ecs.reconciler.service import ServiceReconciler
from tidegate.cloud.services.elbv2.model import ElbModel


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.close()


async def network(stack: Stack) -> dict[str, Any]:
    """Return a VPC with a gateway, two subnets and a group."""
    vpc = (await stack.call("ec2", "create_vpc", CidrBlock="10.0.0.0/16"))["Vpc"]["VpcId"]
    gateway = (await stack.call("ec2", "create_internet_gateway"))["InternetGateway"]["InternetGatewayId"]
    await stack.call("ec2", "attach_internet_gateway", VpcId=vpc, InternetGatewayId=gateway)
    subnets = []
    for block, zone in (("10.0.0.0/20", "us-east-1a"), ("10.0.16.0/20", "us-east-1b")):
        answer = await stack.call("ec2", "create_subnet", VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)
        subnets.append(answer["Subnet"]["SubnetId"])
    group = (await stack.call("ec2", "create_security_group", GroupName="g", Description="g", VpcId=vpc))["GroupId"]
    return {"VpcId": vpc, "Subnets": subnets, "SecurityGroups": [group]}


async def balanced(stack: Stack, around: dict[str, Any]) -> tuple[str, str, str]:
    """Return a load balancer, a group and a listener that forwards to it."""
    balancer = await stack.create(
        LoadBalancer(),
        "Balancer",
        LoadBalancerAttributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "90"}],
        Scheme="internet-facing",
        Type="application",
        SecurityGroups=around["SecurityGroups"],
        Subnets=around["Subnets"],
    )
    group = await stack.create(
        TargetGroup(),
        "Group",
        Port=8080,
        Protocol="HTTP",
        TargetType="ip",
        VpcId=around["VpcId"],
        HealthCheckPath="/ready",
        HealthCheckIntervalSeconds="10",
        Matcher={"HttpCode": "200-299"},
        TargetGroupAttributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
        Targets=[{"Id": "10.0.0.9", "Port": 8080}],
    )
    listener = await stack.create(
        Listener(),
        "Listener",
        LoadBalancerArn=balancer,
        Port=80,
        Protocol="HTTP",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    return balancer, group, listener


async def test_load_balancing(stack: Stack) -> None:
    around = await network(stack)
    balancer, group, listener = await balanced(stack, around)
    rule = {
        "ListenerArn": listener,
        "Priority": 7,
        "Actions": [{"Type": "forward", "TargetGroupArn": group}],
        "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}}],
    }
    rule_arn = await stack.create(ListenerRule(), "Rule", **rule)
    assert await stack.find(ListenerRule(), "Rule") == rule_arn
    assert await stack.find(ListenerRule(), "Stranger", **rule) is None

    # creating again what was created before, as after a kill, makes nothing more
    for handler, name in ((LoadBalancer(), "Balancer"), (TargetGroup(), "Group"), (Listener(), "Listener")):
        assert await handler.create(stack.step(name)) == stack.ids[name]
    same = {**stack.properties["Group"], "Name": group.split("/")[1], "Tags": []}
    with pytest.raises(FailedError, match="already exists"):
        await stack.create(TargetGroup(), "Stranger", **same)

    model = ElbModel(stack.cloud.parts.store)
    assert not await stack.settled(LoadBalancer(), "Balancer")
    model.balancers.update(
        ("us-east-1", balancer), lambda record: record["balancer"].update({"State": {"Code": "active"}})
    )
    assert await stack.settled(LoadBalancer(), "Balancer")
    read = await stack.read(LoadBalancer(), "Balancer")
    assert read["LoadBalancerFullName"] == balancer.partition(":loadbalancer/")[2]
    assert read["DNSName"]
    assert read["CanonicalHostedZoneID"] == "Z35SXDOTRQ7X7K"
    assert read["SecurityGroups"] == around["SecurityGroups"]
    read = await stack.read(TargetGroup(), "Group")
    assert read["TargetGroupFullName"] == group.rpartition(":")[2]
    assert read["LoadBalancerArns"] == [balancer]
    assert await stack.read(ListenerRule(), "Rule") == {"RuleArn": rule_arn, "IsDefault": False}

    await stack.update(LoadBalancer(), "Balancer", LoadBalancerAttributes=[], Tags=[{"Key": "team", "Value": "blue"}])
    answer = await stack.call("elbv2", "describe_load_balancer_attributes", LoadBalancerArn=balancer)
    assert {"Key": "idle_timeout.timeout_seconds", "Value": "60"} in answer["Attributes"]
    answer = await stack.call("elbv2", "describe_tags", ResourceArns=[balancer])
    assert answer["TagDescriptions"][0]["Tags"] == [{"Key": "team", "Value": "blue"}]
    await stack.update(TargetGroup(), "Group", HealthCheckPath=None, Targets=[{"Id": "10.0.0.10"}])
    (found,) = (await stack.call("elbv2", "describe_target_groups"))["TargetGroups"]
    assert (found["HealthCheckPath"], found["HealthCheckIntervalSeconds"]) == ("/", 10)
    health = (await stack.call("elbv2", "describe_target_health", TargetGroupArn=group))["TargetHealthDescriptions"]
    assert {each["Target"]["Id"] for each in health if each["TargetHealth"]["State"] != "draining"} == {"10.0.0.10"}
    await stack.update(Listener(), "Listener", Port=8080)
    await stack.update(ListenerRule(), "Rule", Priority=3)
    rules = (await stack.call("elbv2", "describe_rules", RuleArns=[rule_arn]))["Rules"]
    assert rules[0]["Priority"] == "3"

    with pytest.raises(ServiceError, match="MinimumLoadBalancerCapacity"):
        await stack.update(LoadBalancer(), "Balancer", MinimumLoadBalancerCapacity={"CapacityUnits": 1})
    with pytest.raises(ServiceError, match="Certificates"):
        await stack.update(Listener(), "Listener", Certificates=[{"CertificateArn": "arn:aws:acm:x"}])

    await stack.delete(ListenerRule(), "Rule")
    await stack.delete(Listener(), "Listener")
    await stack.delete(LoadBalancer(), "Balancer")
    await stack.delete(TargetGroup(), "Group")
    assert (await stack.call("elbv2", "describe_target_groups"))["TargetGroups"] == []
    with pytest.raises(ServiceError) as raised:
        await stack.delete(ListenerRule(), "Rule")
    assert ListenerRule().is_missing(raised.value)
    with pytest.raises(ServiceError) as raised:
        await stack.delete(Listener(), "Listener")
    assert Listener().is_missing(raised.value)


async def test_a_cluster(stack: Stack) -> None:
    name = await stack.create(Cluster(), "Cluster")
    assert name == "demo-Cluster-ABCDEFGHIJKL"
    assert await stack.find(Cluster(), "Cluster") == name
    assert (await stack.read(Cluster(), "Cluster"))["Arn"].endswith(f":cluster/{name}")
    await stack.call("ecs", "create_cluster", clusterName="theirs")
    assert await stack.find(Cluster(), "Other", ClusterName="theirs") is None
    with pytest.raises(FailedError, match="already exists"):
        await stack.create(Cluster(), "Other", ClusterName="theirs")
    with pytest.raises(ServiceError, match="configuration"):
        await stack.create(Cluster(), "Third", Configuration={"ExecuteCommandConfiguration": {"Logging": "NONE"}})

    settings = [{"Name": "containerInsights", "Value": "enabled"}]
    providers = {"CapacityProviders": ["FARGATE"], "DefaultCapacityProviderStrategy": []}
    await stack.update(Cluster(), "Cluster", ClusterSettings=settings, **providers)
    include = ["SETTINGS", "TAGS"]
    (found,) = (await stack.call("ecs", "describe_clusters", clusters=[name], include=include))["clusters"]
    assert found["settings"] == [{"name": "containerInsights", "value": "enabled"}]
    assert found["capacityProviders"] == ["FARGATE"]
    await stack.delete(Cluster(), "Cluster")
    with pytest.raises(ServiceError) as raised:
        await stack.delete(Cluster(), "Cluster")
    assert Cluster().is_missing(raised.value)


async def test_the_capacity_of_a_cluster(stack: Stack) -> None:
    name = await stack.create(Cluster(), "Cluster")
    strategy = [{"CapacityProvider": "FARGATE_SPOT", "Weight": "1"}]
    both = {"CapacityProviders": ["FARGATE", "FARGATE_SPOT"], "DefaultCapacityProviderStrategy": strategy}
    made = await stack.create(ClusterCapacityProviderAssociations(), "Capacity", Cluster=name, **both)
    assert made == name

    async def shown() -> list[Any]:
        (found,) = (await stack.call("ecs", "describe_clusters", clusters=[name]))["clusters"]
        return [found["capacityProviders"], found["defaultCapacityProviderStrategy"]]

    spot = {"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}
    assert await shown() == [["FARGATE", "FARGATE_SPOT"], [spot]]
    await stack.update(ClusterCapacityProviderAssociations(), "Capacity", CapacityProviders=["FARGATE_SPOT"])
    assert await shown() == [["FARGATE_SPOT"], [spot]]
    await stack.delete(ClusterCapacityProviderAssociations(), "Capacity")
    assert await shown() == [[], []]


def test_an_alarm_is_not_the_circuit_breaker() -> None:
    def event(why: str) -> dict[str, Any]:
        return {"events": [{"message": f"(service s) (deployment ecs-svc/1) deployment failed: {why}"}]}

    assert _failure(event("tasks failed to start.")).endswith("'ECS Deployment Circuit Breaker was triggered'.")
    assert _failure(event("alarm detected.")).endswith("'ECS Deployment failed: alarm detected.'.")
    assert _failure({"events": []}).endswith("'ECS Deployment was replaced by another one'.")


async def test_a_service_and_its_scaling(stack: Stack) -> None:
    around = await network(stack)
    _, group, _ = await balanced(stack, around)
    cluster = await stack.create(Cluster(), "Cluster")
    arn = await stack.role("ecs-tasks")
    web = golden("smallest.local-web", "TaskDefinition", ExecutionRoleArn=arn, TaskRoleArn=arn)
    options = {"awslogs-group": "g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "web"}
    for each in web["ContainerDefinitions"]:
        each |= {"Image": "busybox", "LogConfiguration": {"LogDriver": "awslogs", "Options": options}}
        each.pop("Environment", None)
    container = web["ContainerDefinitions"][0]
    definition = await stack.create(TaskDefinition(), "Definition", **web)
    assert definition.endswith(":1")
    assert await stack.read(TaskDefinition(), "Definition") == {"TaskDefinitionArn": definition}
    registered = await stack.call("ecs", "describe_task_definition", taskDefinition=definition)
    assert registered["taskDefinition"]["containerDefinitions"][0]["logConfiguration"]["options"] == options
    secrets = {"SecretOptions": [{"Name": "n", "ValueFrom": "arn:aws:ssm:x"}]}
    secret = {**container, "LogConfiguration": {**container["LogConfiguration"], **secrets}}
    with pytest.raises(ServiceError, match="secretOptions"):
        await stack.create(TaskDefinition(), "Secret", **{**web, "ContainerDefinitions": [secret]})

    port = container["PortMappings"][0]["ContainerPort"]
    properties = golden(
        "smallest.local-web",
        "Service",
        Cluster=cluster,
        DesiredCount=0,
        LoadBalancers=[{"ContainerName": container["Name"], "ContainerPort": port, "TargetGroupArn": group}],
        NetworkConfiguration={
            "AwsvpcConfiguration": {
                "AssignPublicIp": "ENABLED",
                "Subnets": around["Subnets"],
                "SecurityGroups": around["SecurityGroups"],
            }
        },
        TaskDefinition=definition,
    )
    service = await stack.create(Service(), "Service", **properties)
    assert service.startswith(f"arn:aws:ecs:us-east-1:000000000000:service/{cluster}/")
    assert await Service().create(stack.step("Service")) == service
    assert await stack.read(Service(), "Service") == {"ServiceArn": service, "Name": service.split("/")[-1]}
    assert not await stack.settled(Service(), "Service")
    parts, key = stack.cloud.parts, ("us-east-1", cluster, service.split("/")[-1])
    reconciler = ServiceReconciler(EcsModel(parts.store), parts.calls, parts.clock)
    await reconciler.reconcile(key)
    assert await stack.settled(Service(), "Service")

    resource_id = f"service/{cluster}/{key[2]}"
    target = await stack.create(
        ScalableTarget(),
        "Target",
        MinCapacity="0",
        MaxCapacity=4,
        ResourceId=resource_id,
        RoleARN=arn,
        ScalableDimension="ecs:service:DesiredCount",
        ServiceNamespace="ecs",
        Tags=[{"Key": "a", "Value": "b"}],
    )
    assert target == f"{resource_id}|ecs:service:DesiredCount|ecs"
    assert await stack.find(ScalableTarget(), "Target") == target
    metric = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}
    tracking = {"TargetTrackingScalingPolicyConfiguration": {**metric, "TargetValue": "50"}}
    scaling = {"PolicyName": "cpu", "PolicyType": "TargetTrackingScaling", "ScalingTargetId": target}
    scaling_arn = await stack.create(ScalingPolicy(), "Policy", **scaling, **tracking)
    assert await stack.find(ScalingPolicy(), "Policy") == scaling_arn
    nightly = {
        "ScheduledActionName": "x",
        "Schedule": "cron(0 22 * * ? *)",
        "ScalableTargetAction": {"MaxCapacity": "1"},
    }
    await stack.update(ScalableTarget(), "Target", ScheduledActions=[nightly])
    actions = await stack.call("application-autoscaling", "describe_scheduled_actions", ServiceNamespace="ecs")
    assert [each["ScalableTargetAction"] for each in actions["ScheduledActions"]] == [{"MaxCapacity": 1}]
    await stack.update(ScalableTarget(), "Target", ScheduledActions=None, MaxCapacity=2, Tags=None)
    (found,) = (await stack.call("application-autoscaling", "describe_scalable_targets", ServiceNamespace="ecs"))[
        "ScalableTargets"
    ]
    assert found["MaxCapacity"] == 2
    await stack.delete(ScalingPolicy(), "Policy")
    await stack.delete(ScalableTarget(), "Target")
    with pytest.raises(ServiceError) as raised:
        await stack.delete(ScalingPolicy(), "Policy")
    assert ScalingPolicy().is_missing(raised.value)

    # a new revision begins a deployment; one that is rolled back fails the update
    second = await stack.create(TaskDefinition(), "Second", **web)
    assert second.endswith(":2")
    await stack.update(Service(), "Service", TaskDefinition=second, Tags=[{"Key": "a", "Value": "b"}])
    assert not await stack.settled(Service(), "Service")
    await stack.call("ecs", "update_service", cluster=cluster, service=service, taskDefinition=definition)
    await reconciler.reconcile(key)
    with pytest.raises(FailedError, match="replaced by another one"):
        await stack.settled(Service(), "Service")
    await stack.update(Service(), "Service", TaskDefinition=definition, HealthCheckGracePeriodSeconds=None)
    assert await stack.settled(Service(), "Service")
    circuit = {"DeploymentCircuitBreaker": {"Enable": "true", "Rollback": True}}
    linear = {"Strategy": "LINEAR", "LinearConfiguration": {"StepPercent": "25", "StepBakeTimeInMinutes": "0"}}
    await stack.update(
        Service(), "Service", EnableExecuteCommand="true", DeploymentConfiguration={**circuit, "BakeTimeInMinutes": "3"}
    )
    (found,) = (await stack.call("ecs", "describe_services", cluster=cluster, services=[service]))["services"]
    assert found["enableExecuteCommand"]
    assert found["deploymentConfiguration"]["bakeTimeInMinutes"] == 3
    with pytest.raises(ServiceError, match="advancedConfiguration field is required"):
        await stack.update(Service(), "Service", DeploymentConfiguration={**circuit, **linear})
    await stack.update(Service(), "Service", EnableExecuteCommand=None, DeploymentConfiguration=None)
    (found,) = (await stack.call("ecs", "describe_services", cluster=cluster, services=[service]))["services"]
    assert not found["enableExecuteCommand"]
    assert (found["deploymentConfiguration"]["bakeTimeInMinutes"], len(found["deployments"])) == (0, 1)

    await stack.delete(Service(), "Service")
    assert not await Service().gone(stack.step("Service", physical_id=service))
    await reconciler.reconcile(key)
    assert await Service().gone(stack.step("Service", physical_id=service))
    with pytest.raises(ServiceError) as raised:
        await stack.delete(Service(), "Service")
    assert Service().is_missing(raised.value)
    await stack.delete(TaskDefinition(), "Definition")
    with pytest.raises(ServiceError) as raised:
        await TaskDefinition().delete(stack.step("Definition", physical_id=definition.replace(":1", ":9")))
    assert TaskDefinition().is_missing(raised.value)
    await stack.delete(Cluster(), "Cluster")
