"""Filters: what fits, and that every filter that AWS documents is known."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.loaders import Loader

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api import (
    addresses,
    internet_gateways,
    nat_gateways,
    network_acls,
    network_interfaces,
    regions,
    route_tables,
    security_group_rules,
    security_groups,
    subnets,
    tags,
    vpc_endpoints,
    vpcs,
)
from tidegate.cloud.services.ec2.filters import Filters, at

OPERATIONS = {
    "DescribeAddresses": addresses.ADDRESS_FILTERS,
    "DescribeAvailabilityZones": regions.ZONE_FILTERS,
    "DescribeDhcpOptions": vpcs.DHCP_OPTIONS_FILTERS,
    "DescribeInternetGateways": internet_gateways.GATEWAY_FILTERS,
    "DescribeManagedPrefixLists": regions.PREFIX_LIST_FILTERS,
    "DescribeNatGateways": nat_gateways.NAT_GATEWAY_FILTERS,
    "DescribeNetworkAcls": network_acls.NETWORK_ACL_FILTERS,
    "DescribeNetworkInterfaces": network_interfaces.INTERFACE_FILTERS,
    "DescribePrefixLists": regions.PREFIX_LIST_FILTERS,
    "DescribeRegions": regions.REGION_FILTERS,
    "DescribeRouteTables": route_tables.ROUTE_TABLE_FILTERS,
    "DescribeSecurityGroupRules": security_group_rules.RULE_FILTERS,
    "DescribeSecurityGroups": security_groups.GROUP_FILTERS,
    "DescribeSubnets": subnets.SUBNET_FILTERS,
    "DescribeTags": tags.TAG_FILTERS,
    "DescribeVpcEndpoints": vpc_endpoints.ENDPOINT_FILTERS,
    "DescribeVpcEndpointServices": vpc_endpoints.SERVICE_FILTERS,
    "DescribeVpcs": vpcs.VPC_FILTERS,
    "DescribeVpnGateways": regions.VPN_GATEWAY_FILTERS,
    "GetSecurityGroupsForVpc": security_groups.GROUPS_FOR_VPC_FILTERS,
}
RECORDS = [
    {"Id": "a", "On": True, "Many": [{"Port": 80}, {"Port": 443}], "Tags": [{"Key": "Name", "Value": "web one"}]},
    {"Id": "b*", "On": False, "Many": [], "Tags": []},
    {"Id": "bc", "On": False, "Many": [{"Port": 8080}], "Tags": [{"Key": "team", "Value": "web"}]},
]
FILTERS = Filters({"id": at("Id"), "on": at("On"), "port": at("Many", "Port")})


def documented(operation: str) -> list[str]:
    """Return the names of the filters in an operation's documentation."""
    model = Loader().load_service_model("ec2", "service-2")
    members = model["shapes"][model["operations"][operation]["input"]["shape"]]["members"]
    text = next(member["documentation"] for name, member in members.items() if name in ("Filters", "Filter"))
    names = re.findall(r"<li>\s*<p>\s*<code>([^<]+)</code>", text)
    return [name for name in names if name != "tag"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_documented_filter_is_known(operation: str) -> None:
    names = documented(operation)
    assert names
    assert [name for name in names if not OPERATIONS[operation].knows(name)] == []


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ([], ["a", "b*", "bc"]),
        ([("id", ["a", "bc"])], ["a", "bc"]),
        ([("id", ["b*"])], ["b*", "bc"]),
        ([("id", [r"b\*"])], ["b*"]),
        ([("id", ["b?"])], ["b*", "bc"]),
        ([("on", ["true"])], ["a"]),
        ([("port", ["443"])], ["a"]),
        ([("port", ["80*"])], ["a", "bc"]),
        ([("port", ["80*"]), ("on", ["false"])], ["bc"]),
        ([("tag:Name", ["web*"])], ["a"]),
        ([("tag-key", ["team", "x"])], ["bc"]),
        ([("tag-value", ["web"])], ["bc"]),
        ([("tag:name", ["*"])], []),
        ([("id", ["A"])], []),
    ],
)
def test_what_fits(filters: list[tuple[str, list[str]]], ids: list[str]) -> None:
    given = [{"Name": name, "Values": values} for name, values in filters]
    assert [record["Id"] for record in FILTERS(RECORDS, given)] == ids


def test_an_unknown_filter_is_refused() -> None:
    given: list[dict[str, Any]] = [{"Name": "colour", "Values": ["red"]}]
    with pytest.raises(ServiceError, match="The filter 'colour' is invalid") as caught:
        FILTERS(RECORDS, given)
    assert caught.value.code == "InvalidParameterValue"
