"""Who is discovered, and which DNS records follow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.servicediscovery.model import InstanceRecord
from tidegate.cloud.services.servicediscovery.plan import (
    discovered,
    faulty_attributes,
    faulty_dns,
    record_changes,
    record_sets,
)

CHECKED: dict[str, Any] = {"HealthCheckCustomConfig": {"FailureThreshold": 1}}
DOMAIN = "web.shop.local."


def service(*types: str, policy: str = "MULTIVALUE", checked: bool = True) -> dict[str, Any]:
    records = [{"Type": each, "TTL": 10} for each in types]
    return {**(CHECKED if checked else {}), "DnsConfig": {"RoutingPolicy": policy, "DnsRecords": records}}


@st.composite
def many(draw: st.DrawFn) -> list[InstanceRecord]:
    return [
        {
            "id": f"i{number}",
            "attributes": {
                "AWS_INSTANCE_IPV4": f"10.0.0.{number}",
                "AWS_INSTANCE_PORT": "8080",
                "stage": draw(st.sampled_from(["blue", "green"])),
            },
            "health": draw(st.sampled_from(["HEALTHY", "UNHEALTHY"])),
        }
        for number in range(draw(st.integers(0, 6)))
    ]


@given(many())
def test_somebody_is_found_as_long_as_there_is_somebody(instances: list[InstanceRecord]) -> None:
    found = discovered(CHECKED, instances, wanted="HEALTHY_OR_ELSE_ALL", required={}, preferred={})
    assert bool(found) == bool(instances)
    healthy = [each for each in instances if each["health"] == "HEALTHY"]
    assert found == (healthy or instances)


@given(many(), st.sampled_from(["HEALTHY", "UNHEALTHY", "ALL", "HEALTHY_OR_ELSE_ALL"]))
def test_what_is_required_is_had_by_all(instances: list[InstanceRecord], wanted: str) -> None:
    found = discovered(CHECKED, instances, wanted=wanted, required={"stage": "blue"}, preferred={"stage": "green"})
    assert all(each["attributes"]["stage"] == "blue" for each in found)
    if wanted in ("HEALTHY", "UNHEALTHY"):
        assert all(each["health"] == wanted for each in found)


@given(many())
def test_health_does_not_count_where_nobody_tells_it(instances: list[InstanceRecord]) -> None:
    assert discovered({}, instances, wanted="HEALTHY", required={}, preferred={}) == instances


@given(many(), many(), st.sampled_from([("A",), ("SRV",), ("A", "SRV")]))
def test_changes_lead_from_any_records_to_those_wanted(
    before: list[InstanceRecord], after: list[InstanceRecord], types: tuple[str, ...]
) -> None:
    old, new = record_sets(DOMAIN, service(*types), before), record_sets(DOMAIN, service(*types), after)

    def identity(record: Any) -> tuple[str, str, str]:
        return record["Name"], record["Type"], record.get("SetIdentifier", "")

    state = {identity(each): each for each in old}
    for change in record_changes(old, new):
        record = change["ResourceRecordSet"]
        if change["Action"] == "DELETE":
            assert state.pop(identity(record)) == record
        else:
            state[identity(record)] = record
    assert state == {identity(each): each for each in new}
    assert not record_changes(new, new)


def test_a_service_record_leads_to_a_name_with_an_address() -> None:
    instance: InstanceRecord = {
        "id": "One",
        "attributes": {"AWS_INSTANCE_IPV4": "10.0.0.1", "AWS_INSTANCE_PORT": "8080"},
        "health": "HEALTHY",
    }
    leads, host = record_sets(DOMAIN, service("SRV"), [instance])
    assert leads["ResourceRecords"] == [{"Value": "1 1 8080 one.web.shop.local."}]
    assert (host["Name"], host["Type"], host["ResourceRecords"]) == (
        "one.web.shop.local.",
        "A",
        [{"Value": "10.0.0.1"}],
    )


@pytest.mark.parametrize(
    ("types", "policy", "fine"),
    [
        (("A",), "MULTIVALUE", True),
        (("A", "AAAA"), "WEIGHTED", True),
        (("SRV",), "MULTIVALUE", True),
        (("CNAME",), "WEIGHTED", True),
        (("CNAME",), "MULTIVALUE", False),
        (("CNAME", "A"), "WEIGHTED", False),
        (("A", "A"), "WEIGHTED", False),
        ((), "MULTIVALUE", False),
    ],
)
def test_which_records_go_together(types: tuple[str, ...], policy: str, *, fine: bool) -> None:
    assert (faulty_dns([{"Type": each, "TTL": 1} for each in types], policy) is None) is fine


@pytest.mark.parametrize(
    ("types", "attributes", "named"),
    [
        (("A",), {}, "AWS_INSTANCE_IPV4"),
        (("A",), {"AWS_INSTANCE_IPV4": "10.0.0.256"}, "AWS_INSTANCE_IPV4"),
        (("SRV",), {"AWS_INSTANCE_IPV4": "10.0.0.1"}, "AWS_INSTANCE_PORT"),
        (("SRV",), {"AWS_INSTANCE_PORT": "80"}, "AWS_INSTANCE_IPV4"),
        (("A",), {"AWS_INSTANCE_IPV4": "10.0.0.1", "AWS_INSTANCE_PORT": "0"}, "AWS_INSTANCE_PORT"),
        (("A",), {"AWS_INSTANCE_IPV4": "10.0.0.1", "AWS_INIT_HEALTH_STATUS": "FINE"}, "AWS_INIT_HEALTH_STATUS"),
    ],
)
def test_what_is_missing_is_named(types: tuple[str, ...], attributes: dict[str, str], named: str) -> None:
    assert named in (faulty_attributes(service(*types), attributes) or "")
