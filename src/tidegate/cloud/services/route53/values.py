"""The values of records: what each type's have to be like. Pure.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

_QUOTED = re.compile(r'"(?:[^"\\]|\\.){0,255}"(?:\s+"(?:[^"\\]|\\.){0,255}")*')
_DOMAIN = re.compile(r"(?=.{1,255}$)(?:[A-Za-z0-9_*\\-]{1,63}\.)*[A-Za-z0-9_*\\-]{1,63}\.?")
_MX = re.compile(r"(\d+)\s+(\S+)")
_SRV = re.compile(r"(\d+)\s+(\d+)\s+(\d+)\s+(\S+)")
_CAA = re.compile(r'\d+\s+[a-z0-9]+\s+"[^"]*"')
_ONE_VALUE = ("CNAME", "SOA")


def fault(record: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a record set's values, as Route 53 says it, or None."""
    values = [each["Value"] for each in record.get("ResourceRecords", ())]
    if len(set(values)) < len(values):
        return f"Duplicate Resource Record: '{next(each for each in values if values.count(each) > 1)}'"
    if record["Type"] in _ONE_VALUE and len(values) > 1:
        return f"RRSet of type {record['Type']} with DNS name {record['Name']} has more than one resource record"
    for value in values:
        why = _fault(record["Type"], value)
        if why is not None:
            return f"Invalid Resource Record: 'FATAL problem: {why} encountered with '{value}''"
    return None


def _fault(kind: str, value: str) -> str | None:
    match kind:
        case "A":
            return None if _is(IPv4Address, value) else "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
        case "AAAA":
            return (
                None if _is(IPv6Address, value) else "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
            )
        case "TXT" | "SPF":
            return (
                None
                if _QUOTED.fullmatch(value)
                else "InvalidCharacterString (Value should be enclosed in quotation marks)"
            )
        case "CNAME" | "NS" | "PTR":
            return None if _DOMAIN.fullmatch(value) else f"{kind}RRDATAIllegal (Value is not a valid domain name)"
        case "MX":
            found = _MX.fullmatch(value)
            fits = found is not None and int(found[1]) <= 0xFFFF and _DOMAIN.fullmatch(found[2])
            return None if fits else "MXRRDATANotTwoFields (MX record doesn't have 2 fields)"
        case "SRV":
            four = _SRV.fullmatch(value)
            small = four is not None and all(int(four[each]) <= 0xFFFF for each in (1, 2, 3))
            return None if small else "SRVRRDATANotFourFields (SRV record doesn't have 4 fields)"
        case "CAA":
            return None if _CAA.fullmatch(value) else "CAARRDATANotThreeFields (CAA record doesn't have 3 fields)"
        case _:
            return None


def _is(kind: type[IPv4Address | IPv6Address], value: str) -> bool:
    try:
        kind(value)
    except AddressValueError:
        return False
    return True
