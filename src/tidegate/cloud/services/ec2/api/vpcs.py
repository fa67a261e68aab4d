"""VPCs, their ranges and their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ec2.api.shared import Ec2Api, describe, ec2_operation, in_use, new_tags
from tidegate.cloud.services.ec2.filters import Filters, at, nothing
from tidegate.cloud.services.ec2.model import (
    DHCP_OPTIONS,
    ENDPOINT,
    GROUP,
    INTERFACE,
    NAT_GATEWAY,
    NETWORK_ACL,
    ROUTE_TABLE,
    SUBNET,
    VPC,
)
from tidegate.cloud.services.ec2.ranges import fits_size, inside, overlaps, parse

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

_OTHER_RANGES = (
    "AmazonProvidedIpv6CidrBlock",
    "Ipv4IpamPoolId",
    "Ipv4NetmaskLength",
    "Ipv6CidrBlock",
    "Ipv6CidrBlockNetworkBorderGroup",
    "Ipv6IpamPoolId",
    "Ipv6NetmaskLength",
    "Ipv6Pool",
)
_ATTRIBUTES = {
    "enableDnsSupport": "EnableDnsSupport",
    "enableDnsHostnames": "EnableDnsHostnames",
    "enableNetworkAddressUsageMetrics": "EnableNetworkAddressUsageMetrics",
}
VPC_FILTERS = Filters(
    {
        "cidr": at("CidrBlock"),
        "cidrBlock": at("CidrBlock"),
        "cidr-block-association.association-id": at("CidrBlockAssociationSet", "AssociationId"),
        "cidr-block-association.cidr-block": at("CidrBlockAssociationSet", "CidrBlock"),
        "cidr-block-association.state": at("CidrBlockAssociationSet", "CidrBlockState", "State"),
        "dhcp-options-id": at("DhcpOptionsId"),
        "ipv6-cidr-block-association.association-id": nothing,
        "ipv6-cidr-block-association.ipv6-cidr-block": nothing,
        "ipv6-cidr-block-association.ipv6-pool": nothing,
        "ipv6-cidr-block-association.state": nothing,
        "is-default": at("IsDefault"),
        "isDefault": at("IsDefault"),
        "owner-id": at("OwnerId"),
        "state": at("State"),
        "vpc-id": at("VpcId"),
    }
)
DHCP_OPTIONS_FILTERS = Filters(
    {
        "dhcp-options-id": at("DhcpOptionsId"),
        "key": at("DhcpConfigurations", "Key"),
        "value": at("DhcpConfigurations", "Values", "Value"),
        "owner-id": at("OwnerId"),
    }
)


class VpcsApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html and its siblings."""

    @ec2_operation("vpc/*", refuse=(*_OTHER_RANGES, "VpcEncryptionControl"))
    async def create_vpc(self, context: Context, request: t.CreateVpcRequestTypeDef) -> Mapping[str, Any]:
        """Create a VPC with its main route table, default security group and default network ACL."""
        tenancy = request.get("InstanceTenancy", "default")
        if tenancy != "default":
            raise not_offered(f"ec2:CreateVpc InstanceTenancy {tenancy}")
        if "CidrBlock" not in request:
            raise ServiceError("MissingParameter", "The request must contain the parameter cidrBlock")
        cidr = str(_vpc_range(request["CidrBlock"]))
        tags: Any = new_tags(self, context, request, VPC, "CreateVpc")
        return {"Vpc": self.network.create_vpc(context.region, cidr, tags)}

    @ec2_operation("vpc/*")
    async def create_default_vpc(
        self, context: Context, request: t.CreateDefaultVpcRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create the default VPC again, after it was deleted."""
        if self.model.default_vpc(context.region) is not None:
            raise ServiceError(
                "DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region."
            )
        return {"Vpc": self.network.create_default_vpc(context.region)}

    @ec2_operation()
    async def describe_vpcs(self, context: Context, request: t.DescribeVpcsRequestTypeDef) -> Mapping[str, Any]:
        """List VPCs."""
        vpcs = self.model.vpcs.values(context.region)
        return describe(VPC, vpcs, request, VPC_FILTERS, ids="VpcIds", answer="Vpcs")

    @ec2_operation("vpc/{VpcId}")
    async def describe_vpc_attribute(
        self, context: Context, request: t.DescribeVpcAttributeRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return one attribute of a VPC."""
        vpc_id = self.model.find(VPC, context.region, request["VpcId"])["VpcId"]
        attributes: Any = self.model.vpc_attributes.get(context.region, vpc_id)
        name = _ATTRIBUTES[request["Attribute"]]
        return {"VpcId": vpc_id, name: {"Value": attributes[name]}}

    @ec2_operation("vpc/{VpcId}")
    async def modify_vpc_attribute(
        self, context: Context, request: t.ModifyVpcAttributeRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change one attribute of a VPC."""
        vpc_id = self.model.find(VPC, context.region, request["VpcId"])["VpcId"]
        attributes: Any = self.model.vpc_attributes.get(context.region, vpc_id)
        given: Any = {name: request[name] for name in _ATTRIBUTES.values() if name in request}  # type: ignore[literal-required]
        if len(given) != 1:
            raise ServiceError(
                "InvalidParameterCombination",
                "Exactly one attribute of the VPC must be given: DNS support, hostnames or metrics",
            )
        for name, value in given.items():
            attributes[name] = bool(value.get("Value", False))
        if attributes["EnableDnsHostnames"] and not attributes["EnableDnsSupport"]:
            raise ServiceError(
                "InvalidParameterCombination", "DNS hostnames can be enabled only where DNS support is enabled"
            )
        self.model.vpc_attributes.put((context.region, vpc_id), attributes)
        return {}

    @ec2_operation("vpc/{VpcId}", refuse=_OTHER_RANGES)
    async def associate_vpc_cidr_block(
        self, context: Context, request: t.AssociateVpcCidrBlockRequestTypeDef
    ) -> Mapping[str, Any]:
        """Give a VPC one more range."""
        vpc: t.VpcTypeDef = self.model.find(VPC, context.region, request["VpcId"])
        if "CidrBlock" not in request:
            raise ServiceError("MissingParameter", "The request must contain the parameter cidrBlock")
        network = _vpc_range(request["CidrBlock"])
        if overlaps(network, (each["CidrBlock"] for each in vpc["CidrBlockAssociationSet"])):
            raise ServiceError("InvalidVpc.Range", f"The CIDR '{network}' conflicts with another CIDR of the VPC.")
        association = self.network.cidr_association(str(network))
        vpc["CidrBlockAssociationSet"].append(association)
        with self.model.store.transaction():
            self.model.vpcs.put((context.region, vpc["VpcId"]), vpc)
            for table in self.model.in_vpc(ROUTE_TABLE, context.region, vpc["VpcId"]):
                table["Routes"].append(self.network.local_route(str(network)))
                self.model.route_tables.put((context.region, table["RouteTableId"]), table)
        return {"VpcId": vpc["VpcId"], "CidrBlockAssociation": association}

    @ec2_operation()
    async def disassociate_vpc_cidr_block(
        self, context: Context, request: t.DisassociateVpcCidrBlockRequestTypeDef
    ) -> Mapping[str, Any]:
        """Take a range away from a VPC in which no subnet lies."""
        wanted = request["AssociationId"]
        for vpc in self.model.vpcs.values(context.region):
            for association in vpc["CidrBlockAssociationSet"]:
                if association["AssociationId"] == wanted:
                    self._remove_range(context.region, vpc, association)
                    gone = {**association, "CidrBlockState": {"State": "disassociating"}}
                    return {"VpcId": vpc["VpcId"], "CidrBlockAssociation": gone}
        raise ServiceError(
            "InvalidVpcCidrBlockAssociationID.NotFound", f"The vpc CIDR block association ID '{wanted}' does not exist"
        )

    @ec2_operation("vpc/{VpcId}")
    async def delete_vpc(self, context: Context, request: t.DeleteVpcRequestTypeDef) -> Mapping[str, Any]:
        """Delete a VPC in which nothing is left but what came with it."""
        region, vpc_id = context.region, request["VpcId"]
        self.model.find(VPC, region, vpc_id)
        if self._has_dependents(region, vpc_id):
            raise in_use("vpc", vpc_id)
        with self.model.store.transaction():
            for noun in (ROUTE_TABLE, NETWORK_ACL, GROUP):
                for record in self.model.in_vpc(noun, region, vpc_id):
                    self.model.store.delete(noun.kind, (region, record[noun.member]))
                    for rule in self.model.rules_of(region, record[noun.member]) if noun is GROUP else ():
                        self.model.rules.delete(region, record[noun.member], rule["SecurityGroupRuleId"])
            self.model.vpc_attributes.delete(region, vpc_id)
            self.model.vpcs.delete(region, vpc_id)
        return {}

    @ec2_operation()
    async def describe_dhcp_options(
        self, context: Context, request: t.DescribeDhcpOptionsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the DHCP options sets: the one that every VPC has."""
        options = self.model.dhcp_options.values(context.region)
        return describe(
            DHCP_OPTIONS, options, request, DHCP_OPTIONS_FILTERS, ids="DhcpOptionsIds", answer="DhcpOptions"
        )

    def _remove_range(self, region: str, vpc: t.VpcTypeDef, association: t.VpcCidrBlockAssociationTypeDef) -> None:
        cidr = association["CidrBlock"]
        if cidr == vpc["CidrBlock"]:
            raise ServiceError(
                "OperationNotPermitted",
                f"The vpc CIDR block with association ID {association['AssociationId']} may not be disassociated. "
                "It is the primary IPv4 CIDR block of the VPC",
            )
        subnets: list[t.SubnetTypeDef] = self.model.in_vpc(SUBNET, region, vpc["VpcId"])
        if any(inside(IPv4Network(each["CidrBlock"]), [cidr]) for each in subnets):
            raise ServiceError("InvalidCidrBlock.InUse", f"The vpc currently has a subnet within CIDR block {cidr}")
        vpc["CidrBlockAssociationSet"] = [each for each in vpc["CidrBlockAssociationSet"] if each["CidrBlock"] != cidr]
        with self.model.store.transaction():
            self.model.vpcs.put((region, vpc["VpcId"]), vpc)
            for table in self.model.in_vpc(ROUTE_TABLE, region, vpc["VpcId"]):
                table["Routes"] = [each for each in table["Routes"] if each.get("DestinationCidrBlock") != cidr]
                self.model.route_tables.put((region, table["RouteTableId"]), table)

    def _has_dependents(self, region: str, vpc_id: str) -> bool:
        model = self.model
        attached = (each["VpcId"] for gateway in model.gateways.values(region) for each in gateway["Attachments"])
        return (
            any(model.in_vpc(noun, region, vpc_id) for noun in (SUBNET, ENDPOINT, INTERFACE))
            or vpc_id in attached
            or any(each["State"] != "deleted" for each in model.in_vpc(NAT_GATEWAY, region, vpc_id))
            or any(not each["IsDefault"] for each in model.in_vpc(NETWORK_ACL, region, vpc_id))
            or any(each["GroupName"] != "default" for each in model.in_vpc(GROUP, region, vpc_id))
            or len(model.in_vpc(ROUTE_TABLE, region, vpc_id)) > 1
        )


def _vpc_range(text: str) -> IPv4Network:
    network = parse(text)
    if network is None:
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
        )
    if not fits_size(network):
        raise ServiceError("InvalidVpc.Range", f"The CIDR '{text}' is invalid.")
    return network
