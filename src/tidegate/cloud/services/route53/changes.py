"""What a batch of changes does to a zone's record sets: pure, and all of it or nothing.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.route53.model import key_of
from tidegate.cloud.services.route53.names import canonical, is_in
from tidegate.cloud.services.route53.values import fault
from tidegate.cloud.store import Key

_POLICIES = (
    "Weight",
    "Region",
    "GeoLocation",
    "Failover",
    "MultiValueAnswer",
    "CidrRoutingConfig",
    "GeoProximityLocation",
)
_COMPARED = ("TTL", "ResourceRecords", "AliasTarget", *_POLICIES, "HealthCheckId")


def checked(change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record set of a change with its names canonical; raise InvalidInput."""
    record = dict(change["ResourceRecordSet"])
    record["Name"] = canonical(record["Name"])
    alias, plain = "AliasTarget" in record, "TTL" in record and bool(record.get("ResourceRecords"))
    half = "TTL" in record or bool(record.get("ResourceRecords"))
    if (alias and half) or not (alias or plain):
        found = "more than one" if alias else "none"
        raise ServiceError(
            "InvalidInput",
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId], but found {found} in Change with {_in_change(change)}",
        )
    policies = [name for name in _POLICIES if name in record]
    if len(policies) > 1:
        raise ServiceError(
            "InvalidInput",
            f"Invalid request: Expected exactly one of [{', '.join(_POLICIES)}], but found more than one in Change "
            f"with {_in_change(change)}",
        )
    if bool(policies) is not ("SetIdentifier" in record):
        missing = "a SetIdentifier" if policies else f"one of [{', '.join(_POLICIES)}]"
        raise ServiceError(
            "InvalidInput", f"Invalid request: Missing field: {missing} in Change with {_in_change(change)}"
        )
    if alias:
        target = record["AliasTarget"]
        record["AliasTarget"] = {**target, "DNSName": _target(target["DNSName"])}
    return record


def applied(
    zone: str, zone_id: str, present: Mapping[Key, Any], changes: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[Key, Any | None]:
    """Return what becomes of each record set that changes (None: it goes); raise InvalidChangeBatch.

    `zone` is the zone's canonical name, `changes` are actions with record sets that are `checked`.
    """
    now: dict[Key, Any] = dict(present)
    result: dict[Key, Any | None] = {}
    faults: list[str] = []
    for action, record in changes:
        key = key_of(zone_id, record)
        old, title = now.get(key), _title(record)
        if not is_in(record["Name"], zone):
            faults.append(f"RRSet with DNS name {record['Name']} is not permitted in zone {zone}")
        elif action == "DELETE":
            if old is None:
                faults.append(f"Tried to delete resource record set {title} but it was not found")
            elif not _same(old, record):
                faults.append(
                    f"Tried to delete resource record set {title} but the values provided do not match the current "
                    "values"
                )
            elif record["Name"] == zone and record["Type"] in ("NS", "SOA"):
                least = "at least one NS record" if record["Type"] == "NS" else "exactly one SOA record"
                faults.append(f"A HostedZone must contain {least} for the zone itself.")
            else:
                del now[key]
                result[key] = None
        elif action == "CREATE" and old is not None:
            faults.append(f"Tried to create resource record set {title} but it already exists")
        else:
            why = fault(record) or _misplaced(record, zone, zone_id, now)
            if why is not None:
                faults.append(why)
            else:
                now[key] = result[key] = dict(record)
    for key, new in result.items():
        if new is not None and not faults and (why := _conflict(key, new, zone, now)) is not None:
            faults.append(why)
    if faults:
        raise ServiceError("InvalidChangeBatch", f"[{', '.join(faults)}]")
    return result


def _misplaced(record: Mapping[str, Any], zone: str, zone_id: str, now: Mapping[Key, Any]) -> str | None:
    if record["Type"] == "CNAME" and record["Name"] == zone:
        return f"RRSet of type CNAME with DNS name {zone} is not permitted at apex in zone {zone}"
    if record["Type"] == "SOA" and record["Name"] != zone:
        return f"RRSet of type SOA with DNS name {record['Name']} is not permitted in zone {zone}"
    target = record.get("AliasTarget")
    if target is None or target["HostedZoneId"].removeprefix("/hostedzone/") != zone_id:
        return None
    about = f"Tried to create an alias that targets {target['DNSName']}, type {record['Type']} in zone {zone_id}, but"
    if not is_in(target["DNSName"], zone):
        return f"{about} the alias target name does not lie within the target zone"
    names = {(each["Name"], each["Type"]) for each in now.values()}
    return None if (target["DNSName"], record["Type"]) in names else f"{about} that target was not found"


def _conflict(key: Key, record: Mapping[str, Any], zone: str, now: Mapping[Key, Any]) -> str | None:
    others = [each for other, each in now.items() if other != key and each["Name"] == record["Name"]]
    types = {each["Type"] for each in others}
    if types - {record["Type"]} and "CNAME" in {record["Type"], *types}:
        return (
            f"RRSet of type {record['Type']} with DNS name {record['Name']} is not permitted as it conflicts with "
            f"other records with the same DNS name in zone {zone}"
        )
    alike = [each for each in others if each["Type"] == record["Type"]]
    if any(_policy(each) != _policy(record) for each in alike):
        return (
            f"RRSet with DNS name {record['Name']}, type {record['Type']}, SetIdentifier "
            f"{record.get('SetIdentifier', '')} cannot be created as other RRSets exist with the same name and type "
            "but a different routing policy"
        )
    return None


def _policy(record: Mapping[str, Any]) -> str | None:
    return next((name for name in _POLICIES if name in record), None)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    def plain(record: Mapping[str, Any]) -> list[Any]:
        values = sorted(each["Value"] for each in record.get("ResourceRecords", ()))
        return [values if name == "ResourceRecords" else record.get(name) for name in _COMPARED]

    return plain(one) == plain(other)


def _target(name: str) -> str:
    return canonical(name)


def _title(record: Mapping[str, Any]) -> str:
    identifier = f", set-identifier='{record['SetIdentifier']}'" if "SetIdentifier" in record else ""
    return f"[name='{record['Name']}', type='{record['Type']}'{identifier}]"


def _in_change(change: Mapping[str, Any]) -> str:
    record = change["ResourceRecordSet"]
    return (
        f"[Action={change['Action']}, Name={record['Name']}, Type={record['Type']}, "
        f"SetIdentifier={record.get('SetIdentifier', 'null')}]"
    )


def in_order(records: Iterable[tuple[Key, Any]]) -> list[Any]:
    """Return record sets in the order in which Route 53 lists them."""
    return [record for _, record in sorted(records, key=lambda each: each[0][1:])]
