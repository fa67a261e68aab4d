"""Handlers of the network's resource types: VPCs, subnets, routes, gateways, ACLs. Through the real services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cloud.services.cloudformation.stack import STACK_ID, Stack, golden
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.ec2_acls import (
    NetworkAcl,
    NetworkAclEntry,
    SubnetNetworkAclAssociation,
)
from tidegate.cloud.services.cloudformation.resources.ec2_gateways import Eip, NatGateway, VpcEndpoint
from tidegate.cloud.services.cloudformation.resources.ec2_network import (
    InternetGateway,
    Route,
    RouteTable,
    Subnet,
    SubnetRouteTableAssociation,
    Vpc,
    VpcGatewayAttachment,
)
from tidegate.cloud.services.cloudformation.resources.handler import Handler

EVERYWHERE = "0.0.0.0/0"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.close()


async def network(stack: Stack) -> dict[str, str]:
    """Return the ids of the smallest environment's network, by logical id."""
    environment = "smallest.local"
    vpc = await stack.create(Vpc(), "Vpc", **golden(environment, "Vpc"))
    zone = {"VpcId": vpc, "AvailabilityZone": "us-east-1a"}
    subnet = await stack.create(Subnet(), "Subnet", **golden(environment, "PublicSubnet1", **zone))
    gateway = await stack.create(InternetGateway(), "Gateway", **golden(environment, "InternetGateway"))
    await stack.create(VpcGatewayAttachment(), "Attachment", VpcId=vpc, InternetGatewayId=gateway)
    table = await stack.create(RouteTable(), "Table", **golden(environment, "PublicRoutes", VpcId=vpc))
    await stack.create(Route(), "Route", RouteTableId=table, DestinationCidrBlock=EVERYWHERE, GatewayId=gateway)
    await stack.create(SubnetRouteTableAssociation(), "Association", RouteTableId=table, SubnetId=subnet)
    return dict(stack.ids)


async def remove(stack: Stack, **handlers: Handler) -> None:
    """Delete each, then once more, which must say that it is gone."""
    for logical_id, handler in handlers.items():
        await stack.delete(handler, logical_id)
        assert await handler.gone(stack.step(logical_id, physical_id=stack.ids[logical_id]))
        refusal = None
        try:
            await stack.delete(handler, logical_id)
        except ServiceError as error:
            refusal = error
        assert refusal is None or handler.is_missing(refusal)


async def one(stack: Stack, operation: str, member: str, **request: Any) -> Any:
    (found,) = (await stack.call("ec2", operation, **request))[member]
    return found


async def test_a_network(stack: Stack) -> None:
    ids = await network(stack)
    vpc, table, gateway = ids["Vpc"], ids["Table"], ids["Gateway"]
    assert ids["Attachment"] == f"IGW|{vpc}"
    assert ids["Route"] == f"{table}|{EVERYWHERE}"
    assert ids["Association"].startswith("rtbassoc-")
    names = await stack.call("ec2", "describe_vpc_attribute", VpcId=vpc, Attribute="enableDnsHostnames")
    assert names["EnableDnsHostnames"]["Value"] is True
    subnet = await one(stack, "describe_subnets", "Subnets", SubnetIds=[ids["Subnet"]])
    assert subnet["MapPublicIpOnLaunch"]
    assert {"Key": "aws:cloudformation:stack-id", "Value": STACK_ID} in subnet["Tags"]

    with pytest.raises(ServiceError, match="reserved"):
        await stack.call("ec2", "create_tags", Resources=[vpc], Tags=subnet["Tags"])

    read = await stack.read(Vpc(), "Vpc")
    assert read["DefaultSecurityGroup"].startswith("sg-")
    assert read["DefaultNetworkAcl"].startswith("acl-")
    assert (read["CidrBlock"], read["Ipv6CidrBlocks"], len(read["CidrBlockAssociations"])) == ("10.0.0.0/16", [], 1)
    assert (await stack.read(Subnet(), "Subnet"))["NetworkAclAssociationId"].startswith("aclassoc-")
    assert await stack.read(Route(), "Route") == {"CidrBlock": EVERYWHERE}

    handlers: dict[str, Handler] = {
        "Vpc": Vpc(), "Subnet": Subnet(), "Gateway": InternetGateway(), "Attachment": VpcGatewayAttachment(),
        "Table": RouteTable(), "Route": Route(),
    }  # fmt: skip
    for logical_id, handler in handlers.items():
        assert await stack.find(handler, logical_id) == ids[logical_id]
    # one that takes another's place has the same tags, and is not mistaken for it
    stack.properties["Other"] = {**stack.properties["Subnet"], "CidrBlock": "10.0.32.0/20"}
    assert await Subnet().find(stack.step("Subnet", **stack.properties["Other"])) is None

    await stack.update(Vpc(), "Vpc", EnableDnsSupport=False, EnableDnsHostnames=None, Tags=[{"Key": "a", "Value": "b"}])
    names = await stack.call("ec2", "describe_vpc_attribute", VpcId=vpc, Attribute="enableDnsSupport")
    assert names["EnableDnsSupport"]["Value"] is False
    assert (await one(stack, "describe_vpcs", "Vpcs", VpcIds=[vpc]))["Tags"] == [{"Key": "a", "Value": "b"}]
    # what a kill has left undone is done when it is found
    stack.properties["Vpc"]["EnableDnsSupport"] = True
    await stack.update(Subnet(), "Subnet", MapPublicIpOnLaunch=None)
    assert not (await one(stack, "describe_subnets", "Subnets", SubnetIds=[ids["Subnet"]]))["MapPublicIpOnLaunch"]
    stack.properties["Subnet"]["MapPublicIpOnLaunch"] = True
    assert await stack.find(Subnet(), "Subnet") == ids["Subnet"]
    assert (await one(stack, "describe_subnets", "Subnets", SubnetIds=[ids["Subnet"]]))["MapPublicIpOnLaunch"]

    other = (await stack.call("ec2", "create_internet_gateway"))["InternetGateway"]["InternetGatewayId"]
    await stack.update(VpcGatewayAttachment(), "Attachment", InternetGatewayId=other)
    await stack.update(Route(), "Route", GatewayId=other)
    routes = (await one(stack, "describe_route_tables", "RouteTables", RouteTableIds=[table]))["Routes"]
    assert [route.get("GatewayId") for route in routes] == ["local", other]
    for refused in ({"EnableDns64": True}, {"Ipv6CidrBlock": "::/64"}):
        with pytest.raises(ServiceError, match=next(iter(refused))):
            await stack.update(Subnet(), "Subnet", **refused)
    with pytest.raises(ServiceError, match="VpnGatewayId"):
        await stack.create(VpcGatewayAttachment(), "Vpn", VpcId=vpc, VpnGatewayId="vgw-1")
    assert gateway not in str(await stack.call("ec2", "describe_route_tables"))

    # what is still needed is waited for
    await stack.delete(Vpc(), "Vpc")
    assert not await Vpc().gone(stack.step("Vpc", physical_id=vpc))
    await remove(
        stack, Association=SubnetRouteTableAssociation(), Route=Route(), Table=RouteTable(),
        Attachment=VpcGatewayAttachment(), Gateway=InternetGateway(), Subnet=Subnet(), Vpc=Vpc(),
    )  # fmt: skip


async def test_ways_out(stack: Stack) -> None:
    ids = await network(stack)
    address = await stack.create(Eip(), "Address", Domain="vpc")
    read = await stack.read(Eip(), "Address")
    assert read == {"PublicIp": address, "AllocationId": read["AllocationId"]}
    assert await stack.find(Eip(), "Address") == address
    await stack.update(Eip(), "Address", Tags=[{"Key": "a", "Value": "b"}])
    assert (await one(stack, "describe_addresses", "Addresses", PublicIps=[address]))["Tags"][0]["Key"] == "a"
    nat = {"SubnetId": ids["Subnet"], "AllocationId": read["AllocationId"]}
    gateway = await stack.create(NatGateway(), "Nat", **nat)
    assert await stack.create(NatGateway(), "Nat", **nat) == gateway  # as after a kill
    assert await stack.settled(NatGateway(), "Nat")
    assert (await stack.read(NatGateway(), "Nat"))["EniId"].startswith("eni-")
    with pytest.raises(ServiceError, match="MaxDrainDurationSeconds"):
        await stack.update(NatGateway(), "Nat", MaxDrainDurationSeconds=350)
    await stack.delete(Eip(), "Address")
    assert not await Eip().gone(stack.step("Address", physical_id=address))

    service = {"VpcId": ids["Vpc"], "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": [ids["Table"]]}
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*"}]}
    endpoint = await stack.create(VpcEndpoint(), "Endpoint", PolicyDocument=allow, **service)
    assert (await stack.read(VpcEndpoint(), "Endpoint"))["Id"] == endpoint
    assert await stack.settled(VpcEndpoint(), "Endpoint")
    await stack.update(VpcEndpoint(), "Endpoint", RouteTableIds=[], PolicyDocument=None)
    found = await one(stack, "describe_vpc_endpoints", "VpcEndpoints", VpcEndpointIds=[endpoint])
    assert found["RouteTableIds"] == []
    assert "s3:*" not in found["PolicyDocument"]
    await remove(stack, Endpoint=VpcEndpoint(), Nat=NatGateway(), Address=Eip())


async def test_acls(stack: Stack) -> None:
    ids = await network(stack)
    acl = await stack.create(NetworkAcl(), "Acl", VpcId=ids["Vpc"])
    assert await stack.find(NetworkAcl(), "Acl") == acl
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Protocol": 6, "RuleAction": "allow", "CidrBlock": EVERYWHERE}
    name = await stack.create(NetworkAclEntry(), "Entry", **entry, PortRange={"From": 80, "To": 80})
    assert name == await stack.find(NetworkAclEntry(), "Entry") == "demo-Entry-ABCDEFGHIJKL"
    await stack.update(NetworkAclEntry(), "Entry", RuleAction="deny")
    entries = (await one(stack, "describe_network_acls", "NetworkAcls", NetworkAclIds=[acl]))["Entries"]
    assert next(each for each in entries if each["RuleNumber"] == 100)["RuleAction"] == "deny"
    within = {"SubnetId": ids["Subnet"], "NetworkAclId": acl}
    association = await stack.create(SubnetNetworkAclAssociation(), "Within", **within)
    assert await stack.create(SubnetNetworkAclAssociation(), "Within", **within) == association
    await remove(stack, Within=SubnetNetworkAclAssociation(), Entry=NetworkAclEntry(), Acl=NetworkAcl())
