"""What the desired count should be, decided purely.

https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html

Policies are triggered by alarms. A *target tracking* policy has two of its own: AlarmHigh is raised when 3 datapoints
in a row are above the target, and the policy scales out so that the load as it is would come down to the target;
AlarmLow is raised when 15 in a row are below 90% of it, and the policy scales in so that even the highest of them would
stay below the target. A *step scaling* policy is triggered by the alarms that name it, by how far they are breached.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

OUT_DATAPOINTS = 3
IN_DATAPOINTS = 15
IN_SHARE = 0.9
COOLDOWN = 300  # seconds, of ECS services where a policy says nothing

Adjustment = Literal["ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity"]


@dataclass(frozen=True, slots=True)
class Signal:
    """An alarm that calls for scaling: the datapoints it was raised by, oldest first, and its threshold."""

    alarm: str
    values: tuple[float, ...]
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class Tracking:
    """A target tracking policy. `high` and `low` are its alarms while they are raised and nothing was done by them.

    `above` says that AlarmHigh is raised, whether something was done or not: then nothing is scaled in.
    """

    name: str
    target: float
    high: Signal | None = None
    low: Signal | None = None
    above: bool = False
    scale_out_cooldown: float = COOLDOWN
    scale_in_cooldown: float = COOLDOWN
    scale_in: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """A change for breaches from `lower` (None: without end) to before `upper`, beside the alarm's threshold."""

    lower: float | None
    upper: float | None
    change: int


@dataclass(frozen=True, slots=True)
class Stepping:
    """A step scaling policy, and the alarms that call for it now."""

    name: str
    adjustment: Adjustment
    steps: tuple[Step, ...]
    signals: tuple[Signal, ...] = ()
    cooldown: float = COOLDOWN
    magnitude: int = 0  # of a change in percent, at least
    aggregation: Literal["Average", "Minimum", "Maximum"] = "Average"


@dataclass(frozen=True, slots=True)
class Past:
    """When the target was scaled last, and the count that the last scale-out started from."""

    scaled_out: datetime | None = None
    before_scale_out: int = 0
    scaled_in: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a target may be scaled to, and which way it may not be scaled at present."""

    minimum: int
    maximum: int
    out_suspended: bool = False
    in_suspended: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The count to set, and why: the policy that wants it and its alarm; None where the count was out of bounds."""

    desired: int
    policy: str | None = None
    alarm: str | None = None


def plan(
    current: int, bounds: Bounds, policies: Sequence[Tracking | Stepping], past: Past, now: datetime
) -> Plan | None:
    """Return what to do, or None for nothing.

    A count out of bounds is moved inside at once. Of several policies one is enough to scale out, and the one that
    wants most decides. To scale in all target tracking policies that may must agree, or a step must say so, and the
    one that wants most decides again.
    """
    if not bounds.minimum <= current <= bounds.maximum:
        return Plan(min(max(current, bounds.minimum), bounds.maximum))
    tracking = [each for each in policies if isinstance(each, Tracking)]
    stepped = [found for each in policies if isinstance(each, Stepping) for found in _stepped(current, each, past, now)]
    out = _most([*(_out(current, each, past, now) for each in tracking), *stepped])
    if out is not None and out.desired > current:
        desired = min(out.desired, bounds.maximum)
        return None if bounds.out_suspended or desired <= current else Plan(desired, out.policy, out.alarm)
    shrinking = [_in(current, each, past, now) for each in tracking if each.scale_in]
    agreed = _most(shrinking) if shrinking and None not in shrinking else None
    found = _most([agreed, *(each for each in stepped if each.desired < current)])
    if found is None or bounds.in_suspended or any(each.above for each in tracking):
        return None
    desired = max(found.desired, bounds.minimum)
    return Plan(desired, found.policy, found.alarm) if desired < current else None


def change(base: int, policy: Stepping, signal: Signal) -> int | None:
    """Return what a step makes of a count; None where no step fits the breach, or nothing is known of it."""
    if not signal.values:
        return None
    step = step_for(policy.steps, _aggregated(policy, signal.values) - signal.threshold)
    if step is None:
        return None
    if policy.adjustment == "ExactCapacity":
        return step.change
    if policy.adjustment == "ChangeInCapacity":
        return max(0, base + step.change)
    exact = base * step.change / 100
    rounded = math.trunc(exact) if abs(exact) >= 1 else (exact > 0) - (exact < 0)
    if rounded and abs(rounded) < policy.magnitude:
        rounded = policy.magnitude if rounded > 0 else -policy.magnitude
    return max(0, base + rounded)


def step_for(steps: Iterable[Step], breach: float) -> Step | None:
    """Return the step for a breach (what the metric is above its threshold; below it is negative).

    Of a breach upwards the lower bound belongs to a step, of one downwards the upper bound.
    """
    known = list(steps)
    for step in known:
        lower = -math.inf if step.lower is None else step.lower
        upper = math.inf if step.upper is None else step.upper
        if lower <= breach < upper if breach >= 0 else lower < breach <= upper:
            return step
    if breach == 0:  # an alarm whose comparison includes its threshold, and a policy for breaches downwards
        return next((step for step in known if step.upper == 0), None)
    return None


def _most(found: Iterable[Plan | None]) -> Plan | None:
    return max((each for each in found if each is not None), key=lambda each: each.desired, default=None)


def _stepped(current: int, policy: Stepping, past: Past, now: datetime) -> list[Plan]:
    """Return what each alarm that calls for a step wants; what a cooldown keeps back is left out."""
    result = []
    for signal in policy.signals:
        wanted = change(current, policy, signal)
        if wanted is None or wanted == current:
            continue
        if wanted > current:
            more = change(_base(current, past, policy.cooldown, now), policy, signal)
            if more is not None and more > current:
                result.append(Plan(more, policy.name, signal.alarm))
        elif past.scaled_in is None or now >= past.scaled_in + timedelta(seconds=policy.cooldown):
            result.append(Plan(wanted, policy.name, signal.alarm))
    return result


def _out(current: int, policy: Tracking, past: Past, now: datetime) -> Plan | None:
    """Return the count that a policy wants at least, where that is more than the current one."""
    if policy.high is None or not policy.high.values:
        return None
    base = _base(current, past, policy.scale_out_cooldown, now)
    wanted = _proportional(base, policy.high.values[-1], policy.target)
    return Plan(wanted, policy.name, policy.high.alarm) if wanted > current else None


def _in(current: int, policy: Tracking, past: Past, now: datetime) -> Plan | None:
    """Return the count that a policy would do with, where that is less than the current one."""
    if policy.low is None or not policy.low.values:
        return None
    if past.scaled_in is not None and now < past.scaled_in + timedelta(seconds=policy.scale_in_cooldown):
        return None
    wanted = _proportional(current, max(policy.low.values), policy.target)
    return Plan(wanted, policy.name, policy.low.alarm) if wanted < current else None


def _base(current: int, past: Past, cooldown: float, now: datetime) -> int:
    """Return the count that a scale-out is reckoned from.

    While one takes effect it is the count before it: only if what is wanted is more than what there is already does
    the count grow again.
    """
    if past.scaled_out is not None and now < past.scaled_out + timedelta(seconds=cooldown):
        return min(past.before_scale_out, current)
    return current


def _proportional(count: int, value: float, target: float) -> int:
    return math.ceil(round(count * value / target, 9))  # what is whole but for a float's last digits is whole


def _aggregated(policy: Stepping, values: Sequence[float]) -> float:
    if policy.aggregation == "Minimum":
        return min(values)
    return max(values) if policy.aggregation == "Maximum" else sum(values) / len(values)
