"""What is changed of a network after it was made, asked with boto3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.test_ec2 import ec2, only, refusal, vpc

__all__ = ["ec2", "vpc"]

HTTPS = {
    "IpProtocol": "tcp",
    "FromPort": 443,
    "ToPort": 443,
    "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "a"}],
}


@pytest.fixture
def subnet(ec2: Any, vpc: str) -> str:
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"])


def test_rules_for_what_goes_out(ec2: Any, vpc: str) -> None:
    group = ec2.create_security_group(GroupName="out", Description="d", VpcId=vpc)["GroupId"]
    (rule,) = ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[HTTPS])["SecurityGroupRules"]
    assert (rule["IsEgress"], rule["CidrIpv4"], rule["Description"]) == (True, "10.0.0.0/8", "a")
    duplicate = refusal(ec2.authorize_security_group_egress, GroupId=group, IpPermissions=[HTTPS])
    assert duplicate[0] == "InvalidPermission.Duplicate"

    def description() -> str:
        found = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
        return str(found["SecurityGroupRules"][0].get("Description"))

    described = {**HTTPS, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "b"}]}
    assert ec2.update_security_group_rule_descriptions_egress(GroupId=group, IpPermissions=[described])["Return"]
    assert description() == "b"
    by_id = [{"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "Description": "c"}]
    ec2.update_security_group_rule_descriptions_egress(GroupId=group, SecurityGroupRuleDescriptions=by_id)
    assert description() == "c"
    other = {**HTTPS, "FromPort": 80}
    wrong = refusal(ec2.update_security_group_rule_descriptions_egress, GroupId=group, IpPermissions=[other])
    assert wrong[0] == "InvalidPermission.NotFound"
    found = ec2.get_security_groups_for_vpc(VpcId=vpc)["SecurityGroupForVpcs"]
    assert {each["GroupName"]: each["PrimaryVpcId"] for each in found} == {"default": vpc, "out": vpc}
    filters = [{"Name": "group-name", "Values": ["out"]}]
    found = ec2.get_security_groups_for_vpc(VpcId=vpc, Filters=filters)["SecurityGroupForVpcs"]
    assert [each["GroupId"] for each in found] == [group]
    assert refusal(ec2.get_security_groups_for_vpc, VpcId="vpc-0")[0] == "InvalidVpcID.NotFound"


def test_the_default_subnet_of_a_zone(ec2: Any, vpc: str) -> None:
    made = ec2.create_default_subnet(AvailabilityZone="us-east-1c")["Subnet"]
    assert (made["DefaultForAz"], made["MapPublicIpOnLaunch"]) == (True, True)
    assert made["CidrBlock"].endswith("/20")
    code, _ = refusal(ec2.create_default_subnet, AvailabilityZone="us-east-1c")
    assert code == "DefaultSubnetAlreadyExistsInAvailabilityZone"
    ec2.delete_subnet(SubnetId=made["SubnetId"])
    assert ec2.create_default_subnet(AvailabilityZone="us-east-1c")["Subnet"]["SubnetId"] != made["SubnetId"]
    (default,) = ec2.describe_vpcs(Filters=only(is_default="true"))["Vpcs"]
    (options,) = ec2.describe_dhcp_options(DhcpOptionsIds=[default["DhcpOptionsId"]])["DhcpOptions"]
    values = {each["Key"]: [value["Value"] for value in each["Values"]] for each in options["DhcpConfigurations"]}
    assert values == {"domain-name": ["ec2.internal"], "domain-name-servers": ["AmazonProvidedDNS"]}
    (own,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    assert own["DhcpOptionsId"] == default["DhcpOptionsId"]
    assert refusal(ec2.describe_dhcp_options, DhcpOptionsIds=["dopt-0"])[0] == "InvalidDhcpOptionID.NotFound"


def test_addresses_and_attributes_of_an_interface(ec2: Any, subnet: str) -> None:
    made = ec2.create_network_interface(SubnetId=subnet, Description="first")["NetworkInterface"]
    named = {"NetworkInterfaceId": made["NetworkInterfaceId"]}

    def addresses() -> list[str]:
        (found,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[named["NetworkInterfaceId"]])[
            "NetworkInterfaces"
        ]
        return [each["PrivateIpAddress"] for each in found["PrivateIpAddresses"] if not each["Primary"]]

    def attribute(name: str) -> Any:
        return ec2.describe_network_interface_attribute(**named, Attribute=name)

    given = ec2.assign_private_ip_addresses(**named, PrivateIpAddresses=["10.0.0.77"])
    assert given["AssignedPrivateIpAddresses"] == [{"PrivateIpAddress": "10.0.0.77"}]
    ec2.assign_private_ip_addresses(**named, SecondaryPrivateIpAddressCount=2)
    assert len(set(addresses())) == 3
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"] == 247
    outside = refusal(ec2.assign_private_ip_addresses, **named, PrivateIpAddresses=["10.0.9.9"])
    assert outside[0] == "InvalidParameterValue"
    ec2.unassign_private_ip_addresses(**named, PrivateIpAddresses=["10.0.0.77"])
    assert "10.0.0.77" not in addresses()
    for address in ("10.0.0.77", made["PrivateIpAddress"]):
        gone = refusal(ec2.unassign_private_ip_addresses, **named, PrivateIpAddresses=[address])
        assert gone[0] == "InvalidParameterValue"
    assert attribute("description")["Description"] == {"Value": "first"}
    assert attribute("sourceDestCheck")["SourceDestCheck"] == {"Value": True}
    assert attribute("groupSet")["Groups"] == made["Groups"]
    assert "Attachment" not in attribute("attachment")
    code, _ = refusal(ec2.describe_network_interface_attribute, NetworkInterfaceId="eni-0", Attribute="description")
    assert code == "InvalidNetworkInterfaceID.NotFound"


def test_a_route_leads_elsewhere(ec2: Any, vpc: str) -> None:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    public = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=public, AllocationId=address)["NatGateway"]["NatGatewayId"]
    everything = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    code, message = refusal(ec2.replace_route, **everything, GatewayId=gateway)
    assert code == "InvalidParameterValue"
    assert "There is no route defined for '0.0.0.0/0' in the route table" in message
    ec2.create_route(**everything, GatewayId=gateway)
    ec2.replace_route(**everything, NatGatewayId=nat)
    (found,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    (route,) = [each for each in found["Routes"] if each["DestinationCidrBlock"] == "0.0.0.0/0"]
    assert (route["NatGatewayId"], "GatewayId" in route) == (nat, False)


def test_an_endpoint_changes(ec2: Any, vpc: str, subnet: str) -> None:
    tables = [ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2)]
    s3 = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=tables[:1])
    gateway = s3["VpcEndpoint"]["VpcEndpointId"]

    def endpoint(endpoint_id: str) -> Any:
        return ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"][0]

    closed = '{"Version": "2012-10-17", "Statement": []}'
    changed = ec2.modify_vpc_endpoint(
        VpcEndpointId=gateway, AddRouteTableIds=tables[1:], RemoveRouteTableIds=tables[:1], PolicyDocument=closed
    )
    assert changed["Return"]
    assert endpoint(gateway)["RouteTableIds"] == tables[1:]
    assert endpoint(gateway)["PolicyDocument"] == closed
    (table,) = ec2.describe_route_tables(Filters=only(route__gateway_id=gateway))["RouteTables"]
    assert table["RouteTableId"] == tables[1]
    ec2.modify_vpc_endpoint(VpcEndpointId=gateway, ResetPolicy=True)
    assert '"Allow"' in endpoint(gateway)["PolicyDocument"]
    service = "com.amazonaws.us-east-1.ecr.api"
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service, VpcEndpointType="Interface", SubnetIds=[subnet])
    interface = made["VpcEndpoint"]["VpcEndpointId"]
    other = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="in", Description="d", VpcId=vpc)["GroupId"]
    default = [each["GroupId"] for each in made["VpcEndpoint"]["Groups"]]
    ec2.modify_vpc_endpoint(
        VpcEndpointId=interface,
        AddSubnetIds=[other],
        RemoveSubnetIds=[subnet],
        AddSecurityGroupIds=[group],
        RemoveSecurityGroupIds=default,
    )
    assert endpoint(interface)["SubnetIds"] == [other]
    (used,) = ec2.describe_network_interfaces(NetworkInterfaceIds=endpoint(interface)["NetworkInterfaceIds"])[
        "NetworkInterfaces"
    ]
    assert (used["SubnetId"], [each["GroupId"] for each in used["Groups"]]) == (other, [group])
    missing = refusal(ec2.modify_vpc_endpoint, VpcEndpointId="vpce-0", ResetPolicy=True)
    assert missing[0] == "InvalidVpcEndpointId.NotFound"
