"""Load balancers as clients know them: what they are told, and what they are answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_ec2 import refusal
from tests.contract.test_iam import ACCOUNT, assume, policy
from tests.daemon import Daemon

ARN = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:"
FIXED = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "fixed"}}]


class Network:
    """The default VPC, and a load balancer's usual beginnings in it."""

    def __init__(self, cloud: Daemon) -> None:
        self.ec2, self.elb, self.acm = cloud.client("ec2"), cloud.client("elbv2"), cloud.client("acm")
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.subnets = [each["SubnetId"] for each in self.ec2.describe_subnets()["Subnets"]]

    def balancer(self, name: str = "web", **more: Any) -> Any:
        return self.elb.create_load_balancer(Name=name, Subnets=self.subnets, **more)["LoadBalancers"][0]

    def group(self, name: str = "app", **more: Any) -> str:
        settings = {"Protocol": "HTTP", "Port": 80, "VpcId": self.vpc, "TargetType": "ip", **more}
        return str(self.elb.create_target_group(Name=name, **settings)["TargetGroups"][0]["TargetGroupArn"])

    def listener(self, balancer: str, actions: Any, port: int = 80) -> str:
        answer = self.elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=port, DefaultActions=actions)
        return str(answer["Listeners"][0]["ListenerArn"])


def certificate(network: Network, name: str = "www.example.com", *others: str) -> str:
    """Have a certificate issued; a small key, for it takes no time to make."""
    request = {"DomainName": name, "ValidationMethod": "DNS", "KeyAlgorithm": "EC_prime256v1"}
    if others:
        request["SubjectAlternativeNames"] = list(others)  # type: ignore[assignment]
    arn = str(network.acm.request_certificate(**request)["CertificateArn"])
    wait_for(lambda: network.acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED")
    return arn


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.02)


def to(group: str) -> list[dict[str, str]]:
    return [{"Type": "forward", "TargetGroupArn": group}]


@pytest.fixture
def network(cloud: Daemon) -> Network:
    return Network(cloud)


def test_a_load_balancer_reads_as_made(network: Network) -> None:
    made = network.balancer(Tags=[{"Key": "team", "Value": "a"}])
    assert made["LoadBalancerArn"].startswith(f"{ARN}loadbalancer/app/web/")
    assert made["State"]["Code"] in ("provisioning", "active")
    network.elb.get_waiter("load_balancer_exists").wait(Names=["web"])
    network.elb.get_waiter("load_balancer_available").wait(Names=["web"])
    (found,) = network.elb.describe_load_balancers(LoadBalancerArns=[made["LoadBalancerArn"]])["LoadBalancers"]
    assert found["State"] == {"Code": "active"}
    assert (found["Type"], found["Scheme"], found["VpcId"]) == ("application", "internet-facing", network.vpc)
    assert {each["SubnetId"] for each in found["AvailabilityZones"]} == set(network.subnets)
    assert found["DNSName"].startswith("127.")
    tags = network.elb.describe_tags(ResourceArns=[made["LoadBalancerArn"]])["TagDescriptions"]
    assert tags[0]["Tags"] == [{"Key": "team", "Value": "a"}]
    assert made["CanonicalHostedZoneId"] == "Z35SXDOTRQ7X7K"


def test_names_are_idempotent(network: Network) -> None:
    made = network.balancer()
    assert network.balancer()["LoadBalancerArn"] == made["LoadBalancerArn"]
    code, message = refusal(network.balancer, Scheme="internal")
    assert code == "DuplicateLoadBalancerName"
    assert message == "A load balancer with the same name 'web' exists, but with different settings"
    group = network.group()
    assert network.group() == group
    assert refusal(network.group, Port=81)[0] == "DuplicateTargetGroupName"
    listener = network.listener(made["LoadBalancerArn"], to(group))
    assert network.listener(made["LoadBalancerArn"], to(group)) == listener
    assert refusal(network.listener, balancer=made["LoadBalancerArn"], actions=FIXED)[0] == "DuplicateListener"
    other = network.balancer("other")
    assert refusal(network.listener, balancer=other["LoadBalancerArn"], actions=to(group))[0] == (
        "TargetGroupAssociationLimit"
    )


def test_each_load_balancer_has_an_address_of_its_own(network: Network) -> None:
    names = [network.balancer(name)["DNSName"] for name in ("a", "b", "c")]
    assert len(set(names)) == 3


def test_what_a_load_balancer_needs(network: Network) -> None:
    def create(**request: Any) -> tuple[str, str]:
        return refusal(network.elb.create_load_balancer, **{"Name": "x", "Subnets": network.subnets, **request})

    assert create(Subnets=network.subnets[:1]) == (
        "ValidationError",
        "At least two subnets in two different Availability Zones must be specified",
    )
    assert create(Subnets=["subnet-0123456789abcdef0", network.subnets[0]])[0] == "SubnetNotFound"
    assert create(SecurityGroups=["sg-0123456789abcdef0"])[0] == "InvalidSecurityGroup"
    assert create(Name="-x")[0] == "ValidationError"
    assert create(Name="internal-x")[0] == "ValidationError"
    assert create(Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}])[0] == "DuplicateTagKeys"
    same = network.ec2.create_subnet(VpcId=network.vpc, CidrBlock="172.31.200.0/24", AvailabilityZone="us-east-1a")
    both = [same["Subnet"]["SubnetId"], network.subnets[0], network.subnets[1]]
    code, message = create(Subnets=both)
    assert code == "InvalidConfigurationRequest"
    assert message == "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
    vpc = network.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    closed = [
        network.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("ab")
    ]
    assert create(Subnets=closed) == ("InvalidSubnet", f"VPC {vpc} has no internet gateway")
    assert network.elb.create_load_balancer(Name="inside", Subnets=closed, Scheme="internal")


def test_it_has_interfaces_in_its_subnets(network: Network) -> None:
    group = network.ec2.create_security_group(GroupName="alb", Description="alb")["GroupId"]
    balancer = network.balancer(SecurityGroups=[group])
    network.elb.get_waiter("load_balancer_available").wait(Names=["web"])
    name = balancer["LoadBalancerArn"].partition("loadbalancer/")[2]
    about = [{"Name": "description", "Values": [f"ELB {name}"]}]
    interfaces = network.ec2.describe_network_interfaces(Filters=about)["NetworkInterfaces"]
    assert {each["SubnetId"] for each in interfaces} == set(network.subnets)
    assert all(each["RequesterManaged"] and each["Status"] == "in-use" for each in interfaces)
    assert refusal(network.ec2.delete_network_interface, NetworkInterfaceId=interfaces[0]["NetworkInterfaceId"])[0] == (
        "InvalidParameterValue"
    )
    assert refusal(network.ec2.delete_security_group, GroupId=group)[0] == "DependencyViolation"
    network.elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    network.elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[balancer["LoadBalancerArn"]])
    network.ec2.delete_security_group(GroupId=group)
    network.elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])


def test_other_groups_and_subnets(network: Network) -> None:
    arn = network.balancer()["LoadBalancerArn"]
    group = network.ec2.create_security_group(GroupName="alb", Description="alb")["GroupId"]
    assert network.elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[group])["SecurityGroupIds"] == [group]
    third = network.ec2.create_subnet(VpcId=network.vpc, CidrBlock="172.31.200.0/24", AvailabilityZone="us-east-1c")
    subnets = [network.subnets[0], third["Subnet"]["SubnetId"]]
    zones = network.elb.set_subnets(LoadBalancerArn=arn, Subnets=subnets)["AvailabilityZones"]
    assert [each["SubnetId"] for each in zones] == subnets
    assert network.elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="ipv4")["IpAddressType"] == "ipv4"
    assert refusal(network.elb.set_security_groups, LoadBalancerArn=arn, SecurityGroups=["sg-1"])[0] == (
        "InvalidSecurityGroup"
    )


def test_load_balancer_attributes(network: Network) -> None:
    arn = network.balancer()["LoadBalancerArn"]

    def modify(key: str, value: str) -> Any:
        attributes = network.elb.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value}]
        )["Attributes"]
        return {each["Key"]: each["Value"] for each in attributes}[key]

    attributes = network.elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    assert {"Key": "idle_timeout.timeout_seconds", "Value": "60"} in attributes
    assert modify("idle_timeout.timeout_seconds", "120") == "120"
    assert refusal(modify, key="idle_timeout.timeout_seconds", value="0")[0] == "ValidationError"
    assert refusal(modify, key="idle_timeout", value="1") == (
        "ValidationError",
        "Load balancer attribute key 'idle_timeout' is not recognized",
    )
    assert refusal(modify, key="health_check_logs.s3.enabled", value="true")[0] == "NotImplemented"
    modify("deletion_protection.enabled", "true")
    assert refusal(network.elb.delete_load_balancer, LoadBalancerArn=arn)[0] == "OperationNotPermitted"


def test_target_group_attributes(network: Network) -> None:
    arn = network.group()

    def modify(**values: str) -> Any:
        given = [{"Key": key.replace("__", "."), "Value": value} for key, value in values.items()]
        answer = network.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=given)["Attributes"]
        return {each["Key"]: each["Value"] for each in answer}

    assert modify(deregistration_delay__timeout_seconds="5")["deregistration_delay.timeout_seconds"] == "5"
    assert modify(slow_start__duration_seconds="30")["slow_start.duration_seconds"] == "30"
    described = network.elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    assert {
        "deregistration_delay.timeout_seconds": "5",
        "slow_start.duration_seconds": "30",
        "load_balancing.algorithm.type": "round_robin",
        "stickiness.enabled": "false",
    }.items() <= {each["Key"]: each["Value"] for each in described}.items()
    gone = refusal(network.elb.describe_target_group_attributes, TargetGroupArn=f"{arn[:-16]}{0:016}")
    assert gone[0] == "TargetGroupNotFound"
    assert refusal(modify, slow_start__duration_seconds="10")[0] == "ValidationError"
    assert refusal(modify, load_balancing__algorithm__type="least_outstanding_requests")[0] == (
        "InvalidConfigurationRequest"
    )
    assert refusal(modify, proxy_protocol_v2__enabled="true") == (
        "ValidationError",
        "Target group attribute key 'proxy_protocol_v2.enabled' is not recognized",
    )


def test_listener_attributes(network: Network) -> None:
    arn = network.listener(network.balancer()["LoadBalancerArn"], FIXED)
    frame = {"Key": "routing.http.response.x_frame_options.header_value", "Value": "DENY"}
    answer = network.elb.modify_listener_attributes(ListenerArn=arn, Attributes=[frame])["Attributes"]
    assert frame in answer
    assert network.elb.describe_listener_attributes(ListenerArn=arn)["Attributes"] == answer


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"TargetType": "instance"}, "NotImplemented"),
        ({"TargetType": "lambda"}, "NotImplemented"),
        ({"Protocol": "UDP"}, "NotImplemented"),
        ({"Protocol": "TCP", "ProtocolVersion": "HTTP1"}, "ValidationError"),
        ({"Protocol": "TCP", "HealthCheckPath": "/"}, "ValidationError"),
        ({"HealthCheckProtocol": "TCP"}, "ValidationError"),
        ({"ProtocolVersion": "GRPC", "Matcher": {"HttpCode": "200"}}, "ValidationError"),
        ({"ProtocolVersion": "GRPC", "Matcher": {"GrpcCode": "0-100"}}, "ValidationError"),
        ({"VpcId": "vpc-0123456789abcdef0"}, "ValidationError"),
        ({"Matcher": {"HttpCode": "200-600"}}, "ValidationError"),
        ({"Matcher": {"HttpCode": "ok"}}, "ValidationError"),
        ({"HealthCheckPath": "health"}, "ValidationError"),
        ({"HealthCheckPort": "http"}, "ValidationError"),
        ({"HealthCheckEnabled": False}, "ValidationError"),
        ({"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 10}, "ValidationError"),
        ({"name": "a" * 33}, "ValidationError"),
    ],
)
def test_target_groups_that_are_refused(network: Network, settings: dict[str, Any], code: str) -> None:
    assert refusal(network.group, **settings)[0] == code


def test_a_target_group_in_use_stays(network: Network) -> None:
    balancer, group = network.balancer()["LoadBalancerArn"], network.group()
    listener = network.listener(balancer, to(group))
    assert refusal(network.elb.delete_target_group, TargetGroupArn=group) == (
        "ResourceInUse",
        f"Target group '{group}' is currently in use by a listener or a rule",
    )
    (shown,) = network.elb.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    assert shown["LoadBalancerArns"] == [balancer]
    changed = network.elb.modify_target_group(
        TargetGroupArn=group, HealthCheckPath="/health", HealthCheckIntervalSeconds=10, Matcher={"HttpCode": "200-299"}
    )["TargetGroups"][0]
    assert (changed["HealthCheckPath"], changed["Matcher"]) == ("/health", {"HttpCode": "200-299"})
    network.elb.delete_listener(ListenerArn=listener)
    network.elb.delete_target_group(TargetGroupArn=group)
    assert refusal(network.elb.describe_target_groups, TargetGroupArns=[group])[0] == "TargetGroupNotFound"


def test_rules_have_priorities(network: Network) -> None:
    listener = network.listener(network.balancer()["LoadBalancerArn"], FIXED)

    def rule(priority: int, path: str = "/a") -> Any:
        condition = {"Field": "path-pattern", "Values": [path]}
        return network.elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=[condition], Actions=FIXED)[
            "Rules"
        ][0]

    second, first = rule(20), rule(10, "/b*")
    assert second["Conditions"] == [
        {"Field": "path-pattern", "Values": ["/a"], "PathPatternConfig": {"Values": ["/a"]}}
    ]
    assert refusal(rule, priority=10) == ("PriorityInUse", "Priority '10' is currently in use")
    rules = network.elb.describe_rules(ListenerArn=listener)["Rules"]
    assert [each["Priority"] for each in rules] == ["10", "20", "default"]
    assert rules[-1]["IsDefault"]
    assert refusal(network.elb.delete_rule, RuleArn=rules[-1]["RuleArn"])[0] == "OperationNotPermitted"
    swapped = [{"RuleArn": first["RuleArn"], "Priority": 20}, {"RuleArn": second["RuleArn"], "Priority": 10}]
    network.elb.set_rule_priorities(RulePriorities=swapped)
    rules = network.elb.describe_rules(ListenerArn=listener)["Rules"]
    assert [each["RuleArn"] for each in rules[:2]] == [second["RuleArn"], first["RuleArn"]]
    assert refusal(network.elb.set_rule_priorities, RulePriorities=[{"RuleArn": first["RuleArn"], "Priority": 10}])[
        0
    ] == ("PriorityInUse")
    pages = list(
        network.elb.get_paginator("describe_rules").paginate(ListenerArn=listener, PaginationConfig={"PageSize": 2})
    )
    assert [len(page["Rules"]) for page in pages] == [2, 1]
    network.elb.delete_rule(RuleArn=first["RuleArn"])
    assert refusal(network.elb.describe_rules, RuleArns=[first["RuleArn"]])[0] == "RuleNotFound"


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"Field": "moon-phase", "Values": ["full"]}, "Condition field 'moon-phase' must be one of"),
        ({"Field": "path-pattern"}, "must have either values or regex values"),
        ({"Field": "path-pattern", "Values": ["/ü"]}, "contains a character that is not valid"),
        ({"Field": "host-header", "HostHeaderConfig": {"RegexValues": ["(?=a)"]}}, "not a valid regular expression"),
        ({"Field": "host-header", "RegexValues": ["(x{100}){100}"]}, "not a valid regular expression"),
        ({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "Host", "Values": ["a"]}}, "host-header"),
        ({"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.1"]}}, "contains a character"),
        ({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}}, "contains a character"),
        ({"Field": "query-string", "Values": ["a"]}, "cannot be used with the field"),
        ({"Field": "path-pattern", "Values": [f"/{n}" for n in range(6)]}, "can only have '5' condition values"),
    ],
)
def test_conditions_that_are_none(network: Network, condition: dict[str, Any], message: str) -> None:
    listener = network.listener(network.balancer()["LoadBalancerArn"], FIXED)
    code, why = refusal(
        network.elb.create_rule, ListenerArn=listener, Priority=1, Conditions=[condition], Actions=FIXED
    )
    assert code == "ValidationError"
    assert message in why


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"Type": "forward"}, "ValidationError"),
        ({"Type": "forward", "TargetGroupArn": f"{ARN}targetgroup/none/0123456789abcdef"}, "TargetGroupNotFound"),
        ({"Type": "forward", "TargetGroupArn": "web"}, "ValidationError"),
        ({"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301"}}, "InvalidLoadBalancerAction"),
        (
            {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Port": "http"}},
            "ValidationError",
        ),
        (
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "text/x"}},
            "ValidationError",
        ),
        ({"Type": "authenticate-oidc"}, "NotImplemented"),
        ({"Type": "authenticate-cognito"}, "NotImplemented"),
    ],
)
def test_actions_that_are_refused(network: Network, action: dict[str, Any], code: str) -> None:
    arn = network.balancer()["LoadBalancerArn"]
    assert refusal(network.listener, balancer=arn, actions=[action])[0] == code


def test_what_is_not_offered_is_named(network: Network) -> None:
    arn = network.balancer()["LoadBalancerArn"]
    assert refusal(network.balancer, name="gwlb", Type="gateway") == (
        "NotImplemented",
        "tidegate local does not offer elbv2:CreateLoadBalancer Type gateway yet",
    )
    assert refusal(network.elb.modify_ip_pools, LoadBalancerArn=arn, RemoveIpamPools=["ipv4"])[0] == "NotImplemented"


def test_what_is_not_there(network: Network) -> None:
    elb, id_ = network.elb, "0123456789abcdef"
    balancer, group = f"{ARN}loadbalancer/app/x/{id_}", f"{ARN}targetgroup/x/{id_}"
    listener = f"{ARN}listener/app/x/{id_}/{id_}"
    assert refusal(elb.describe_load_balancers, Names=["x"]) == (
        "LoadBalancerNotFound",
        "Load balancers '[x]' not found",
    )
    assert refusal(elb.describe_load_balancer_attributes, LoadBalancerArn=balancer)[0] == "LoadBalancerNotFound"
    assert refusal(elb.create_listener, LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=FIXED)[
        0
    ] == ("LoadBalancerNotFound")
    assert refusal(elb.describe_target_health, TargetGroupArn=group)[0] == "TargetGroupNotFound"
    assert refusal(elb.register_targets, TargetGroupArn=group, Targets=[{"Id": "10.0.0.1"}])[0] == (
        "TargetGroupNotFound"
    )
    assert refusal(elb.describe_listeners, ListenerArns=[listener])[0] == "ListenerNotFound"
    assert refusal(elb.modify_listener, ListenerArn=listener, Port=81)[0] == "ListenerNotFound"
    assert refusal(elb.describe_tags, ResourceArns=[group])[0] == "TargetGroupNotFound"
    assert refusal(elb.describe_listeners)[0] == "ValidationError"
    elb.delete_target_group(TargetGroupArn=group)


def test_targets_that_are_none(network: Network) -> None:
    group = network.group()

    def register(**target: Any) -> tuple[str, str]:
        return refusal(network.elb.register_targets, TargetGroupArn=group, Targets=[target])

    assert register(Id="i-0123456789abcdef0")[0] == "ValidationError"
    assert register(Id="8.8.8.8")[0] == "InvalidTarget"
    assert register(Id="10.9.9.9")[0] == "ValidationError"
    network.elb.register_targets(
        TargetGroupArn=group,
        Targets=[{"Id": "10.9.9.9", "AvailabilityZone": "all"}, {"Id": "172.31.0.9", "Port": 8080}],
    )
    shown = network.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert [each["Target"] for each in shown] == [
        {"Id": "10.9.9.9", "Port": 80, "AvailabilityZone": "all"},
        {"Id": "172.31.0.9", "Port": 8080, "AvailabilityZone": "us-east-1a"},
    ]
    assert {each["TargetHealth"]["Reason"] for each in shown} == {"Target.NotInUse"}
    network.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": "10.9.9.9"}])
    (gone,) = network.elb.describe_target_health(TargetGroupArn=group, Targets=[{"Id": "10.9.9.9"}])[
        "TargetHealthDescriptions"
    ]
    assert gone["TargetHealth"] == {
        "State": "unused",
        "Reason": "Target.NotRegistered",
        "Description": "Target is not registered to the target group",
    }


def test_a_target_in_a_zone_that_the_balancer_is_not_in(network: Network) -> None:
    third = network.ec2.create_subnet(VpcId=network.vpc, CidrBlock="172.31.200.0/24", AvailabilityZone="us-east-1c")
    balancer, group = network.balancer()["LoadBalancerArn"], network.group()
    network.listener(balancer, to(group))
    network.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "172.31.200.9"}])

    def reason() -> tuple[str, str]:
        (shown,) = network.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return shown["TargetHealth"]["State"], shown["TargetHealth"]["Description"]

    wait_for(lambda: reason()[0] == "unused")
    assert reason()[1] == "Target is in an Availability Zone that is not enabled for the load balancer"
    network.elb.set_subnets(LoadBalancerArn=balancer, Subnets=[*network.subnets, third["Subnet"]["SubnetId"]])
    wait_for(lambda: reason()[0] == "initial")


def test_tags_on_creation_are_a_permission_of_their_own(cloud: Daemon, network: Network) -> None:
    keys = assume(cloud, "maker")
    cloud.client("iam").put_role_policy(
        RoleName="maker", PolicyName="p", PolicyDocument=policy("Allow", "elasticloadbalancing:Create*")
    )
    maker = cloud.client("elbv2", keys=keys)
    request = {"Name": "made", "Protocol": "HTTP", "Port": 80, "VpcId": network.vpc, "TargetType": "ip"}
    with pytest.raises(ClientError, match="elasticloadbalancing:AddTags"):
        maker.create_target_group(**request, Tags=[{"Key": "a", "Value": "b"}])
    maker.create_target_group(**request)


def test_tags(network: Network) -> None:
    balancer, group = network.balancer()["LoadBalancerArn"], network.group()
    listener = network.listener(balancer, to(group))
    condition = {"Field": "path-pattern", "Values": ["/a"]}
    rule = network.elb.create_rule(ListenerArn=listener, Priority=1, Conditions=[condition], Actions=FIXED)
    arns = [balancer, group, listener, rule["Rules"][0]["RuleArn"]]
    network.elb.add_tags(ResourceArns=arns, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    network.elb.remove_tags(ResourceArns=arns, TagKeys=["a"])
    shown = network.elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
    assert [(each["ResourceArn"], each["Tags"]) for each in shown] == [
        (arn, [{"Key": "b", "Value": "2"}]) for arn in arns
    ]


def test_limits_and_policies(network: Network) -> None:
    limits = {each["Name"]: each["Max"] for each in network.elb.describe_account_limits()["Limits"]}
    assert limits["application-load-balancers"] == "50"
    (found,) = network.elb.describe_ssl_policies(Names=["ELBSecurityPolicy-TLS13-1-2-2021-06"])["SslPolicies"]
    assert found["SslProtocols"] == ["TLSv1.2", "TLSv1.3"]
    assert refusal(network.elb.describe_ssl_policies, Names=["x"])[0] == "SSLPolicyNotFound"


def test_lists_have_pages(network: Network) -> None:
    for number in range(5):
        network.group(f"g{number}")
    pages = list(network.elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["TargetGroups"]) for page in pages] == [2, 2, 1]


def test_permissions_name_resources(cloud: Daemon, network: Network) -> None:
    keys = assume(cloud, "deployer")
    allowed = network.group("mine")
    cloud.client("iam").put_role_policy(
        RoleName="deployer", PolicyName="p", PolicyDocument=policy("Allow", "elasticloadbalancing:*", allowed)
    )
    limited = cloud.client("elbv2", keys=keys)
    limited.register_targets(TargetGroupArn=allowed, Targets=[{"Id": "172.31.0.9"}])
    other = network.group("other")
    with pytest.raises(ClientError, match=f"elasticloadbalancing:RegisterTargets on resource: {other}"):
        limited.register_targets(TargetGroupArn=other, Targets=[{"Id": "172.31.0.9"}])


def test_the_cli(cloud: Daemon, network: Network) -> None:
    cloud.aws("elbv2", "create-load-balancer", "--name", "cli", "--subnets", *network.subnets)
    cloud.aws("elbv2", "wait", "load-balancer-available", "--names", "cli")
    (found,) = cloud.aws_json("elbv2", "describe-load-balancers", "--names", "cli")["LoadBalancers"]
    assert found["State"]["Code"] == "active"


def test_capacity_is_recorded(network: Network) -> None:
    arn = network.balancer()["LoadBalancerArn"]
    describe, modify = network.elb.describe_capacity_reservation, network.elb.modify_capacity_reservation
    assert describe(LoadBalancerArn=arn)["DecreaseRequestsRemaining"] == 2
    assert refusal(modify, LoadBalancerArn=arn)[0] == "ValidationError"
    few = {"CapacityUnits": 99}
    assert refusal(modify, LoadBalancerArn=arn, MinimumLoadBalancerCapacity=few)[0] == "InvalidConfigurationRequest"
    for units, left in ((400, 2), (300, 1), (200, 0)):
        modify(LoadBalancerArn=arn, MinimumLoadBalancerCapacity={"CapacityUnits": units})
        shown = describe(LoadBalancerArn=arn)
        assert (shown["MinimumLoadBalancerCapacity"], shown["DecreaseRequestsRemaining"]) == (
            {"CapacityUnits": units},
            left,
        )
        assert {each["State"]["Code"] for each in shown["CapacityReservationState"]} == {"provisioned"}
        assert sum(each["EffectiveCapacityUnits"] for each in shown["CapacityReservationState"]) == units
    least = {"CapacityUnits": 100}
    assert refusal(modify, LoadBalancerArn=arn, MinimumLoadBalancerCapacity=least)[0] == (
        "CapacityDecreaseRequestLimitExceeded"
    )
    assert "MinimumLoadBalancerCapacity" not in modify(LoadBalancerArn=arn, ResetCapacityReservation=True)
