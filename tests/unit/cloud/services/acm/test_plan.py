"""When a certificate is issued, renewed and given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.cloud.services.acm.plan import decide, validation_record, zone_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pending(age: timedelta) -> dict[str, Any]:
    options = [{"DomainName": "a.test"}, {"DomainName": "b.test"}]
    return {"Status": "PENDING_VALIDATION", "CreatedAt": NOW - age, "DomainValidationOptions": options}


def issued(left: timedelta, kind: str = "AMAZON_ISSUED") -> dict[str, Any]:
    return {"Status": "ISSUED", "Type": kind, "NotAfter": NOW + left}


def test_all_domains_have_to_be_validated() -> None:
    assert decide(pending(timedelta()), ["a.test"], NOW, in_use=False).do == "wait"
    assert decide(pending(timedelta()), ["a.test", "b.test"], NOW, in_use=False).do == "issue"
    assert decide(pending(timedelta(hours=73)), ["a.test"], NOW, in_use=False).do == "time out"


@pytest.mark.parametrize(
    ("left", "kind", "in_use", "do"),
    [
        (100, "AMAZON_ISSUED", True, "wait"),
        (44, "AMAZON_ISSUED", True, "renew"),
        (44, "AMAZON_ISSUED", False, "wait"),
        (44, "IMPORTED", True, "wait"),
        (0, "IMPORTED", True, "expire"),
    ],
)
def test_renewal(left: int, kind: str, do: str, *, in_use: bool) -> None:
    plan = decide(issued(timedelta(days=left), kind), (), NOW, in_use=in_use)
    assert plan.do == do
    assert plan.again is None or 1 <= plan.again <= 86400


@pytest.mark.parametrize(
    ("domain", "zone"),
    [
        ("www.example.com", "example.com."),
        ("*.shop.example.com", "shop.example.com."),
        ("shop.example.com", "shop.example.com."),
        ("badexample.com", None),
        ("other.org", None),
    ],
)
def test_the_nearest_zone_counts(domain: str, zone: str | None) -> None:
    assert zone_of(domain, ["example.com.", "shop.example.com."]) == zone


def test_a_validation_record_is_an_accounts_and_a_domains() -> None:
    one = validation_record("1", "example.com")
    assert one == validation_record("1", "*.Example.com")
    assert one != validation_record("2", "example.com")
    assert one["Name"].endswith(".example.com.")
