"""Handlers of security groups and their rules. Through the real service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cloud.services.cloudformation.stack import Stack, golden
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.ec2_security import (
    SecurityGroup,
    SecurityGroupEgress,
    SecurityGroupIngress,
)

HTTP = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "0.0.0.0/0"}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.close()


async def rules(stack: Stack, group: str, *, egress: bool = False) -> list[tuple[Any, ...]]:
    """Return protocol, first port, peer and description of a group's rules."""
    filters = [{"Name": "group-id", "Values": [group]}]
    found = (await stack.call("ec2", "describe_security_group_rules", Filters=filters))["SecurityGroupRules"]
    return sorted(
        (
            rule["IpProtocol"],
            rule["FromPort"],
            rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule["ReferencedGroupInfo"]["GroupId"],
            rule.get("Description"),
        )
        for rule in found
        if rule["IsEgress"] is egress
    )


async def test_a_groups_rules_follow_its_properties(stack: Stack) -> None:
    vpc = (await stack.call("ec2", "create_vpc", CidrBlock="10.0.0.0/16"))["Vpc"]["VpcId"]
    balancer = await stack.create(SecurityGroup(), "Balancer", **golden("smallest.local", "BalancerGroup", VpcId=vpc))
    source = {"IpProtocol": "6", "FromPort": 8080, "ToPort": 8080, "SourceSecurityGroupId": balancer}
    properties = {"GroupDescription": "tasks", "VpcId": vpc, "SecurityGroupIngress": [source]}
    group = await stack.create(SecurityGroup(), "Tasks", **properties)
    assert await stack.read(SecurityGroup(), "Tasks") == {"Id": group, "GroupId": group, "VpcId": vpc}
    assert await rules(stack, balancer) == [("tcp", 80, "0.0.0.0/0", "HTTP from anywhere")]
    assert await rules(stack, group) == [("tcp", 8080, balancer, None)]
    assert await rules(stack, group, egress=True) == [("-1", -1, "0.0.0.0/0", None)]

    named = {**source, "IpProtocol": "tcp", "Description": "from the balancer"}
    dns = {"IpProtocol": "udp", "FromPort": "53", "ToPort": "53", "CidrIpv6": "::/0"}
    ingress = [named, HTTP]
    await stack.update(SecurityGroup(), "Tasks", SecurityGroupIngress=ingress, SecurityGroupEgress=[dns])
    wanted = [("tcp", 80, "0.0.0.0/0", None), ("tcp", 8080, balancer, "from the balancer")]
    assert await rules(stack, group) == wanted
    assert await rules(stack, group, egress=True) == [("udp", 53, "::/0", None)]

    # half of an update had happened before a kill; what a kill has left undone is done when it is found
    permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    await stack.call("ec2", "revoke_security_group_ingress", GroupId=group, IpPermissions=[permission])
    assert await stack.find(SecurityGroup(), "Tasks") == group
    assert await rules(stack, group) == wanted
    await stack.call("ec2", "revoke_security_group_ingress", GroupId=group, IpPermissions=[permission])
    await stack.update(SecurityGroup(), "Tasks", SecurityGroupIngress=None, SecurityGroupEgress=None)
    assert await rules(stack, group) == []
    assert await rules(stack, group, egress=True) == [("-1", -1, "0.0.0.0/0", None)]

    stack.properties["Tasks"]["GroupDescription"] = "another, that takes its place"
    assert await stack.find(SecurityGroup(), "Tasks") is None
    for name in ("Tasks", "Balancer"):
        await stack.delete(SecurityGroup(), name)
    assert len((await stack.call("ec2", "describe_security_groups"))["SecurityGroups"]) == 2  # the VPCs' own


async def test_rules_of_their_own(stack: Stack) -> None:
    group = await stack.create(SecurityGroup(), "Group", GroupDescription="in the default VPC")
    rule = await stack.create(SecurityGroupIngress(), "Rule", GroupId=group, **HTTP)
    assert rule.startswith("sgr-")
    assert await stack.find(SecurityGroupIngress(), "Rule") == rule
    itself = {"GroupId": group, "IpProtocol": "-1", "DestinationSecurityGroupId": group}
    assert await SecurityGroupEgress().find(stack.step("Out", **itself)) is None
    out = await stack.create(SecurityGroupEgress(), "Out", **itself)
    assert await stack.find(SecurityGroupEgress(), "Out") == out
    await stack.update(SecurityGroupIngress(), "Rule", Description="web")
    assert await rules(stack, group) == [("tcp", 80, "0.0.0.0/0", "web")]
    with pytest.raises(ServiceError, match="Duplicate"):
        await stack.create(SecurityGroupIngress(), "Twice", GroupId=group, **HTTP)
    for name, handler in (("Rule", SecurityGroupIngress()), ("Out", SecurityGroupEgress())):
        await stack.delete(handler, name)
        with pytest.raises(ServiceError) as raised:
            await stack.delete(handler, name)
        assert handler.is_missing(raised.value)
    await stack.delete(SecurityGroup(), "Group")
    assert await SecurityGroup().gone(stack.step("Group", physical_id=group))
