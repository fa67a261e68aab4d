"""EC2's networks: VPCs, subnets, internet gateways and routes."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from tidegate.cloud.services.cloudformation.resources.ec2 import Removed, Tagged, refuse, refuse_change
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    only,
    without,
)

_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


class Vpc(Tagged):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-vpc.html."""

    type = "AWS::EC2::VPC"
    missing = frozenset({"InvalidVpcID.NotFound"})
    resource, describe, listed, member = "vpc", "describe_vpcs", "Vpcs", "VpcId"
    fixed = (("CidrBlock", "CidrBlock"),)

    async def make(self, step: Step) -> str:
        """Create the VPC."""
        request = without(step.properties, "Tags", "EnableDnsSupport", "EnableDnsHostnames")
        return str((await step.send("ec2", "create_vpc", {**request, **self.tags(step)}))["Vpc"]["VpcId"])

    async def configure(self, step: Step, before: Properties) -> None:
        """Set the two attributes, one a call; hostnames only ever while there is DNS."""
        if before and step.properties.get("InstanceTenancy", "default") != "default":
            refuse_change(self, before, step.properties, "InstanceTenancy")
        defaults = {"EnableDnsSupport": True, "EnableDnsHostnames": False}
        old, new = {**defaults, **only(before, *defaults)}, {**defaults, **only(step.properties, *defaults)}
        for name in defaults if new["EnableDnsSupport"] else reversed(defaults):
            if old[name] != new[name]:
                request = {"VpcId": step.physical_id, name: {"Value": new[name]}}
                await step.send("ec2", "modify_vpc_attribute", request)

    async def read(self, step: Step) -> Attributes:
        """Return the id, the ranges, and what came with the VPC."""
        vpc = await self.described(step)
        in_vpc = {"Name": "vpc-id", "Values": [step.physical_id]}
        acls = await step.call(
            "ec2", "describe_network_acls", Filters=[in_vpc, {"Name": "default", "Values": ["true"]}]
        )
        groups = await step.call(
            "ec2", "describe_security_groups", Filters=[in_vpc, {"Name": "group-name", "Values": ["default"]}]
        )
        return {
            "VpcId": vpc["VpcId"],
            "CidrBlock": vpc["CidrBlock"],
            "CidrBlockAssociations": [each["AssociationId"] for each in vpc["CidrBlockAssociationSet"]],
            "Ipv6CidrBlocks": [each["Ipv6CidrBlock"] for each in vpc.get("Ipv6CidrBlockAssociationSet", ())],
            "DefaultNetworkAcl": acls["NetworkAcls"][0]["NetworkAclId"],
            "DefaultSecurityGroup": groups["SecurityGroups"][0]["GroupId"],
        }

    async def remove(self, step: Step) -> None:
        """Delete the VPC with what came with it."""
        await step.call("ec2", "delete_vpc", VpcId=step.physical_id)


class Subnet(Tagged):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-subnet.html."""

    type = "AWS::EC2::Subnet"
    missing = frozenset({"InvalidSubnetID.NotFound"})
    resource, describe, listed, member = "subnet", "describe_subnets", "Subnets", "SubnetId"
    fixed = (
        ("VpcId", "VpcId"),
        ("CidrBlock", "CidrBlock"),
        ("AvailabilityZone", "AvailabilityZone"),
        ("AvailabilityZoneId", "AvailabilityZoneId"),
    )

    async def make(self, step: Step) -> str:
        """Create the subnet."""
        own = without(
            step.properties, "Tags", "PrivateDnsNameOptionsOnLaunch", *_SUBNET_FLAGS, "EnableLniAtDeviceIndex"
        )
        return str((await step.send("ec2", "create_subnet", {**own, **self.tags(step)}))["Subnet"]["SubnetId"])

    async def configure(self, step: Step, before: Properties) -> None:
        """Set the attributes that differ, one a call."""
        refuse_change(self, before, step.properties, "Ipv6CidrBlock")
        old, new = _subnet_attributes(before), _subnet_attributes(step.properties)
        for name, value in new.items():
            if old[name] != value:
                await step.send("ec2", "modify_subnet_attribute", {"SubnetId": step.physical_id, name: value})

    async def read(self, step: Step) -> Attributes:
        """Return the ids, the zone and the ranges."""
        subnet = await self.described(step)
        filters = [{"Name": "association.subnet-id", "Values": [step.physical_id]}]
        acls = (await step.call("ec2", "describe_network_acls", Filters=filters))["NetworkAcls"]
        associations = [each for acl in acls for each in acl["Associations"] if each["SubnetId"] == step.physical_id]
        return {
            **only(subnet, "SubnetId", "VpcId", "AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "OutpostArn"),
            "Ipv6CidrBlocks": [each["Ipv6CidrBlock"] for each in subnet.get("Ipv6CidrBlockAssociationSet", ())],
            "NetworkAclAssociationId": associations[0]["NetworkAclAssociationId"],
        }

    async def remove(self, step: Step) -> None:
        """Delete the subnet."""
        await step.call("ec2", "delete_subnet", SubnetId=step.physical_id)


_SUBNET_FLAGS = ("MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation", "EnableDns64")


def _subnet_attributes(properties: Properties) -> dict[str, Any]:
    """Return what `ModifySubnetAttribute` is to be told, by its parameters; defaults where nothing is written."""
    names = properties.get("PrivateDnsNameOptionsOnLaunch") or {}
    return {
        **{name: {"Value": properties.get(name, False)} for name in _SUBNET_FLAGS},
        "PrivateDnsHostnameTypeOnLaunch": names.get("HostnameType", "ip-name"),
        "EnableResourceNameDnsARecordOnLaunch": {"Value": names.get("EnableResourceNameDnsARecord", False)},
        "EnableResourceNameDnsAAAARecordOnLaunch": {"Value": names.get("EnableResourceNameDnsAAAARecord", False)},
        "EnableLniAtDeviceIndex": properties.get("EnableLniAtDeviceIndex"),
    }


class InternetGateway(Tagged):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-internetgateway.html."""

    type = "AWS::EC2::InternetGateway"
    missing = frozenset({"InvalidInternetGatewayID.NotFound"})
    resource, describe, member = "internet-gateway", "describe_internet_gateways", "InternetGatewayId"
    listed = "InternetGateways"

    async def make(self, step: Step) -> str:
        """Create the gateway."""
        answer = await step.call("ec2", "create_internet_gateway", **self.tags(step))
        return str(answer["InternetGateway"]["InternetGatewayId"])

    async def read(self, step: Step) -> Attributes:
        """Return the id."""
        return {"InternetGatewayId": step.physical_id}

    async def remove(self, step: Step) -> None:
        """Delete the gateway."""
        await step.call("ec2", "delete_internet_gateway", InternetGatewayId=step.physical_id)


class VpcGatewayAttachment(Removed):
    """Its id is made of its kind and the VPC: `IGW|vpc-…`.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-vpcgatewayattachment.html
    """

    type = "AWS::EC2::VPCGatewayAttachment"
    missing = frozenset({"Gateway.NotAttached", "InvalidInternetGatewayID.NotFound", "InvalidVpcID.NotFound"})

    async def create(self, step: Step) -> str:
        """Attach the gateway to the VPC."""
        refuse(self, step.properties, "VpnGatewayId")
        await step.send("ec2", "attach_internet_gateway", step.properties)
        return f"IGW|{step.properties['VpcId']}"

    async def find(self, step: Step) -> str | None:
        """Return the attachment's id if it is there: a gateway is attached once."""
        wanted = step.properties.get("InternetGatewayId")
        return f"IGW|{step.properties['VpcId']}" if wanted and wanted in await self._attached(step) else None

    async def read(self, step: Step) -> Attributes:
        """Return what is attached: an internet gateway."""
        return {"AttachmentType": "IGW"}

    async def update(self, step: Step, before: Properties) -> None:
        """Attach another gateway instead."""
        refuse(self, step.properties, "VpnGatewayId")
        attached = await self._attached(step)
        if step.properties["InternetGatewayId"] in attached:
            return
        if before["InternetGatewayId"] in attached:
            await step.send("ec2", "detach_internet_gateway", before)
        await step.send("ec2", "attach_internet_gateway", step.properties)

    async def remove(self, step: Step) -> None:
        """Detach the gateway."""
        await step.send("ec2", "detach_internet_gateway", step.properties)

    async def _attached(self, step: Step) -> list[str]:
        filters = [{"Name": "attachment.vpc-id", "Values": [step.properties["VpcId"]]}]
        answer = await step.call("ec2", "describe_internet_gateways", Filters=filters)
        return [each["InternetGatewayId"] for each in answer["InternetGateways"]]


class RouteTable(Tagged):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-routetable.html."""

    type = "AWS::EC2::RouteTable"
    missing = frozenset({"InvalidRouteTableID.NotFound"})
    resource, describe, listed, member = "route-table", "describe_route_tables", "RouteTables", "RouteTableId"
    fixed = (("VpcId", "VpcId"),)

    async def make(self, step: Step) -> str:
        """Create the table."""
        request = {"VpcId": step.properties["VpcId"], "ClientToken": step.token, **self.tags(step)}
        return str((await step.call("ec2", "create_route_table", **request))["RouteTable"]["RouteTableId"])

    async def read(self, step: Step) -> Attributes:
        """Return the id."""
        return {"RouteTableId": step.physical_id}

    async def remove(self, step: Step) -> None:
        """Delete the table."""
        await step.call("ec2", "delete_route_table", RouteTableId=step.physical_id)


class Route(Handler):
    """Its id is made of the table and the destination: `rtb-…|0.0.0.0/0`.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-route.html
    """

    type = "AWS::EC2::Route"
    missing = frozenset({"InvalidRoute.NotFound", "InvalidRouteTableID.NotFound"})

    async def create(self, step: Step) -> str:
        """Add the route to its table."""
        await step.send("ec2", "create_route", step.properties)
        return _route_id(step.properties)

    async def find(self, step: Step) -> str | None:
        """Return the route's id if its table has it: a second one would be refused."""
        wanted = step.properties
        answer = await step.call("ec2", "describe_route_tables", RouteTableIds=[wanted["RouteTableId"]])
        targets = without(wanted, "RouteTableId", *_DESTINATIONS)
        for route in answer["RouteTables"][0]["Routes"]:
            if _canonical(route) == _canonical(wanted) and targets == only(route, *targets):
                return _route_id(wanted)
        return None

    async def read(self, step: Step) -> Attributes:
        """Return the destination."""
        return {"CidrBlock": step.physical_id.partition("|")[2]}

    async def update(self, step: Step, before: Properties) -> None:
        """Lead the destination elsewhere."""
        await step.send("ec2", "replace_route", step.properties)

    async def delete(self, step: Step) -> None:
        """Remove the route."""
        await step.send("ec2", "delete_route", only(step.properties, "RouteTableId", *_DESTINATIONS))


def _destination(properties: Properties) -> str:
    return next((str(properties[name]) for name in _DESTINATIONS if properties.get(name)), "")


def _route_id(properties: Properties) -> str:
    return f"{properties['RouteTableId']}|{_destination(properties)}"


def _canonical(route: Properties) -> str:
    """Return a route's destination as EC2 writes it."""
    destination = _destination(route)
    return str(ip_network(destination, strict=False)) if "/" in destination else destination


class SubnetRouteTableAssociation(Handler):
    """Repeating its `create` answers with the association that there is.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-subnetroutetableassociation.html
    """

    type = "AWS::EC2::SubnetRouteTableAssociation"
    missing = frozenset({"InvalidAssociationID.NotFound"})

    async def create(self, step: Step) -> str:
        """Make the table the one of the subnet."""
        return str((await step.send("ec2", "associate_route_table", step.properties))["AssociationId"])

    async def read(self, step: Step) -> Attributes:
        """Return the id."""
        return {"Id": step.physical_id}

    async def delete(self, step: Step) -> None:
        """Have the subnet follow the main table again."""
        await step.call("ec2", "disassociate_route_table", AssociationId=step.physical_id)


HANDLERS: tuple[Handler, ...] = (
    Vpc(),
    Subnet(),
    InternetGateway(),
    VpcGatewayAttachment(),
    RouteTable(),
    Route(),
    SubnetRouteTableAssociation(),
)
