"""What is decided of certificates: pure, no clock, no plane.

Validation as https://docs.aws.amazon.com/acm/latest/userguide/domain-ownership-validation.html has it, and ADR 14.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

DAYS = 198  # that a certificate is good for
RENEWED_BEFORE = timedelta(days=45)
_PATIENCE = timedelta(hours=72)  # with a domain that is not validated
_LONGEST_SLEEP = 86400.0  # seconds

Doing = Literal["issue", "renew", "expire", "time out", "wait"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with a certificate now, and after how many seconds it is looked at again."""

    do: Doing
    again: float | None = None


def decide(certificate: Mapping[str, Any], validated: Iterable[str], now: datetime, *, in_use: bool) -> Plan:
    """Decide on a certificate as AWS describes it; `validated` are the domains that are proved to be its owner's."""
    status = certificate["Status"]
    if status == "PENDING_VALIDATION":
        done = set(validated)
        if all(each["DomainName"] in done for each in certificate["DomainValidationOptions"]):
            return Plan("issue")
        left = certificate["CreatedAt"] + _PATIENCE - now
        return Plan("time out") if left <= timedelta(0) else Plan("wait", _sleep(left))
    if status != "ISSUED":
        return Plan("wait")
    if certificate["NotAfter"] <= now:
        return Plan("expire")
    renewal = certificate["NotAfter"] - RENEWED_BEFORE
    if certificate["Type"] == "AMAZON_ISSUED" and renewal <= now and in_use:
        return Plan("renew")
    return Plan("wait", _sleep((renewal if renewal > now else certificate["NotAfter"]) - now))


def zone_of(domain: str, zones: Iterable[str]) -> str | None:
    """Return the zone, of those that there are (`example.com.`), which a domain's records are in, or None."""
    base = f".{bare(domain)}."
    inside = [zone for zone in zones if base.endswith(f".{zone}")]
    return max(inside, key=len, default=None)


def bare(domain: str) -> str:
    """Return a domain without the asterisk of a wildcard: both are validated by one record."""
    return domain.removeprefix("*.").lower()


def validation_record(account: str, domain: str) -> dict[str, str]:
    """Return the CNAME that proves a domain to be an account's: the same one whenever it is asked for."""
    base = bare(domain)
    name = hashlib.md5(f"{account} {base}".encode(), usedforsecurity=False).hexdigest()
    value = hashlib.md5(f"{base} {account}".encode(), usedforsecurity=False).hexdigest()
    tail = hashlib.sha256(f"{account}".encode()).hexdigest()[:10].translate(str.maketrans("0123456789", "ghijklmnop"))
    return {"Name": f"_{name}.{base}.", "Type": "CNAME", "Value": f"_{value}.{tail}.acm-validations.aws."}


def _sleep(left: timedelta) -> float:
    return max(1.0, min(left.total_seconds(), _LONGEST_SLEEP))
