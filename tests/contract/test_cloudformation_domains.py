"""Stacks with domains: zones, records, certificates that prove themselves, encrypted listeners, network balancers."""

from __future__ import annotations

import ssl
import urllib.request
from typing import Any

import pytest

from tests.contract.test_elbv2 import certificate
from tests.contract.test_route53 import Zone
from tests.daemon import Daemon
from tests.stacks import Stacks
from tests.waiting import wait_for

FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "fixed"}}
REDIRECT = {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Protocol": "HTTPS", "Port": "443"}}


@pytest.fixture
def stacks(cloud: Daemon) -> Stacks:
    return Stacks(cloud)


def att(resource: str, attribute: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [resource, attribute]}


def shop(cloud: Daemon, zone: str, other: str) -> dict[str, Any]:
    """Return a template: an encrypted balancer under a name of its own."""
    subnets = [each["SubnetId"] for each in cloud.client("ec2").describe_subnets()["Subnets"]]
    bare = zone.removeprefix("/hostedzone/")
    names = ("shop.example.com", "*.shop.example.com")
    alias = {"DNSName": att("Balancer", "DNSName"), "HostedZoneId": att("Balancer", "CanonicalHostedZoneID")}

    def resource(kind: str, **properties: Any) -> dict[str, Any]:
        return {"Type": f"AWS::{kind}", "Properties": properties}

    return {
        "Resources": {
            "Certificate": resource(
                "CertificateManager::Certificate",
                DomainName=names[0],
                SubjectAlternativeNames=[names[1]],
                ValidationMethod="DNS",
                DomainValidationOptions=[{"DomainName": each, "HostedZoneId": bare} for each in names],
                Tags=[{"Key": "team", "Value": "a"}],
            ),
            "Balancer": resource("ElasticLoadBalancingV2::LoadBalancer", Subnets=subnets),
            "Secure": resource(
                "ElasticLoadBalancingV2::Listener",
                LoadBalancerArn={"Ref": "Balancer"},
                Port=443,
                Protocol="HTTPS",
                SslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
                Certificates=[{"CertificateArn": {"Ref": "Certificate"}}],
                DefaultActions=[FIXED],
            ),
            "Plain": resource(
                "ElasticLoadBalancingV2::Listener",
                LoadBalancerArn={"Ref": "Balancer"},
                Port=80,
                Protocol="HTTP",
                DefaultActions=[REDIRECT],
            ),
            "More": resource(
                "ElasticLoadBalancingV2::ListenerCertificate",
                ListenerArn={"Ref": "Secure"},
                Certificates=[{"CertificateArn": other}],
            ),
            "Name": resource(
                "Route53::RecordSet", HostedZoneName="example.com.", Name=names[0], Type="A", AliasTarget=alias
            ),
            "Names": resource(
                "Route53::RecordSetGroup",
                HostedZoneId=bare,
                RecordSets=[
                    {"Name": "a.shop.example.com", "Type": "CNAME", "TTL": "300", "ResourceRecords": [names[0]]},
                    {"Name": "shop.example.com", "Type": "TXT", "TTL": "60", "ResourceRecords": ['"v=1"']},
                ],
            ),
        },
        "Outputs": {"Address": {"Value": att("Balancer", "DNSName")}, "Certificate": {"Value": {"Ref": "Certificate"}}},
    }


def test_a_domain_with_its_certificate(cloud: Daemon, stacks: Stacks) -> None:
    zone = Zone(cloud)
    network = type("Clients", (), {"acm": cloud.client("acm")})
    other = certificate(network, "other.test")  # type: ignore[arg-type]
    template = shop(cloud, zone.id, other)
    stacks.create("shop", template)
    elb, acm = cloud.client("elbv2"), cloud.client("acm")
    found = stacks.outputs("shop")
    detail = acm.describe_certificate(CertificateArn=found["Certificate"])["Certificate"]
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    assert (detail["Status"], detail["InUseBy"]) == ("ISSUED", [balancer["LoadBalancerArn"]])
    tags = {
        each["Key"]: each["Value"]
        for each in acm.list_tags_for_certificate(CertificateArn=found["Certificate"])["Tags"]
    }
    assert (tags["team"], tags["aws:cloudformation:stack-name"]) == ("a", "shop")
    validation = detail["DomainValidationOptions"][0]["ResourceRecord"]
    assert (validation["Name"], "CNAME") in zone.names()
    assert zone.client.test_dns_answer(HostedZoneId=zone.id, RecordName="a.shop.example.com", RecordType="CNAME")[
        "RecordData"
    ] == ["shop.example.com"]
    secure = stacks.physical("shop")["Secure"]
    listed = elb.describe_listener_certificates(ListenerArn=secure)["Certificates"]
    assert {each["CertificateArn"] for each in listed} == {found["Certificate"], other}
    if ":" not in found["Address"]:  # else the ports are others
        context = ssl.create_default_context(cafile=cloud.document["ca"])
        context.check_hostname = False
        handler = urllib.request.HTTPSHandler(context=context)
        with urllib.request.build_opener(handler).open(f"http://{found['Address']}/x", timeout=10) as answer:
            assert (answer.url, answer.read()) == (f"https://{found['Address']}:443/x", b"fixed")

    resources = template["Resources"]
    del resources["Secure"]["Properties"]["SslPolicy"]
    del resources["More"]
    resources["Name"]["Properties"]["Name"] = "store.example.com"
    resources["Names"]["Properties"]["RecordSets"][1:] = []
    resources["Names"]["Properties"]["RecordSets"][0]["TTL"] = "30"
    stacks.update("shop", template)
    (listener,) = elb.describe_listeners(ListenerArns=[secure])["Listeners"]
    assert listener["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    assert len(elb.describe_listener_certificates(ListenerArn=secure)["Certificates"]) == 1
    names = zone.names()
    assert ("store.example.com.", "A") in names
    assert not {("shop.example.com.", "A"), ("shop.example.com.", "TXT")} & set(names)
    assert stacks.physical("shop")["Name"] == "store.example.com"
    stacks.delete("shop")
    assert [kind for _, kind in zone.names()] == ["NS", "SOA", "CNAME"]  # the validation stays, as on AWS
    assert acm.list_certificates(Includes={"keyTypes": ["RSA_2048"]})["CertificateSummaryList"] == []


def test_a_zone_and_a_network_balancer(cloud: Daemon, stacks: Stacks) -> None:
    ec2, elb = cloud.client("ec2"), cloud.client("elbv2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]]
    check = {"HealthCheckProtocol": "HTTP", "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 10}
    group = {"VpcId": vpc, "TargetType": "ip", "Protocol": "TCP", "Port": 7, **check}
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]
    resources: dict[str, Any] = {
        "Zone": {
            "Type": "AWS::Route53::HostedZone",
            "Properties": {
                "Name": "inside.test",
                "VPCs": [{"VPCId": vpc, "VPCRegion": "us-east-1"}],
                "HostedZoneConfig": {"Comment": "first"},
                "HostedZoneTags": [{"Key": "a", "Value": "1"}],
            },
        },
        "Balancer": {
            "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "Properties": {"Type": "network", "Subnets": subnets[:1], "Scheme": "internal"},
        },
        "Group": {
            "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
            "Properties": {**group, "TargetGroupAttributes": delay},
        },
        "Listener": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {
                "LoadBalancerArn": {"Ref": "Balancer"},
                "Port": 7,
                "Protocol": "TCP",
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Group"}}],
            },
        },
    }
    template = {
        "Resources": resources,
        "Outputs": {"Zone": {"Value": {"Ref": "Zone"}}, "Name": {"Value": att("Balancer", "LoadBalancerFullName")}},
    }
    stacks.create("net", template)
    found = stacks.outputs("net")
    assert found["Name"].startswith("net/")
    zone = cloud.client("route53").get_hosted_zone(Id=found["Zone"])
    assert (zone["HostedZone"]["Config"]["Comment"], len(zone["VPCs"])) == ("first", 1)
    (shown,) = elb.describe_target_groups()["TargetGroups"]
    assert (shown["HealthCheckPath"], shown["HealthCheckTimeoutSeconds"]) == ("/health", 6)
    resources["Zone"]["Properties"]["HostedZoneConfig"]["Comment"] = "second"
    resources["Zone"]["Properties"]["HostedZoneTags"] = []
    for name in ("HealthCheckProtocol", "HealthCheckPath"):
        del resources["Group"]["Properties"][name]
    stacks.update("net", template)
    (shown,) = elb.describe_target_groups()["TargetGroups"]
    assert (shown["HealthCheckProtocol"], "HealthCheckPath" in shown) == ("TCP", False)
    route53 = cloud.client("route53")
    assert route53.get_hosted_zone(Id=found["Zone"])["HostedZone"]["Config"]["Comment"] == "second"
    named = {"ResourceType": "hostedzone", "ResourceId": found["Zone"]}
    assert route53.list_tags_for_resource(**named)["ResourceTagSet"]["Tags"] == []
    stacks.delete("net")
    assert route53.list_hosted_zones()["HostedZones"] == []


def test_a_certificate_waits_as_on_aws(cloud: Daemon, stacks: Stacks) -> None:
    """Without a hosted zone to put it in, somebody has to make the record."""
    zone = Zone(cloud)
    properties = {"DomainName": "www.example.com", "ValidationMethod": "DNS"}
    template = {"Resources": {"C": {"Type": "AWS::CertificateManager::Certificate", "Properties": properties}}}
    stacks.client.create_stack(StackName="wait", TemplateBody=str(template).replace("'", '"'))
    acm = cloud.client("acm")

    def pending() -> Any:
        found = acm.list_certificates(CertificateStatuses=["PENDING_VALIDATION"])["CertificateSummaryList"]
        return found[0]["CertificateArn"] if found else None

    arn = wait_for(pending, bool)
    record = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0]["ResourceRecord"]
    assert stacks.describe("wait")["StackStatus"] == "CREATE_IN_PROGRESS"
    zone.change("CREATE", record["Name"], "CNAME", record["Value"])
    stacks.wait("wait", "stack_create_complete")
    wrong = {"DomainName": "www.example.com", "HostedZoneId": zone.id.rpartition("/")[2]}
    properties["ValidationMethod"] = "EMAIL"
    properties["DomainValidationOptions"] = [wrong]  # type: ignore[assignment]
    stacks.client.create_stack(StackName="mail", TemplateBody=str(template).replace("'", '"'))
    assert stacks.ended("mail") == "ROLLBACK_COMPLETE"
    assert any("HostedZoneId can only be used where DNS" in each for each in stacks.reasons("mail"))
