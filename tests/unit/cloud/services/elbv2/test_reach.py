"""Targets in a VPC, reached where an engine puts them, and only as far as security groups let them be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.daemon import free_port
from tests.http_endpoint import HttpEndpoint, until
from tidegate.cloud.daemon import Cloud, Settings
from tidegate.cloud.gateway.server import bind


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    port = free_port()
    cloud = Cloud(Settings(tmp_path, port))
    ready = asyncio.Event()
    with bind("127.0.0.1", port) as sock:
        running = asyncio.create_task(cloud.run(sock, ready.set))
        await ready.wait()
        yield cloud
        await cloud._stop()
        await running


async def test_a_rule_for_the_balancer_makes_its_target_healthy(cloud: Cloud) -> None:
    endpoint = await HttpEndpoint("task").start()
    administrator = cloud.parts.credential(cloud.keys.access_key)
    assert administrator is not None
    call = cloud.parts.calls.as_principal(administrator.principal, "us-east-1")
    subnets = [each["SubnetId"] for each in (await call("ec2", "describe_subnets"))["Subnets"]]
    vpc = (await call("ec2", "describe_vpcs"))["Vpcs"][0]["VpcId"]
    alb, task = [
        (await call("ec2", "create_security_group", GroupName=name, Description=name))["GroupId"]
        for name in ("alb", "task")
    ]
    balancer = (await call("elbv2", "create_load_balancer", Name="web", Subnets=subnets, SecurityGroups=[alb]))[
        "LoadBalancers"
    ][0]
    settings: dict[str, Any] = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2}
    group = (await call("elbv2", "create_target_group", Name="app", Port=80, VpcId=vpc, TargetType="ip", **settings))[
        "TargetGroups"
    ][0]["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    await call(
        "elbv2",
        "create_listener",
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Port=80,
        Protocol="HTTP",
        DefaultActions=forward,
    )
    ecs = cloud.parts.calls.as_service("ecs.amazonaws.com", "us-east-1")
    interface = (await ecs("ec2", "create_network_interface", SubnetId=subnets[0], Groups=[task]))["NetworkInterface"]
    changes: list[tuple[str, ...]] = []
    cloud.parts.store.subscribe(lambda kind, key: changes.append(key) if kind == "elbv2.target" else None)
    target = {"Id": interface["PrivateIpAddress"], "Port": 80}
    cloud.parts.docker.reach.note_published(vpc, target["Id"], {80: ("127.0.0.1", endpoint.port)})
    await ecs("elbv2", "register_targets", TargetGroupArn=group, Targets=[target])

    async def health() -> Any:
        (shown,) = (await ecs("elbv2", "describe_target_health", TargetGroupArn=group))["TargetHealthDescriptions"]
        return shown["TargetHealth"]

    async def being_checked() -> bool:
        return bool((await health())["Reason"] == "Elb.InitialHealthChecking")

    await until(being_checked)
    assert endpoint.requests == 0, "what the security groups do not let through never reaches the target"
    permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": alb}]}
    await call("ec2", "authorize_security_group_ingress", GroupId=task, IpPermissions=[permission])

    async def healthy() -> bool:
        return bool((await health())["State"] == "healthy")

    await until(healthy)
    assert ("us-east-1", group, f"{target['Id']}:80") in changes
    (found,) = (await call("elbv2", "describe_load_balancers", Names=["web"]))["LoadBalancers"]
    async with aiohttp.ClientSession() as session, session.get(f"http://{found['DNSName']}/") as response:
        assert (await response.json(content_type=None))["name"] == "task"
    await ecs("elbv2", "deregister_targets", TargetGroupArn=group, Targets=[target])

    async def gone() -> bool:
        return not (await ecs("elbv2", "describe_target_health", TargetGroupArn=group))["TargetHealthDescriptions"]

    await until(gone)
    await ecs("ec2", "delete_network_interface", NetworkInterfaceId=interface["NetworkInterfaceId"])
    await endpoint.stop()
