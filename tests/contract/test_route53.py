"""Route 53 as clients know it: zones, record sets, changes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.test_ec2 import refusal
from tests.daemon import Daemon


class Zone:
    """A hosted zone and its records."""

    def __init__(self, cloud: Daemon, name: str = "example.com", reference: str = "1") -> None:
        self.client = cloud.client("route53")
        answer = self.client.create_hosted_zone(Name=name, CallerReference=reference)
        self.answer, self.id = answer, answer["HostedZone"]["Id"]

    def change(self, action: str, name: str, kind: str, *values: str, **more: Any) -> Any:
        record: dict[str, Any] = {"Name": name, "Type": kind, **more}
        if values:
            record |= {"TTL": more.get("TTL", 300), "ResourceRecords": [{"Value": each} for each in values]}
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}], "Comment": "a test"}
        return self.client.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch=batch)["ChangeInfo"]

    def refused(self, *arguments: str, **more: Any) -> tuple[str, str]:
        return refusal(lambda: self.change(*arguments, **more))

    def names(self) -> list[tuple[str, str]]:
        pages = self.client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=self.id)
        return [(each["Name"], each["Type"]) for page in pages for each in page["ResourceRecordSets"]]


@pytest.fixture
def zone(cloud: Daemon) -> Zone:
    return Zone(cloud)


def test_a_zone_has_its_name_servers(zone: Zone) -> None:
    assert zone.answer["HostedZone"]["Name"] == "example.com."
    assert zone.answer["HostedZone"]["ResourceRecordSetCount"] == 2
    assert zone.answer["ChangeInfo"]["Status"] == "PENDING"
    assert zone.answer["Location"].endswith(zone.id)
    servers = zone.answer["DelegationSet"]["NameServers"]
    assert len(servers) == 4
    zone.client.get_waiter("resource_record_sets_changed").wait(Id=zone.answer["ChangeInfo"]["Id"])
    found = zone.client.get_hosted_zone(Id=zone.id)
    assert found["DelegationSet"]["NameServers"] == servers
    assert zone.names() == [("example.com.", "NS"), ("example.com.", "SOA")]
    assert (
        refusal(zone.client.create_hosted_zone, Name="other.com", CallerReference="1")[0] == "HostedZoneAlreadyExists"
    )
    assert refusal(zone.client.create_hosted_zone, Name="a..b", CallerReference="2")[0] == "InvalidDomainName"
    assert refusal(zone.client.get_hosted_zone, Id="Z0NONE") == (
        "NoSuchHostedZone",
        "No hosted zone found with ID: Z0NONE",
    )


def test_records_change(zone: Zone) -> None:
    change = zone.change("CREATE", "WWW.example.com", "A", "192.0.2.1", "192.0.2.2")
    assert zone.client.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    zone.change("UPSERT", "*.example.com", "TXT", '"hello"')
    zone.change("UPSERT", "www.example.com", "A", "192.0.2.3")
    records = zone.client.list_resource_record_sets(HostedZoneId=zone.id, StartRecordName="www.example.com")
    assert records["ResourceRecordSets"] == [
        {"Name": "www.example.com.", "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": "192.0.2.3"}]}
    ]
    assert ("\\052.example.com.", "TXT") in zone.names()
    title = "[name='www.example.com.', type='A']"
    assert zone.refused("CREATE", "www.example.com", "A", "192.0.2.9") == (
        "InvalidChangeBatch",
        f"[Tried to create resource record set {title} but it already exists]",
    )
    assert zone.refused("DELETE", "www.example.com", "A", "192.0.2.9") == (
        "InvalidChangeBatch",
        f"[Tried to delete resource record set {title} but the values provided do not match the current values]",
    )
    assert refusal(zone.client.delete_hosted_zone, Id=zone.id)[0] == "HostedZoneNotEmpty"
    zone.change("DELETE", "www.example.com", "A", "192.0.2.3")
    assert "it was not found" in zone.refused("DELETE", "www.example.com", "A", "192.0.2.3")[1]
    zone.change("DELETE", "*.example.com.", "TXT", '"hello"')
    zone.client.delete_hosted_zone(Id=zone.id)
    assert zone.client.list_hosted_zones()["HostedZones"] == []


@pytest.mark.parametrize(
    ("name", "kind", "value", "message"),
    [
        ("www.other.com", "A", "192.0.2.1", "RRSet with DNS name www.other.com. is not permitted in zone example.com."),
        ("www.example.com", "A", "192.0.2.256", "ARRDATAIllegalIPv4Address"),
        ("www.example.com", "AAAA", "192.0.2.1", "AAAARRDATAIllegalIPv6Address"),
        ("www.example.com", "TXT", "bare", "enclosed in quotation marks"),
        ("www.example.com", "MX", "mail", "MX record doesn't have 2 fields"),
        ("example.com", "CNAME", "elsewhere.com", "is not permitted at apex in zone example.com."),
        ("taken.example.com", "CNAME", "elsewhere.com", "conflicts with other records with the same DNS name"),
    ],
)
def test_records_that_cannot_be(zone: Zone, name: str, kind: str, value: str, message: str) -> None:
    zone.change("CREATE", "taken.example.com", "A", "192.0.2.1")
    code, why = zone.refused("CREATE", name, kind, value)
    assert code == "InvalidChangeBatch"
    assert message in why


def test_a_batch_is_whole_or_nothing(zone: Zone) -> None:
    good = {"Name": "a.example.com", "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    changes = [
        {"Action": "CREATE", "ResourceRecordSet": good},
        {"Action": "CREATE", "ResourceRecordSet": {**good, "Name": "a.other.com"}},
    ]
    change = zone.client.change_resource_record_sets
    assert refusal(change, HostedZoneId=zone.id, ChangeBatch={"Changes": changes})[0] == "InvalidChangeBatch"
    assert len(zone.names()) == 2


def test_aliases(zone: Zone) -> None:
    def alias(name: str, target: str, to: str) -> dict[str, Any]:
        return {"AliasTarget": {"HostedZoneId": to, "DNSName": target, "EvaluateTargetHealth": False}}

    zone.change("CREATE", "example.com", "A", **alias("example.com", "dualstack.127.9.8.7", "Z35SXDOTRQ7X7K"))
    zone.change("CREATE", "www.example.com", "A", **alias("www", "example.com", zone.id.rpartition("/")[2]))
    own = zone.id.rpartition("/")[2]
    assert (
        "that target was not found"
        in zone.refused("CREATE", "b.example.com", "A", **alias("b", "c.example.com", own))[1]
    )
    assert "does not lie within" in zone.refused("CREATE", "b.example.com", "A", **alias("b", "c.other.com", own))[1]
    both = alias("b", "example.com", own) | {"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    assert zone.refused("CREATE", "b.example.com", "A", **both)[0] == "InvalidInput"
    assert zone.refused("CREATE", "b.example.com", "A")[0] == "InvalidInput"
    asked = zone.client.test_dns_answer(HostedZoneId=zone.id, RecordName="www.example.com", RecordType="A")
    assert (asked["RecordData"], asked["ResponseCode"]) == (["127.9.8.7"], "NOERROR")
    asked = zone.client.test_dns_answer(HostedZoneId=zone.id, RecordName="none.example.com", RecordType="A")
    assert asked["ResponseCode"] == "NXDOMAIN"


def test_routing_policies(zone: Zone) -> None:
    zone.change("CREATE", "w.example.com", "A", "192.0.2.1", SetIdentifier="one", Weight=1)
    zone.change("CREATE", "w.example.com", "A", "192.0.2.2", SetIdentifier="two", Weight=2)
    assert zone.names().count(("w.example.com.", "A")) == 2
    assert "different routing policy" in zone.refused("CREATE", "w.example.com", "A", "192.0.2.3")[1]
    assert zone.refused("CREATE", "w.example.com", "A", "192.0.2.3", Weight=3)[0] == "InvalidInput"


def test_lists_have_pages(cloud: Daemon, zone: Zone) -> None:
    for number, name in enumerate(("a.org", "b.example.com", "zz.net")):
        Zone(cloud, name, f"more {number}")
    pages = list(zone.client.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["HostedZones"]) for page in pages] == [3, 1]
    named = zone.client.list_hosted_zones_by_name()["HostedZones"]
    assert [each["Name"] for each in named] == ["example.com.", "b.example.com.", "zz.net.", "a.org."]
    first = zone.client.list_hosted_zones_by_name(DNSName="b.example.com", MaxItems="1")
    assert (first["HostedZones"][0]["Name"], first["NextDNSName"]) == ("b.example.com.", "zz.net.")
    for number in range(5):
        zone.change("CREATE", f"r{number}.example.com", "A", "192.0.2.1")
    records = zone.client.get_paginator("list_resource_record_sets")
    sizes = [
        len(page["ResourceRecordSets"])
        for page in records.paginate(HostedZoneId=zone.id, PaginationConfig={"PageSize": 3})
    ]
    assert sizes == [3, 3, 1]
    assert zone.client.get_hosted_zone_count()["HostedZoneCount"] == 4


def test_private_zones_and_tags(cloud: Daemon, zone: Zone) -> None:
    vpc = {"VPCRegion": "us-east-1", "VPCId": cloud.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]}
    inside = zone.client.create_hosted_zone(Name="inside.test", CallerReference="p", VPC=vpc)
    zone_id = inside["HostedZone"]["Id"].rpartition("/")[2]
    assert inside["HostedZone"]["Config"]["PrivateZone"]
    assert zone.client.get_hosted_zone(Id=zone_id)["VPCs"] == [vpc]
    assert (
        refusal(zone.client.disassociate_vpc_from_hosted_zone, HostedZoneId=zone_id, VPC=vpc)[0] == "LastVPCAssociation"
    )
    assert refusal(zone.client.associate_vpc_with_hosted_zone, HostedZoneId=zone.id, VPC=vpc)[0] == (
        "PublicZoneVPCAssociation"
    )
    assert refusal(zone.client.create_hosted_zone, Name="x.test", CallerReference="q", VPC={**vpc, "VPCId": "vpc-1"})[
        0
    ] == ("InvalidVPCId")
    named = {"ResourceType": "hostedzone", "ResourceId": zone_id}
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    zone.client.change_tags_for_resource(**named, AddTags=tags)
    zone.client.change_tags_for_resource(**named, RemoveTagKeys=["a"])
    assert zone.client.list_tags_for_resource(**named)["ResourceTagSet"]["Tags"] == tags[1:]
    several = zone.client.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=[zone_id])
    assert several["ResourceTagSets"][0]["ResourceId"] == zone_id
    changed = zone.client.update_hosted_zone_comment(Id=zone_id, Comment="new")
    assert changed["HostedZone"]["Config"]["Comment"] == "new"


def test_the_cli_and_what_is_not_offered(cloud: Daemon, zone: Zone) -> None:
    listed = cloud.aws_json("route53", "list-hosted-zones")
    assert listed["HostedZones"][0]["Id"] == zone.id
    assert refusal(zone.client.list_health_checks) == (
        "NotImplemented",
        "tidegate local does not offer route53:ListHealthChecks yet",
    )
    record = {"HealthCheckId": "0123", "SetIdentifier": "a", "Weight": 1}
    assert zone.refused("CREATE", "h.example.com", "A", "192.0.2.1", **record)[0] == "NotImplemented"
