"""Statistics against their definitions, and metric math."""

from __future__ import annotations

import statistics as plain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudwatch.expressions import evaluate, names_in
from tidegate.cloud.services.cloudwatch.statistics import (
    Sample,
    by_period,
    is_percentile,
    merged,
    percentile,
    statistic,
)

numbers = st.integers(-1000, 1000).map(float)
counts = st.integers(1, 5).map(float)


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(numbers, counts), min_size=1, max_size=4), min_size=1, max_size=5))
def test_samples_together_are_as_all_their_values(data: list[list[tuple[float, float]]]) -> None:
    values = [value for each in data for value, count in each for _ in range(int(count))]
    sample = merged(Sample.of("None", each) for each in data)
    assert statistic(sample, "SampleCount") == len(values)
    assert statistic(sample, "Sum") == sum(values)
    assert statistic(sample, "Minimum") == min(values)
    assert statistic(sample, "Maximum") == max(values)
    assert statistic(sample, "Average") == pytest.approx(plain.mean(values))
    assert statistic(sample, "p50") == pytest.approx(plain.median(values))
    assert Sample.decoded(sample.encoded()) == sample


@settings(deadline=None)
@given(st.lists(numbers, min_size=2, max_size=20), st.floats(0, 100))
def test_percentiles_are_between_the_values_and_grow(values: list[float], rank: float) -> None:
    pairs = [(value, 1.0) for value in values]
    found = percentile(pairs, rank)
    assert min(values) <= found <= max(values)
    assert percentile(pairs, rank / 2) <= found + 1e-9
    assert (percentile(pairs, 0), percentile(pairs, 100)) == (min(values), max(values))


def test_a_statistic_set_has_no_percentiles() -> None:
    assert statistic(Sample("None", 3, 6, 1, 3), "p90") is None
    assert statistic(Sample("None", 3, 6, 2, 2), "p90") is None  # it is alone, as it was put
    assert statistic(merged([Sample("None", 3, 6, 2, 2)]), "p90") == 2
    assert is_percentile("p99.9")
    assert not is_percentile("p101")


def test_periods_begin_where_the_clock_says() -> None:
    samples = [(time * 1000, Sample.of("None", [(1.0, 1.0)])) for time in (59, 60, 61, 119, 120)]
    found = by_period(samples, 60)
    assert {time: each.count for (time, _), each in found.items()} == {0: 1, 60: 3, 120: 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m1 + m2", {2: 22.0}),
        ("m1 / m2 * 100", {2: 10.0}),
        ("-m1 + 2 ^ 3", {1: 7.0, 2: 6.0}),
        ("(m1 + 1) * 2", {1: 4.0, 2: 6.0}),
        ("m1 / (m1 - 1)", {2: 2.0}),
        ("m1 + 1 / 0", {}),
    ],
)
def test_arithmetic(text: str, expected: dict[int, float]) -> None:
    assert evaluate(text, {"m1": {1: 1.0, 2: 2.0}, "m2": {2: 20.0, 3: 30.0}}) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SUM(METRICS())", "does not offer the function"),
        ("m1 > 2", "does not offer Compare"),
        ("1 + 2", "not a time series"),
        ("m1 +", "cannot be read"),
        ("m1 + 'x'", "not a number"),
        ("m1.__class__", "does not offer Attribute"),
        ("m1 if m1 else m1", "does not offer IfExp"),
        ("-" * 1500 + "m1", "Error in expression"),
    ],
)
def test_what_is_no_arithmetic_is_refused(text: str, why: str) -> None:
    with pytest.raises(ServiceError, match=why):
        evaluate(text, {"m1": {1: 1.0}})


def test_names() -> None:
    assert names_in("m1 + (m2 - 3) * m1") == {"m1", "m2"}
