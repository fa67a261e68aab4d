"""What comes into being together: a VPC with its main route table, default group and default network ACL.

https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc.html
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ec2.model import (
    GATEWAY,
    GROUP,
    INTERFACE,
    NETWORK_ACL,
    ROUTE_TABLE,
    RULE,
    SUBNET,
    VPC,
    Ec2Model,
    Noun,
)
from tidegate.cloud.services.ec2.ranges import next_address
from tidegate.cloud.services.ec2.zones import DEFAULT_SUBNET_LETTERS, ZONE_LETTERS, zone_id

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

DEFAULT_RANGE = "172.31.0.0/16"
_DEFAULT_SUBNET_BITS = 4  # a default subnet is a /20 of the /16


class Network:
    """Makes networks in the model; every method is one transaction."""

    def __init__(self, model: Ec2Model, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    def new_id(self, noun: Noun) -> str:
        """Return a fresh id: `vpc-0123456789abcdef0`."""
        return f"{noun.prefix}-0{self._clock.hex(16)}"

    def arn(self, noun: Noun, region: str, resource_id: str) -> str:
        """Return the ARN of a resource."""
        return f"arn:aws:ec2:{region}:{self._model.account}:{noun.resource}/{resource_id}"

    def ensure_default(self, region: str) -> None:
        """Make a region's default network the first time that the region is used."""
        if self._model.regions.get(region) is None:
            with self._model.store.transaction():
                dhcp_options = f"dopt-0{self._clock.hex(16)}"
                self._model.regions.put((region,), {"dhcp_options": dhcp_options})
                self._model.dhcp_options.put((region, dhcp_options), self._dhcp_options(region, dhcp_options))
                self.create_default_vpc(region)

    def create_default_vpc(self, region: str) -> t.VpcTypeDef:
        """Make the default VPC with its subnets and the way out."""
        with self._model.store.transaction():
            vpc = self.create_vpc(region, DEFAULT_RANGE, [], default=True)
            vpc_id = vpc["VpcId"]
            for letter in DEFAULT_SUBNET_LETTERS:
                self.create_default_subnet(region, vpc_id, region + letter)
            gateway_id = self.new_id(GATEWAY)
            self._model.gateways.put(
                (region, gateway_id),
                {
                    "InternetGatewayId": gateway_id,
                    "OwnerId": self._model.account,
                    "Attachments": [{"State": "available", "VpcId": vpc_id}],  # type: ignore[typeddict-item]
                    "Tags": [],
                },
            )
            table = self.main_table(region, vpc_id)
            table["Routes"].append(
                {
                    "DestinationCidrBlock": "0.0.0.0/0",
                    "GatewayId": gateway_id,
                    "Origin": "CreateRoute",
                    "State": "active",
                }
            )
            self._model.route_tables.put((region, table["RouteTableId"]), table)
            return vpc

    def create_default_subnet(self, region: str, vpc_id: str, zone: str) -> t.SubnetTypeDef:
        """Make the default subnet of a zone: the /20 of the default range that goes with the zone's letter."""
        ranges = IPv4Network(DEFAULT_RANGE).subnets(prefixlen_diff=_DEFAULT_SUBNET_BITS)
        cidr = list(ranges)[ZONE_LETTERS.index(zone[-1])]
        return self.create_subnet(region, vpc_id, str(cidr), zone, [], default=True)

    def create_vpc(
        self, region: str, cidr: str, tags: Sequence[t.TagTypeDef], *, tenancy: str = "default", default: bool = False
    ) -> t.VpcTypeDef:
        """Make a VPC and what comes with it."""
        vpc_id, account = self.new_id(VPC), self._model.account
        region_record = self._model.regions.get(region)
        assert region_record is not None
        vpc: t.VpcTypeDef = {
            "VpcId": vpc_id,
            "OwnerId": account,
            "CidrBlock": cidr,
            "CidrBlockAssociationSet": [self.cidr_association(cidr)],
            "Ipv6CidrBlockAssociationSet": [],
            "DhcpOptionsId": region_record["dhcp_options"],
            "InstanceTenancy": tenancy,  # type: ignore[typeddict-item]
            "IsDefault": default,
            "State": "available",
            "Tags": list(tags),
        }
        with self._model.store.transaction():
            self._model.vpcs.put((region, vpc_id), vpc)
            self._model.vpc_attributes.put(
                (region, vpc_id),
                {"EnableDnsSupport": True, "EnableDnsHostnames": default, "EnableNetworkAddressUsageMetrics": False},
            )
            self.create_route_table(region, vpc, [], main=True)
            self.create_network_acl(region, vpc_id, [], default=True)
            group_id = self.create_group(region, vpc_id, "default", "default VPC security group", [])["GroupId"]
            self._model.rules.put(
                (region, group_id, rule_id := self.new_id(RULE)),
                {
                    **self._rule(region, group_id, rule_id),
                    "IsEgress": False,
                    "ReferencedGroupInfo": {"GroupId": group_id, "UserId": account},
                },
            )
        return vpc

    def create_subnet(
        self, region: str, vpc_id: str, cidr: str, zone: str, tags: Sequence[t.TagTypeDef], *, default: bool = False
    ) -> t.SubnetTypeDef:
        """Make a subnet; it begins in the VPC's default network ACL and, implicitly, its main route table."""
        subnet_id = self.new_id(SUBNET)
        subnet: t.SubnetTypeDef = {
            "SubnetId": subnet_id,
            "SubnetArn": self.arn(SUBNET, region, subnet_id),
            "VpcId": vpc_id,
            "OwnerId": self._model.account,
            "CidrBlock": cidr,
            "AvailabilityZone": zone,
            "AvailabilityZoneId": zone_id(zone),
            "DefaultForAz": default,
            "MapPublicIpOnLaunch": default,
            "MapCustomerOwnedIpOnLaunch": False,
            "AssignIpv6AddressOnCreation": False,
            "Ipv6CidrBlockAssociationSet": [],
            "EnableDns64": False,
            "Ipv6Native": False,
            "PrivateDnsNameOptionsOnLaunch": {
                "HostnameType": "ip-name",
                "EnableResourceNameDnsARecord": False,
                "EnableResourceNameDnsAAAARecord": False,
            },
            "State": "available",
            "Tags": list(tags),
        }
        with self._model.store.transaction():
            self._model.subnets.put((region, subnet_id), subnet)
            acl = next(each for each in self._model.in_vpc(NETWORK_ACL, region, vpc_id) if each["IsDefault"])
            acl["Associations"].append(self.acl_association(acl["NetworkAclId"], subnet_id))
            self._model.network_acls.put((region, acl["NetworkAclId"]), acl)
        return subnet

    def create_route_table(
        self, region: str, vpc: t.VpcTypeDef, tags: Sequence[t.TagTypeDef], *, main: bool = False, **more: object
    ) -> t.RouteTableTypeDef:
        """Make a route table with the local route."""
        table_id = self.new_id(ROUTE_TABLE)
        table: t.RouteTableTypeDef = {
            "RouteTableId": table_id,
            "VpcId": vpc["VpcId"],
            "OwnerId": self._model.account,
            "Associations": [],
            "PropagatingVgws": [],
            "Routes": [self.local_route(each["CidrBlock"]) for each in vpc["CidrBlockAssociationSet"]],
            "Tags": list(tags),
        }
        table.update(more)  # type: ignore[typeddict-item]
        if main:
            table["Associations"].append(self.table_association(table_id, None))
        self._model.route_tables.put((region, table_id), table)
        return table

    def create_network_acl(
        self, region: str, vpc_id: str, tags: Sequence[t.TagTypeDef], *, default: bool = False, **more: object
    ) -> t.NetworkAclTypeDef:
        """Make a network ACL: the default one lets everything through, another nothing."""
        acl_id = self.new_id(NETWORK_ACL)
        entries: list[t.NetworkAclEntryTypeDef] = []
        for egress in (True, False):
            if default:
                entries.append(_entry(100, "allow", egress))
            entries.append(_entry(32767, "deny", egress))
        acl: t.NetworkAclTypeDef = {
            "NetworkAclId": acl_id,
            "VpcId": vpc_id,
            "OwnerId": self._model.account,
            "IsDefault": default,
            "Associations": [],
            "Entries": entries,
            "Tags": list(tags),
        }
        acl.update(more)  # type: ignore[typeddict-item]
        self._model.network_acls.put((region, acl_id), acl)
        return acl

    def create_group(
        self, region: str, vpc_id: str, name: str, description: str, tags: Sequence[t.TagTypeDef]
    ) -> t.SecurityGroupTypeDef:
        """Make a security group from which everything may go out."""
        group_id = self.new_id(GROUP)
        group: t.SecurityGroupTypeDef = {
            "GroupId": group_id,
            "SecurityGroupArn": self.arn(GROUP, region, group_id),
            "GroupName": name,
            "Description": description,
            "VpcId": vpc_id,
            "OwnerId": self._model.account,
            "Tags": list(tags),
        }
        with self._model.store.transaction():
            self._model.groups.put((region, group_id), group)
            self._model.rules.put(
                (region, group_id, rule_id := self.new_id(RULE)),
                {**self._rule(region, group_id, rule_id), "IsEgress": True, "CidrIpv4": "0.0.0.0/0"},
            )
        return group

    def create_interface(
        self,
        region: str,
        subnet: t.SubnetTypeDef,
        addresses: Sequence[str],
        groups: Sequence[t.GroupIdentifierTypeDef],
        **more: object,
    ) -> t.NetworkInterfaceTypeDef:
        """Make a network interface that holds `addresses`, the first its primary one."""
        interface_id = self.new_id(INTERFACE)
        names = [(address, self.private_name(region, address)) for address in addresses]
        octets = self._clock.hex(10)
        interface: t.NetworkInterfaceTypeDef = {
            "NetworkInterfaceId": interface_id,
            "VpcId": subnet["VpcId"],
            "SubnetId": subnet["SubnetId"],
            "AvailabilityZone": subnet["AvailabilityZone"],
            "AvailabilityZoneId": subnet["AvailabilityZoneId"],
            "OwnerId": self._model.account,
            "Description": "",
            "InterfaceType": "interface",
            "MacAddress": ":".join(["02", *(octets[n : n + 2] for n in range(0, 10, 2))]),
            "PrivateIpAddress": addresses[0],
            "PrivateDnsName": names[0][1],
            "PrivateIpAddresses": [
                {"PrivateIpAddress": address, "PrivateDnsName": name, "Primary": address == addresses[0]}
                for address, name in names
            ],
            "Ipv6Addresses": [],
            "Groups": list(groups),
            "RequesterManaged": False,
            "SourceDestCheck": True,
            "Status": "available",
            "TagSet": [],
        }
        interface.update(more)  # type: ignore[typeddict-item]
        with self._model.store.transaction():
            self._model.interfaces.put((region, interface_id), interface)
            self._model.cursors.put((region, subnet["SubnetId"]), {"address": addresses[-1]})
        return interface

    def free_addresses(self, region: str, subnet: t.SubnetTypeDef, count: int) -> list[str] | None:
        """Return addresses to give out next, or None where the subnet has not that many."""
        cursor = self._model.cursors.get(region, subnet["SubnetId"])
        last = None if cursor is None else cursor["address"]
        chosen: list[str] = []

        def is_taken(address: str) -> bool:
            return address in chosen or self._model.is_taken(region, subnet["SubnetId"], address)

        for _ in range(count):
            last = next_address(subnet["CidrBlock"], is_taken, last)
            if last is None:
                return None
            chosen.append(last)
        return chosen

    def main_table(self, region: str, vpc_id: str) -> t.RouteTableTypeDef:
        """Return a VPC's main route table."""
        tables: list[t.RouteTableTypeDef] = self._model.in_vpc(ROUTE_TABLE, region, vpc_id)
        return next(table for table in tables if any(each["Main"] for each in table["Associations"]))

    def table_association(self, table_id: str, subnet_id: str | None) -> t.RouteTableAssociationTypeDef:
        """Return the association of a route table with a subnet, or with the VPC as its main one."""
        association: t.RouteTableAssociationTypeDef = {
            "RouteTableAssociationId": f"rtbassoc-0{self._clock.hex(16)}",
            "RouteTableId": table_id,
            "Main": subnet_id is None,
            "AssociationState": {"State": "associated"},
        }
        if subnet_id is not None:
            association["SubnetId"] = subnet_id
        return association

    def acl_association(self, acl_id: str, subnet_id: str) -> t.NetworkAclAssociationTypeDef:
        """Return the association of a network ACL with a subnet."""
        return {
            "NetworkAclAssociationId": f"aclassoc-0{self._clock.hex(16)}",
            "NetworkAclId": acl_id,
            "SubnetId": subnet_id,
        }

    def cidr_association(self, cidr: str) -> t.VpcCidrBlockAssociationTypeDef:
        """Return the association of a range with a VPC."""
        return {
            "AssociationId": f"vpc-cidr-assoc-0{self._clock.hex(16)}",
            "CidrBlock": cidr,
            "CidrBlockState": {"State": "associated"},
        }

    def local_route(self, cidr: str) -> t.RouteTypeDef:
        """Return the route to a VPC's own range."""
        return {
            "DestinationCidrBlock": cidr,
            "GatewayId": "local",
            "Origin": "CreateRouteTable",
            "State": "active",
        }

    def private_name(self, region: str, address: str) -> str:
        """Return the DNS name of a private address, as EC2 makes them."""
        domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
        return f"ip-{address.replace('.', '-')}.{domain}"

    def _rule(self, region: str, group_id: str, rule_id: str) -> t.SecurityGroupRuleTypeDef:
        return {
            "SecurityGroupRuleId": rule_id,
            "SecurityGroupRuleArn": self.arn(RULE, region, rule_id),
            "GroupId": group_id,
            "GroupOwnerId": self._model.account,
            "IpProtocol": "-1",
            "FromPort": -1,
            "ToPort": -1,
            "Tags": [],
        }

    def _dhcp_options(self, region: str, options_id: str) -> t.DhcpOptionsTypeDef:
        domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
        return {
            "DhcpOptionsId": options_id,
            "OwnerId": self._model.account,
            "DhcpConfigurations": [
                {"Key": "domain-name", "Values": [{"Value": domain}]},
                {"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]},
            ],
            "Tags": [],
        }


def _entry(number: int, action: str, egress: bool) -> t.NetworkAclEntryTypeDef:
    return {
        "RuleNumber": number,
        "RuleAction": action,  # type: ignore[typeddict-item]
        "Egress": egress,
        "CidrBlock": "0.0.0.0/0",
        "Protocol": "-1",
    }
