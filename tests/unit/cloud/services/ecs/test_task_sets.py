"""Task sets: each comes to its share of the service, rounded up, and is left alone there until it drains to nothing."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.services.ecs.plan import Condition, Plan, Task, TaskSet, share, task_set

NOW = datetime(2026, 1, 1, tzinfo=UTC)
chances = st.integers(0, 2**32).map(random.Random)
percents = st.integers(0, 1000).map(lambda tenths: tenths / 10)


@dataclass
class World:
    """A task set as it would go on."""

    set: TaskSet
    now: datetime = NOW
    number: int = 0
    plans: list[Plan] = field(default_factory=list)

    def step(self) -> Plan:
        before = self.set
        decided = task_set(before, self.now)
        assert task_set(before, self.now) == decided
        stopped = {stop.task for stop in decided.stop}
        assert stopped <= {task.id for task in before.tasks}
        started = [Task(f"t{self.number + n}", before.id, Condition.STARTING, self.now) for n in range(decided.start)]
        self.number += decided.start
        assert not (decided.start and before.draining)
        if decided.start:
            limit = max(before.desired, math.floor(before.desired * before.maximum_percent / 100))
            assert len(before.tasks) + decided.start <= limit
        left = [task for task in before.tasks if task.id not in stopped]
        settled = before.settled or decided.completed
        self.set = replace(before, tasks=(*left, *started), ending=len(stopped), settled=settled)
        self.plans.append(decided)
        return decided

    def let_happen(self, chance: random.Random, *, ill: float = 0.0) -> None:
        self.now += timedelta(seconds=70)
        tasks = []
        for task in self.set.tasks:
            condition = task.condition
            if condition is Condition.STARTING and chance.random() < 0.6:
                condition = Condition.HEALTHY
            elif condition is Condition.HEALTHY and chance.random() < ill:
                condition = Condition.UNHEALTHY
            tasks.append(replace(task, condition=condition))
        self.set = replace(self.set, tasks=tuple(tasks), ending=0)

    def settle(self, chance: random.Random) -> None:
        for _ in range(300):
            if self.step().steady:
                return
            self.let_happen(chance)
        raise AssertionError(f"it is never steady: {self.set}")


@given(st.integers(0, 1000), percents)
def test_a_share_is_rounded_up(desired: int, percent: float) -> None:
    tenths = round(percent * 10)
    assert share(desired, percent) == -(-desired * tenths // 1000)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 8),
    st.lists(st.tuples(percents, st.floats(0, 0.3)), min_size=1, max_size=4),
    st.sampled_from([(100, 200), (50, 150), (0, 100), (0, 300)]),
    chances,
)
def test_it_follows_its_scale_and_then_rests(
    desired: int, scales: list[tuple[float, float]], percent: tuple[int, int], chance: random.Random
) -> None:
    world = World(TaskSet("s", 0, (), *percent))
    for scale, ill in scales:
        wanted = share(desired, scale)
        world.set = replace(world.set, desired=wanted)
        for _ in range(chance.randrange(5)):
            world.step()
            world.let_happen(chance, ill=ill)
        world.settle(chance)
        assert len(world.set.tasks) == wanted
        assert {task.condition for task in world.set.tasks} <= {Condition.HEALTHY}
        resting = task_set(world.set, world.now)
        assert (resting.start, resting.stop, resting.steady) == (0, (), True)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 6), st.integers(0, 5), chances)
def test_it_drains_to_nothing(desired: int, steps: int, chance: random.Random) -> None:
    world = World(TaskSet("s", desired, ()))
    for _ in range(steps):
        world.step()
        world.let_happen(chance, ill=0.2)
    world.set = replace(world.set, draining=True)
    for _ in range(50):
        decided = world.step()
        assert not decided.steady
        if decided.retired:
            assert (decided.retired, world.set.tasks) == (("s",), ())
            return
        world.let_happen(chance)
    raise AssertionError("something is left of it")


def test_who_keeps_failing_waits() -> None:
    failing = TaskSet("s", 2, (), failures=10, last_failure=NOW)
    decided = task_set(failing, NOW)
    assert decided.start == 0
    assert decided.again is not None
    assert task_set(failing, decided.again).start == 2
