"""How executions move, held over random histories: one in a stage, nobody lost, nobody overtaken who should not be."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.services.codepipeline.plan import (
    Check,
    Condition,
    Enter,
    Execution,
    Fail,
    Halt,
    Leave,
    Mode,
    OnFailure,
    Pipeline,
    Result,
    Retry,
    Skip,
    Stage,
    Start,
    Status,
    Step,
    Stop,
    Supersede,
    plan,
)

STAGES = (
    Stage("Source", {"s": 1}),
    Stage("Build", {"lint": 1, "build": 1, "pack": 3}),
    Stage("Deploy", {"deploy": 2, "check": 2}),
)
HELD = (
    STAGES[0],
    replace(STAGES[1], conditions={Condition.BEFORE_ENTRY: Result.SKIP, Condition.ON_FAILURE: Result.RETRY}),
    replace(STAGES[2], conditions={Condition.BEFORE_ENTRY: Result.FAIL, Condition.ON_SUCCESS: Result.ROLLBACK}),
)


@dataclass
class World:
    """A pipeline as it would go on: steps are carried out, actions end by chance."""

    mode: Mode
    stages: list[Stage] = field(default_factory=lambda: list(STAGES))
    open: dict[str, Execution] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    entered: dict[str, list[int]] = field(default_factory=dict)  # stage -> numbers, in the order of entering
    number: int = 0

    def begin(self, at: str = "Source", *, alone: bool = False) -> str:
        self.number += 1
        identity = f"e{self.number}"
        self.open[identity] = Execution(identity, self.number, at, alone=alone)
        return identity

    def view(self) -> Pipeline:
        return Pipeline(self.mode, tuple(self.stages), tuple(self.open.values()))

    def settle(self) -> list[Step]:
        """Carry out plans until there is nothing to do; none goes on for ever."""
        taken: list[Step] = []
        for _ in range(1000):
            steps = plan(self.view())
            assert steps == plan(self.view())
            if not steps:
                return taken
            movers = [step.execution for step in steps]
            assert len(set(movers)) == len(movers), "one step each"
            for step in steps:
                self.take(step)
            self.check()
            taken += steps
        raise AssertionError("the plans do not end")

    def take(self, step: Step) -> None:
        execution = self.open[step.execution]
        match step:
            case Enter():
                self.entered.setdefault(step.stage, []).append(execution.number)
                self.open[step.execution] = replace(execution, inside=True, actions={}, retried=False, conditions={})
            case Check(condition=condition):
                assert condition not in execution.conditions
                assert not execution.alone
                standing = {**execution.conditions, condition: Status.IN_PROGRESS}
                self.open[step.execution] = replace(execution, conditions=standing)
            case Start():
                self.check_start(execution, step)
                started = dict.fromkeys(step.actions, Status.IN_PROGRESS)
                self.open[step.execution] = replace(execution, actions={**execution.actions, **started})
            case Leave(following=None) | Skip(following=None):
                self.end(step.execution, "Succeeded")
            case Leave(following=str(following)) | Skip(following=str(following)):
                self.open[step.execution] = replace(execution, at=following, inside=False, actions={})
            case Retry():
                kept = {name: status for name, status in execution.actions.items() if status is Status.SUCCEEDED}
                self.open[step.execution] = replace(execution, actions=kept, retried=True, conditions={})
            case Fail():
                self.end(step.execution, "Failed")
            case Halt():
                self.end(step.execution, "Stopped")
            case Supersede():
                assert self.mode is Mode.SUPERSEDED
                assert not execution.inside
                assert self.open[step.by].number > execution.number
                self.end(step.execution, "Superseded")

    def end(self, identity: str, status: str) -> None:
        del self.open[identity]
        self.ended[identity] = status

    def check(self) -> None:
        if self.mode is Mode.PARALLEL:
            return
        inside = [each.at for each in self.open.values() if each.inside]
        assert len(inside) == len(set(inside)), "a stage holds one execution"

    def check_start(self, execution: Execution, step: Start) -> None:
        stage = next(each for each in self.stages if each.name == step.stage)
        assert execution.stop is None
        if Condition.BEFORE_ENTRY in stage.conditions and not execution.retried and not execution.alone:
            assert execution.conditions[Condition.BEFORE_ENTRY] is Status.SUCCEEDED
        assert Status.IN_PROGRESS not in execution.actions.values()
        assert set(execution.actions.values()) <= {Status.SUCCEEDED}
        orders = {stage.orders[name] for name in step.actions}
        assert len(orders) == 1
        (order,) = orders
        done = {name for name, each in stage.orders.items() if each < order}
        assert done <= execution.actions.keys(), "what comes first was run first"

    def checking(self) -> list[tuple[str, Condition]]:
        return [
            (identity, condition)
            for identity, each in self.open.items()
            for condition, status in each.conditions.items()
            if status is Status.IN_PROGRESS
        ]

    def judge(self, identity: str, condition: Condition, status: Status) -> None:
        execution = self.open[identity]
        self.open[identity] = replace(execution, conditions={**execution.conditions, condition: status})

    def finish(self, identity: str, name: str, status: Status) -> None:
        execution = self.open[identity]
        self.open[identity] = replace(execution, actions={**execution.actions, name: status})

    def running(self) -> list[tuple[str, str]]:
        return [
            (identity, name)
            for identity, each in self.open.items()
            for name, status in each.actions.items()
            if status is Status.IN_PROGRESS
        ]

    def gate(self, name: str, *, open_: bool) -> None:
        self.stages = [replace(each, open=open_) if each.name == name else each for each in self.stages]


def drive(world: World, chance: random.Random, rounds: int) -> None:
    """Let things happen at random, then open every gate and let everything end."""
    for _ in range(rounds):
        running = world.running()
        event = chance.choice(["begin", "finish", "finish", "finish", "judge", "judge", "gate", "stop"])
        if event == "begin":
            world.begin()
        elif event == "finish" and running:
            identity, name = chance.choice(running)
            status = Status.FAILED if chance.random() < 0.15 else Status.SUCCEEDED
            world.finish(identity, name, status)
        elif event == "judge" and (checking := world.checking()):
            world.judge(*chance.choice(checking), chance.choice([Status.FAILED, Status.SUCCEEDED]))
        elif event == "gate":
            world.gate(chance.choice(["Build", "Deploy"]), open_=chance.random() < 0.5)
        elif event == "stop" and world.open and chance.random() < 0.3:
            identity = chance.choice(sorted(world.open))
            world.open[identity] = replace(world.open[identity], stop=chance.choice(list(Stop)))
        world.settle()
    for stage in list(world.stages):
        world.gate(stage.name, open_=True)
    world.settle()
    while (running := world.running()) or world.checking():
        if running:
            world.finish(*running[0], Status.SUCCEEDED)
        else:
            world.judge(*world.checking()[0], Status.SUCCEEDED)
        world.settle()


@pytest.mark.parametrize("stages", [STAGES, HELD], ids=["plain", "held"])
@pytest.mark.parametrize("mode", list(Mode))
@given(seed=st.integers(0, 2**32), rounds=st.integers(0, 120))
@settings(max_examples=120, deadline=None)
def test_every_execution_ends(mode: Mode, stages: tuple[Stage, ...], seed: int, rounds: int) -> None:
    world = World(mode, stages=list(stages))
    drive(world, random.Random(seed), rounds)
    assert world.open == {}
    assert len(world.ended) == world.number


@given(seed=st.integers(0, 2**32), rounds=st.integers(0, 120))
@settings(max_examples=120, deadline=None)
def test_a_queue_keeps_its_order_and_loses_nobody(seed: int, rounds: int) -> None:
    world = World(Mode.QUEUED)
    drive(world, random.Random(seed), rounds)
    assert "Superseded" not in world.ended.values()
    for numbers in world.entered.values():
        assert numbers == sorted(numbers)


@given(seed=st.integers(0, 2**32), rounds=st.integers(0, 120))
@settings(max_examples=120, deadline=None)
def test_an_older_change_never_follows_a_newer_one(seed: int, rounds: int) -> None:
    world = World(Mode.SUPERSEDED)
    drive(world, random.Random(seed), rounds)
    for numbers in world.entered.values():
        assert numbers == sorted(numbers)


def finish_all(world: World, *names: str, status: Status = Status.SUCCEEDED) -> list[Step]:
    for identity, name in world.running():
        if name in names:
            world.finish(identity, name, status)
    return world.settle()


def kinds(steps: Sequence[Step]) -> list[str]:
    return [type(step).__name__ for step in steps]


def test_actions_of_one_order_start_together_and_the_next_order_after_them() -> None:
    world = World(Mode.SUPERSEDED)
    world.begin()
    world.settle()
    steps = finish_all(world, "s")
    assert Start("e1", "Build", ("lint", "build")) in steps
    assert finish_all(world, "lint") == []
    assert finish_all(world, "build") == [Start("e1", "Build", ("pack",))]


def test_a_failure_waits_for_what_runs_beside_it_then_frees_the_stage() -> None:
    world = World(Mode.SUPERSEDED)
    world.begin()
    world.settle()
    finish_all(world, "s")
    world.begin()
    world.settle()
    finish_all(world, "s")
    assert finish_all(world, "lint", status=Status.FAILED) == []
    steps = finish_all(world, "build")
    assert steps[0] == Fail("e1", "Build")
    assert Enter("e2", "Build") in steps


def test_the_newest_that_waits_takes_the_place_of_the_others() -> None:
    world = World(Mode.SUPERSEDED)
    for _ in range(3):
        world.begin()
        world.settle()
        finish_all(world, "s")
    assert world.ended == {"e2": "Superseded"}
    assert world.open["e3"].at == "Build"
    finish_all(world, "lint", "build")
    finish_all(world, "pack")
    assert world.entered["Build"] == [1, 3]


def test_a_closed_gate_holds_the_newest() -> None:
    world = World(Mode.SUPERSEDED)
    world.gate("Build", open_=False)
    for _ in range(3):
        world.begin()
        world.settle()
        finish_all(world, "s")
    assert world.ended == {"e1": "Superseded", "e2": "Superseded"}
    world.gate("Build", open_=True)
    assert world.settle()[0] == Enter("e3", "Build")


def test_in_parallel_nobody_waits() -> None:
    world = World(Mode.PARALLEL)
    for _ in range(3):
        world.begin()
    world.settle()
    finish_all(world, "s")
    assert [each.at for each in world.open.values()] == ["Build"] * 3
    assert all(each.inside for each in world.open.values())


def test_a_stop_that_waits_lets_actions_finish_and_starts_no_more() -> None:
    world = World(Mode.SUPERSEDED)
    world.begin()
    world.settle()
    finish_all(world, "s")
    world.open["e1"] = replace(world.open["e1"], stop=Stop.WAIT)
    assert world.settle() == []
    assert finish_all(world, "lint") == []
    assert finish_all(world, "build") == [Halt("e1", "Build")]


def test_a_stop_that_waits_does_not_enter_the_next_stage() -> None:
    world = World(Mode.SUPERSEDED)
    world.begin()
    world.settle()
    world.open["e1"] = replace(world.open["e1"], stop=Stop.WAIT)
    assert finish_all(world, "s") == [Leave("e1", "Source", "Build"), Halt("e1", None)]


def test_a_stop_that_abandons_is_at_once() -> None:
    world = World(Mode.SUPERSEDED)
    world.begin()
    world.settle()
    world.open["e1"] = replace(world.open["e1"], stop=Stop.ABANDON)
    assert world.settle() == [Halt("e1", "Source")]


def test_a_stage_tries_again_once() -> None:
    world = World(Mode.SUPERSEDED, stages=[replace(each, on_failure=OnFailure.RETRY) for each in STAGES])
    world.begin()
    world.settle()
    finish_all(world, "s")
    finish_all(world, "lint", status=Status.FAILED)
    assert finish_all(world, "build") == [Retry("e1", "Build"), Start("e1", "Build", ("lint",))]
    assert finish_all(world, "lint", status=Status.FAILED) == [Fail("e1", "Build")]


def test_a_rollback_is_of_one_stage_and_does_not_roll_back_itself() -> None:
    world = World(Mode.SUPERSEDED, stages=[replace(each, on_failure=OnFailure.ROLLBACK) for each in STAGES])
    world.begin("Build", alone=True)
    assert kinds(world.settle()) == ["Enter", "Start"]
    finish_all(world, "lint", "build")
    assert finish_all(world, "pack") == [Leave("e1", "Build", None)]
    world.begin("Build", alone=True)
    world.settle()
    finish_all(world, "lint", "build", status=Status.FAILED)
    assert world.ended == {"e1": "Succeeded", "e2": "Failed"}
    world.begin()
    world.settle()
    assert finish_all(world, "s", status=Status.FAILED) == [Fail("e3", "Source", rolls_back=True)]


def into(world: World, stage: str) -> None:
    world.begin(stage)
    world.settle()


def judge(world: World, condition: Condition, status: Status) -> list[Step]:
    world.judge("e1", condition, status)
    return world.settle()


def test_an_entry_condition_comes_before_the_actions() -> None:
    world = World(Mode.SUPERSEDED, stages=list(HELD))
    into(world, "Deploy")
    assert world.running() == []
    assert judge(world, Condition.BEFORE_ENTRY, Status.SUCCEEDED) == [Start("e1", "Deploy", ("deploy", "check"))]


def test_a_stage_whose_entry_condition_fails_is_skipped_or_fails() -> None:
    world = World(Mode.SUPERSEDED, stages=list(HELD))
    into(world, "Build")
    steps = judge(world, Condition.BEFORE_ENTRY, Status.FAILED)
    assert steps[:2] == [Skip("e1", "Build", "Deploy"), Enter("e1", "Deploy")]
    assert judge(world, Condition.BEFORE_ENTRY, Status.FAILED) == [Fail("e1", "Deploy", unmet=Condition.BEFORE_ENTRY)]


def test_a_success_condition_that_fails_rolls_back() -> None:
    world = World(Mode.SUPERSEDED, stages=list(HELD))
    into(world, "Deploy")
    judge(world, Condition.BEFORE_ENTRY, Status.SUCCEEDED)
    assert finish_all(world, "deploy", "check") == [Check("e1", "Deploy", Condition.ON_SUCCESS)]
    failed = Fail("e1", "Deploy", rolls_back=True, unmet=Condition.ON_SUCCESS)
    assert judge(world, Condition.ON_SUCCESS, Status.FAILED) == [failed]


def test_a_failure_condition_decides_when_it_fails_alone() -> None:
    world = World(Mode.SUPERSEDED, stages=list(HELD))
    into(world, "Build")
    judge(world, Condition.BEFORE_ENTRY, Status.SUCCEEDED)
    finish_all(world, "build")
    assert finish_all(world, "lint", status=Status.FAILED) == [Check("e1", "Build", Condition.ON_FAILURE)]
    assert Retry("e1", "Build") in judge(world, Condition.ON_FAILURE, Status.FAILED)
    judge(world, Condition.BEFORE_ENTRY, Status.SUCCEEDED)
    finish_all(world, "lint", status=Status.FAILED)
    assert judge(world, Condition.ON_FAILURE, Status.SUCCEEDED) == [Fail("e1", "Build")]


def test_a_stop_does_not_wait_for_a_condition() -> None:
    world = World(Mode.SUPERSEDED, stages=list(HELD))
    into(world, "Deploy")
    world.open["e1"] = replace(world.open["e1"], stop=Stop.WAIT)
    assert world.settle() == [Halt("e1", "Deploy")]
