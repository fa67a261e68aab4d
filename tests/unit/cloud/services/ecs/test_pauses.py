"""Hooks that pause: nothing goes on while one is awaited, every stage asks each of them once, and a no is a no."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.cloud.services.ecs import test_plan, test_shifting
from tidegate.cloud.services.ecs.plan import (
    Answer,
    Cause,
    Condition,
    Deployment,
    Hook,
    Pause,
    Plan,
    Point,
    Rollout,
    Service,
    Stage,
    Step,
    Task,
    plan,
)
from tidegate.cloud.services.ecs.plan.pauses import PRE_SHIFT, ROLLING_STAGES, STAGES

NOW, MINUTE = test_plan.NOW, timedelta(minutes=1)


@dataclass
class Shifting(test_shifting.World):
    """A service whose requests are shifted, with hooks; what nobody answers has to be answered by `answer`."""

    def act(self, decided: Plan) -> None:
        awaited = [pause for pause in self.service.pauses if pause.answer is Answer.AWAITED]
        if [pause for pause in awaited if pause.id not in decided.timed_out]:
            assert (decided.stage, decided.step) == (None, None)
        super().act(decided)
        self.service = note(self.service, decided, self)

    def go_back(self, decided: Plan) -> None:
        super().go_back(decided)
        self.service = replace(self.service, hooks=(), pauses=())

    def answer(self, chance: random.Random, answer: Answer) -> None:
        self.service = answered(self.service, chance, answer)


def note(service: Service, decided: Plan, world: test_shifting.World | test_plan.World) -> Service:
    """Return a service with the pauses that a plan begins and ends."""
    pauses = [ended(service, pause) if pause.id in decided.timed_out else pause for pause in service.pauses]
    for begin in decided.begin:
        expires = world.now + service.hooks[begin.hook].patience
        pauses.append(Pause(f"p{len(pauses)}", begin.hook, begin.at, expires))
    return replace(service, pauses=tuple(pauses))


def ended(service: Service, pause: Pause) -> Pause:
    goes_back = service.hooks[pause.hook].roll_back
    return replace(pause, answer=Answer.ROLL_BACK if goes_back else Answer.CONTINUE)


def answered(service: Service, chance: random.Random, answer: Answer) -> Service:
    pauses = (
        replace(pause, answer=answer) if pause.answer is Answer.AWAITED and chance.random() < 0.5 else pause
        for pause in service.pauses
    )
    return replace(service, pauses=tuple(pauses))


def hooks_at(*stages: str) -> st.SearchStrategy[tuple[Hook, ...]]:
    chosen = st.frozensets(st.sampled_from(stages), min_size=1)
    hook = st.builds(Hook, chosen, st.just(timedelta(days=10)), st.booleans())
    return st.lists(hook, min_size=1, max_size=3).map(tuple)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 4), test_shifting.strategies, hooks_at(*STAGES), test_shifting.chances)
def test_a_shift_asks_every_hook_once_a_stage_and_arrives(
    desired: int, strategy: tuple[Step, ...], hooks: tuple[Hook, ...], chance: random.Random
) -> None:
    world = Shifting(desired, strategy, timedelta(0))
    world.service = replace(world.service, hooks=hooks)
    world.deploy()
    for _ in range(1_000):
        world.step()
        if world.service.primary.rollout is not Rollout.IN_PROGRESS:
            break
        world.let_happen(chance, seconds=60)
        world.answer(chance, Answer.CONTINUE)
    assert world.service.primary.rollout is Rollout.COMPLETED
    expected = {
        (number, Point(stage, step))
        for number, hook in enumerate(hooks)
        for stage in hook.stages - {Stage.RECONCILE_SERVICE.value}
        for step in range(len(strategy) if stage == PRE_SHIFT else 1)
    }
    assert sorted(map(repr, ((pause.hook, pause.at) for pause in world.service.pauses))) == sorted(map(repr, expected))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), test_shifting.strategies, hooks_at(*STAGES[1:]), test_shifting.chances)
def test_a_no_takes_a_shift_back(
    desired: int, strategy: tuple[Step, ...], hooks: tuple[Hook, ...], chance: random.Random
) -> None:
    world = Shifting(desired, strategy, timedelta(0))
    world.service = replace(world.service, hooks=hooks)
    world.deploy()
    causes = []
    for _ in range(1_000):
        causes.append(world.step().ended)
        if world.service.primary.rollout is not Rollout.IN_PROGRESS:
            break
        world.let_happen(chance, seconds=60)
        world.answer(chance, chance.choice([Answer.CONTINUE, Answer.ROLL_BACK, Answer.ROLL_BACK]))
    refused = any(pause.answer is Answer.ROLL_BACK for pause in world.service.pauses)
    assert not refused, "it went on in spite of it"
    if world.back:
        assert [each for each in causes if each] == [Cause.HOOK]
        assert world.service.primary.id == "d0"
    assert world.service.primary.rollout is Rollout.COMPLETED
    assert world.percent == 100


@pytest.mark.parametrize("roll_back", [True, False])
def test_what_nobody_answers_times_out(roll_back: bool) -> None:
    world = Shifting(1, (Step(100.0),), timedelta(0))
    hook = Hook(frozenset({Stage.PRE_SCALE_UP.value}), MINUTE, roll_back)
    world.service = replace(world.service, hooks=(hook,))
    world.deploy()
    decided = world.step()
    assert [(begin.hook, begin.at.stage) for begin in decided.begin] == [(0, "PRE_SCALE_UP")]
    assert decided.again == NOW + MINUTE
    world.now += MINUTE
    decided = plan(world.service, world.now)
    assert decided.timed_out == ("p0",)
    assert (decided.ended, decided.stage) == ((Cause.HOOK, None) if roll_back else (None, Stage.SCALE_UP))


@dataclass
class Rolling(test_plan.World):
    """A service whose tasks are replaced a few at a time, with hooks."""

    def step(self) -> None:
        decided = plan(self.service, self.now)
        awaited = {
            pause.at.stage
            for pause in self.service.pauses
            if pause.answer is Answer.AWAITED and pause.id not in decided.timed_out
        }
        if not decided.failed:
            if awaited & {"RECONCILE_SERVICE", "PRE_SCALE_UP"}:
                assert not decided.start, "it may not begin"
            if awaited:
                assert not decided.completed
                assert not decided.retired
        super().step()
        restarted = [f"r{self.number + n}" for n in range(decided.restart)]
        self.number += decided.restart
        more = tuple(Task(each, str(self.service.last_completed), Condition.STARTING, self.now) for each in restarted)
        self.service = replace(note(self.service, decided, self), tasks=(*self.service.tasks, *more))
        if self.primary.rollout is not Rollout.IN_PROGRESS or decided.failed:
            self.service = replace(self.service, hooks=(), pauses=())


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 6),
    st.sampled_from([(100, 200), (0, 100)]),
    hooks_at(*ROLLING_STAGES),
    st.booleans(),
    test_plan.chances,
)
def test_a_rolling_update_waits_and_arrives(
    desired: int, percent: tuple[int, int], hooks: tuple[Hook, ...], yes: bool, chance: random.Random
) -> None:
    first = Deployment("d0", primary=True, rollout=Rollout.COMPLETED)
    tasks = tuple(Task(f"o{number}", "d0", Condition.HEALTHY, NOW) for number in range(desired))
    world = Rolling(Service(desired, *percent, (first,), tasks, last_completed="d0", hooks=hooks))
    world.deploy()
    asked: set[tuple[int, str]] = set()
    for _ in range(500):
        world.step()
        asked |= {(pause.hook, pause.at.stage) for pause in world.service.pauses}
        if world.primary.rollout is Rollout.COMPLETED:
            break
        world.let_happen(chance, healthy=True)
        world.service = answered(world.service, chance, Answer.CONTINUE if yes else Answer.ROLL_BACK)
    all_of_them = {(number, stage) for number, hook in enumerate(hooks) for stage in hook.stages}
    expected = {each for each in all_of_them if each[1] != "RECONCILE_SERVICE"}
    assert world.primary.rollout is Rollout.COMPLETED
    if yes or not expected:
        assert (world.primary.id, asked) == ("d1", expected)
    else:
        assert world.primary.id == "d0"
    assert len(world.service.tasks) == desired


def test_while_it_may_not_begin_the_service_is_looked_after() -> None:
    old = Deployment("d0", primary=False, rollout=Rollout.COMPLETED)
    new = Deployment("d1", primary=True, rollout=Rollout.IN_PROGRESS)
    left = Task("o1", "d0", Condition.HEALTHY, NOW)
    hook = Hook(frozenset({"PRE_SCALE_UP"}), MINUTE, roll_back=True)
    paused = (Pause("p0", 0, Point("PRE_SCALE_UP"), NOW + MINUTE),)
    service = Service(2, 100, 200, (new, old), (left,), last_completed="d0", hooks=(hook,), pauses=paused)
    decided = plan(service, NOW)
    assert (decided.start, decided.restart, decided.begin, decided.again) == (0, 1, (), NOW + MINUTE)
    decided = plan(replace(service, desired=0), NOW)
    assert [stop.task for stop in decided.stop] == ["o1"]
