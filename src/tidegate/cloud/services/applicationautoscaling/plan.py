"""What the desired count should be, decided purely.

https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html

A policy scales out when 3 datapoints in a row are above its target, so that the load as it is would come down to the
target, and in when 15 in a row are below 90% of it, so that even the highest of them would stay below the target. The
local cloud measures every 20 seconds where AWS measures every 60: what takes AWS 3 minutes takes it one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

PERIOD = 20  # seconds between two datapoints, and between two evaluations (AWS: 60)
OUT_DATAPOINTS = 3
IN_DATAPOINTS = 15
IN_SHARE = 0.9
COOLDOWN = 300  # seconds, of ECS services where a policy says nothing
# datapoints further apart are not in a row, and an older one says nothing of the present
LONGEST_GAP = timedelta(seconds=90)
WINDOW = LONGEST_GAP * (IN_DATAPOINTS + 1)  # what has to be read to see them all

Datapoint = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class Tracking:
    """A target tracking policy and the datapoints of its metric, oldest first."""

    name: str
    target: float
    datapoints: Sequence[Datapoint]
    scale_out_cooldown: float = COOLDOWN
    scale_in_cooldown: float = COOLDOWN
    scale_in: bool = True


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
    """The count to set, and why: the policy that wants it, or None where the count was out of bounds."""

    desired: int
    policy: str | None = None


def plan(current: int, bounds: Bounds, policies: Sequence[Tracking], past: Past, now: datetime) -> Plan | None:
    """Return what to do, or None for nothing.

    A count out of bounds is moved inside at once. Of several policies one is enough to scale out, and the one that
    wants most decides; to scale in all that may must agree, and the one that wants most decides again.
    """
    if not bounds.minimum <= current <= bounds.maximum:
        return Plan(min(max(current, bounds.minimum), bounds.maximum))
    out = [(_wanted_out(current, each, past, now), each.name) for each in policies]
    desired, name = max(out, default=(current, ""))
    desired = min(desired, bounds.maximum)
    if desired > current:
        return None if bounds.out_suspended else Plan(desired, name)
    shrinking = [each for each in policies if each.scale_in]
    wanted = [(_wanted_in(current, each, past, now), each.name) for each in shrinking]
    desired, name = max(wanted, default=(current, ""))
    desired = max(desired, bounds.minimum)
    if desired < current and not bounds.in_suspended and not any(_above(each, now) for each in policies):
        return Plan(desired, name)
    return None


def _wanted_out(current: int, policy: Tracking, past: Past, now: datetime) -> int:
    """Return the count that a policy wants at least: the current one, or more.

    While a scale-out takes effect, what the load wants is reckoned from the count before it: only if that is more than
    what there is already does the count grow again.
    """
    if not _above(policy, now):
        return current
    base = current
    if past.scaled_out is not None and now < past.scaled_out + timedelta(seconds=policy.scale_out_cooldown):
        base = min(past.before_scale_out, current)
    value = _row(policy.datapoints, OUT_DATAPOINTS, now)[-1]
    return max(current, _proportional(base, value, policy.target))


def _wanted_in(current: int, policy: Tracking, past: Past, now: datetime) -> int:
    """Return the count that a policy would do with: the current one, or less."""
    if past.scaled_in is not None and now < past.scaled_in + timedelta(seconds=policy.scale_in_cooldown):
        return current
    values = _row(policy.datapoints, IN_DATAPOINTS, now)
    if not values or max(values) >= policy.target * IN_SHARE:
        return current
    return min(current, _proportional(current, max(values), policy.target))


def _above(policy: Tracking, now: datetime) -> bool:
    values = _row(policy.datapoints, OUT_DATAPOINTS, now)
    return bool(values) and min(values) > policy.target


def _proportional(count: int, value: float, target: float) -> int:
    return math.ceil(round(count * value / target, 9))  # what is whole but for a float's last digits is whole


def _row(datapoints: Sequence[Datapoint], number: int, now: datetime) -> list[float]:
    """Return the values of the last `number` datapoints, oldest first; none where they are not in a row up to now."""
    last = datapoints[-number:]
    if len(last) < number:
        return []
    times = [time for time, _ in last]
    gaps = [later - earlier for earlier, later in zip(times, [*times[1:], now], strict=True)]
    return [] if max(gaps) > LONGEST_GAP else [value for _, value in last]
