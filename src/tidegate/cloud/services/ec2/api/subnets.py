"""Subnets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api.shared import Ec2Api, default_vpc_id, describe, ec2_operation, in_use, new_tags
from tidegate.cloud.services.ec2.filters import Filters, at, nothing
from tidegate.cloud.services.ec2.model import NAT_GATEWAY, SUBNET, VPC
from tidegate.cloud.services.ec2.ranges import available, fits_size, inside, overlaps, parse
from tidegate.cloud.services.ec2.zones import zone_id, zones

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

SUBNET_FILTERS = Filters(
    {
        "availability-zone": at("AvailabilityZone"),
        "availabilityZone": at("AvailabilityZone"),
        "availability-zone-id": at("AvailabilityZoneId"),
        "availabilityZoneId": at("AvailabilityZoneId"),
        "available-ip-address-count": at("AvailableIpAddressCount"),
        "cidr-block": at("CidrBlock"),
        "cidrBlock": at("CidrBlock"),
        "cidr": at("CidrBlock"),
        "customer-owned-ipv4-pool": nothing,
        "default-for-az": at("DefaultForAz"),
        "defaultForAz": at("DefaultForAz"),
        "enable-dns64": at("EnableDns64"),
        "enable-lni-at-device-index": nothing,
        "ipv6-cidr-block-association.association-id": nothing,
        "ipv6-cidr-block-association.ipv6-cidr-block": nothing,
        "ipv6-cidr-block-association.state": nothing,
        "ipv6-native": at("Ipv6Native"),
        "map-customer-owned-ip-on-launch": at("MapCustomerOwnedIpOnLaunch"),
        "map-public-ip-on-launch": at("MapPublicIpOnLaunch"),
        "outpost-arn": nothing,
        "owner-id": at("OwnerId"),
        "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": at(
            "PrivateDnsNameOptionsOnLaunch", "EnableResourceNameDnsARecord"
        ),
        "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": at(
            "PrivateDnsNameOptionsOnLaunch", "EnableResourceNameDnsAAAARecord"
        ),
        "private-dns-name-options-on-launch.hostname-type": at("PrivateDnsNameOptionsOnLaunch", "HostnameType"),
        "state": at("State"),
        "subnet-arn": at("SubnetArn"),
        "subnet-id": at("SubnetId"),
        "vpc-id": at("VpcId"),
    }
)


class SubnetsApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html and its siblings."""

    @ec2_operation(
        "subnet/*",
        "vpc/{VpcId}",
        refuse=(
            "Ipv4IpamPoolId",
            "Ipv4NetmaskLength",
            "Ipv6CidrBlock",
            "Ipv6IpamPoolId",
            "Ipv6Native",
            "Ipv6NetmaskLength",
            "OutpostArn",
        ),
    )
    async def create_subnet(self, context: Context, request: t.CreateSubnetRequestTypeDef) -> Mapping[str, Any]:
        """Create a subnet in a range of its VPC that no other subnet has."""
        vpc: t.VpcTypeDef = self.model.find(VPC, context.region, request["VpcId"])
        zone = _zone(context.region, request)
        if "CidrBlock" not in request:
            raise ServiceError("MissingParameter", "Either 'cidrBlock' or 'ipv6CidrBlock' should be provided.")
        text = request["CidrBlock"]
        network = parse(text)
        if network is None:
            raise ServiceError(
                "InvalidParameterValue",
                f"Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
            )
        ranges = [each["CidrBlock"] for each in vpc["CidrBlockAssociationSet"]]
        if not fits_size(network) or not inside(network, ranges):
            raise ServiceError("InvalidSubnet.Range", f"The CIDR '{text}' is invalid.")
        siblings: list[t.SubnetTypeDef] = self.model.in_vpc(SUBNET, context.region, vpc["VpcId"])
        if overlaps(network, (each["CidrBlock"] for each in siblings)):
            raise ServiceError("InvalidSubnet.Conflict", f"The CIDR '{text}' conflicts with another subnet")
        tags: Any = new_tags(self, context, request, SUBNET, "CreateSubnet")
        subnet = self.network.create_subnet(context.region, vpc["VpcId"], str(network), zone, tags)
        return {"Subnet": self._answer(context.region, subnet)}

    @ec2_operation("subnet/*", refuse=("Ipv6Native",))
    async def create_default_subnet(
        self, context: Context, request: t.CreateDefaultSubnetRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create the default subnet of a zone in the default VPC."""
        vpc_id = default_vpc_id(self.model, context.region)
        zone = _zone(context.region, request)
        siblings: list[t.SubnetTypeDef] = self.model.in_vpc(SUBNET, context.region, vpc_id)
        if any(each["DefaultForAz"] and each["AvailabilityZone"] == zone for each in siblings):
            raise ServiceError(
                "DefaultSubnetAlreadyExistsInAvailabilityZone", f"A default subnet already exists in {zone}."
            )
        subnet = self.network.create_default_subnet(context.region, vpc_id, zone)
        return {"Subnet": self._answer(context.region, subnet)}

    @ec2_operation()
    async def describe_subnets(self, context: Context, request: t.DescribeSubnetsRequestTypeDef) -> Mapping[str, Any]:
        """List subnets."""
        subnets = [self._answer(context.region, each) for each in self.model.subnets.values(context.region)]
        return describe(SUBNET, subnets, request, SUBNET_FILTERS, ids="SubnetIds", answer="Subnets")

    @ec2_operation(
        "subnet/{SubnetId}",
        refuse=(
            "AssignIpv6AddressOnCreation.Value",
            "CustomerOwnedIpv4Pool",
            "DisableLniAtDeviceIndex",
            "EnableDns64.Value",
            "EnableLniAtDeviceIndex",
            "EnableResourceNameDnsAAAARecordOnLaunch.Value",
            "MapCustomerOwnedIpOnLaunch.Value",
        ),
    )
    async def modify_subnet_attribute(
        self, context: Context, request: t.ModifySubnetAttributeRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change one attribute of a subnet."""
        subnet: t.SubnetTypeDef = self.model.find(SUBNET, context.region, request["SubnetId"])
        given = [name for name in request if name not in ("SubnetId", "DryRun")]
        if len(given) > 1:
            names = ", ".join(name[0].lower() + name[1:] for name in given)
            raise ServiceError(
                "InvalidRequest",
                f"Only one subnet attribute can be modified at a time. Provided attributes: [{names}]",
            )
        if "MapPublicIpOnLaunch" in request:
            subnet["MapPublicIpOnLaunch"] = request["MapPublicIpOnLaunch"].get("Value", False)
        if "PrivateDnsHostnameTypeOnLaunch" in request:
            subnet["PrivateDnsNameOptionsOnLaunch"]["HostnameType"] = request["PrivateDnsHostnameTypeOnLaunch"]
        if "EnableResourceNameDnsARecordOnLaunch" in request:
            enabled = request["EnableResourceNameDnsARecordOnLaunch"].get("Value", False)
            subnet["PrivateDnsNameOptionsOnLaunch"]["EnableResourceNameDnsARecord"] = enabled
        self.model.subnets.put((context.region, subnet["SubnetId"]), subnet)
        return {}

    @ec2_operation("subnet/{SubnetId}")
    async def delete_subnet(self, context: Context, request: t.DeleteSubnetRequestTypeDef) -> Mapping[str, Any]:
        """Delete a subnet in which nothing is left."""
        region, subnet_id = context.region, request["SubnetId"]
        subnet: t.SubnetTypeDef = self.model.find(SUBNET, region, subnet_id)
        gateways = self.model.in_vpc(NAT_GATEWAY, region, subnet["VpcId"])
        if self.model.interfaces_in(region, subnet_id) or any(
            each["SubnetId"] == subnet_id and each["State"] != "deleted" for each in gateways
        ):
            raise in_use("subnet", subnet_id)
        with self.model.store.transaction():
            for acl in self.model.network_acls.values(region):
                acl["Associations"] = [each for each in acl["Associations"] if each["SubnetId"] != subnet_id]
                self.model.network_acls.put((region, acl["NetworkAclId"]), acl)
            for table in self.model.route_tables.values(region):
                table["Associations"] = [each for each in table["Associations"] if each.get("SubnetId") != subnet_id]
                self.model.route_tables.put((region, table["RouteTableId"]), table)
            self.model.cursors.delete(region, subnet_id)
            self.model.subnets.delete(region, subnet_id)
        return {}

    def _answer(self, region: str, subnet: t.SubnetTypeDef) -> t.SubnetTypeDef:
        used = self.model.addresses_taken(region, subnet["SubnetId"])
        return {**subnet, "AvailableIpAddressCount": available(subnet["CidrBlock"], used)}


def _zone(region: str, request: Mapping[str, Any]) -> str:
    """Return the zone that a request names, by name or by id; the first one where it names none."""
    names = zones(region)
    wanted, wanted_id = request.get("AvailabilityZone"), request.get("AvailabilityZoneId")
    if wanted is None and wanted_id is None:
        return names[0]
    for name in names:
        if wanted == name or (wanted is None and wanted_id == zone_id(name)):
            return name
    raise ServiceError(
        "InvalidParameterValue",
        f"Value ({wanted or wanted_id}) for parameter availabilityZone is invalid. "
        f"Subnets can currently only be created in the following availability zones: {', '.join(names)}.",
    )
