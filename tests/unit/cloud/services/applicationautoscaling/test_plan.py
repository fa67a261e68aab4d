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
    PERIOD,
    Bounds,
    Past,
    Plan,
    Tracking,
    plan,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEP = timedelta(seconds=PERIOD)
values = st.lists(st.floats(0, 100), max_size=20)
bounds = st.tuples(st.integers(0, 10), st.integers(0, 10)).map(lambda two: Bounds(min(two), max(two)))


def points(given_values: Sequence[float], end: datetime = NOW) -> list[tuple[datetime, float]]:
    return [(end - STEP * (len(given_values) - number), value) for number, value in enumerate(given_values)]


def policy(given_values: Sequence[float], target: float = 50, name: str = "cpu", **more: float | bool) -> Tracking:
    return Tracking(name, target, points(given_values), **more)  # type: ignore[arg-type]


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
    history: list[tuple[datetime, float]] = []
    counts = []
    for _ in range(600):
        now += STEP
        history.append((now, min(load / count, 100.0)))
        found = plan(count, limits, [Tracking("cpu", target, history[-20:])], past, now)
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
    assert plan(2, Bounds(1, 10), [policy([90, 90, 90])], Past(), NOW) == Plan(4, "cpu")
    assert plan(2, Bounds(1, 3), [policy([90, 90, 90])], Past(), NOW) == Plan(3, "cpu")
    assert plan(2, Bounds(1, 10), [policy([90, 90])], Past(), NOW) is None
    assert plan(2, Bounds(1, 10), [policy([90, 50, 90])], Past(), NOW) is None
    assert plan(4, Bounds(1, 10), [policy([75, 75, 75])], Past(), NOW) == Plan(6, "cpu")  # no more than it takes


def test_scale_in_is_careful() -> None:
    assert plan(10, Bounds(1, 10), [policy([20] * 15)], Past(), NOW) == Plan(4, "cpu")
    assert plan(10, Bounds(1, 10), [policy([10] * 14 + [40])], Past(), NOW) == Plan(8, "cpu")
    assert plan(10, Bounds(1, 10), [policy([20] * 14)], Past(), NOW) is None
    assert plan(10, Bounds(1, 10), [policy([20] * 14 + [45])], Past(), NOW) is None
    assert plan(10, Bounds(6, 10), [policy([20] * 15)], Past(), NOW) == Plan(6, "cpu")
    assert plan(10, Bounds(1, 10), [policy([20] * 15, scale_in=False)], Past(), NOW) is None
    busy = policy([60, 60], name="memory")  # not enough to scale out, and too much to scale in
    assert plan(10, Bounds(1, 10), [policy([20] * 15), busy], Past(), NOW) is None


def test_cooldowns() -> None:
    recent, past = NOW - timedelta(seconds=299), NOW - timedelta(seconds=300)
    high, low = [policy([90] * 15)], [policy([20] * 15)]
    assert plan(4, Bounds(1, 20), high, Past(recent, 2), NOW) is None  # 2 x 90 / 50 are the 4 that there are
    assert plan(4, Bounds(1, 20), high, Past(past, 2), NOW) == Plan(8, "cpu")
    more = [policy([100] * 3, target=40)]
    assert plan(4, Bounds(1, 20), more, Past(recent, 2), NOW) == Plan(5, "cpu")  # a larger scale-out goes on
    assert plan(10, Bounds(1, 20), low, Past(None, 0, recent), NOW) is None
    assert plan(10, Bounds(1, 20), low, Past(None, 0, past), NOW) == Plan(4, "cpu")
    assert plan(10, Bounds(1, 20), high, Past(None, 0, recent), NOW) == Plan(18, "cpu")
    short = [policy([20] * 15, scale_in_cooldown=10)]
    assert plan(10, Bounds(1, 20), short, Past(None, 0, NOW - timedelta(seconds=11)), NOW) == Plan(4, "cpu")


def test_old_datapoints_say_nothing() -> None:
    old = Tracking("cpu", 50, points([90, 90, 90], NOW - timedelta(minutes=5)))
    assert plan(2, Bounds(1, 10), [old], Past(), NOW) is None
    gap = Tracking("cpu", 50, [*points([90, 90], NOW - timedelta(minutes=5)), *points([90])])
    assert plan(2, Bounds(1, 10), [gap], Past(), NOW) is None


def test_suspended() -> None:
    assert plan(2, Bounds(1, 10, out_suspended=True), [policy([90] * 3)], Past(), NOW) is None
    assert plan(9, Bounds(1, 10, in_suspended=True), [policy([20] * 15)], Past(), NOW) is None
    assert plan(0, Bounds(2, 10, True, True), [], Past(), NOW) == Plan(2)
    assert plan(11, Bounds(2, 10), [], Past(), NOW) == Plan(10)
