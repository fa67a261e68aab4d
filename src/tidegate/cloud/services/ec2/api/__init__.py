"""EC2's operations, one file a noun."""

from tidegate.cloud.services.ec2.api.addresses import AddressesApi
from tidegate.cloud.services.ec2.api.internet_gateways import InternetGatewaysApi
from tidegate.cloud.services.ec2.api.nat_gateways import NatGatewaysApi
from tidegate.cloud.services.ec2.api.network_acls import NetworkAclsApi
from tidegate.cloud.services.ec2.api.network_interfaces import NetworkInterfacesApi
from tidegate.cloud.services.ec2.api.regions import RegionsApi
from tidegate.cloud.services.ec2.api.route_tables import RouteTablesApi
from tidegate.cloud.services.ec2.api.security_group_rules import SecurityGroupRulesApi
from tidegate.cloud.services.ec2.api.security_groups import SecurityGroupsApi
from tidegate.cloud.services.ec2.api.subnets import SubnetsApi
from tidegate.cloud.services.ec2.api.tags import TagsApi
from tidegate.cloud.services.ec2.api.vpc_endpoints import VpcEndpointsApi
from tidegate.cloud.services.ec2.api.vpcs import VpcsApi

APIS = (
    AddressesApi,
    InternetGatewaysApi,
    NatGatewaysApi,
    NetworkAclsApi,
    NetworkInterfacesApi,
    RegionsApi,
    RouteTablesApi,
    SecurityGroupRulesApi,
    SecurityGroupsApi,
    SubnetsApi,
    TagsApi,
    VpcEndpointsApi,
    VpcsApi,
)

__all__ = ["APIS"]
