"""What happens to a service in whatever order: its step, on a store, keeps its bounds, its breaker, and arrives.

The step is the reconciler's own, with the API's own way to begin a deployment. Only what tasks become is chance.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.cloud.call import Context, Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.ecs.api.configuration import DEFAULTS, merged_configuration
from tidegate.cloud.services.ecs.api.deploying import begin_deployment
from tidegate.cloud.services.ecs.model import RUNNING, STOPPED, EcsModel, TaskRecord, is_live, primary, task_key
from tidegate.cloud.services.ecs.reconciler.step import Seen, Step
from tidegate.cloud.services.ecs.reconciler.traffic import Rules
from tidegate.cloud.store import Key, Store

KEY = ("us-east-1", "c", "web")
GROUP = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/g/0"
CLUSTER = "arn:aws:ecs:us-east-1:000000000000:cluster/c"
CONTEXT = Context(Principal("arn:aws:iam::000000000000:user/a", "A", "000000000000"), "us-east-1", "r")
ARN = "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1"
DEFINITION: Any = {
    "taskDefinitionArn": ARN,
    "family": "web",
    "revision": 1,
    "status": "ACTIVE",
    "cpu": "256",
    "memory": "512",
    "containerDefinitions": [{"name": "web", "image": "i", "portMappings": [{"containerPort": 80}]}],
    "volumes": [],
}
NETWORK: Any = {"subnets": ["subnet-0"]}
FAILURES = ("TaskFailedToStart", "EssentialContainerExited")


class Time(Clock):
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


class World:
    """A service behind a target group, and all that may become of it: an event, then the steps that it causes."""

    def __init__(self, desired: int, bounds: tuple[int, int], breaker: dict[str, Any]) -> None:
        self.clock = Time()
        self.store = Store(Path(":memory:"))
        self._seen: list[TaskRecord] | None = None
        self._service: Any = None
        self.changed = False
        self.store.subscribe(self._note)
        self.model = EcsModel(self.store)
        self.model.put_definition("us-east-1", {"definition": DEFINITION, "tags": []})
        self.health: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.completed: set[str] = set()
        self.failures: Counter[str] = Counter()  # tasks that failed one after the other, by deployment
        self.served: set[Key] = set()  # tasks that have been healthy when a step was taken
        self.addresses = itertools.count()
        given = {
            "minimumHealthyPercent": bounds[0],
            "maximumPercent": bounds[1],
            "deploymentCircuitBreaker": breaker,
        }
        service: Any = {
            "serviceArn": "arn:aws:ecs:us-east-1:000000000000:service/c/web",
            "serviceName": "web",
            "clusterArn": CLUSTER,
            "serviceRegistries": [],
            "createdBy": "arn:aws:iam::000000000000:user/administrator",
            "loadBalancers": [{"targetGroupArn": GROUP, "containerName": "web", "containerPort": 80}],
            "status": "ACTIVE",
            "desiredCount": desired,
            "launchType": "FARGATE",
            "deploymentConfiguration": merged_configuration(DEFAULTS, given),
        }
        record: Any = {"service": service, "deployments": [], "events": [], "steady": False, "tokens": {}}
        begin_deployment(self.model, self.clock, CONTEXT, record, DEFINITION, NETWORK)
        self.model.services.put(KEY, record)
        self.settle()

    def _note(self, kind: str, key: Key) -> None:
        self.changed = True
        self._seen = self._service = None

    # what is looked at

    @property
    def service(self) -> Any:
        if self._service is None:
            self._service = self.model.services.get(*KEY)
        return self._service

    @property
    def desired(self) -> int:
        return int(self.service["service"]["desiredCount"])

    def percent(self, name: str) -> float:
        return float(self.desired * self.service["service"]["deploymentConfiguration"][name] / 100)

    def tasks(self) -> list[TaskRecord]:
        if self._seen is None:
            self._seen = list(self.model.service_tasks(*KEY).values())
        return self._seen

    def live(self) -> list[TaskRecord]:
        return [each for each in self.tasks() if is_live(each)]

    def state(self, task: TaskRecord) -> str:
        if task["task"]["lastStatus"] != RUNNING:
            return "starting"
        return str(self.health[GROUP, task["address"], 80]["State"])

    # what may happen

    def happen(self, event: str, number: int) -> None:
        """Let one thing happen: `number` says to which task, or how far."""
        getattr(self, event)(number)
        self.settle()

    def come_up(self, number: int) -> None:
        self._change(number, "starting", self._run)

    def fail_to_start(self, number: int) -> None:
        self._change(number, "starting", lambda task: self._end(task, "TaskFailedToStart"))

    def crash(self, number: int) -> None:
        self._change(number, None, lambda task: self._end(task, "EssentialContainerExited"))

    def be_stopped(self, number: int) -> None:
        self._change(number, None, lambda task: self._end(task, "UserInitiated"))

    def become_healthy(self, number: int) -> None:
        self._change(number, "initial", lambda task: self._judge(task, "healthy"))

    def become_unhealthy(self, number: int) -> None:
        self._change(number, "initial", lambda task: self._judge(task, "unhealthy"))

    def fall_ill(self, number: int) -> None:
        self._change(number, "healthy", lambda task: self._judge(task, "unhealthy"))

    def stop_for_good(self, number: int) -> None:
        """Have the tasks that were told to stop be gone, and those that had stopped be forgotten."""
        for task in self.tasks():
            if not is_live(task) and task["task"]["lastStatus"] == STOPPED:
                self.model.tasks.delete(*task_key(task))
            elif not is_live(task):
                task["task"]["lastStatus"] = "STOPPED"
                self.model.tasks.put(task_key(task), task)

    def scale(self, number: int) -> None:
        record = self.service
        record["service"]["desiredCount"] = number
        self.model.services.put(KEY, record)

    def deploy(self, number: int) -> None:
        record = self.service
        with self.store.transaction():
            begin_deployment(self.model, self.clock, CONTEXT, record, DEFINITION, NETWORK)
            self.model.services.put(KEY, record)

    def wait(self, number: int) -> None:
        self.clock.at += timedelta(seconds=10 * number)

    def _change(self, number: int, state: str | None, change: Any) -> None:
        chosen = [each for each in self.live() if state is None or self.state(each) == state]
        if chosen:
            task = chosen[number % len(chosen)]
            change(task)
            self.model.tasks.put(task_key(task), task)

    def _run(self, task: TaskRecord) -> None:
        task["address"] = f"10.0.0.{next(self.addresses)}"
        task["task"]["lastStatus"] = RUNNING
        task["task"]["startedAt"] = self.clock.at
        task["registered"] = True
        self._judge(task, "initial")

    def _judge(self, task: TaskRecord, state: str) -> None:
        self.health[GROUP, task["address"], 80] = {"State": state, "Reason": "r"}

    def _end(self, task: TaskRecord, code: Any) -> None:
        task["task"]["desiredStatus"] = task["task"]["lastStatus"] = STOPPED
        task["task"]["stopCode"] = code
        task["task"]["stoppedReason"] = "it ended"

    # what follows

    def settle(self) -> None:
        """Take steps until one changes nothing, and hold each of them against what is promised."""
        for _ in range(12):
            self.changed = False
            self.step()
            if not self.changed:
                return
        raise AssertionError("steps do not come to rest")

    def step(self) -> None:
        was, tasks = self.service, self.tasks()
        before = [each for each in tasks if is_live(each)]
        healthy = {task_key(each) for each in before if self.state(each) == "healthy"}
        failed = [
            each
            for each in tasks
            if not each["counted"] and not is_live(each) and each["task"].get("stopCode") in FAILURES
        ]
        with self.store.transaction():
            record: Any = self.model.services.get(*KEY)
            Step(self.model, self.clock, KEY, record, Seen(self.health, (), Rules())).take()
        after = self.live()
        kept = {task_key(each) for each in after}
        stopped = healthy - kept
        if stopped:
            assert len(healthy - stopped) >= math.ceil(self.percent("minimumHealthyPercent")), "too few are left"
        if kept - {task_key(each) for each in before}:
            assert len(after) <= max(math.floor(self.percent("maximumPercent")), self.desired), "too many run"
        self._check_breaker(was, before, failed)

    def _check_breaker(self, was: Any, live: list[TaskRecord], failed: list[TaskRecord]) -> None:
        """Hold what the step made of the deployment in progress against the failures that it has seen.

        In one step a failure is counted first, then success resets the count, then the breaker looks.
        """
        now, before = self.service, primary(was)
        self.completed |= {each["id"] for each in now["deployments"] if each["rollout"] == "COMPLETED"}
        breaker = was["service"]["deploymentConfiguration"]["deploymentCircuitBreaker"]
        self._count(breaker, live, failed)
        if before["rollout"] != "IN_PROGRESS":
            return
        count = self.failures[before["id"]]
        over = breaker["enable"] and count >= self.limit(breaker)
        ended = next((each for each in now["deployments"] if each["id"] == before["id"]), None)
        assert (ended is not None and ended["rollout"] == "FAILED") is over, f"{count} of {self.limit(breaker)} failed"
        if not over:
            for each in live:  # those that it has stopped for their health have failed, for the next look
                stopped = not is_live(self._again(each))
                if stopped and self.state(each) == "unhealthy" and task_key(each) not in self.served:
                    self.failures[each["deployment"]] += 1
            return
        back = primary(now)
        if breaker["rollback"] and self.completed:
            assert back["id"] == was["last_completed"]["id"], "it goes back to the last one that was completed"
            assert back["id"] in self.completed
            self.failures[back["id"]] = 0
        else:
            assert back["id"] == before["id"], "there is nothing to go back to"

    def _count(self, breaker: Any, live: list[TaskRecord], failed: list[TaskRecord]) -> None:
        for each in failed:
            if task_key(each) not in self.served:
                self.failures[each["deployment"]] += 1
        for each in live:
            if self.state(each) == "healthy" and task_key(each) not in self.served:
                self.served.add(task_key(each))
                if breaker.get("resetOnHealthyTask", True):
                    self.failures[each["deployment"]] = 0

    def _again(self, task: TaskRecord) -> Any:
        return self.model.tasks.get(*task_key(task))

    def limit(self, breaker: dict[str, Any]) -> int:
        threshold = breaker.get("thresholdConfiguration", {"type": "BOUNDED_PERCENT", "value": 50})
        if threshold["type"] == "COUNT":
            return int(threshold["value"])
        share = math.ceil(self.desired * int(threshold["value"]) / 100)
        return min(max(share, 3), 200) if threshold["type"] == "BOUNDED_PERCENT" else max(share, 1)

    # and in the end

    def recover(self) -> None:
        """Have all that comes from now on go well, and hold the service against what is wanted of it."""
        if primary(self.service)["rollout"] == "FAILED":  # nothing is started for it any more: somebody mends it
            self.deploy(0)
        for _ in range(60):
            self.settle()
            for task in self.live():
                if self.state(task) == "starting":
                    self._run(task)
                    self.model.tasks.put(task_key(task), task)
                self._judge(task, "healthy")
            self.stop_for_good(0)
            self.clock.at += timedelta(seconds=61)
            if self.has_arrived():
                return
        raise AssertionError("it does not arrive")

    def has_arrived(self) -> bool:
        record = self.service
        return (
            [each["rollout"] for each in record["deployments"]] == ["COMPLETED"]
            and len(self.live()) == self.desired
            and {each["deployment"] for each in self.live()} <= {primary(record)["id"]}
            and record["steady"]
        )


numbers = st.integers(0, 5)
_COMMON = ["come_up", "become_healthy", "fail_to_start"]  # what a breaker counts comes often
_RARE = ["become_unhealthy", "crash", "fall_ill", "be_stopped", "stop_for_good", "deploy", "scale", "wait"]
events = st.tuples(st.sampled_from(_COMMON) | st.sampled_from(_RARE), numbers)
thresholds = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT"]),
        "value": st.sampled_from([2, 3, 4, 50, 100]),
    }
)
breakers = st.builds(
    lambda enable, rollback, threshold, reset: {
        "enable": enable,
        "rollback": rollback,
        "resetOnHealthyTask": reset,
        **({} if threshold is None else {"thresholdConfiguration": threshold}),
    },
    st.sampled_from([True, True, True, False]),
    st.booleans(),
    thresholds | st.none(),
    st.booleans(),
)
bounds = st.tuples(st.integers(0, 100), st.integers(100, 300))
histories = st.tuples(numbers, bounds, breakers, st.lists(events, min_size=5, max_size=25))


def live_through(history: tuple[int, tuple[int, int], Any, list[tuple[str, int]]]) -> None:
    desired, percentages, breaker, happening = history
    world = World(desired, percentages, breaker)
    try:
        for event, number in happening:
            world.happen(event, number)
        minimum, maximum = world.percent("minimumHealthyPercent"), world.percent("maximumPercent")
        if math.floor(maximum) <= world.desired <= math.ceil(minimum):  # no task can be replaced: it has to wait
            record = world.service
            record["service"]["deploymentConfiguration"]["minimumHealthyPercent"] = 0
            world.model.services.put(KEY, record)
        world.recover()
    finally:
        world.store.close()


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_whatever_happens_a_service_keeps_its_bounds_and_arrives(history: Any) -> None:
    live_through(history)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_whatever_happens_in_five_thousand_histories(history: Any) -> None:
    live_through(history)
