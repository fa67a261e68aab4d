"""Target tracking: what a plan never does, and that it settles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.services.applicationautoscaling.plan import (
    IN_DATAPOINTS,
    IN_SHARE,
    OUT_DATAPOINTS,
    Adjustment,
    Bounds,
    Past,
    Plan,
    Signal,
    Step,
    Stepping,
    Tracking,
    change,
    plan,
    step_for,
)
from tidegate.cloud.services.applicationautoscaling.tracking import PERIOD, label_dimensions

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEP = timedelta(seconds=PERIOD)
values = st.lists(st.floats(0, 100), max_size=20)
bounds = st.tuples(st.integers(0, 10), st.integers(0, 10)).map(lambda two: Bounds(min(two), max(two)))


def policy(values: Sequence[float], target: float = 50, name: str = "cpu", **more: float | bool) -> Tracking:
    """A policy with its alarms as CloudWatch would have them for these datapoints."""
    last, all_ = tuple(values[-OUT_DATAPOINTS:]), tuple(values[-IN_DATAPOINTS:])
    high = len(last) == OUT_DATAPOINTS and min(last) > target
    low = len(all_) == IN_DATAPOINTS and max(all_) < target * IN_SHARE
    return Tracking(
        name,
        target,
        Signal("high", last, target) if high else None,
        Signal("low", all_, target * IN_SHARE) if low else None,
        above=high,
        **more,  # type: ignore[arg-type]
    )


@settings(deadline=None)
@given(st.integers(0, 12), bounds, values, values)
def test_the_count_stays_in_bounds_and_moves_only_for_a_reason(
    current: int, limits: Bounds, one: list[float], other: list[float]
) -> None:
    found = plan(current, limits, [policy(one), policy(other, name="memory")], Past(), NOW)
    inside = limits.minimum <= current <= limits.maximum
    if found is None:
        assert inside
        return
    assert limits.minimum <= found.desired <= limits.maximum
    assert found.desired != current
    if not inside:
        assert found.policy is None
    elif found.desired > current:
        assert any(len(v) >= OUT_DATAPOINTS and min(v[-OUT_DATAPOINTS:]) > 50 for v in (one, other))
    else:
        assert all(len(v) >= IN_DATAPOINTS and max(v[-IN_DATAPOINTS:]) < 50 * IN_SHARE for v in (one, other))


@settings(deadline=None)
@given(st.floats(1, 900), st.floats(10, 90), st.integers(1, 20))
def test_it_settles_where_the_load_is_below_the_target(load: float, target: float, start: int) -> None:
    limits, count, past, now = Bounds(1, 20), start, Past(), NOW
    history: list[float] = []
    counts = []
    for _ in range(600):
        now += STEP
        history.append(min(load / count, 100.0))
        found = plan(count, limits, [policy(history, target)], past, now)
        if found is not None:
            past = (
                Past(now, count, None) if found.desired > count else Past(past.scaled_out, past.before_scale_out, now)
            )
            count = found.desired
        counts.append(count)
    assert len(set(counts[-100:])) == 1, "it goes to and fro"
    assert load / count <= target + 1e-6 or count == limits.maximum
    assert count == limits.minimum or load / (count - 1) > target * IN_SHARE or load / count > target * IN_SHARE * 0.5


def test_scale_out_is_in_proportion() -> None:
    assert plan(2, Bounds(1, 10), [policy([90, 90, 90])], Past(), NOW) == Plan(4, "cpu", "high")
    assert plan(2, Bounds(1, 3), [policy([90, 90, 90])], Past(), NOW) == Plan(3, "cpu", "high")
    assert plan(2, Bounds(1, 10), [policy([90, 90])], Past(), NOW) is None
    assert plan(2, Bounds(1, 10), [policy([90, 50, 90])], Past(), NOW) is None
    assert plan(4, Bounds(1, 10), [policy([75, 75, 75])], Past(), NOW) == Plan(
        6, "cpu", "high"
    )  # no more than it takes


def test_scale_in_is_careful() -> None:
    assert plan(10, Bounds(1, 10), [policy([20] * 15)], Past(), NOW) == Plan(4, "cpu", "low")
    assert plan(10, Bounds(1, 10), [policy([10] * 14 + [40])], Past(), NOW) == Plan(8, "cpu", "low")
    assert plan(10, Bounds(1, 10), [policy([20] * 14)], Past(), NOW) is None
    assert plan(10, Bounds(1, 10), [policy([20] * 14 + [45])], Past(), NOW) is None
    assert plan(10, Bounds(6, 10), [policy([20] * 15)], Past(), NOW) == Plan(6, "cpu", "low")
    assert plan(10, Bounds(1, 10), [policy([20] * 15, scale_in=False)], Past(), NOW) is None
    busy = policy([60, 60], name="memory")  # not enough to scale out, and too much to scale in
    assert plan(10, Bounds(1, 10), [policy([20] * 15), busy], Past(), NOW) is None


def test_cooldowns() -> None:
    recent, past = NOW - timedelta(seconds=299), NOW - timedelta(seconds=300)
    high, low = [policy([90] * 15)], [policy([20] * 15)]
    assert plan(4, Bounds(1, 20), high, Past(recent, 2), NOW) is None  # 2 x 90 / 50 are the 4 that there are
    assert plan(4, Bounds(1, 20), high, Past(past, 2), NOW) == Plan(8, "cpu", "high")
    more = [policy([100] * 3, target=40)]
    assert plan(4, Bounds(1, 20), more, Past(recent, 2), NOW) == Plan(5, "cpu", "high")  # a larger scale-out goes on
    assert plan(10, Bounds(1, 20), low, Past(None, 0, recent), NOW) is None
    assert plan(10, Bounds(1, 20), low, Past(None, 0, past), NOW) == Plan(4, "cpu", "low")
    assert plan(10, Bounds(1, 20), high, Past(None, 0, recent), NOW) == Plan(18, "cpu", "high")
    short = [policy([20] * 15, scale_in_cooldown=10)]
    assert plan(10, Bounds(1, 20), short, Past(None, 0, NOW - timedelta(seconds=11)), NOW) == Plan(4, "cpu", "low")


def test_suspended() -> None:
    assert plan(2, Bounds(1, 10, out_suspended=True), [policy([90] * 3)], Past(), NOW) is None
    assert plan(9, Bounds(1, 10, in_suspended=True), [policy([20] * 15)], Past(), NOW) is None
    assert plan(0, Bounds(2, 10, True, True), [], Past(), NOW) == Plan(2)
    assert plan(11, Bounds(2, 10), [], Past(), NOW) == Plan(10)


def test_what_was_used_once_is_not_used_again() -> None:
    spent = Tracking("cpu", 50, above=True)
    assert plan(2, Bounds(1, 10), [spent], Past(), NOW) is None
    assert plan(2, Bounds(1, 10), [spent, policy([20] * 15, name="memory")], Past(), NOW) is None


STEPS = (Step(0, 10, 1), Step(10, 20, 2), Step(20, None, 4))


def stepping(
    value: float, adjustment: Adjustment = "ChangeInCapacity", steps: tuple[Step, ...] = STEPS, **more: int | float
) -> Stepping:
    return Stepping("steps", adjustment, steps, (Signal("a", (value,), 50),), **more)  # type: ignore[arg-type]


def test_the_step_is_that_of_the_breach() -> None:
    for value, desired in ((50, 3), (59.9, 3), (60, 4), (75, 6), (1000, 6)):
        assert plan(2, Bounds(1, 10), [stepping(value)], Past(), NOW) == Plan(desired, "steps", "a")
    assert plan(2, Bounds(1, 10), [stepping(49)], Past(), NOW) is None
    down = (Step(-10, 0, -1), Step(None, -10, -2))
    assert [step_for(down, breach) for breach in (0, -10, -10.1, 1)] == [down[0], down[1], down[1], None]
    assert plan(5, Bounds(1, 10), [stepping(45, steps=down)], Past(), NOW) == Plan(4, "steps", "a")
    assert plan(2, Bounds(1, 10), [stepping(0, steps=down)], Past(), NOW) == Plan(1, "steps", "a")
    assert plan(2, Bounds(1, 10), [Stepping("s", "ChangeInCapacity", STEPS, (Signal("a", ()),))], Past(), NOW) is None


def test_percentages_are_rounded_as_aws_rounds_them() -> None:
    def changed(base: int, percent: int, magnitude: int = 0) -> int | None:
        one = stepping(50, "PercentChangeInCapacity", (Step(0, None, percent),), magnitude=magnitude)
        return change(base, one, one.signals[0])

    assert [changed(10, percent) for percent in (127, 67, 1, -1, -67)] == [22, 16, 11, 9, 4]
    assert changed(10, 10, magnitude=3) == 13
    assert changed(10, -10, magnitude=3) == 7
    assert changed(0, 50) == 0
    exact = stepping(50, "ExactCapacity", (Step(0, None, 7),))
    assert plan(2, Bounds(1, 10), [exact], Past(), NOW) == Plan(7, "steps", "a")
    assert plan(9, Bounds(1, 10), [exact], Past(), NOW) == Plan(7, "steps", "a")


def test_steps_in_a_cooldown() -> None:
    recent = NOW - timedelta(seconds=10)
    out = Past(recent, 2)
    assert plan(4, Bounds(1, 10), [stepping(60)], out, NOW) is None  # the 2 that it wants are there
    assert plan(4, Bounds(1, 10), [stepping(70)], out, NOW) == Plan(6, "steps", "a")  # 4 more, of which 2 are there
    assert plan(4, Bounds(1, 10), [stepping(60, cooldown=5)], out, NOW) == Plan(6, "steps", "a")
    down = stepping(40, steps=(Step(None, 0, -1),))
    assert plan(4, Bounds(1, 10), [down], Past(None, 0, recent), NOW) is None
    assert plan(4, Bounds(1, 10), [stepping(60)], Past(None, 0, recent), NOW) == Plan(6, "steps", "a")


adjustments: st.SearchStrategy[Adjustment] = st.sampled_from(
    ["ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity"]
)
bounds_of_steps = st.lists(st.integers(-50, 50), min_size=1, max_size=4, unique=True).map(sorted)


@settings(deadline=None)
@given(st.integers(0, 12), bounds, adjustments, bounds_of_steps, st.data())
def test_steps_stay_in_bounds_too(
    current: int, limits: Bounds, kind: Adjustment, edges: list[int], data: st.DataObject
) -> None:
    changes = data.draw(st.lists(st.integers(0, 200), min_size=len(edges) + 1, max_size=len(edges) + 1))
    steps = tuple(
        Step(lower, upper, amount) for lower, upper, amount in zip([None, *edges], [*edges, None], changes, strict=True)
    )
    value = data.draw(st.floats(-100, 200))
    one = stepping(value, kind, steps)
    assert step_for(steps, value - 50) is not None, "steps without a gap have one for every breach"
    found = plan(current, limits, [one], Past(), NOW)
    if found is not None:
        assert limits.minimum <= found.desired <= limits.maximum
        assert found.desired != current


def test_resource_labels() -> None:
    assert label_dimensions("app/web/1/targetgroup/web/2") == [
        {"Name": "LoadBalancer", "Value": "app/web/1"},
        {"Name": "TargetGroup", "Value": "targetgroup/web/2"},
    ]
