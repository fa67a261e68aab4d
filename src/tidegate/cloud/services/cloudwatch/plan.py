"""What state a metric alarm is in, decided purely from its datapoints.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html

An alarm looks at the last N periods and is in ALARM where at least M of them breach its threshold. It reads some
periods more than N (its *evaluation range*), so that a datapoint that is late or lost does no harm: as long as there
are N in the range, the latest N decide, and only where there are fewer it matters how missing ones are treated.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Missing = Literal["missing", "ignore", "breaching", "notBreaching"]

EXTRA = 2  # periods of the evaluation range beside the N
HIGH_RESOLUTION = (10, 20, 30)  # periods below a minute
_HIGH_STEP, _STEP = 10, 60  # seconds between two evaluations, for periods below a minute and for others

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """When an alarm is in ALARM: `datapoints` (M) out of `periods` (N) beyond a threshold."""

    comparison: str
    threshold: float
    periods: int
    datapoints: int
    missing: Missing = "missing"

    def breached(self, value: float) -> bool:
        """Return whether a value breaches the threshold."""
        return COMPARISONS[self.comparison](value, self.threshold)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state, the numbers of the periods whose datapoints it was decided by, and how many had to be filled in."""

    state: State
    used: tuple[int, ...] = ()
    filled: int = 0


def evaluate(points: Sequence[float | None], rule: Rule) -> Verdict | None:
    """Return the state that the datapoints of the evaluation range (oldest first; None: missing) put an alarm in.

    None where the present state is kept.
    """
    real = [number for number, point in enumerate(points) if point is not None]
    used = tuple(real[-rule.periods :])
    breaching = [number for number in used if rule.breached(points[number] or 0.0)]
    filled = rule.periods - len(used)
    if rule.missing == "breaching":
        return Verdict("ALARM" if len(breaching) + filled >= rule.datapoints else "OK", used, filled)
    if len(breaching) >= rule.datapoints:
        return Verdict("ALARM", used, filled)
    if not filled or rule.missing == "notBreaching" or len(breaching) < len(used):
        return Verdict("OK", used, filled)
    # there are too few datapoints, and all of them breach, or there are none
    if rule.missing == "ignore":
        return None
    if breaching and len(points) - breaching[0] >= rule.datapoints:
        return Verdict("ALARM", used, filled)  # it began as long ago as it takes, and nothing has spoken against it
    return Verdict("INSUFFICIENT_DATA", used, filled)


def step_of(period: int) -> int:
    """Return the seconds between two evaluations of an alarm with this period."""
    return _HIGH_STEP if period < _STEP else _STEP


def starts(end: int, period: int, periods: int) -> list[int]:
    """Return when the periods of an evaluation range begin that ends at `end` (epoch seconds), oldest first."""
    count = periods + EXTRA
    return [end - (count - number) * period for number in range(count)]


def too_few(percentile: float, count: float) -> bool:
    """Return whether there are too few samples for a percentile to be significant.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
    """
    share = percentile / 100
    least = 10 / (1 - share) if 0.5 <= share < 1 else 10 / share if 0 < share < 0.5 else 0
    return count < least
