"""EC2's records: the resources of a VPC in AWS's own shapes, by region and id; and what each kind is called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.store import Collection, Index, Key, Store

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of resource: where its records are, how its ids look, how it is refused.

    `member` holds the id in the record, `resource` is its name in ARNs and tags, `title` its name in messages,
    `not_found` the error code for an id that is none, `tags` the member that holds its tags.
    """

    kind: str
    member: str
    prefix: str
    resource: str
    title: str
    not_found: str
    tags: str = "Tags"


VPC = Noun("ec2.vpc", "VpcId", "vpc", "vpc", "vpc ID", "InvalidVpcID.NotFound")
SUBNET = Noun("ec2.subnet", "SubnetId", "subnet", "subnet", "subnet ID", "InvalidSubnetID.NotFound")
GATEWAY = Noun(
    "ec2.internet-gateway",
    "InternetGatewayId",
    "igw",
    "internet-gateway",
    "internetGateway ID",
    "InvalidInternetGatewayID.NotFound",
)
ROUTE_TABLE = Noun(
    "ec2.route-table", "RouteTableId", "rtb", "route-table", "routeTable ID", "InvalidRouteTableID.NotFound"
)
GROUP = Noun("ec2.security-group", "GroupId", "sg", "security-group", "security group", "InvalidGroup.NotFound")
RULE = Noun(
    "ec2.security-group-rule",
    "SecurityGroupRuleId",
    "sgr",
    "security-group-rule",
    "security group rule ID",
    "InvalidSecurityGroupRuleId.NotFound",
)
NAT_GATEWAY = Noun("ec2.nat-gateway", "NatGatewayId", "nat", "natgateway", "NAT gateway", "NatGatewayNotFound")
ADDRESS = Noun("ec2.address", "AllocationId", "eipalloc", "elastic-ip", "allocation ID", "InvalidAllocationID.NotFound")
ENDPOINT = Noun(
    "ec2.vpc-endpoint", "VpcEndpointId", "vpce", "vpc-endpoint", "Vpc Endpoint Id", "InvalidVpcEndpointId.NotFound"
)
NETWORK_ACL = Noun(
    "ec2.network-acl", "NetworkAclId", "acl", "network-acl", "networkAcl ID", "InvalidNetworkAclID.NotFound"
)
INTERFACE = Noun(
    "ec2.network-interface",
    "NetworkInterfaceId",
    "eni",
    "network-interface",
    "networkInterface ID",
    "InvalidNetworkInterfaceID.NotFound",
    "TagSet",
)
DHCP_OPTIONS = Noun(
    "ec2.dhcp-options", "DhcpOptionsId", "dopt", "dhcp-options", "dhcpOption ID", "InvalidDhcpOptionID.NotFound"
)
NOUNS = (
    VPC,
    SUBNET,
    GATEWAY,
    ROUTE_TABLE,
    GROUP,
    RULE,
    NAT_GATEWAY,
    ADDRESS,
    ENDPOINT,
    NETWORK_ACL,
    INTERFACE,
    DHCP_OPTIONS,
)


class VpcAttributes(TypedDict):
    """What `DescribeVpcAttribute` tells of a VPC."""

    EnableDnsSupport: bool
    EnableDnsHostnames: bool
    EnableNetworkAddressUsageMetrics: bool


class Cursor(TypedDict):
    """The last address that was given out in a subnet, so that the next one is another."""

    address: str


class RegionRecord(TypedDict):
    """A region that has been used: its default network was made, once."""

    dhcp_options: str


class Ec2Model:
    """All of it keyed `(region, id)`; a security group's rules are `(region, group id, rule id)`."""

    def __init__(self, store: Store, account: str) -> None:
        self.account = account
        self.store = store
        self.regions = Collection[RegionRecord](store, "ec2.region")
        self.vpcs: Collection[t.VpcTypeDef] = Collection(store, VPC.kind)
        self.vpc_attributes = Collection[VpcAttributes](store, "ec2.vpc-attributes")
        self.subnets: Collection[t.SubnetTypeDef] = Collection(store, SUBNET.kind)
        self.cursors = Collection[Cursor](store, "ec2.subnet-cursor")
        self.gateways: Collection[t.InternetGatewayTypeDef] = Collection(store, GATEWAY.kind)
        self.route_tables: Collection[t.RouteTableTypeDef] = Collection(store, ROUTE_TABLE.kind)
        self.groups: Collection[t.SecurityGroupTypeDef] = Collection(store, GROUP.kind)
        self.rules: Collection[t.SecurityGroupRuleTypeDef] = Collection(store, RULE.kind)
        self.nat_gateways: Collection[t.NatGatewayTypeDef] = Collection(store, NAT_GATEWAY.kind)
        self.addresses: Collection[t.AddressTypeDef] = Collection(store, ADDRESS.kind)
        self.endpoints: Collection[t.VpcEndpointTypeDef] = Collection(store, ENDPOINT.kind)
        self.network_acls: Collection[t.NetworkAclTypeDef] = Collection(store, NETWORK_ACL.kind)
        self.interfaces: Collection[t.NetworkInterfaceTypeDef] = Collection(store, INTERFACE.kind)
        self.dhcp_options: Collection[t.DhcpOptionsTypeDef] = Collection(store, DHCP_OPTIONS.kind)
        self._interfaces = Index(self.interfaces, _known_by)

    def find(self, noun: Noun, region: str, resource_id: str) -> Any:
        """Return a record of any kind; raise its `…NotFound`."""
        key = self.key(noun, region, resource_id)
        record = None if key is None else self.store.get(noun.kind, key)
        if record is None:
            raise not_found(noun, [resource_id])
        return record

    def key(self, noun: Noun, region: str, resource_id: str) -> tuple[str, ...] | None:
        """Return the key of a resource's record, or None for a rule that is in no group."""
        if noun is not RULE:
            return region, resource_id
        return next((key for key, _ in self.rules.items(region) if key[2] == resource_id), None)

    def resources(self, region: str) -> Iterator[tuple[Noun, MutableMapping[str, Any]]]:
        """Return everything of a region, for its tags."""
        for noun in NOUNS:
            for _, record in self.store.items(noun.kind, (region,)):
                yield noun, record

    def tags_by_arn(self, arn: str) -> dict[str, str]:
        """Return the tags of what has an ARN; none where nothing has it."""
        region, (kind, _, resource_id) = arn.split(":")[3], arn.split(":", 5)[5].partition("/")
        for noun in NOUNS:
            key = self.key(noun, region, resource_id) if noun.resource == kind else None
            record = None if key is None else self.store.get(noun.kind, key)
            if record is not None:
                return tags_of(noun, record)
        return {}

    def in_vpc(self, noun: Noun, region: str, vpc_id: str) -> list[Any]:
        """Return the records of a kind that belong to a VPC."""
        return [record for _, record in self.store.items(noun.kind, (region,)) if record.get("VpcId") == vpc_id]

    def interfaces_in(self, region: str, subnet_id: str) -> list[t.NetworkInterfaceTypeDef]:
        """Return the network interfaces of a subnet: each holds one of its addresses, or more."""
        return self._interfaces.values((region, "subnet", subnet_id))

    def interfaces_known_by(self, region: str, what: str, values: Iterable[str]) -> list[t.NetworkInterfaceTypeDef]:
        """Return the network interfaces with one of these very values of `description` or `address`."""
        keys = {key for value in values for key in self._interfaces.keys((region, what, value))}
        return [each for each in (self.interfaces.get(*key) for key in sorted(keys)) if each is not None]

    def is_taken(self, region: str, subnet_id: str, address: str) -> bool:
        """Return whether a network interface holds an address of a subnet."""
        return bool(self._interfaces.count((region, subnet_id, address)))

    def addresses_taken(self, region: str, subnet_id: str) -> int:
        """Return how many addresses of a subnet network interfaces hold."""
        several = self._interfaces.values((region, "several", subnet_id))
        more = sum(len(each["PrivateIpAddresses"]) - 1 for each in several)
        return self._interfaces.count((region, "subnet", subnet_id)) + more

    def rules_of(self, region: str, group_id: str) -> list[t.SecurityGroupRuleTypeDef]:
        """Return a security group's rules, in and out."""
        return self.rules.values(region, group_id)

    def default_vpc(self, region: str) -> t.VpcTypeDef | None:
        """Return the region's default VPC, if it still has one."""
        return next((vpc for vpc in self.vpcs.values(region) if vpc["IsDefault"]), None)


def _known_by(key: Key, interface: t.NetworkInterfaceTypeDef) -> Iterator[tuple[str, ...]]:
    """Yield what a network interface is found by: its subnet, its addresses in it, its description."""
    subnet, addresses = interface["SubnetId"], interface["PrivateIpAddresses"]
    yield key[0], "description", interface["Description"]
    yield key[0], "subnet", subnet
    for each in addresses:
        yield key[0], "address", each["PrivateIpAddress"]
        yield key[0], subnet, each["PrivateIpAddress"]
    if len(addresses) > 1:
        yield key[0], "several", subnet


def not_found(noun: Noun, ids: Iterable[str]) -> ServiceError:
    """Refuse ids that nothing has, in EC2's words for that kind."""
    missing = list(ids)
    names = ", ".join(missing)
    if noun is NAT_GATEWAY:
        return ServiceError(noun.not_found, f"NAT gateway {names} was not found")
    if len(missing) == 1:
        return ServiceError(noun.not_found, f"The {noun.title} '{names}' does not exist")
    return ServiceError(noun.not_found, f"The {noun.title}s '{names}' do not exist")


def noun_of(resource_id: str) -> Noun | None:
    """Return the kind of resource that an id is one of, by its prefix."""
    prefix = resource_id.rpartition("-")[0]
    return next((noun for noun in NOUNS if noun.prefix == prefix), None)


def tags_of(noun: Noun, record: Mapping[str, Any]) -> dict[str, str]:
    """Return a resource's tags by key."""
    return {tag["Key"]: tag["Value"] for tag in record.get(noun.tags, ())}
