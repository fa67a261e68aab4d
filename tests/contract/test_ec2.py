"""EC2's networks, asked with boto3 and the AWS CLI."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import ACCOUNT, assume, policy
from tests.daemon import Daemon

SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "in"}]}


@pytest.fixture
def ec2(cloud: Daemon) -> Any:
    return cloud.client("ec2")


@pytest.fixture
def vpc(ec2: Any) -> str:
    return str(ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def only(**names: Any) -> list[dict[str, Any]]:
    return [{"Name": name.replace("__", ".").replace("_", "-"), "Values": [value]} for name, value in names.items()]


def test_a_region_begins_with_a_default_network(ec2: Any) -> None:
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    assert vpc["IsDefault"]
    assert vpc["CidrBlock"] == "172.31.0.0/16"
    assert vpc["OwnerId"] == ACCOUNT
    inside = only(vpc_id=vpc["VpcId"])
    subnets = sorted(ec2.describe_subnets(Filters=inside)["Subnets"], key=lambda each: each["AvailabilityZone"])
    assert [(each["AvailabilityZone"], each["CidrBlock"]) for each in subnets] == [
        ("us-east-1a", "172.31.0.0/20"),
        ("us-east-1b", "172.31.16.0/20"),
    ]
    assert all(each["DefaultForAz"] and each["MapPublicIpOnLaunch"] for each in subnets)
    assert [each["AvailableIpAddressCount"] for each in subnets] == [4091, 4091]
    (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]
    assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc["VpcId"]}]
    (table,) = ec2.describe_route_tables(Filters=inside)["RouteTables"]
    assert table["Associations"][0]["Main"]
    assert {each["GatewayId"] for each in table["Routes"]} == {"local", gateway["InternetGatewayId"]}
    (group,) = ec2.describe_security_groups(Filters=inside)["SecurityGroups"]
    assert group["GroupName"] == "default"
    assert group["IpPermissions"][0]["UserIdGroupPairs"] == [{"GroupId": group["GroupId"], "UserId": ACCOUNT}]
    assert group["IpPermissionsEgress"] == [
        {
            "IpProtocol": "-1",
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            "Ipv6Ranges": [],
            "PrefixListIds": [],
            "UserIdGroupPairs": [],
        }
    ]
    (acl,) = ec2.describe_network_acls(Filters=inside)["NetworkAcls"]
    assert acl["IsDefault"]
    assert {each["SubnetId"] for each in acl["Associations"]} == {each["SubnetId"] for each in subnets}


def test_regions_have_networks_of_their_own(cloud: Daemon, ec2: Any) -> None:
    (here,) = ec2.describe_vpcs()["Vpcs"]
    (there,) = cloud.client("ec2", region="eu-west-1").describe_vpcs()["Vpcs"]
    assert here["VpcId"] != there["VpcId"]
    zones = cloud.client("ec2", region="eu-west-1").describe_availability_zones()["AvailabilityZones"]
    assert [(each["ZoneName"], each["ZoneId"]) for each in zones] == [
        ("eu-west-1a", "euw1-az1"),
        ("eu-west-1b", "euw1-az2"),
        ("eu-west-1c", "euw1-az3"),
    ]


def test_a_deleted_default_vpc_stays_deleted_until_it_is_asked_for(ec2: Any) -> None:
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    assert refusal(ec2.delete_vpc, VpcId=vpc["VpcId"]) == (
        "DependencyViolation",
        f"The vpc '{vpc['VpcId']}' has dependencies and cannot be deleted.",
    )
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]
    ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])
    ec2.delete_vpc(VpcId=vpc["VpcId"])
    assert ec2.describe_vpcs()["Vpcs"] == []
    assert ec2.describe_security_groups()["SecurityGroups"] == []
    assert refusal(ec2.create_security_group, GroupName="g", Description="g")[0] == "VPCIdNotSpecified"
    assert ec2.create_default_vpc()["Vpc"]["IsDefault"]
    assert refusal(ec2.create_default_vpc)[0] == "DefaultVpcAlreadyExists"


def test_vpc_attributes(ec2: Any, vpc: str) -> None:
    ec2.get_waiter("vpc_available").wait(VpcIds=[vpc])
    hostnames = {"VpcId": vpc, "Attribute": "enableDnsHostnames"}
    assert ec2.describe_vpc_attribute(**hostnames)["EnableDnsHostnames"] == {"Value": False}
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    assert ec2.describe_vpc_attribute(**hostnames)["EnableDnsHostnames"] == {"Value": True}
    assert refusal(ec2.modify_vpc_attribute, VpcId=vpc, EnableDnsSupport={"Value": False})[0] == (
        "InvalidParameterCombination"
    )


def test_what_a_range_must_be(ec2: Any, vpc: str) -> None:
    assert refusal(ec2.create_vpc, CidrBlock="10.0.0.0/8") == (
        "InvalidVpc.Range",
        "The CIDR '10.0.0.0/8' is invalid.",
    )
    assert refusal(ec2.create_vpc, CidrBlock="here")[0] == "InvalidParameterValue"
    assert refusal(ec2.create_subnet, VpcId=vpc, CidrBlock="10.1.0.0/24") == (
        "InvalidSubnet.Range",
        "The CIDR '10.1.0.0/24' is invalid.",
    )
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")
    assert refusal(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.0.128/25") == (
        "InvalidSubnet.Conflict",
        "The CIDR '10.0.0.128/25' conflicts with another subnet",
    )
    code, message = refusal(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1z")
    assert code == "InvalidParameterValue"
    assert "us-east-1a, us-east-1b, us-east-1c" in message


def test_a_second_range(ec2: Any, vpc: str) -> None:
    association = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    gone = {"AssociationId": association["AssociationId"]}
    assert refusal(ec2.disassociate_vpc_cidr_block, **gone)[0] == "InvalidCidrBlock.InUse"
    ec2.delete_subnet(SubnetId=subnet)
    ec2.disassociate_vpc_cidr_block(**gone)
    assert len(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlockAssociationSet"]) == 1


def test_subnet_attributes_are_changed_one_at_a_time(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/28", AvailabilityZoneId="use1-az2")["Subnet"]
    assert subnet["AvailabilityZone"] == "us-east-1b"
    assert subnet["AvailableIpAddressCount"] == 11
    ec2.get_waiter("subnet_available").wait(SubnetIds=[subnet["SubnetId"]])
    ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    found = ec2.describe_subnets(Filters=only(map_public_ip_on_launch="true", vpc_id=vpc))["Subnets"]
    assert [each["SubnetId"] for each in found] == [subnet["SubnetId"]]
    code, message = refusal(
        ec2.modify_subnet_attribute,
        SubnetId=subnet["SubnetId"],
        MapPublicIpOnLaunch={"Value": True},
        EnableResourceNameDnsARecordOnLaunch={"Value": True},
    )
    assert code == "InvalidRequest"
    assert message.startswith("Only one subnet attribute can be modified at a time.")


def test_routes(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    everywhere = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    assert refusal(ec2.create_route, **everywhere, GatewayId=gateway)[0] == "InvalidParameterValue"
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert ec2.create_route(**everywhere, GatewayId=gateway)["Return"]
    assert refusal(ec2.create_route, **everywhere, GatewayId=gateway)[0] == "RouteAlreadyExists"
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    assert refusal(ec2.delete_route_table, RouteTableId=table) == (
        "DependencyViolation",
        f"The routeTable '{table}' has dependencies and cannot be deleted.",
    )
    found = ec2.describe_route_tables(Filters=only(association__subnet_id=subnet))["RouteTables"]
    assert [each["RouteTableId"] for each in found] == [table]
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    (found,) = ec2.describe_route_tables(Filters=only(route__state="blackhole"))["RouteTables"]
    assert found["RouteTableId"] == table
    ec2.delete_route(**everywhere)
    assert refusal(ec2.delete_route, **everywhere) == (
        "InvalidRoute.NotFound",
        f"no route with destination-cidr-block 0.0.0.0/0 in route table {table}",
    )
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route_table(RouteTableId=table)


def test_another_main_route_table(ec2: Any, vpc: str) -> None:
    (main,) = ec2.describe_route_tables(Filters=only(vpc_id=vpc, association__main="true"))["RouteTables"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    association = main["Associations"][0]["RouteTableAssociationId"]
    assert refusal(ec2.disassociate_route_table, AssociationId=association)[0] == "InvalidParameterValue"
    ec2.replace_route_table_association(AssociationId=association, RouteTableId=table)
    (now,) = ec2.describe_route_tables(Filters=only(vpc_id=vpc, association__main="true"))["RouteTables"]
    assert now["RouteTableId"] == table
    ec2.delete_route_table(RouteTableId=main["RouteTableId"])


def test_security_group_rules(ec2: Any, vpc: str) -> None:
    ids = [
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"] for name in ("alb", "task")
    ]
    alb, task = ids
    web = {"IpProtocol": "6", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": alb}]}
    made = ec2.authorize_security_group_ingress(GroupId=task, IpPermissions=[SSH, web])["SecurityGroupRules"]
    assert [(each["IpProtocol"], each["FromPort"]) for each in made] == [("tcp", 22), ("tcp", 80)]
    assert refusal(ec2.authorize_security_group_ingress, GroupId=task, IpPermissions=[SSH]) == (
        "InvalidPermission.Duplicate",
        'the specified rule "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already exists',
    )
    (group,) = ec2.describe_security_groups(GroupIds=[task])["SecurityGroups"]
    assert group["IpPermissions"] == [
        {
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "in"}],
            "Ipv6Ranges": [],
            "PrefixListIds": [],
            "UserIdGroupPairs": [],
        },
        {
            "IpProtocol": "tcp",
            "FromPort": 80,
            "ToPort": 80,
            "IpRanges": [],
            "Ipv6Ranges": [],
            "PrefixListIds": [],
            "UserIdGroupPairs": [{"GroupId": alb, "UserId": ACCOUNT}],
        },
    ]
    assert refusal(ec2.delete_security_group, GroupId=alb) == (
        "DependencyViolation",
        f"resource {alb} has a dependent object",
    )
    by_group = only(ip_permission__group_id=alb)
    assert [each["GroupId"] for each in ec2.describe_security_groups(Filters=by_group)["SecurityGroups"]] == [task]
    revoked = ec2.revoke_security_group_ingress(GroupId=task, SecurityGroupRuleIds=[made[1]["SecurityGroupRuleId"]])
    assert revoked["RevokedSecurityGroupRules"][0]["ReferencedGroupId"] == alb
    ec2.delete_security_group(GroupId=alb)
    assert refusal(ec2.revoke_security_group_ingress, GroupId=task, IpPermissions=[{**SSH, "ToPort": 23}]) == (
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
    )
    ec2.get_waiter("security_group_exists").wait(GroupIds=[task])


def test_rules_are_changed_by_id(ec2: Any, vpc: str) -> None:
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    (rule,) = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[SSH],
        TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": [{"Key": "k", "Value": "v"}]}],
    )["SecurityGroupRules"]
    rule_id = rule["SecurityGroupRuleId"]
    change = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": "10.1.0.0/16"}
    ec2.modify_security_group_rules(
        GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": change}]
    )
    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=group, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": rule_id, "Description": "https"}]
    )
    (found,) = ec2.describe_security_group_rules(Filters=only(**{"tag:k": "v"}))["SecurityGroupRules"]
    assert {name: found[name] for name in ("FromPort", "CidrIpv4", "Description", "IsEgress")} == {
        "FromPort": 443,
        "CidrIpv4": "10.1.0.0/16",
        "Description": "https",
        "IsEgress": False,
    }
    rules = ec2.describe_security_group_rules(Filters=only(group_id=group))["SecurityGroupRules"]
    assert sorted(each["IsEgress"] for each in rules) == [False, True]
    (egress,) = [each for each in rules if each["IsEgress"]]
    ec2.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=[egress["SecurityGroupRuleId"]])
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"] == []


@pytest.mark.parametrize(
    ("permission", "code"),
    [
        ({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, "InvalidParameterValue"),
        ({**SSH, "FromPort": 90, "ToPort": 80}, "InvalidParameterValue"),
        ({**SSH, "IpRanges": [{"CidrIp": "everywhere"}]}, "InvalidParameterValue"),
        ({**SSH, "IpProtocol": "carrier-pigeon"}, "InvalidParameterValue"),
        ({**SSH, "UserIdGroupPairs": [{"GroupId": "sg-0123456789abcdef0"}]}, "InvalidGroup.NotFound"),
        ({**SSH, "UserIdGroupPairs": [{"GroupId": "web"}]}, "InvalidGroupId.Malformed"),
    ],
)
def test_permissions_that_are_none(ec2: Any, vpc: str, permission: dict[str, Any], code: str) -> None:
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    assert refusal(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[permission])[0] == code


def test_security_group_names(ec2: Any, vpc: str) -> None:
    def create(name: str, description: str = "d") -> str:
        return refusal(ec2.create_security_group, GroupName=name, Description=description, VpcId=vpc)[0]

    ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)
    assert create("g") == "InvalidGroup.Duplicate"
    assert create("sg-g") == "InvalidParameterValue"
    assert create("h", "größer") == "InvalidParameterValue"
    (default,) = ec2.describe_security_groups(Filters=only(vpc_id=vpc, group_name="default"))["SecurityGroups"]
    assert refusal(ec2.delete_security_group, GroupId=default["GroupId"])[0] == "CannotDelete"


def test_a_nat_gateway_holds_an_address(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    address = ec2.allocate_address(Domain="vpc")
    create = {"SubnetId": subnet, "AllocationId": address["AllocationId"]}
    assert refusal(ec2.create_nat_gateway, **create)[0] == "Gateway.NotAttached"
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    nat = ec2.create_nat_gateway(**create)["NatGateway"]["NatGatewayId"]
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat])
    assert refusal(ec2.release_address, AllocationId=address["AllocationId"])[0] == "InvalidIPAddress.InUse"
    assert refusal(ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc)[0] == "DependencyViolation"
    assert refusal(ec2.delete_subnet, SubnetId=subnet) == (
        "DependencyViolation",
        f"The subnet '{subnet}' has dependencies and cannot be deleted.",
    )
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[nat])
    ec2.release_address(AllocationId=address["AllocationId"])
    (found,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    assert [each["State"] for each in found["Routes"]] == ["active", "blackhole"]
    ec2.delete_subnet(SubnetId=subnet)


def test_endpoints(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    (table,) = ec2.describe_route_tables(Filters=only(vpc_id=vpc))["RouteTables"]
    s3 = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[table["RouteTableId"]]
    )["VpcEndpoint"]
    assert s3["VpcEndpointType"] == "Gateway"
    (table,) = ec2.describe_route_tables(Filters=only(route__gateway_id=s3["VpcEndpointId"]))["RouteTables"]
    (lists,) = [
        each["PrefixListId"]
        for each in ec2.describe_prefix_lists()["PrefixLists"]
        if each["PrefixListName"].endswith(".s3")
    ]
    assert table["Routes"][-1]["DestinationPrefixListId"] == lists
    ecr = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-east-1.ecr.dkr", VpcEndpointType="Interface", SubnetIds=[subnet]
    )["VpcEndpoint"]
    assert len(ecr["NetworkInterfaceIds"]) == 1
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"] == 250
    code, message = refusal(ec2.create_vpc_endpoint, VpcId=vpc, ServiceName="com.amazonaws.us-east-1.nothing")
    assert (code, message) == (
        "InvalidServiceName",
        "The Vpc Endpoint Service 'com.amazonaws.us-east-1.nothing' does not exist",
    )
    gone = ec2.delete_vpc_endpoints(VpcEndpointIds=[s3["VpcEndpointId"], ecr["VpcEndpointId"], "vpce-0"])
    assert [each["Error"]["Code"] for each in gone["Unsuccessful"]] == ["InvalidVpcEndpointId.NotFound"]
    ec2.delete_subnet(SubnetId=subnet)


def test_network_acls(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Egress": False}
    allow = {**entry, "Protocol": "tcp", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0"}
    ec2.create_network_acl_entry(**allow, PortRange={"From": 80, "To": 80})
    assert refusal(ec2.create_network_acl_entry, **allow, PortRange={"From": 1, "To": 2}) == (
        "NetworkAclEntryAlreadyExists",
        "The network acl entry identified by 100 already exists.",
    )
    ec2.replace_network_acl_entry(**allow, PortRange={"From": 443, "To": 443})
    (old,) = ec2.describe_network_acls(Filters=only(association__subnet_id=subnet))["NetworkAcls"]
    (association,) = old["Associations"]
    ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)
    (found,) = ec2.describe_network_acls(Filters=only(entry__port_range__from="443"))["NetworkAcls"]
    assert [each["SubnetId"] for each in found["Associations"]] == [subnet]
    assert refusal(ec2.delete_network_acl, NetworkAclId=acl)[0] == "DependencyViolation"
    ec2.delete_network_acl_entry(**entry)
    assert refusal(ec2.delete_network_acl_entry, **entry)[0] == "InvalidNetworkAclEntry.NotFound"
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_network_acl(NetworkAclId=acl)


def test_network_interfaces(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    first = ec2.create_network_interface(SubnetId=subnet, Groups=[group], Description="one")["NetworkInterface"]
    assert first["PrivateIpAddress"] == "10.0.0.4"
    assert first["PrivateDnsName"] == "ip-10-0-0-4.ec2.internal"
    assert [each["GroupId"] for each in first["Groups"]] == [group]
    taken = {"SubnetId": subnet, "PrivateIpAddress": "10.0.0.4"}
    assert refusal(ec2.create_network_interface, **taken)[0] == "InvalidIPAddress.InUse"
    assert refusal(ec2.create_network_interface, SubnetId=subnet, PrivateIpAddress="10.1.0.4")[0] == (
        "InvalidParameterValue"
    )
    second = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    assert second["PrivateIpAddress"] == "10.0.0.5"
    found = ec2.describe_network_interfaces(Filters=only(addresses__private_ip_address="10.0.0.4"))
    assert [each["NetworkInterfaceId"] for each in found["NetworkInterfaces"]] == [first["NetworkInterfaceId"]]
    assert refusal(ec2.delete_security_group, GroupId=group)[0] == "DependencyViolation"
    default = second["Groups"][0]["GroupId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=first["NetworkInterfaceId"], Groups=[default])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_network_interface(NetworkInterfaceId=first["NetworkInterfaceId"])
    third = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    assert third["PrivateIpAddress"] == "10.0.0.6", "an address that came back is not given out again at once"
    assert refusal(ec2.delete_network_interface, NetworkInterfaceId=first["NetworkInterfaceId"]) == (
        "InvalidNetworkInterfaceID.NotFound",
        f"The networkInterface ID '{first['NetworkInterfaceId']}' does not exist",
    )


def test_an_address_leads_to_an_interface(ec2: Any) -> None:
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    address = ec2.allocate_address()
    association = ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=interface)
    (found,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
    assert found["Association"]["PublicIp"] == address["PublicIp"]
    ec2.disassociate_address(AssociationId=association["AssociationId"])
    (shown,) = ec2.describe_addresses(PublicIps=[address["PublicIp"]])["Addresses"]
    assert "AssociationId" not in shown
    ec2.release_address(AllocationId=address["AllocationId"])
    assert refusal(ec2.release_address, AllocationId=address["AllocationId"])[0] == "InvalidAllocationID.NotFound"


def test_tags(ec2: Any) -> None:
    specification = {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "web"}]}
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[specification])["Vpc"]
    assert vpc["Tags"] == [{"Key": "Name", "Value": "web"}]
    ids = [vpc["VpcId"], ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]]
    ec2.create_tags(Resources=ids, Tags=[{"Key": "team", "Value": "a"}])
    assert [each["VpcId"] for each in ec2.describe_vpcs(Filters=only(**{"tag:Name": "w*"}))["Vpcs"]] == [ids[0]]
    tags = ec2.describe_tags(Filters=only(key="team"))["Tags"]
    assert {(each["ResourceId"], each["ResourceType"]) for each in tags} == {
        (ids[0], "vpc"),
        (ids[1], "internet-gateway"),
    }
    ec2.delete_tags(Resources=ids, Tags=[{"Key": "team", "Value": "b"}])
    assert len(ec2.describe_tags(Filters=only(key="team"))["Tags"]) == 2
    ec2.delete_tags(Resources=ids, Tags=[{"Key": "team"}])
    assert ec2.describe_tags(Filters=only(key="team"))["Tags"] == []
    assert refusal(ec2.create_tags, Resources=ids[:1], Tags=[{"Key": "aws:x", "Value": ""}])[0] == (
        "InvalidParameterValue"
    )
    assert refusal(ec2.create_tags, Resources=["thing"], Tags=[{"Key": "k", "Value": ""}])[0] == "InvalidID"
    wrong = [{"ResourceType": "subnet", "Tags": [{"Key": "k", "Value": "v"}]}]
    assert refusal(ec2.create_vpc, CidrBlock="10.0.0.0/16", TagSpecifications=wrong) == (
        "InvalidParameterValue",
        "'subnet' is not a valid taggable resource type for this operation.",
    )


def test_filters_and_pages(ec2: Any, vpc: str) -> None:
    for number in range(8):
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")
    pages = list(
        ec2.get_paginator("describe_subnets").paginate(
            Filters=only(vpc_id=vpc, cidr_block="10.0.*"), PaginationConfig={"PageSize": 5}
        )
    )
    assert [len(page["Subnets"]) for page in pages] == [5, 3]
    assert refusal(ec2.describe_subnets, Filters=only(colour="red")) == (
        "InvalidParameterValue",
        "The filter 'colour' is invalid",
    )
    assert refusal(ec2.describe_subnets, SubnetIds=["subnet-0a", "subnet-0b"]) == (
        "InvalidSubnetID.NotFound",
        "The subnet IDs 'subnet-0a, subnet-0b' do not exist",
    )


def test_dry_runs(cloud: Daemon, ec2: Any) -> None:
    assert refusal(ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True) == (
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    )
    nobody = cloud.client("ec2", keys=assume(cloud, "nobody"))
    assert refusal(nobody.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True)[0] == "UnauthorizedOperation"
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1


def test_permissions_name_resources(cloud: Daemon, ec2: Any, vpc: str) -> None:
    keys = assume(cloud, "networker")
    arn = f"arn:aws:ec2:us-east-1:{ACCOUNT}:"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "ec2:CreateSubnet", "Resource": [f"{arn}subnet/*", f"{arn}vpc/{vpc}"]},
            json.loads(policy("Allow", "ec2:CreateTags", Condition={"StringEquals": {"aws:RequestTag/team": "a"}}))[
                "Statement"
            ][0],
        ],
    }
    cloud.client("iam").put_role_policy(RoleName="networker", PolicyName="p", PolicyDocument=json.dumps(document))
    limited = cloud.client("ec2", keys=keys)
    other = ec2.describe_vpcs(Filters=only(is_default="true"))["Vpcs"][0]["VpcId"]
    code, message = refusal(limited.create_subnet, VpcId=other, CidrBlock="172.31.200.0/24")
    assert code == "UnauthorizedOperation"
    assert f"ec2:CreateSubnet on resource: {arn}vpc/{other}" in message

    def tagged(team: str) -> Any:
        return [{"ResourceType": "subnet", "Tags": [{"Key": "team", "Value": team}]}]

    create = {"VpcId": vpc, "CidrBlock": "10.0.0.0/24"}
    assert refusal(limited.create_subnet, **create, TagSpecifications=tagged("b"))[0] == "UnauthorizedOperation"
    limited.create_subnet(**create, TagSpecifications=tagged("a"))


def test_what_is_not_offered_is_named(ec2: Any, vpc: str) -> None:
    assert refusal(ec2.run_instances, ImageId="ami-1", MinCount=1, MaxCount=1) == (
        "NotImplemented",
        "tidegate local does not offer ec2:RunInstances yet",
    )
    assert refusal(ec2.create_vpc, CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)[0] == "NotImplemented"


def test_lookups_as_cdk_does_them(cloud: Daemon, ec2: Any) -> None:
    lists = ec2.describe_managed_prefix_lists(
        Filters=only(prefix_list_name="com.amazonaws.global.cloudfront.origin-facing")
    )["PrefixLists"]
    assert [each["OwnerId"] for each in lists] == ["AWS"]
    assert ec2.get_managed_prefix_list_entries(PrefixListId=lists[0]["PrefixListId"])["Entries"]
    assert ec2.describe_vpn_gateways(Filters=only(attachment__vpc_id="vpc-1"))["VpnGateways"] == []
    services = ec2.describe_vpc_endpoint_services(ServiceNames=["com.amazonaws.us-east-1.s3"])
    assert {each["ServiceType"][0]["ServiceType"] for each in services["ServiceDetails"]} == {"Gateway", "Interface"}
    attributes = {
        each["AttributeName"]: each["AttributeValues"][0]["AttributeValue"]
        for each in ec2.describe_account_attributes()["AccountAttributes"]
    }
    assert attributes["default-vpc"] == ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    assert "eu-west-1" in {each["RegionName"] for each in ec2.describe_regions()["Regions"]}


def test_the_cli(cloud: Daemon) -> None:
    vpcs = cloud.aws_json("ec2", "describe-vpcs", "--filters", "Name=is-default,Values=true")["Vpcs"]
    name = "ResourceType=security-group,Tags=[{Key=Name,Value=web}]"
    group = cloud.aws_json(
        *("ec2", "create-security-group", "--group-name", "web", "--description", "web"),
        *("--vpc-id", vpcs[0]["VpcId"], "--tag-specifications", name),
    )["GroupId"]
    cloud.aws("ec2", "authorize-security-group-ingress", "--group-id", group, *("--protocol", "tcp", "--port", "80"),
              "--cidr", "0.0.0.0/0")  # fmt: skip
    found = cloud.aws_json("ec2", "describe-security-groups", "--group-ids", group)["SecurityGroups"]
    assert found[0]["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]


def test_networks_survive_a_kill(own_cloud: Daemon) -> None:
    ec2 = own_cloud.client("ec2")
    before = ec2.describe_vpcs()["Vpcs"]
    ec2.create_vpc(CidrBlock="10.0.0.0/16")
    own_cloud.kill()
    own_cloud.start()
    after = own_cloud.client("ec2").describe_vpcs()["Vpcs"]
    assert before[0] in after
    assert len(after) == 2
