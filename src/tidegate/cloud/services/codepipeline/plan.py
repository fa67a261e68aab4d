"""How executions move through a pipeline, decided purely.

    plan(pipeline) -> steps

A stage holds one execution at a time, unless the pipeline is PARALLEL; the others wait at its door. In SUPERSEDED mode
a newer execution at a door takes the place of an older one, in QUEUED mode they enter in the order in which they
started: https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html

A plan is one round: it is carried out at once, and asked for again until there is nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class Mode(Enum):
    """What becomes of executions that come one after the other."""

    SUPERSEDED = "SUPERSEDED"
    QUEUED = "QUEUED"
    PARALLEL = "PARALLEL"


class Status(Enum):
    """How an action stands."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABANDONED = "Abandoned"


class Stop(Enum):
    """How an execution is to be stopped: let its actions finish, or leave them."""

    WAIT = "wait"
    ABANDON = "abandon"


class Condition(Enum):
    """When a stage's conditions are looked at."""

    BEFORE_ENTRY = "BEFORE_ENTRY"
    ON_SUCCESS = "ON_SUCCESS"
    ON_FAILURE = "ON_FAILURE"


class Result(Enum):
    """What becomes of a stage whose condition is not met."""

    FAIL = "FAIL"
    ROLLBACK = "ROLLBACK"
    RETRY = "RETRY"
    SKIP = "SKIP"


class OnFailure(Enum):
    """What a stage does by itself when it fails."""

    FAIL = "FAIL"
    RETRY = "RETRY"
    ROLLBACK = "ROLLBACK"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its actions' run orders by their names. Nobody enters while it is not `open`.

    `conditions` has the result of each condition that the stage is held to.
    """

    name: str
    orders: Mapping[str, int]
    open: bool = True
    on_failure: OnFailure = OnFailure.FAIL
    conditions: Mapping[Condition, Result] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution that is not over: `inside` the stage that it is `at`, or at its door.

    `actions` tells how the actions of that stage stand that were started, `conditions` how its conditions do;
    `alone`: it ends with this stage (a rollback); `retried`: the stage was tried again by itself before.
    """

    id: str
    number: int  # grows with every execution of the pipeline
    at: str
    inside: bool = False
    actions: Mapping[str, Status] = field(default_factory=dict)
    stop: Stop | None = None
    alone: bool = False
    retried: bool = False
    conditions: Mapping[Condition, Status] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline and its executions that are not over."""

    mode: Mode
    stages: Sequence[Stage]
    executions: Sequence[Execution]


@dataclass(frozen=True, slots=True)
class Enter:
    """An execution enters the stage that it waits for."""

    execution: str
    stage: str


@dataclass(frozen=True, slots=True)
class Start:
    """Actions begin, all at once."""

    execution: str
    stage: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """The rules of a stage's condition begin, all at once."""

    execution: str
    stage: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Skip:
    """A stage is passed over; the execution goes to the door of the `following` one, or has succeeded."""

    execution: str
    stage: str
    following: str | None


@dataclass(frozen=True, slots=True)
class Leave:
    """A stage is done; the execution goes to the door of the `following` one, or has succeeded."""

    execution: str
    stage: str
    following: str | None


@dataclass(frozen=True, slots=True)
class Fail:
    """A stage has failed, and the execution with it; `rolls_back`: the stage goes back to what was there before.

    `unmet` is the condition that made it fail.
    """

    execution: str
    stage: str
    rolls_back: bool = False
    unmet: Condition | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """A stage that has failed is tried again by itself."""

    execution: str
    stage: str


@dataclass(frozen=True, slots=True)
class Halt:
    """An execution is stopped; what it has in progress is abandoned. `stage`: the one that it is inside of."""

    execution: str
    stage: str | None


@dataclass(frozen=True, slots=True)
class Supersede:
    """A waiting execution makes way for a newer one."""

    execution: str
    by: str


Step = Enter | Check | Start | Skip | Leave | Fail | Retry | Halt | Supersede


def plan(pipeline: Pipeline) -> tuple[Step, ...]:
    """Decide the next round of steps; an execution takes one step in it at most."""
    return (*_inside(pipeline), *_doors(pipeline))


def _inside(pipeline: Pipeline) -> Iterator[Step]:
    names = [stage.name for stage in pipeline.stages]
    stages = {stage.name: stage for stage in pipeline.stages}
    for execution in pipeline.executions:
        if not execution.inside:
            if execution.stop is not None:
                yield Halt(execution.id, None)
            continue
        place = names.index(execution.at)
        following = names[place + 1] if place + 1 < len(names) and not execution.alone else None
        step = _next(execution, stages[execution.at], following)
        if step is not None:
            yield step


def _next(execution: Execution, stage: Stage, following: str | None) -> Step | None:
    """Return what an execution does in the stage that it is in, or None while it waits for actions or rules."""
    statuses = [execution.actions.get(name) for name in stage.orders]
    if execution.stop is Stop.ABANDON:
        return Halt(execution.id, stage.name)
    if Status.FAILED in statuses or Status.ABANDONED in statuses:
        return None if Status.IN_PROGRESS in statuses else _failed(execution, stage)
    if all(status is Status.SUCCEEDED for status in statuses):
        return _succeeded(execution, stage, following)
    if Status.IN_PROGRESS in statuses:
        return None
    if execution.stop is Stop.WAIT:
        return Halt(execution.id, stage.name)
    entry = _standing(execution, stage, Condition.BEFORE_ENTRY)
    if entry is None:
        return Check(execution.id, stage.name, Condition.BEFORE_ENTRY)
    if entry is Status.IN_PROGRESS:
        return None
    if entry is not Status.SUCCEEDED:
        if stage.conditions[Condition.BEFORE_ENTRY] is Result.SKIP:
            return Skip(execution.id, stage.name, following)
        return Fail(execution.id, stage.name, unmet=Condition.BEFORE_ENTRY)
    left = {name: order for name, order in stage.orders.items() if name not in execution.actions}
    first = min(left.values())
    return Start(execution.id, stage.name, tuple(name for name, order in left.items() if order == first))


def _succeeded(execution: Execution, stage: Stage, following: str | None) -> Step | None:
    standing = _standing(execution, stage, Condition.ON_SUCCESS)
    if standing is Status.SUCCEEDED:
        return Leave(execution.id, stage.name, following)
    if execution.stop is not None:
        return Halt(execution.id, stage.name)
    if standing is None:
        return Check(execution.id, stage.name, Condition.ON_SUCCESS)
    if standing is Status.IN_PROGRESS:
        return None
    rolls_back = stage.conditions[Condition.ON_SUCCESS] is Result.ROLLBACK
    return Fail(execution.id, stage.name, rolls_back=rolls_back, unmet=Condition.ON_SUCCESS)


def _failed(execution: Execution, stage: Stage) -> Step | None:
    if execution.stop is not None:
        return Halt(execution.id, stage.name)
    if stage.on_failure is OnFailure.RETRY and not execution.retried:
        return Retry(execution.id, stage.name)
    standing = _standing(execution, stage, Condition.ON_FAILURE)
    if standing is None:
        return Check(execution.id, stage.name, Condition.ON_FAILURE)
    if standing is Status.IN_PROGRESS:
        return None
    rolls_back = stage.on_failure is OnFailure.ROLLBACK and not execution.alone
    if standing is Status.SUCCEEDED:
        return Fail(execution.id, stage.name, rolls_back=rolls_back)
    result = stage.conditions[Condition.ON_FAILURE]
    if result is Result.RETRY and not execution.retried:
        return Retry(execution.id, stage.name)
    return Fail(execution.id, stage.name, rolls_back=rolls_back or result is Result.ROLLBACK)


def _standing(execution: Execution, stage: Stage, condition: Condition) -> Status | None:
    """Return how a condition stands, None while it was not looked at; where there is none, it is met.

    A rollback is held to no conditions: what they found wrong is why it is there.
    """
    if condition not in stage.conditions or execution.alone:
        return Status.SUCCEEDED
    return execution.conditions.get(condition)


def _doors(pipeline: Pipeline) -> Iterator[Step]:
    for stage in pipeline.stages:
        waiting = sorted(
            (each for each in pipeline.executions if each.at == stage.name and not each.inside and each.stop is None),
            key=lambda each: each.number,
        )
        if not waiting:
            continue
        if pipeline.mode is Mode.SUPERSEDED:
            *older, newest = waiting
            yield from (Supersede(each.id, newest.id) for each in older)
            waiting = [newest]
        if not stage.open:
            continue
        if pipeline.mode is Mode.PARALLEL:
            yield from (Enter(each.id, stage.name) for each in waiting)
        elif not any(each.at == stage.name and each.inside for each in pipeline.executions):
            yield Enter(waiting[0].id, stage.name)
