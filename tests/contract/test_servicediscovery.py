"""Cloud Map as clients know it: namespaces, services, instances, discovery, operations, templates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.test_ec2 import refusal
from tests.daemon import Daemon
from tests.waiting import wait_for


class Map:
    """Cloud Map, with operations that are waited for."""

    def __init__(self, cloud: Daemon) -> None:
        # boto3 puts `data-` before the host's name for DiscoverInstances, which 127.0.0.1 has no name for
        self.client = cloud.client("servicediscovery", inject_host_prefix=False)
        self.route53 = cloud.client("route53")
        self.vpc = cloud.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]

    def done(self, answer: Any, status: str = "SUCCESS") -> Any:
        def ask() -> Any:
            return self.client.get_operation(OperationId=answer["OperationId"])["Operation"]

        operation = wait_for(ask, lambda found: found["Status"] in ("SUCCESS", "FAIL"))
        assert operation["Status"] == status, operation
        return operation

    def private(self, name: str = "shop.local", **more: Any) -> str:
        answer = self.client.create_private_dns_namespace(Name=name, Vpc=self.vpc, **more)
        return str(self.done(answer)["Targets"]["NAMESPACE"])

    def http(self, name: str = "shop") -> str:
        return str(self.done(self.client.create_http_namespace(Name=name))["Targets"]["NAMESPACE"])

    def service(self, namespace: str, name: str = "web", **more: Any) -> str:
        request = {"Name": name, "NamespaceId": namespace, "HealthCheckCustomConfig": {"FailureThreshold": 1}, **more}
        return str(self.client.create_service(**request)["Service"]["Id"])

    def put(self, service: str, instance: str, **attributes: str) -> None:
        self.done(self.client.register_instance(ServiceId=service, InstanceId=instance, Attributes=attributes))

    def found(self, namespace: str = "shop.local", service: str = "web", **more: Any) -> list[str]:
        answer = self.client.discover_instances(NamespaceName=namespace, ServiceName=service, **more)
        return [each["InstanceId"] for each in answer["Instances"]]

    def records(self, namespace: str) -> list[tuple[str, str, str]]:
        zone = self.client.get_namespace(Id=namespace)["Namespace"]["Properties"]["DnsProperties"]["HostedZoneId"]
        sets = self.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        return [
            (each["Name"], each["Type"], each["ResourceRecords"][0]["Value"])
            for each in sets
            if each["Type"] not in ("NS", "SOA")
        ]


@pytest.fixture
def cloudmap(cloud: Daemon) -> Map:
    return Map(cloud)


def test_a_private_namespace_is_a_zone_and_its_instances_are_records(cloudmap: Map) -> None:
    namespace = cloudmap.private(Properties={"DnsProperties": {"SOA": {"TTL": 60}}})
    shown = cloudmap.client.get_namespace(Id=namespace)["Namespace"]
    assert shown["Arn"].endswith(f":namespace/{namespace}")
    assert shown["Type"] == "DNS_PRIVATE"
    assert shown["Properties"]["HttpProperties"]["HttpName"] == "shop.local"
    zone = cloudmap.route53.get_hosted_zone(Id=shown["Properties"]["DnsProperties"]["HostedZoneId"])
    assert zone["HostedZone"]["Name"] == "shop.local."
    assert zone["VPCs"][0]["VPCId"] == cloudmap.vpc

    service = cloudmap.service(namespace, DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]})
    cloudmap.put(service, "one", AWS_INSTANCE_IPV4="10.0.0.1", stage="blue")
    cloudmap.put(service, "two", AWS_INSTANCE_IPV4="10.0.0.2", stage="green")
    assert cloudmap.records(namespace) == [
        ("web.shop.local.", "A", "10.0.0.1"),
        ("web.shop.local.", "A", "10.0.0.2"),
    ]
    assert cloudmap.client.get_service(Id=service)["Service"]["InstanceCount"] == 2
    assert cloudmap.found(QueryParameters={"stage": "green"}) == ["two"]

    before = cloudmap.client.discover_instances_revision(NamespaceName="shop.local", ServiceName="web")
    cloudmap.client.update_instance_custom_health_status(ServiceId=service, InstanceId="one", Status="UNHEALTHY")
    assert cloudmap.found() == ["two"]
    assert cloudmap.found(HealthStatus="UNHEALTHY") == ["one"]
    wait_for(lambda: cloudmap.records(namespace), lambda found: found == [("web.shop.local.", "A", "10.0.0.2")])
    after = cloudmap.client.discover_instances_revision(NamespaceName="shop.local", ServiceName="web")
    assert after["InstancesRevision"] > before["InstancesRevision"]
    health = cloudmap.client.get_instances_health_status(ServiceId=service)["Status"]
    assert health == {"one": "UNHEALTHY", "two": "HEALTHY"}

    code, _ = refusal(lambda: cloudmap.client.delete_service(Id=service))
    assert code == "ResourceInUse"
    code, _ = refusal(lambda: cloudmap.client.delete_namespace(Id=namespace))
    assert code == "ResourceInUse"
    for instance in ("one", "two"):
        cloudmap.done(cloudmap.client.deregister_instance(ServiceId=service, InstanceId=instance))
    assert cloudmap.records(namespace) == []
    cloudmap.client.delete_service(Id=service)
    cloudmap.done(cloudmap.client.delete_namespace(Id=namespace))
    assert refusal(lambda: cloudmap.client.get_namespace(Id=namespace))[0] == "NamespaceNotFound"
    assert cloudmap.route53.list_hosted_zones()["HostedZones"] == []


def test_requests_that_cannot_be_are_refused_as_on_aws(cloudmap: Map) -> None:
    namespace, client = cloudmap.http(), cloudmap.client
    code, _ = refusal(lambda: client.create_http_namespace(Name="shop"))
    assert code == "NamespaceAlreadyExists"
    service = cloudmap.service(namespace)
    assert refusal(lambda: cloudmap.service(namespace))[0] == "ServiceAlreadyExists"
    dns = {"DnsRecords": [{"Type": "A", "TTL": 10}]}
    assert refusal(lambda: cloudmap.service(namespace, "db", DnsConfig=dns))[0] == "InvalidInput"
    assert refusal(lambda: client.get_service(Id="srv-none"))[0] == "ServiceNotFound"
    assert refusal(lambda: client.get_operation(OperationId="none"))[0] == "OperationNotFound"
    missing = lambda: client.deregister_instance(ServiceId=service, InstanceId="none")  # noqa: E731
    assert refusal(missing)[0] == "InstanceNotFound"
    checked = {"Type": "HTTP", "ResourcePath": "/"}
    code, why = refusal(lambda: client.create_service(Name="x", NamespaceId=namespace, HealthCheckConfig=checked))
    assert "HealthCheckConfig" in why, code
    plain = client.create_service(Name="plain", NamespaceId=namespace)["Service"]["Id"]
    cloudmap.put(plain, "one", anything="goes")
    told = lambda: client.update_instance_custom_health_status(  # noqa: E731
        ServiceId=plain, InstanceId="one", Status="HEALTHY"
    )
    assert refusal(told)[0] == "CustomHealthNotFound"
    elsewhere = lambda: client.create_private_dns_namespace(Name="a.local", Vpc="vpc-0")  # noqa: E731
    assert refusal(elsewhere)[0] == "InvalidInput"
    # the same request again is the same operation
    first = client.create_http_namespace(Name="again", CreatorRequestId="r1")["OperationId"]
    assert client.create_http_namespace(Name="again", CreatorRequestId="r1")["OperationId"] == first
    assert refusal(lambda: client.create_http_namespace(Name="other", CreatorRequestId="r1"))[0] == "DuplicateRequest"


def test_lists_are_filtered_and_paged(cloudmap: Map) -> None:
    spaces = {cloudmap.http(f"shop-{number}") for number in range(3)}
    pages = list(cloudmap.client.get_paginator("list_namespaces").paginate(PaginationConfig={"PageSize": 2}))
    assert len(pages) == 2
    assert {each["Id"] for page in pages for each in page["Namespaces"]} == spaces
    named = [{"Name": "NAME", "Values": ["shop-1"], "Condition": "EQ"}]
    (found,) = cloudmap.client.list_namespaces(Filters=named)["Namespaces"]
    service = cloudmap.service(found["Id"], Tags=[{"Key": "a", "Value": "b"}])
    of_space = [{"Name": "NAMESPACE_ID", "Values": [found["Id"]]}]
    assert [each["Id"] for each in cloudmap.client.list_services(Filters=of_space)["Services"]] == [service]
    made = [{"Name": "TYPE", "Values": ["CREATE_NAMESPACE"]}, {"Name": "STATUS", "Values": ["SUCCESS"]}]
    assert len(cloudmap.client.list_operations(Filters=made)["Operations"]) == 3
    arn = cloudmap.client.get_service(Id=service)["Service"]["Arn"]
    cloudmap.client.tag_resource(ResourceARN=arn, Tags=[{"Key": "c", "Value": "d"}])
    cloudmap.client.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert cloudmap.client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    cloudmap.client.update_service_attributes(ServiceId=arn, Attributes={"x": "1", "y": "2"})
    cloudmap.client.delete_service_attributes(ServiceId=arn, Attributes=["x"])
    assert cloudmap.client.get_service_attributes(ServiceId=arn)["ServiceAttributes"]["Attributes"] == {"y": "2"}


def test_what_is_there_can_be_changed(cloudmap: Map) -> None:
    client, namespace = cloudmap.client, cloudmap.private()
    start = {"DnsProperties": {"SOA": {"TTL": 99}}}
    change = {"Description": "names", "Properties": start}
    cloudmap.done(client.update_private_dns_namespace(Id=namespace, Namespace=change))
    shown = client.get_namespace(Id=namespace)["Namespace"]
    assert (shown["Description"], shown["Properties"]["DnsProperties"]["SOA"]) == ("names", {"TTL": 99})
    zone = shown["Properties"]["DnsProperties"]["HostedZoneId"]
    sets = cloudmap.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [each["TTL"] for each in sets if each["Type"] == "SOA"] == [99]

    records = {"DnsRecords": [{"Type": "A", "TTL": 10}]}
    service = cloudmap.service(namespace, DnsConfig=records, Description="old")
    cloudmap.put(service, "one", AWS_INSTANCE_IPV4="10.0.0.1", AWS_INSTANCE_PORT="80")
    assert (
        client.get_instance(ServiceId=service, InstanceId="one")["Instance"]["Attributes"]["AWS_INSTANCE_PORT"] == "80"
    )
    both = {"DnsRecords": [{"Type": "A", "TTL": 5}, {"Type": "SRV", "TTL": 5}]}
    cloudmap.done(client.update_service(Id=service, Service={"DnsConfig": both}))
    assert {kind for _, kind, _ in cloudmap.records(namespace)} == {"A", "SRV"}
    cloudmap.done(client.update_service(Id=service, Service={"Description": "new"}))
    assert cloudmap.records(namespace) == []  # what is not given is taken away
    assert client.get_service(Id=service)["Service"]["Description"] == "new"

    http = cloudmap.http()
    cloudmap.done(client.update_http_namespace(Id=http, Namespace={"Description": "calls"}))
    assert client.get_namespace(Id=http)["Namespace"]["Description"] == "calls"
    assert (
        refusal(lambda: client.update_http_namespace(Id=namespace, Namespace={"Description": "x"}))[0] == "InvalidInput"
    )
    public = cloudmap.done(client.create_public_dns_namespace(Name="example.com"))["Targets"]["NAMESPACE"]
    cloudmap.done(client.update_public_dns_namespace(Id=public, Namespace={"Description": "kept"}))
    assert client.get_namespace(Id=public)["Namespace"]["Type"] == "DNS_PUBLIC"


TEMPLATE: dict[str, Any] = {
    "Parameters": {"Vpc": {"Type": "String"}},
    "Resources": {
        "Space": {
            "Type": "AWS::ServiceDiscovery::PrivateDnsNamespace",
            "Properties": {"Name": "stack.local", "Vpc": {"Ref": "Vpc"}},
        },
        "Web": {
            "Type": "AWS::ServiceDiscovery::Service",
            "Properties": {
                "Name": "web",
                "DnsConfig": {"NamespaceId": {"Ref": "Space"}, "DnsRecords": [{"Type": "A", "TTL": "10"}]},
                "HealthCheckCustomConfig": {"FailureThreshold": 1},
            },
        },
        "One": {
            "Type": "AWS::ServiceDiscovery::Instance",
            "Properties": {
                "InstanceId": "one",
                "ServiceId": {"Ref": "Web"},
                "InstanceAttributes": {"AWS_INSTANCE_IPV4": "10.0.0.9"},
            },
        },
    },
    "Outputs": {"Zone": {"Value": {"Fn::GetAtt": ["Space", "HostedZoneId"]}}},
}


def test_a_stack_has_a_namespace_a_service_and_an_instance(cloud: Daemon, cloudmap: Map) -> None:
    cloudformation = cloud.client("cloudformation")
    given = {"StackName": "names", "Parameters": [{"ParameterKey": "Vpc", "ParameterValue": cloudmap.vpc}]}
    waiting = {"Delay": 1, "MaxAttempts": 60}
    cloudformation.create_stack(**given, TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="names", WaiterConfig=waiting)
    assert cloudmap.found("stack.local") == ["one"]
    other = json.loads(json.dumps(TEMPLATE))
    other["Resources"]["One"]["Properties"]["InstanceAttributes"]["AWS_INSTANCE_IPV4"] = "10.0.0.10"
    other["Resources"]["Space"]["Properties"]["Description"] = "names"
    cloudformation.update_stack(**given, TemplateBody=json.dumps(other))
    cloudformation.get_waiter("stack_update_complete").wait(StackName="names", WaiterConfig=waiting)
    (space,) = cloudmap.client.list_namespaces()["Namespaces"]
    assert space["Description"] == "names"
    assert cloudmap.records(space["Id"]) == [("web.stack.local.", "A", "10.0.0.10")]
    cloudformation.delete_stack(StackName="names")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="names", WaiterConfig=waiting)
    assert cloudmap.client.list_namespaces()["Namespaces"] == []


def test_policies_bind_by_service_and_zone(cloud: Daemon, cloudmap: Map) -> None:
    namespace = cloudmap.private()
    own = cloudmap.service(namespace, "own", DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]})
    other = cloudmap.service(namespace, "other")
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    keys = iam.create_access_key(UserName="u")["AccessKey"]
    keys = {"AccessKeyId": keys["AccessKeyId"], "SecretAccessKey": keys["SecretAccessKey"]}
    client = cloud.client("servicediscovery", keys=keys, inject_host_prefix=False)

    def allow(*statements: tuple[str, str]) -> None:
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": arn} for action, arn in statements],
        }
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(document))

    def put(service: str) -> Any:
        attributes = {"AWS_INSTANCE_IPV4": "10.0.0.1"}
        return client.register_instance(ServiceId=service, InstanceId="one", Attributes=attributes)

    arn = cloudmap.client.get_service(Id=own)["Service"]["Arn"]
    allow(("servicediscovery:RegisterInstance", arn))
    code, why = refusal(lambda: put(own))
    assert code == "AccessDeniedException"
    assert "route53:ChangeResourceRecordSets" in why
    assert "servicediscovery:RegisterInstance" in refusal(lambda: put(other))[1]
    allow(("servicediscovery:RegisterInstance", arn), ("route53:ChangeResourceRecordSets", "*"))
    cloudmap.done(put(own))
    assert refusal(lambda: client.discover_instances(NamespaceName="shop.local", ServiceName="own"))[0] == code
