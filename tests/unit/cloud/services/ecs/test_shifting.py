"""What shifting requests promises, held over random histories: they sum up, go where tasks serve, and arrive."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.cloud.services.ecs.plan import (
    Alarms,
    Breaker,
    Cause,
    Condition,
    Deployment,
    Plan,
    Rollout,
    Service,
    Shift,
    Stage,
    Step,
    Task,
    Why,
    plan,
)
from tidegate.cloud.services.ecs.traffic import problem, share, shared_out, steps, weights

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORDER = list(Stage)
_ROUNDS = 400


@dataclass
class World:
    """A service whose requests are shifted, as it would go on; `percent` of them go to the primary's tasks."""

    desired: int
    strategy: tuple[Step, ...]
    bake: timedelta
    breaker: Breaker | None = None
    now: datetime = NOW
    service: Service = field(init=False)
    percent: float = 0.0
    test: float = 0.0
    number: int = 0
    ending: list[str] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    back: bool = False

    def __post_init__(self) -> None:
        """Begin with a deployment that has arrived."""
        first = Deployment("d0", primary=True, rollout=Rollout.COMPLETED)
        tasks = tuple(Task(f"o{n}", "d0", Condition.HEALTHY, NOW) for n in range(self.desired))
        self.service = Service(self.desired, 100, 200, (first,), tasks, breaker=self.breaker, last_completed="d0")

    def deploy(self, source: str | None = "d0") -> None:
        self.number += 1
        old = tuple(replace(each, primary=False) for each in self.service.deployments)
        new = Deployment(f"d{self.number}", primary=True, rollout=Rollout.IN_PROGRESS)
        stage = Stage.RECONCILE_SERVICE if len(old) > 1 else Stage.PRE_SCALE_UP
        shift = Shift(stage, self.now, self.strategy, self.bake, source=source)
        self.service = replace(self.service, deployments=(new, *old), shift=shift)

    @property
    def shift(self) -> Shift:
        assert self.service.shift is not None
        return self.service.shift

    def healthy(self, deployment: str | None) -> int:
        tasks = (task for task in self.service.tasks if task.deployment == deployment)
        return sum(task.condition is Condition.HEALTHY for task in tasks)

    def step(self) -> Plan:
        deployments = tuple(replace(each, ending=self.ending.count(each.id)) for each in self.service.deployments)
        shift = replace(self.shift, production=(self.percent,), test=(self.test,))
        self.service = replace(self.service, deployments=deployments, shift=shift)
        decided = plan(self.service, self.now)
        assert plan(self.service, self.now) == decided
        if decided.ended is not None:
            self.go_back(decided)
            return decided
        self.check(decided)
        self.act(decided)
        return decided

    def check(self, decided: Plan) -> None:
        """Requests never go where nobody is, as long as there is somebody elsewhere."""
        own, old = self.healthy(self.service.primary.id), self.healthy(self.shift.source)
        others = sum(self.healthy(each.id) for each in self.service.deployments if not each.primary)
        if decided.production is not None:
            assert 0 <= decided.production <= 100
            if decided.production > 0 and not own:
                assert not others
            if decided.production < 100 and self.shift.source is not None and not old:
                assert not own or ORDER.index(self.shift.stage) < ORDER.index(Stage.POST_SCALE_UP)
        stopped = {stop.task for stop in decided.stop}
        rest = [task for task in self.service.tasks if task.id not in stopped]
        left = [task for task in rest if task.deployment == self.shift.source and task.condition is Condition.HEALTHY]
        if self.percent < 100 and old and self.desired:
            assert left, "requests still go there"

    def act(self, decided: Plan) -> None:
        shift = self.shift
        if decided.production is not None:
            self.percent = decided.production
            self.shares.append(self.percent)
        if decided.test is not None:
            self.test = decided.test
        stopped = {stop.task for stop in decided.stop}
        self.ending += [task.deployment for task in self.service.tasks if task.id in stopped]
        tasks = [task for task in self.service.tasks if task.id not in stopped]
        primary = self.service.primary
        bad = sum(stop.why is Why.UNHEALTHY for stop in decided.stop)
        if bad and primary.rollout is Rollout.IN_PROGRESS:
            primary = replace(primary, failures=primary.failures + bad, last_failure=self.now)
        for deployment, number in ((primary.id, decided.start), (shift.source, decided.restart)):
            for _ in range(number):
                self.number += 1
                assert deployment is not None
                tasks.append(Task(f"t{self.number}", deployment, Condition.STARTING, self.now))
        if decided.stage is not None:
            shift = replace(shift, stage=decided.stage)
            self.stages.append(decided.stage)
        if decided.step is not None:
            shift = replace(shift, step=decided.step)
        if decided.stage is not None or decided.step is not None:
            shift = replace(shift, since=self.now)
        shift = replace(shift, moved_at=(shift.moved_at or self.now) if decided.moved else None)
        if decided.completed:
            primary = replace(primary, rollout=Rollout.COMPLETED)
        deployments = tuple(
            primary if each.primary else each for each in self.service.deployments if each.id not in decided.retired
        )
        self.service = replace(self.service, tasks=tuple(tasks), deployments=deployments, shift=shift)

    def go_back(self, decided: Plan) -> None:
        primary = replace(self.service.primary, rollout=Rollout.FAILED)
        deployments = tuple(primary if each.primary else each for each in self.service.deployments)
        self.service = replace(self.service, deployments=deployments, requested=None, alarms=None)
        if decided.roll_back_to is None:
            return
        self.back = True
        self.service = replace(
            self.service,
            deployments=tuple(
                replace(each, primary=each.id == decided.roll_back_to, rollout=Rollout.IN_PROGRESS, failures=0)
                if each.id == decided.roll_back_to
                else replace(each, primary=False)
                for each in deployments
            ),
            shift=Shift(
                Stage.PRODUCTION_TRAFFIC_SHIFT,
                self.now,
                self.strategy,
                self.bake,
                source=primary.id,
                rolling_back=True,
            ),
        )
        self.percent, self.test = 100 - self.percent, 100 - self.test

    def let_happen(self, chance: random.Random, *, healthy: float = 1.0, ill: float = 0.0, seconds: int = 5) -> None:
        self.ending.clear()
        self.now += timedelta(seconds=seconds)
        tasks = []
        for task in self.service.tasks:
            condition = task.condition
            if condition is Condition.STARTING and chance.random() < 0.6:
                condition = Condition.HEALTHY if chance.random() < healthy else Condition.UNHEALTHY
            elif condition is Condition.HEALTHY and chance.random() < ill:
                condition = Condition.UNHEALTHY
            tasks.append(replace(task, condition=condition))
        self.service = replace(self.service, tasks=tuple(tasks))

    def arrive(self, chance: random.Random, healthy: float = 1.0) -> None:
        for _ in range(_ROUNDS):
            self.step()
            if self.service.primary.rollout is not Rollout.IN_PROGRESS:
                return
            self.let_happen(chance, healthy=healthy, seconds=60)
        raise AssertionError(f"it does not arrive: {self.service}")


chances = st.integers(0, 2**32).map(random.Random)
minutes = st.integers(0, 10).map(lambda number: timedelta(minutes=number))
linear = st.builds(
    lambda tenths, bake: steps(
        {
            "strategy": "LINEAR",
            "linearConfiguration": {"stepPercent": tenths / 10, "stepBakeTimeInMinutes": bake},
        }
    ),
    st.integers(30, 1000),
    st.integers(0, 5),
)
canary = st.builds(
    lambda tenths, bake: steps(
        {
            "strategy": "CANARY",
            "canaryConfiguration": {"canaryPercent": tenths / 10, "canaryBakeTimeInMinutes": bake},
        }
    ),
    st.integers(1, 1000),
    st.integers(0, 5),
)
strategies = st.one_of(st.just((Step(100.0),)), linear, canary)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 6), strategies, minutes, chances)
def test_a_deployment_takes_every_stage_and_arrives(
    desired: int, strategy: tuple[Step, ...], bake: timedelta, chance: random.Random
) -> None:
    world = World(desired, strategy, bake)
    world.deploy()
    began = world.now
    world.arrive(chance)
    assert world.service.primary.rollout is Rollout.COMPLETED
    assert [each.id for each in world.service.deployments] == ["d1"]
    assert {task.deployment for task in world.service.tasks} <= {"d1"}
    assert len(world.service.tasks) == desired
    assert world.stages == ORDER[ORDER.index(Stage.SCALE_UP) :]
    assert world.percent == 100
    taken = [share for share, after in zip(world.shares, [*world.shares[1:], None], strict=True) if share != after]
    if desired:
        assert [share for share in taken if share] == [each.percent for each in strategy]
    assert world.now - began >= bake + sum((each.bake for each in strategy), timedelta(0))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 6), strategies, chances)
def test_whatever_falls_ill_requests_go_where_somebody_is(
    desired: int, strategy: tuple[Step, ...], chance: random.Random
) -> None:
    world = World(desired, strategy, timedelta(minutes=2))
    world.deploy()
    for _ in range(60):
        world.step()
        if world.service.primary.rollout is not Rollout.IN_PROGRESS:
            return
        world.let_happen(chance, healthy=0.8, ill=0.15, seconds=20)
    world.arrive(chance)
    assert world.service.primary.rollout is Rollout.COMPLETED


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 5),
    strategies,
    st.integers(0, 60),
    st.sampled_from([Cause.USER, Cause.ALARM, Cause.NETWORK]),
    chances,
)
def test_a_deployment_that_is_ended_goes_back_at_once(
    desired: int, strategy: tuple[Step, ...], after: int, cause: Cause, chance: random.Random
) -> None:
    world = World(desired, strategy, timedelta(minutes=10))
    world.deploy()
    for _ in range(after):
        world.step()
        if world.service.primary.rollout is not Rollout.IN_PROGRESS or world.shift.stage is Stage.CLEAN_UP:
            return
        world.let_happen(chance)
    raised = Alarms(rollback=True, triggered=True, bake=timedelta(0))
    world.service = replace(
        world.service,
        alarms=raised if cause is Cause.ALARM else None,
        requested=None if cause is Cause.ALARM else cause,
    )
    decided = world.step()
    assert (decided.ended, decided.roll_back_to) == (cause, "d0")
    assert world.step().production == 100, "the old tasks are all still there"
    world.arrive(chance)
    assert [each.id for each in world.service.deployments] == ["d0"]
    assert {task.deployment for task in world.service.tasks} == {"d0"}
    assert world.percent == 100


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 5), strategies, chances)
def test_a_bad_version_never_gets_a_request(desired: int, strategy: tuple[Step, ...], chance: random.Random) -> None:
    world = World(desired, strategy, timedelta(0), Breaker(rollback=True))
    world.deploy()
    world.arrive(chance, healthy=0.0)
    assert world.back
    assert max(world.shares[: world.shares.index(100.0)], default=0.0) == 0.0
    assert [each.id for each in world.service.deployments] == ["d0"]


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 4), strategies, st.integers(0, 40), chances)
def test_a_second_deployment_waits_until_one_serves_alone(
    desired: int, strategy: tuple[Step, ...], after: int, chance: random.Random
) -> None:
    world = World(desired, strategy, timedelta(minutes=5))
    world.deploy()
    for _ in range(after):
        world.step()
        if world.service.primary.rollout is not Rollout.IN_PROGRESS or world.shift.stage is Stage.CLEAN_UP:
            return
        world.let_happen(chance)
    world.deploy()
    assert world.shift.stage is Stage.RECONCILE_SERVICE
    while world.shift.stage is Stage.RECONCILE_SERVICE:
        world.step()
        world.let_happen(chance)
    assert {task.deployment for task in world.service.tasks} == {"d0"}
    assert world.percent in (0, 100 - 100)
    world.arrive(chance)
    assert {task.deployment for task in world.service.tasks} == {world.service.primary.id}


def test_a_first_deployment_neither_steps_nor_bakes() -> None:
    world = World(1, (Step(10.0, timedelta(hours=1)), Step(100.0)), timedelta(hours=1))
    world.service = replace(world.service, deployments=(), tasks=(), last_completed=None)
    world.deploy(None)
    chance = random.Random(1)
    world.arrive(chance)
    assert world.now - NOW < timedelta(hours=1)
    assert world.percent == 100


def test_an_abort_leaves_requests_as_they_are() -> None:
    world = World(2, (Step(30.0, timedelta(minutes=10)), Step(100.0)), timedelta(0))
    world.deploy()
    chance = random.Random(1)
    while world.percent != 30:
        world.step()
        world.let_happen(chance)
    world.service = replace(world.service, requested=Cause.ABORTED)
    decided = world.step()
    assert (decided.ended, decided.roll_back) == (Cause.ABORTED, False)
    for _ in range(5):
        decided = world.step()
        assert (decided.production, decided.start, decided.stop) == (None, 0, ())
        world.let_happen(chance)
    lost = tuple(task for task in world.service.tasks if task.deployment == "d0")
    world.service = replace(world.service, tasks=lost)
    assert world.step().production == 0, "the new ones are gone"


def test_a_protected_task_keeps_a_deployment_from_ending() -> None:
    world = World(1, (Step(100.0),), timedelta(0))
    world.service = replace(world.service, tasks=(replace(world.service.tasks[0], protected=True),))
    world.deploy()
    chance = random.Random(1)
    for _ in range(40):
        world.step()
        world.let_happen(chance)
    assert world.shift.stage is Stage.CLEAN_UP
    assert world.service.primary.rollout is Rollout.IN_PROGRESS
    world.service = replace(world.service, tasks=tuple(replace(each, protected=False) for each in world.service.tasks))
    world.arrive(chance)


@given(st.integers(0, 1000).map(lambda tenths: tenths / 10))
def test_weights_say_what_was_asked(percent: float) -> None:
    own, rest = weights(percent)
    assert 0 <= own <= 999
    assert 0 <= rest <= 999
    before = [
        {"Type": "forward", "ForwardConfig": {"TargetGroups": [], "TargetGroupStickinessConfig": {"Enabled": True}}}
    ]
    actions = shared_out(before, "a", "b", percent)
    assert share(actions, "a") == percent
    assert round(share(actions, "a") + share(actions, "b"), 1) == 100
    assert actions[0]["ForwardConfig"]["TargetGroupStickinessConfig"] == {"Enabled": True}


def test_steps() -> None:
    def percents(**configuration: object) -> list[float]:
        return [each.percent for each in steps(configuration)]

    minute = {"stepBakeTimeInMinutes": 1}
    assert percents(strategy="BLUE_GREEN") == [100]
    assert percents(strategy="LINEAR", linearConfiguration={"stepPercent": 25.0, **minute}) == [25, 50, 75, 100]
    assert percents(strategy="LINEAR", linearConfiguration={"stepPercent": 33.3, **minute}) == [33.3, 66.6, 99.9, 100]
    settings = {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10}
    assert percents(strategy="CANARY", canaryConfiguration=settings) == [5, 100]


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        ({"a": 1, "b": 0}, None),
        ({"a": 1, "b": 1}, "should have exactly one target group serving traffic but found 2"),
        ({"a": 1, "b": 0, "c": 1}, "forwarding traffic to unexpected target group c"),
        ({"a": 1}, "Target group b is not associated with either"),
    ],
)
def test_what_a_rule_may_be_like(groups: dict[str, int], why: str | None) -> None:
    rule = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener-rule/app/x/1/2/3"
    settings = {"alternateTargetGroupArn": "b", "productionListenerRule": rule}
    balancer = {"targetGroupArn": "a", "advancedConfiguration": settings}
    weighted = [{"TargetGroupArn": name, "Weight": weight} for name, weight in groups.items()]
    found = problem([balancer], {rule: [{"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}]})
    assert found is None if why is None else why in str(found)
    assert problem([balancer], {}) == ". One or more rules not found"


def test_the_breakers_forms() -> None:
    assert Breaker(True, 7, percent=False).limit(100) == 7
    assert [Breaker(True, 20).limit(desired) for desired in (1, 100, 5000)] == [3, 20, 200]
    assert [Breaker(True, 20, bounded=False).limit(desired) for desired in (1, 100, 5000)] == [1, 20, 1000]
