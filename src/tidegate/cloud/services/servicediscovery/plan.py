"""Decisions of Cloud Map: what an instance has to have, who is discovered, which DNS records follow. Pure.

https://docs.aws.amazon.com/cloud-map/latest/api/API_RegisterInstance.html
https://docs.aws.amazon.com/cloud-map/latest/api/API_DiscoverInstances.html
https://docs.aws.amazon.com/cloud-map/latest/dg/services-route53.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from tidegate.cloud.documents import is_number
from tidegate.cloud.services.servicediscovery.model import InstanceRecord, has_checks

IPV4, IPV6, CNAME, PORT = "AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6", "AWS_INSTANCE_CNAME", "AWS_INSTANCE_PORT"
INITIAL = "AWS_INIT_HEALTH_STATUS"
_NEEDED = {"A": (IPV4,), "AAAA": (IPV6,), "CNAME": (CNAME,), "SRV": (PORT,)}
_TYPES = ({"A"}, {"AAAA"}, {"A", "AAAA"}, {"SRV"}, {"CNAME"}, {"A", "SRV"}, {"AAAA", "SRV"}, {"A", "AAAA", "SRV"})
_MOST_ATTRIBUTES, _LONGEST_KEY, _LONGEST_VALUE, _LARGEST = 30, 255, 1024, 5000
_WEIGHT = 1

Record = dict[str, Any]  # a resource record set of Route 53


def faulty_dns(records: Sequence[Mapping[str, Any]], policy: str) -> str | None:
    """Return what is wrong with the DNS records that a service shall have, or None."""
    types = [each["Type"] for each in records]
    if len(set(types)) < len(types) or set(types) not in _TYPES:
        return f"Invalid combination of DNS record types: {', '.join(types) or 'none'}"
    if "CNAME" in types and policy != "WEIGHTED":
        return "A CNAME record requires the routing policy WEIGHTED"
    return None


def faulty_attributes(service: Mapping[str, Any], attributes: Mapping[str, str]) -> str | None:
    """Return what is wrong with the attributes of an instance of a service, or None."""
    types = [each["Type"] for each in service.get("DnsConfig", {}).get("DnsRecords", ())]
    for kind in types:
        for name in _NEEDED[kind]:
            if not attributes.get(name):
                return f"Attribute {name} is required for the record type {kind} of the service"
    if "SRV" in types and not (attributes.get(IPV4) or attributes.get(IPV6) or attributes.get(CNAME)):
        return f"One of {IPV4}, {IPV6} and {CNAME} is required for the record type SRV of the service"
    for name, kind in ((IPV4, IPv4Address), (IPV6, IPv6Address)):
        if name in attributes and not _is(kind, attributes[name]):
            return f"Attribute {name} is not a valid address: {attributes[name]}"
    port = attributes.get(PORT, "1")
    if not is_number(port) or not 1 <= int(port) <= 0xFFFF:
        return f"Attribute {PORT} is not a port: {port}"
    if INITIAL in attributes:
        if not has_checks(service):
            return f"Attribute {INITIAL} requires a service with HealthCheckCustomConfig"
        if attributes[INITIAL] not in ("HEALTHY", "UNHEALTHY"):
            return f"Attribute {INITIAL} is neither HEALTHY nor UNHEALTHY: {attributes[INITIAL]}"
    return _faulty_sizes(attributes)


def _faulty_sizes(attributes: Mapping[str, str]) -> str | None:
    custom = [name for name in attributes if not name.startswith("AWS_")]
    if len(custom) > _MOST_ATTRIBUTES:
        return f"At most {_MOST_ATTRIBUTES} custom attributes can be given"
    if any(not 0 < len(name) <= _LONGEST_KEY or len(value) > _LONGEST_VALUE for name, value in attributes.items()):
        return f"Keys have 1 to {_LONGEST_KEY} characters, values at most {_LONGEST_VALUE}"
    if sum(len(name) + len(value) for name, value in attributes.items()) > _LARGEST:
        return f"All attributes together have at most {_LARGEST} characters"
    return None


def discovered(
    service: Mapping[str, Any],
    instances: Iterable[InstanceRecord],
    *,
    wanted: str,
    required: Mapping[str, str],
    preferred: Mapping[str, str],
) -> list[InstanceRecord]:
    """Return the instances that a client gets: those with all `required` attributes, as healthy as is `wanted`.

    Where some of them have all `preferred` attributes, it is those alone. Where nobody tells the health of the
    service's instances, it does not count.
    """
    found = [each for each in instances if required.items() <= each["attributes"].items()]
    if preferred:
        found = [each for each in found if preferred.items() <= each["attributes"].items()] or found
    if not has_checks(service) or wanted == "ALL":
        return found
    if wanted == "UNHEALTHY":
        return [each for each in found if each["health"] == "UNHEALTHY"]
    healthy = [each for each in found if each["health"] == "HEALTHY"]
    return healthy if wanted == "HEALTHY" else healthy or found


def record_sets(domain: str, service: Mapping[str, Any], instances: Iterable[InstanceRecord]) -> list[Record]:
    """Return Route 53's record sets of a service: one an instance and type, for the healthy instances.

    Where none is healthy it is all of them. `domain` is the service's name in the zone, ended by a dot. An SRV record
    leads to `instance.domain`, which has an address record of its own.
    """
    config = service.get("DnsConfig", {})
    found = list(instances)
    if has_checks(service):
        found = [each for each in found if each["health"] == "HEALTHY"] or found
    sets: list[Record] = []
    for instance in found:
        for each in config.get("DnsRecords", ()):
            sets += _sets(domain, each["Type"], each["TTL"], instance, config.get("RoutingPolicy", "MULTIVALUE"))
    return sets


def _sets(domain: str, kind: str, ttl: int, instance: InstanceRecord, policy: str) -> list[Record]:
    attributes = instance["attributes"]
    routing: Record = {"SetIdentifier": instance["id"]}
    routing |= {"Weight": _WEIGHT} if policy == "WEIGHTED" else {"MultiValueAnswer": True}
    if kind != "SRV":
        (name,) = _NEEDED[kind]
        return [_record(domain, kind, ttl, attributes[name], routing)]
    host = f"{instance['id']}.{domain}".lower()
    sets = [_record(domain, kind, ttl, f"1 1 {attributes[PORT]} {host}", routing)]
    addressed = (("A", IPV4), ("AAAA", IPV6))
    own = [_record(host, of, ttl, attributes[name], {}) for of, name in addressed if attributes.get(name)]
    return [*sets, *(own or [_record(host, "CNAME", ttl, attributes[CNAME], {})])]


def _record(name: str, kind: str, ttl: int, value: str, routing: Mapping[str, Any]) -> Record:
    return {"Name": name.lower(), "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value}], **routing}


def record_changes(present: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Return the changes (`Action`, `ResourceRecordSet`) that make the record sets be what is wanted."""
    old, new = {_identity(each): each for each in present}, {_identity(each): each for each in wanted}
    gone = [{"Action": "DELETE", "ResourceRecordSet": each} for key, each in old.items() if key not in new]
    put = [{"Action": "UPSERT", "ResourceRecordSet": each} for key, each in new.items() if old.get(key) != each]
    return gone + put


def _identity(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return record["Name"], record["Type"], record.get("SetIdentifier", "")


def _is(kind: type[IPv4Address] | type[IPv6Address], value: str) -> bool:
    try:
        kind(value)
    except AddressValueError:
        return False
    return True
