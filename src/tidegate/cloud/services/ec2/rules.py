"""Security group rules: permissions as a request has them, taken apart into rules, and put together again. Pure.

https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.documents import is_number
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.ranges import parse, parse_v6

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_PORTED = ("tcp", "udp")
_MESSAGED = ("icmp", "icmpv6")
_PEERS = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo")

Draft = dict[str, Any]  # a SecurityGroupRule without its ids


def from_permissions(permissions: Iterable[Mapping[str, Any]], account: str, *, egress: bool) -> list[Draft]:
    """Return one rule for each peer of each permission; a pair names its group by id."""
    drafts = []
    for permission in permissions:
        head = protocol_and_ports(permission, egress=egress)
        peers: list[Draft] = [
            *(
                {"CidrIpv4": v4_range(each.get("CidrIp", "")), **_described(each)}
                for each in _all(permission, "IpRanges")
            ),
            *(
                {"CidrIpv6": v6_range(each.get("CidrIpv6", "")), **_described(each)}
                for each in _all(permission, "Ipv6Ranges")
            ),
            *({"PrefixListId": each["PrefixListId"], **_described(each)} for each in _all(permission, "PrefixListIds")),
            *(
                {
                    "ReferencedGroupInfo": {"GroupId": each["GroupId"], "UserId": each.get("UserId", account)},
                    **_described(each),
                }
                for each in _all(permission, "UserIdGroupPairs")
            ),
        ]
        drafts += [{**head, **peer} for peer in peers]
    return drafts


def from_request(rule: Mapping[str, Any], account: str, *, egress: bool) -> Draft:
    """Return the rule that `ModifySecurityGroupRules` asks for."""
    given = [name for name in ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId") if name in rule]
    if len(given) != 1:
        raise ServiceError(
            "InvalidParameterValue",
            "You must specify exactly one of the following: CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupId",
        )
    draft = {**protocol_and_ports(rule, egress=egress), **_described(rule)}
    match given[0]:
        case "CidrIpv4":
            draft["CidrIpv4"] = v4_range(rule["CidrIpv4"])
        case "CidrIpv6":
            draft["CidrIpv6"] = v6_range(rule["CidrIpv6"])
        case "PrefixListId":
            draft["PrefixListId"] = rule["PrefixListId"]
        case _:
            draft["ReferencedGroupInfo"] = {"GroupId": rule["ReferencedGroupId"], "UserId": account}
    return draft


def protocol_and_ports(given: Mapping[str, Any], *, egress: bool) -> Draft:
    """Return protocol and ports as rules show them; raise InvalidParameterValue or MissingParameter."""
    if given.get("IpProtocol") in (None, ""):
        raise ServiceError("MissingParameter", "The request must contain the parameter ipProtocol")
    protocol = str(given["IpProtocol"]).lower()
    protocol = "-1" if protocol == "all" else _NUMBERS.get(protocol, protocol)
    first, last = given.get("FromPort"), given.get("ToPort")
    if protocol in _PORTED:
        if first is None or last is None:
            raise _invalid_range("Must specify both from and to ports with TCP/UDP.")
        if (first, last) == (-1, -1):
            first, last = 0, 65535
        if not (0 <= first <= 65535 and 0 <= last <= 65535):
            raise _invalid_range(f"Port range {first}-{last} is not within 0-65535.")
        if first > last:
            raise ServiceError("InvalidParameterValue", f"Invalid {protocol.upper()} port range ({first}-{last}).")
    elif protocol in _MESSAGED:
        first, last = -1 if first is None else first, -1 if last is None else last
    elif protocol == "-1" or (is_number(protocol) and int(protocol) <= 255):
        first = last = -1
    else:
        raise ServiceError("InvalidParameterValue", f"Invalid value '{protocol}' for IP protocol. Unknown protocol.")
    return {"IsEgress": egress, "IpProtocol": protocol, "FromPort": first, "ToPort": last}


def v4_range(text: str) -> str:
    """Return a peer's IPv4 range in its canonical writing."""
    network = parse(text)
    if network is None:
        raise ServiceError("InvalidParameterValue", f"CIDR block {text} is malformed")
    return str(network)


def v6_range(text: str) -> str:
    """Return a peer's IPv6 range in its canonical writing."""
    network = parse_v6(text)
    if network is None:
        raise ServiceError("InvalidParameterValue", f"CIDR block {text} is malformed")
    return str(network)


def identity(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what makes two rules the same rule: everything but ids, description and tags."""
    group = rule.get("ReferencedGroupInfo", {}).get("GroupId")
    return (
        rule["IsEgress"],
        rule["IpProtocol"],
        rule["FromPort"],
        rule["ToPort"],
        rule.get("CidrIpv4"),
        rule.get("CidrIpv6"),
        rule.get("PrefixListId"),
        group,
    )


def peer_of(rule: Mapping[str, Any]) -> Draft:
    """Return only the peer of a rule."""
    return {name: rule[name] for name in _PEERS if name in rule}


def wording(rule: Mapping[str, Any]) -> str:
    """Return a rule as EC2's messages name it: `peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW`."""
    peer = rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId")
    peer = peer or rule["ReferencedGroupInfo"]["GroupId"]
    protocol = rule["IpProtocol"]
    if protocol == "-1":
        return f"peer: {peer}, ALL, ALLOW"
    if protocol in _PORTED:
        ports = f"from port: {rule['FromPort']}, to port: {rule['ToPort']}"
        return f"peer: {peer}, {protocol.upper()}, {ports}, ALLOW"
    if protocol in _MESSAGED:
        return f"peer: {peer}, {protocol.upper()}, type: {rule['FromPort']}, code: {rule['ToPort']}, ALLOW"
    return f"peer: {peer}, protocol: {protocol}, ALLOW"


def to_permissions(rules: Sequence[t.SecurityGroupRuleTypeDef], *, egress: bool) -> list[Draft]:
    """Return the rules of one direction as `DescribeSecurityGroups` shows them: one permission a port range."""
    permissions: dict[tuple[Any, ...], Draft] = {}
    chosen = [rule for rule in rules if rule["IsEgress"] is egress]
    for rule in sorted(chosen, key=lambda each: tuple(map(str, identity(each)))):
        protocol, first, last = rule["IpProtocol"], rule["FromPort"], rule["ToPort"]
        permission = permissions.get((protocol, first, last))
        if permission is None:
            permission = {"IpProtocol": protocol}
            if protocol in _PORTED + _MESSAGED:
                permission |= {"FromPort": first, "ToPort": last}
            permission |= {"UserIdGroupPairs": [], "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
            permissions[protocol, first, last] = permission
        described = _described(rule)
        if "CidrIpv4" in rule:
            permission["IpRanges"].append({"CidrIp": rule["CidrIpv4"], **described})
        elif "CidrIpv6" in rule:
            permission["Ipv6Ranges"].append({"CidrIpv6": rule["CidrIpv6"], **described})
        elif "PrefixListId" in rule:
            permission["PrefixListIds"].append({"PrefixListId": rule["PrefixListId"], **described})
        else:
            group = rule["ReferencedGroupInfo"]
            permission["UserIdGroupPairs"].append({"GroupId": group["GroupId"], "UserId": group["UserId"], **described})
    return list(permissions.values())


def _all(permission: Mapping[str, Any], member: str) -> Sequence[Mapping[str, Any]]:
    return permission.get(member) or ()


def _described(given: Mapping[str, Any]) -> Draft:
    return {"Description": given["Description"]} if given.get("Description") else {}


def _invalid_range(why: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", f"Invalid value '{why}' for portRange.")
