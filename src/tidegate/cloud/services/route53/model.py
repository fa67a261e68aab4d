"""The records of hosted zones, record sets and changes, and what is asked of them. Route 53 knows no regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.route53.names import reversed_name
from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_route53 import type_defs as t

SERVICE = "route53.amazonaws.com"  # as whom it calls other services
_ZONE_PREFIX, _CHANGE_PREFIX = "/hostedzone/", "/change/"


class ZoneRecord(TypedDict):
    """A hosted zone as AWS shows it, but for the number of its record sets; `vpcs` are those of a private one."""

    zone: t.HostedZoneTypeDef
    name_servers: list[str]
    vpcs: list[t.VPCTypeDef]
    tags: dict[str, str]


class Route53Model:
    """Zones are keyed `(id)`, record sets `(zone's id, reversed name, type, set identifier)`, changes `(id)`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.zones = Collection[ZoneRecord](store, "route53.zone")
        self.records = Collection[Any](store, "route53.record")
        self.changes = Collection[Any](store, "route53.change")

    def zone(self, given: str) -> ZoneRecord:
        """Return a zone by its id, with or without its prefix; raise NoSuchHostedZone."""
        zone_id = bare_id(given)
        found = self.zones.get(zone_id)
        if found is None:
            raise ServiceError("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}", 404)
        return found

    def count(self, zone_id: str) -> int:
        """Return how many record sets a zone has."""
        return len(self.records.items(zone_id))

    def sets_at(self, zone_id: str, name: str) -> list[tuple[Key, Any]]:
        """Return the record sets of a zone with exactly a (canonical) name."""
        return self.records.items(zone_id, reversed_name(name))


def bare_id(given: str) -> str:
    """Return the id of a zone or a change without its prefix."""
    return given.removeprefix(_ZONE_PREFIX).removeprefix(_CHANGE_PREFIX)


def zone_arn(given: str) -> str:
    """Return the ARN of a zone."""
    return f"arn:aws:route53:::hostedzone/{bare_id(given)}"


def key_of(zone_id: str, record: Any) -> Key:
    """Return the key of a record set, its name canonical."""
    return zone_id, reversed_name(record["Name"]), record["Type"], record.get("SetIdentifier", "")


def shown(record: ZoneRecord, count: int) -> dict[str, Any]:
    """Return a zone as AWS shows it."""
    return {**record["zone"], "ResourceRecordSetCount": count}
