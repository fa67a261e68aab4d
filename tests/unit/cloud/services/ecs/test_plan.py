"""The scheduler's promises, held over random histories: never below the minimum, never above the maximum, arrives."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.services.ecs.plan import (
    Alarms,
    Breaker,
    Cause,
    Condition,
    Deployment,
    Rollout,
    Service,
    Task,
    Why,
    plan,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass
class World:
    """A service as it would go on: starts and stops are carried out, tasks become healthy or fail by chance."""

    service: Service
    now: datetime = NOW
    ending: list[str] = field(default_factory=list)  # deployments of tasks that are stopping
    number: int = 0

    def deploy(self) -> None:
        self.number += 1
        old = tuple(replace(each, primary=False) for each in self.service.deployments)
        new = Deployment(f"d{self.number}", primary=True, rollout=Rollout.IN_PROGRESS)
        self.service = replace(self.service, deployments=(new, *old))

    @property
    def primary(self) -> Deployment:
        return next(each for each in self.service.deployments if each.primary)

    def change_primary(self, **changes: object) -> None:
        changed = tuple(replace(each, **changes) if each.primary else each for each in self.service.deployments)  # type: ignore[arg-type]
        self.service = replace(self.service, deployments=changed)

    def step(self) -> None:
        counted = tuple(replace(each, ending=self.ending.count(each.id)) for each in self.service.deployments)
        self.service = replace(self.service, deployments=counted)
        before = self.service
        decided = plan(before, self.now)
        assert plan(before, self.now) == decided
        if decided.failed:
            self.change_primary(rollout=Rollout.FAILED)
            if decided.roll_back_to is not None:
                self.roll_back(decided.roll_back_to)
            return
        stopped = {stop.task for stop in decided.stop}
        self.check_bounds(before, stopped, decided.start)
        self.ending += [task.deployment for task in before.tasks if task.id in stopped]
        tasks = [task for task in before.tasks if task.id not in stopped]
        for stop in decided.stop:
            task = next(task for task in before.tasks if task.id == stop.task)
            if stop.why is Why.UNHEALTHY and task.deployment == self.primary.id:
                self.change_primary(failures=self.primary.failures + 1, last_failure=self.now)
        for _ in range(decided.start):
            self.number += 1
            tasks.append(Task(f"t{self.number}", self.primary.id, Condition.STARTING, self.now))
        kept = tuple(each for each in self.service.deployments if each.id not in decided.retired)
        self.service = replace(self.service, tasks=tuple(tasks), deployments=kept)
        if decided.completed:
            self.change_primary(rollout=Rollout.COMPLETED)
            self.service = replace(self.service, last_completed=self.primary.id)

    def roll_back(self, to: str) -> None:
        """Make a completed deployment the primary one again; it may have left the list meanwhile."""
        others = tuple(replace(each, primary=False) for each in self.service.deployments if each.id != to)
        back = Deployment(to, primary=True, rollout=Rollout.IN_PROGRESS)
        self.service = replace(self.service, deployments=(back, *others))

    def check_bounds(self, before: Service, stopped: set[str], started: int) -> None:
        healthy = [task for task in before.tasks if task.condition is Condition.HEALTHY]
        stopped_healthy = sum(task.id in stopped for task in healthy)
        if stopped_healthy:
            assert len(healthy) - stopped_healthy >= before.minimum
        if started:
            assert len(before.tasks) + started <= max(before.maximum, before.desired)

    def let_happen(self, chance: random.Random, *, healthy: bool) -> None:
        """Let stopping tasks end, and starting ones become what they become."""
        self.ending.clear()
        self.now += timedelta(seconds=5)
        for task in self.service.tasks:
            if task.condition is Condition.STARTING and chance.random() < 0.5:
                self.become(task, Condition.HEALTHY if healthy else Condition.UNHEALTHY)

    def become(self, task: Task, condition: Condition) -> None:
        tasks = tuple(replace(each, condition=condition) if each is task else each for each in self.service.tasks)
        self.service = replace(self.service, tasks=tasks)
        if condition is Condition.HEALTHY and task.deployment == self.primary.id:
            self.change_primary(failures=0, last_failure=None)

    def arrived(self) -> bool:
        return (
            len(self.service.deployments) == 1
            and len(self.service.tasks) == self.service.desired
            and all(task.condition is Condition.HEALTHY for task in self.service.tasks)
        )


chances = st.integers(0, 2**32).map(random.Random)
percentages = st.tuples(st.integers(0, 100), st.integers(100, 300)).filter(lambda pair: pair != (100, 100))


def world(desired: int, bounds: tuple[int, int], breaker: Breaker | None = None) -> World:
    made = World(Service(desired, *bounds, deployments=(), tasks=(), breaker=breaker))
    made.deploy()
    return made


def settle(world: World, chance: random.Random, *, healthy: bool = True, rounds: int = 400) -> None:
    for _ in range(rounds):
        world.step()
        if world.arrived() and world.primary.rollout is not Rollout.IN_PROGRESS:
            return
        world.let_happen(chance, healthy=healthy)


def can_move(desired: int, bounds: tuple[int, int]) -> bool:
    """Whether a replacement fits at all: one more may run, or one may be missing."""
    return math.floor(desired * bounds[1] / 100) > desired or math.ceil(desired * bounds[0] / 100) < desired


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 12), percentages, chances)
def test_a_service_arrives_and_so_does_its_next_deployment(
    desired: int, bounds: tuple[int, int], chance: random.Random
) -> None:
    made = world(desired, bounds)
    settle(made, chance)
    assert made.arrived()
    if can_move(desired, bounds):
        made.deploy()
        settle(made, chance)
        assert made.arrived()
        assert made.primary.rollout is Rollout.COMPLETED


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 8), st.integers(0, 8), percentages, chances)
def test_scaling_in_mid_deployment_arrives(
    desired: int, later: int, bounds: tuple[int, int], chance: random.Random
) -> None:
    made = world(desired, bounds)
    settle(made, chance)
    made.deploy()
    for _ in range(chance.randint(0, 3)):
        made.step()
        made.let_happen(chance, healthy=True)
    made.service = replace(made.service, desired=later)
    settle(made, chance)
    if can_move(later, bounds) or later == 0:
        assert made.arrived()


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 8), st.integers(0, 100), st.integers(101, 250), chances)
def test_a_bad_deployment_is_rolled_back_and_what_serves_keeps_serving(
    desired: int, minimum: int, maximum: int, chance: random.Random
) -> None:
    if not can_move(desired, (minimum, maximum)):
        return
    made = world(desired, (minimum, maximum), Breaker(rollback=True))
    settle(made, chance)
    first = made.primary.id
    made.deploy()
    limit = Breaker(rollback=True).limit(desired)
    for _ in range(200):
        made.step()
        if made.primary.id == first:
            break
        assert made.primary.failures <= limit + desired * 3
        made.let_happen(chance, healthy=False)
    assert made.primary.id == first
    settle(made, chance)
    assert made.arrived()
    assert {task.deployment for task in made.service.tasks} == {first}


def test_the_breakers_threshold() -> None:
    limits = [Breaker(rollback=False).limit(desired) for desired in (1, 2, 6, 7, 10, 400, 1000)]
    assert limits == [3, 3, 3, 4, 5, 200, 200]


def test_a_first_deployment_that_fails_has_nothing_to_go_back_to() -> None:
    made = world(2, (100, 200), Breaker(rollback=True))
    made.change_primary(failures=3)
    decided = plan(made.service, NOW)
    assert decided.failed
    assert decided.roll_back_to is None
    made.step()
    assert plan(made.service, NOW).start == 0


def test_old_tasks_go_only_when_new_ones_serve() -> None:
    old = tuple(Task(f"o{n}", "d1", Condition.HEALTHY, NOW) for n in range(2))
    deployments = (
        Deployment("d2", primary=True, rollout=Rollout.IN_PROGRESS),
        Deployment("d1", primary=False, rollout=Rollout.COMPLETED),
    )
    service = Service(2, 100, 200, deployments, old)
    assert plan(service, NOW).start == 2
    assert plan(service, NOW).stop == ()
    starting = tuple(Task(f"n{n}", "d2", Condition.STARTING, NOW) for n in range(2))
    assert plan(replace(service, tasks=old + starting), NOW).stop == ()
    one = (replace(starting[0], condition=Condition.HEALTHY), starting[1])
    assert [stop.task for stop in plan(replace(service, tasks=old + one), NOW).stop] == ["o0"]


def test_a_crash_loop_is_slowed_down() -> None:
    primary = Deployment("d1", primary=True, rollout=Rollout.IN_PROGRESS, failures=10, last_failure=NOW)
    decided = plan(Service(1, 100, 200, (primary,), ()), NOW)
    assert decided.start == 0
    assert decided.again is not None
    assert NOW < decided.again <= NOW + timedelta(minutes=1)
    assert plan(Service(1, 100, 200, (primary,), ()), decided.again).start == 1


def test_an_unhealthy_task_is_replaced_before_it_is_stopped_where_there_is_room() -> None:
    done = Deployment("d1", primary=True, rollout=Rollout.COMPLETED)
    ill = Task("ill", "d1", Condition.UNHEALTHY, NOW)
    well = Task("well", "d1", Condition.HEALTHY, NOW)
    decided = plan(Service(2, 100, 200, (done,), (ill, well)), NOW)
    assert (decided.start, decided.stop) == (1, ())
    new = Task("new", "d1", Condition.STARTING, NOW)
    decided = plan(Service(2, 100, 200, (done,), (ill, well, new)), NOW)
    assert (decided.start, decided.stop) == (0, ())
    new = replace(new, condition=Condition.HEALTHY)
    decided = plan(Service(2, 100, 200, (done,), (ill, well, new)), NOW)
    assert [(stop.task, stop.why) for stop in decided.stop] == [("ill", Why.UNHEALTHY)]
    decided = plan(Service(2, 50, 100, (done,), (ill, well)), NOW)
    assert [stop.task for stop in decided.stop] == ["ill"]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 8), st.integers(0, 600), chances)
def test_an_alarm_ends_a_deployment_until_its_bake_time_is_over(desired: int, bake: int, chance: random.Random) -> None:
    made = world(desired, (100, 200))
    settle(made, chance)
    first = made.primary.id
    made.deploy()
    quiet = Alarms(rollback=True, triggered=False, bake=timedelta(seconds=bake))
    made.service = replace(made.service, alarms=quiet)
    arrived_at = None
    for _ in range(400):
        decided = plan(made.service, made.now)
        if decided.arrived and arrived_at is None:
            arrived_at = made.now
            made.change_primary(arrived_at=arrived_at)
        if decided.completed:
            assert arrived_at is not None
            assert made.now >= arrived_at + quiet.bake
            return
        alarmed = plan(replace(made.service, alarms=replace(quiet, triggered=True)), made.now)
        assert (alarmed.ended, alarmed.roll_back_to) == (Cause.ALARM, first)
        assert not plan(made.service, made.now).steady
        made.step()
        made.let_happen(chance, healthy=True)
    raise AssertionError("it does not arrive")


def test_an_alarm_says_nothing_of_a_deployment_that_is_done() -> None:
    done = Deployment("d1", primary=True, rollout=Rollout.COMPLETED)
    raised = Alarms(rollback=True, triggered=True, bake=timedelta(0))
    assert not plan(Service(0, 100, 200, (done,), (), alarms=raised), NOW).failed
    coming = Deployment("d2", primary=True, rollout=Rollout.IN_PROGRESS)
    decided = plan(Service(0, 100, 200, (coming, replace(done, primary=False)), (), alarms=raised), NOW)
    assert decided.failed
    assert decided.roll_back_to is None, "nothing was completed"
    baking = plan(Service(0, 100, 200, (coming,), (), alarms=replace(raised, triggered=False, bake=SECOND)), NOW)
    assert (baking.completed, baking.again) == (False, NOW + SECOND)
