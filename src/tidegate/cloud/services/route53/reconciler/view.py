"""The names that a VPC's private zones give it, as its resolver takes them. Pure.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.cloud.planes.resolver import RecordSet, View, Zone


def view_of(zones: Iterable[tuple[Mapping[str, Any], Iterable[Mapping[str, Any]]]], region: str) -> View:
    """Return what zones, each with its record sets, say to those who ask in a region.

    Weighted and multivalue sets are drawn from. Of other policies one set speaks: the primary one of failover, the
    region's own of latency, else the first.
    """
    return View(tuple(_zone(zone, list(records), region) for zone, records in zones))


def _zone(zone: Mapping[str, Any], records: list[Mapping[str, Any]], region: str) -> Zone:
    start = next(each for each in records if each["Type"] == "SOA" and each["Name"] == zone["Name"])
    minimum = int(start["ResourceRecords"][0]["Value"].split()[-1])
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in records:
        alike.setdefault((each["Name"], each["Type"]), []).append(each)
    spoken = [_set(each) for members in alike.values() for each in _speaking(members, region)]
    return Zone(
        zone["Name"],
        start["ResourceRecords"][0]["Value"],
        min(minimum, start["TTL"]),  # RFC 2308, 5
        tuple(spoken),
    )


def _speaking(members: list[Mapping[str, Any]], region: str) -> list[Mapping[str, Any]]:
    if any("Weight" in each or each.get("MultiValueAnswer") for each in members):
        return members
    preferred = [each for each in members if each.get("Failover") == "PRIMARY" or each.get("Region") == region]
    return [*preferred, *members][:1]


def _set(record: Mapping[str, Any]) -> RecordSet:
    return RecordSet(
        name=record["Name"],
        type=record["Type"],
        ttl=record.get("TTL", 60),
        values=tuple(each["Value"] for each in record.get("ResourceRecords", ())),
        choice="one" if "Weight" in record else "any" if record.get("MultiValueAnswer") else "all",
        weight=record.get("Weight", 1),
        alias=record.get("AliasTarget", {}).get("DNSName"),
    )
