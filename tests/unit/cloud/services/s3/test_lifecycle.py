"""Lifecycle rules: what is due, and when."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.services.s3.model import ObjectRecord
from tidegate.cloud.services.s3.plan import KeyPlan, abortion, expiration, plan

START = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
moments = st.integers(0, 60 * 24).map(lambda hours: START + timedelta(hours=hours))


def version(number: int, modified: datetime, **more: Any) -> ObjectRecord:
    return {"order": number, "version": f"v{number}", "modified": modified, "size": 10, "tags": [], **more}  # type: ignore[typeddict-item]


def rule(**more: Any) -> Any:
    return {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, **more}


@settings(deadline=None)
@given(moments, st.integers(1, 30))
def test_an_object_expires_at_the_midnight_after_its_days(modified: datetime, days: int) -> None:
    due = expiration([rule(Expiration={"Days": days})], "k", version(1, modified))
    assert due is not None
    assert (due.at.hour, due.at.minute, due.at.second) == (0, 0, 0)
    assert timedelta(days=days) <= due.at - modified < timedelta(days=days + 1)


@settings(deadline=None)
@given(st.lists(moments, min_size=1, max_size=6), st.integers(1, 10), moments)
def test_nothing_goes_before_it_is_due_and_all_that_is_due_goes(
    times: list[datetime], days: int, now: datetime
) -> None:
    times.sort()
    versions = [version(n, at) for n, at in enumerate(times)]
    for older, newer in itertools.pairwise(versions):
        older["replaced"] = newer["modified"]
    current, behind = versions[-1], versions[-2::-1]
    rules = [rule(Expiration={"Days": days}, NoncurrentVersionExpiration={"NoncurrentDays": days})]
    found = plan(rules, "k", current, behind, now)
    assert found.expire == (now >= current["modified"] + timedelta(days=days) and _midnight_passed(current, days, now))
    for each in behind:
        aged = now - each["replaced"]
        if aged < timedelta(days=days):
            assert each["version"] not in found.remove
        if aged >= timedelta(days=days + 1):
            assert each["version"] in found.remove


def _midnight_passed(record: ObjectRecord, days: int, now: datetime) -> bool:
    due = record["modified"] + timedelta(days=days)
    midnight = due.replace(hour=0, minute=0, second=0, microsecond=0)
    return now >= (midnight if midnight == due else midnight + timedelta(days=1))


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(1, 4))
def test_the_newer_noncurrent_versions_are_kept(behind: int, kept: int) -> None:
    old = [version(n, START, replaced=START) for n in range(behind, 0, -1)]
    rules = [rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": kept})]
    found = plan(rules, "k", version(9, START), old, START + timedelta(days=9))
    assert found.remove == tuple(each["version"] for each in old[kept:])


def test_a_delete_marker_that_is_alone_goes() -> None:
    marker = version(2, START, marker=True)
    rules = [rule(Expiration={"ExpiredObjectDeleteMarker": True})]
    assert plan(rules, "k", None, [marker], START) == KeyPlan(False, ("v2",))
    assert plan(rules, "k", None, [marker, version(1, START)], START) == KeyPlan()
    rules = [
        rule(Expiration={"ExpiredObjectDeleteMarker": True}),
        rule(NoncurrentVersionExpiration={"NoncurrentDays": 1}),
    ]
    later = START + timedelta(days=3)
    old = version(1, START, replaced=START)
    assert plan(rules, "k", None, [marker, old], later) == KeyPlan(False, ("v1", "v2"))


def test_filters() -> None:
    record = version(1, START, size=100, tags=[{"Key": "a", "Value": "b"}])
    later = START + timedelta(days=3)
    for given_filter, fits in [
        ({"Prefix": "k"}, True),
        ({"Prefix": "x"}, False),
        ({"Tag": {"Key": "a", "Value": "b"}}, True),
        ({"Tag": {"Key": "a", "Value": "c"}}, False),
        ({"ObjectSizeGreaterThan": 99}, True),
        ({"ObjectSizeGreaterThan": 100}, False),
        ({"ObjectSizeLessThan": 100}, False),
        ({"And": {"Prefix": "k", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeLessThan": 101}}, True),
        ({"And": {"Prefix": "k", "Tags": [{"Key": "z", "Value": "b"}]}}, False),
    ]:
        rules = [rule(Filter=given_filter, Expiration={"Days": 1})]
        assert plan(rules, "key", record, [], later).expire is fits, given_filter
    disabled = [rule(Expiration={"Days": 1}, Status="Disabled")]
    assert plan(disabled, "key", record, [], later) == KeyPlan()


def test_uploads_are_aborted() -> None:
    upload: Any = {"initiated": START}
    due = abortion([rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2})], "k", upload)
    assert due is not None
    assert due.at == datetime(2026, 1, 4, tzinfo=UTC)
    assert abortion([rule(Expiration={"Days": 1})], "k", upload) is None
