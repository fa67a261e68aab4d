"""Statistics of samples, purely. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

PLAIN = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"^p(\d{1,2}(?:\.\d{0,10})?|100(?:\.0{0,10})?)$")


@dataclass(frozen=True, slots=True)
class Sample:
    """What was put as one datum: a statistic set, and the single values (each with its count) where they are known."""

    unit: str
    count: float
    total: float
    minimum: float
    maximum: float
    values: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, unit: str, values: Iterable[tuple[float, float]]) -> Sample:
        """Return the sample of single values with their counts."""
        given = tuple((value, count) for value, count in values if count > 0)
        return cls(
            unit,
            sum(count for _, count in given),
            sum(value * count for value, count in given),
            min(value for value, _ in given),
            max(value for value, _ in given),
            given,
        )

    def encoded(self) -> list[object]:
        """Return it as JSON can hold it."""
        if self.values:
            return [self.unit, self.values]
        return [self.unit, self.count, self.total, self.minimum, self.maximum]

    @classmethod
    def decoded(cls, body: list[object]) -> Sample:
        """Return what `encoded` made this of."""
        if len(body) == 2:
            return cls.of(str(body[0]), ((value, count) for value, count in body[1]))  # type: ignore[attr-defined]
        return cls(*body)  # type: ignore[arg-type]


def merged(samples: Iterable[Sample]) -> Sample:
    """Return several samples as one; its single values are known only if all of theirs are."""
    given = list(samples)
    known = all(each.values or each.count == 1 or each.minimum == each.maximum for each in given)
    values = [pair for each in given for pair in (each.values or ((each.minimum, each.count),))] if known else []
    return Sample(
        given[0].unit,
        sum(each.count for each in given),
        sum(each.total for each in given),
        min(each.minimum for each in given),
        max(each.maximum for each in given),
        tuple(values),
    )


def by_period(
    samples: Iterable[tuple[int, Sample]],
    period: int,
    key: Callable[[Sample], str] = lambda sample: "",
    *,
    offset: int = 0,
) -> dict[tuple[int, str], Sample]:
    """Return the samples put together by period (seconds) and `key`: (start in epoch seconds, key) to sample.

    Periods begin at multiples of the period, or `offset` seconds later.
    """
    groups: dict[tuple[int, str], list[Sample]] = {}
    for time, sample in samples:
        start = (time // 1000 - offset) // period * period + offset
        groups.setdefault((start, key(sample)), []).append(sample)
    return {group: merged(each) for group, each in groups.items()}


def is_percentile(name: str) -> bool:
    """Return whether a statistic is a percentile: `p50`, `p99.9`."""
    return _PERCENTILE.match(name) is not None


def statistic(sample: Sample, name: str) -> float | None:
    """Return a statistic by its name; None for a percentile of values that are not known."""
    if name == "Average":
        return sample.total / sample.count
    if name in PLAIN:
        return {
            "SampleCount": sample.count,
            "Sum": sample.total,
            "Minimum": sample.minimum,
            "Maximum": sample.maximum,
        }[name]
    return percentile(sample.values, float(name[1:])) if sample.values else None


def percentile(values: Iterable[tuple[float, float]], rank: float) -> float:
    """Return a percentile of values with counts, between two of them in proportion."""
    ordered = sorted(values)
    place = rank / 100 * (sum(count for _, count in ordered) - 1)
    seen = 0.0
    for number, (value, count) in enumerate(ordered):
        seen += count
        if place <= seen - 1 or number == len(ordered) - 1:
            return value
        if place < seen:  # between the last of these and the first of the next
            return value + (ordered[number + 1][0] - value) * (place - (seen - 1))
    raise ValueError("there are no values")
