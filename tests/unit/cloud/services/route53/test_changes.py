"""Batches of changes: whole or nothing, whatever is in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.route53.changes import applied, checked, in_order
from tidegate.cloud.services.route53.model import key_of
from tidegate.cloud.services.route53.names import canonical, reversed_name

ZONE, ZONE_ID = "example.com.", "Z1"

names = st.sampled_from(["example.com", "a.example.com", "b.a.example.com", "other.org"])
records = st.builds(
    lambda name, kind, number: {
        "Name": name,
        "Type": kind,
        "TTL": 60,
        "ResourceRecords": [
            {"Value": {"A": f"192.0.2.{number}", "TXT": f'"{number}"', "CNAME": f"n{number}.org"}[kind]}
        ],
    },
    names,
    st.sampled_from(["A", "TXT", "CNAME"]),
    st.integers(1, 3),
)
batches = st.lists(st.tuples(st.sampled_from(["CREATE", "UPSERT", "DELETE"]), records), max_size=6)


@given(st.lists(batches, max_size=6))
def test_a_zone_stays_well_formed(history: list[list[tuple[str, Any]]]) -> None:
    present: dict[Any, Any] = {}
    for batch in history:
        changes = [(action, checked({"Action": action, "ResourceRecordSet": record})) for action, record in batch]
        before = dict(present)
        try:
            result = applied(ZONE, ZONE_ID, present, changes)
        except ServiceError:
            result = {}
        assert present == before
        for key, record in result.items():
            if record is None:
                present.pop(key, None)  # one may come and go in one batch
            else:
                present[key] = record
        for record in present.values():
            kinds = [each["Type"] for each in present.values() if each["Name"] == record["Name"]]
            assert "CNAME" not in kinds or len(kinds) == 1
            assert record["Name"].endswith(ZONE)
            assert (record["Name"], record["Type"]) != (ZONE, "CNAME")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("*.Example.COM", "\\052.example.com."),
        ("\\052.example.com.", "\\052.example.com."),
        ("_x.example.com", "_x.example.com."),
        ("a b.test", "a\\040b.test."),
    ],
)
def test_names(name: str, written: str) -> None:
    assert canonical(name) == written


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
def test_names_turned_round(labels: list[str]) -> None:
    assert reversed_name(".".join(labels) + ".") == ".".join(reversed(labels))


def test_record_sets_are_listed_by_their_names_turned_round() -> None:
    found = [{"Name": name, "Type": "A"} for name in ("b.example.com.", "example.com.", "a.b.example.com.")]
    ordered = in_order((key_of(ZONE_ID, each), each) for each in found)
    assert [each["Name"] for each in ordered] == ["example.com.", "b.example.com.", "a.b.example.com."]
