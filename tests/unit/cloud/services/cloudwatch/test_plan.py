"""Alarms: AWS's own tables of missing data, and what holds for any datapoints."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cloud.services.cloudwatch.plan import (
    COMPARISONS,
    EXTRA,
    Missing,
    Rule,
    evaluate,
    starts,
    step_of,
    too_few,
)

KEPT = None
MISSING: tuple[Missing, ...] = ("missing", "ignore", "breaching", "notBreaching")


def points(drawn: str) -> list[float | None]:
    """0: within the threshold, X: beyond it, -: missing."""
    return [{"0": 0.0, "X": 1.0, "-": None}[each] for each in drawn.split()]


def state(drawn: str, periods: int, datapoints: int, missing: Missing) -> str | None:
    found = evaluate(points(drawn), Rule("GreaterThanThreshold", 0.5, periods, datapoints, missing))
    return None if found is None else found.state


# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
@pytest.mark.parametrize(
    ("drawn", "datapoints", "states"),
    [
        ("0 - X - X", 3, ("OK", "OK", "OK", "OK")),
        ("- - - - 0", 3, ("OK", "OK", "OK", "OK")),
        ("- - - - -", 3, ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK")),
        ("0 X X - X", 3, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("- - X - -", 3, ("ALARM", KEPT, "ALARM", "OK")),
        ("0 - X - X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 0 X 0 X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0 - X - -", 2, ("OK", "OK", "ALARM", "OK")),
        ("- - - - 0", 2, ("OK", "OK", "ALARM", "OK")),
        ("- - - X -", 2, ("ALARM", KEPT, "ALARM", "OK")),
    ],
)
def test_the_tables_of_aws(drawn: str, datapoints: int, states: tuple[str | None, ...]) -> None:
    assert tuple(state(drawn, 3, datapoints, missing) for missing in MISSING) == states


def test_one_breaching_datapoint_of_three_is_not_enough() -> None:
    assert state("- - - - X", 3, 3, "missing") == "INSUFFICIENT_DATA"


rules = st.integers(1, 6).flatmap(
    lambda periods: st.builds(
        Rule,
        st.sampled_from(sorted(COMPARISONS)),
        st.floats(-10, 10),
        st.just(periods),
        st.integers(1, periods),
        st.sampled_from(MISSING),
    )
)
values = st.floats(-20, 20)


@given(rules, st.data())
def test_with_all_datapoints_the_latest_decide_alone(rule: Rule, data: st.DataObject) -> None:
    size = rule.periods + EXTRA
    found = data.draw(st.lists(values, min_size=size, max_size=size))
    verdict = evaluate(found, rule)
    assert verdict is not None
    assert verdict.state == (
        "ALARM" if sum(rule.breached(value) for value in found[-rule.periods :]) >= rule.datapoints else "OK"
    )
    assert verdict.filled == 0
    assert len(verdict.used) == rule.periods


@given(rules, st.data())
def test_what_any_evaluation_is_like(rule: Rule, data: st.DataObject) -> None:
    size = rule.periods + EXTRA
    found = data.draw(st.lists(st.none() | values, min_size=size, max_size=size))
    verdict = evaluate(found, rule)
    real = [value for value in found if value is not None]
    if verdict is None:
        assert rule.missing == "ignore"
        assert all(rule.breached(value) for value in real)
        return
    assert len(verdict.used) + verdict.filled == rule.periods
    assert [found[number] for number in verdict.used] == real[-rule.periods :]
    if verdict.state == "INSUFFICIENT_DATA":
        assert rule.missing == "missing"
        assert len(real) < rule.periods
    if rule.missing == "notBreaching" and verdict.state == "ALARM":
        assert sum(rule.breached(value) for value in real) >= rule.datapoints
    if verdict.state == "OK" and not real:
        assert rule.missing == "notBreaching"


@given(st.integers(0, 2**31), st.sampled_from([10, 20, 30, 60, 300]), st.integers(1, 20))
def test_the_range_ends_where_it_is_evaluated(end: int, period: int, periods: int) -> None:
    times = starts(end, period, periods)
    assert len(times) == periods + EXTRA
    assert times[-1] + period == end
    assert all(later - earlier == period for earlier, later in pairwise(times))
    assert step_of(period) <= max(period, 10)


def test_percentiles_of_few_samples() -> None:
    assert too_few(99, 999)
    assert not too_few(99, 1001)
    assert too_few(10, 99)
    assert not too_few(10, 100)
