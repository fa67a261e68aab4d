"""The scheduler of 500 services with 10,000 tasks: whether it converges, and what one change costs beside the rest.

The local cloud whole, its store, its loop and every controller, on a container engine that runs nothing
(`simulated_engine`). Tasks end by chance and starts fail by chance. A change is a task that ends: its service has it
taken down and another one started. What that costs must not depend on how many others there are.

    python -m benchmarks.scheduler [services...]
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks.report import show
from benchmarks.simulated_engine import SimulatedDocker
from tidegate.cloud.call import Principal
from tidegate.cloud.clock import Clock
from tidegate.cloud.daemon import Cloud, Settings
from tidegate.cloud.services.ecs.model import OPEN, RUNNING, STOPPED, EcsModel, is_live
from tidegate.cloud.store import Key

_SIZES = (10, 50, 100, 200, 500)
_TASKS = 20  # of each service
_CHANGES = 10  # at once, each in a service of its own
_ROUNDS = 5
_IDLE = 20.0  # seconds: metrics are published once in that time
_FAILING = 0.1  # of all starts, while it is chaotic
_REGION, _CLUSTER = "us-east-1", "simulated"
_PATIENCE = 300.0  # seconds


class Simulation:
    """A local cloud on an engine that runs nothing, in this process."""

    def __init__(self, folder: Path) -> None:
        self.chance = random.Random(1)
        self.docker = SimulatedDocker(folder, Clock(), self.chance)
        self.cloud = Cloud(Settings(folder), self.docker)
        self.pods = self.docker.simulated
        self.model = EcsModel(self.cloud.parts.store)
        account = self.cloud.settings.account
        administrator = Principal(f"arn:aws:iam::{account}:user/administrator", "AIDA", account)
        self._call = self.cloud.parts.calls.as_principal(administrator, _REGION)
        self._services = 0
        self._network: dict[str, object] = {}

    async def prepare(self) -> None:
        """Make what services need: a network with room, a role, a log group, a cluster, a task definition."""
        vpc = (await self._call("ec2", "create_vpc", CidrBlock="10.0.0.0/16"))["Vpc"]["VpcId"]
        subnets = [
            (await self._call("ec2", "create_subnet", VpcId=vpc, CidrBlock=f"10.0.{n * 64}.0/18"))["Subnet"]["SubnetId"]
            for n in range(4)
        ]
        trusting = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [trusting]})
        role = (await self._call("iam", "create_role", RoleName="execution", AssumeRolePolicyDocument=trust))["Role"]
        policy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
        await self._call("iam", "attach_role_policy", RoleName="execution", PolicyArn=policy)
        await self._call("logs", "create_log_group", logGroupName="/tasks")
        await self._call("ecs", "create_cluster", clusterName=_CLUSTER)
        options = {"awslogs-group": "/tasks", "awslogs-region": _REGION, "awslogs-stream-prefix": "t"}
        container = {
            "name": "web",
            "image": "simulated",
            "portMappings": [{"containerPort": 8080}],
            "logConfiguration": {"logDriver": "awslogs", "options": options},
        }
        await self._call(
            "ecs",
            "register_task_definition",
            family="web",
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            executionRoleArn=role["Arn"],
            containerDefinitions=[container],
        )
        self._network = {"awsvpcConfiguration": {"subnets": subnets}}

    async def grow(self, services: int) -> None:
        """Have so many services, and all of them steady."""
        while self._services < services:
            await self._call(
                "ecs",
                "create_service",
                cluster=_CLUSTER,
                serviceName=f"service-{self._services}",
                taskDefinition="web",
                desiredCount=_TASKS,
                networkConfiguration=self._network,
            )
            self._services += 1
        await self.settle()

    async def settle(self) -> None:
        """Wait until every service is steady and has the tasks that it wants, no more and no less."""
        restless = [(_REGION, _CLUSTER, f"service-{number}") for number in range(self._services)]
        deadline = time.monotonic() + _PATIENCE
        while restless:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the simulation: {len(restless)} services are not steady in time")
            await asyncio.sleep(1.0)
            restless = [key for key in restless if not self._is_steady(key) or not self._stands_by(key)]
        assert len(self.pods.running()) == self._services * _TASKS, "the engine runs other tasks than there are"

    def _is_steady(self, key: Key) -> bool:
        record = self.model.services.get(*key)
        assert record is not None
        if not record["steady"]:
            return False
        tasks = self.model.service_tasks(*key).values()
        running = [each for each in tasks if is_live(each) and each["task"]["lastStatus"] == RUNNING]
        ending = [each for each in tasks if not is_live(each) and each["task"]["lastStatus"] != STOPPED]
        return len(running) == _TASKS and not ending

    def _stands_by(self, key: Key) -> bool:
        """Return whether the networks for the service's next tasks have been made."""
        return [each["state"] for each in self.model.standby.values(*key)] == [OPEN, OPEN]

    async def idle(self) -> float:
        """Return the CPU seconds that a second costs in which nothing is changed."""
        before, started = time.process_time(), time.monotonic()
        await asyncio.sleep(_IDLE)
        return (time.process_time() - before) / (time.monotonic() - started)

    async def change(self, idle: float) -> float:
        """Have tasks end in some services; return the CPU seconds of each until all are steady, without the idle."""
        chosen = self.chance.sample(range(self._services), min(_CHANGES, self._services))
        keys: list[Key] = [(_REGION, _CLUSTER, f"service-{each}") for each in chosen]
        before, started = time.process_time(), time.monotonic()
        for key in keys:
            tasks = [task for task, each in self.model.service_tasks(*key).items() if is_live(each)]
            self.pods.fail(".".join((*key[:2], self.chance.choice(tasks))))
        await asyncio.sleep(1.0)  # before that no new task counts as healthy
        while not all(self._is_steady(key) for key in keys):  # noqa: ASYNC110 - the store is what is looked at
            await asyncio.sleep(0.25)
        spent = time.process_time() - before - idle * (time.monotonic() - started)
        return spent / len(keys)

    async def chaos(self) -> int:
        """End tasks by chance while starts fail by chance; return how many ended."""
        self.pods.failing = _FAILING
        ended = 0
        for _ in range(10):
            running = self.pods.running()
            for pod in self.chance.sample(running, len(running) // 100):
                self.pods.fail(pod)
                ended += 1
            await asyncio.sleep(0.5)
        self.pods.failing = 0.0
        return ended


async def measure(simulation: Simulation) -> tuple[float, float]:
    """Return the CPU milliseconds that a change costs, the median of some rounds, and the share of a core when idle."""
    idle = await simulation.idle()
    costs = [await simulation.change(idle) for _ in range(_ROUNDS)]
    return statistics.median(costs) * 1000, idle


async def simulate(sizes: list[int], folder: Path) -> None:
    """Measure and print."""
    simulation = Simulation(folder)
    loop = asyncio.create_task(simulation.cloud.parts.loop.run())
    try:
        await simulation.prepare()
        curve: dict[int, float] = {}
        for size in sizes:
            started = time.monotonic()
            await simulation.grow(size)
            grown = time.monotonic() - started
            curve[size], idle = await measure(simulation)
            print(
                f"  {size} services, {size * _TASKS} tasks: {curve[size]:.1f} ms a change, idle {idle:.1%} of a core; "
                f"grown in {grown:.0f} s",
                flush=True,
            )
        started = time.monotonic()
        ended = await simulation.chaos()
        await simulation.settle()
        seconds = time.monotonic() - started
        print(f"  {ended} tasks ended and a tenth of all starts failed: steady again {seconds:.0f} s after the first")
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        simulation.cloud.close()
    first, last = sizes[0], sizes[-1]
    ratio = curve[last] / curve[first]
    show(
        f"a change among {last} services",
        f"{curve[last]:.1f} ms, among {first} services {curve[first]:.1f} ms",
        ratio,
        goal="at most 1.5",
        met=ratio <= 1.5,
    )


def main() -> None:
    """Measure and print."""
    sizes = [int(each) for each in sys.argv[1:]] or list(_SIZES)
    logging.disable(logging.CRITICAL)  # every start that fails would be told of
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(simulate(sizes, Path(folder)))


if __name__ == "__main__":
    main()
