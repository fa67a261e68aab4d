"""How long a task takes from the scheduler's decision to RUNNING, beside `docker run` of the same image.

The peer runs the same containers with the same limits on a network of the same kind: one network namespace for all
containers of a task, on a bridge of its own. `docker run --detach` returns once a container runs. Both take turns.
The decision is the moment the service wrote the task's record (`createdAt`), RUNNING is its `startedAt`.

    python -m benchmarks.task_start [rounds]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.contract.test_ecs_services import Balanced
from tests.fargate import IMAGE, until

from benchmarks.behind_balancer import balanced
from benchmarks.report import show

_GOAL = 1.3
_COMMAND = ["sleep", "600"]
_NETWORK = "tidegate-benchmark-task-start"
_LIMITS = ["--cpus", "0.25", "--memory", "512m", "--memory-swap", "512m"]


def docker(*arguments: str) -> str:
    """Run docker."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def run_with_docker(containers: int) -> list[str]:
    """Start the containers of one task as a plain script does; return their names, the one with the network first."""
    names = [f"{_NETWORK}-{uuid.uuid4().hex[:12]}" for _ in range(containers)]
    for name in names:
        network = _NETWORK if name == names[0] else f"container:{names[0]}"
        docker("run", "--detach", "--name", name, "--network", network, *_LIMITS, IMAGE, *_COMMAND)
    return names


def peer(containers: int, tasks: int) -> float:
    """Return the seconds until the containers of so many tasks run, started at once."""
    with ThreadPoolExecutor(tasks) as pool:
        started = time.monotonic()
        made = list(pool.map(lambda _: run_with_docker(containers), range(tasks)))
        seconds = time.monotonic() - started
    docker("rm", "--force", *(name for names in made for name in reversed(names)))
    return seconds


def ours(service: Balanced, name: str, tasks: int) -> float:
    """Scale a service from nothing; return the seconds from the decision until the last of its tasks runs."""
    service.ecs.update_service(cluster="c", service=name, desiredCount=tasks)

    def running() -> list[Any]:
        arns = service.ecs.list_tasks(cluster="c", serviceName=name)["taskArns"]
        found = service.ecs.describe_tasks(cluster="c", tasks=arns)["tasks"] if len(arns) == tasks else []
        return found if found and all(each["lastStatus"] == "RUNNING" for each in found) else []

    found = until(running, timeout=60)
    decided = min(each["createdAt"] for each in found)
    seconds = max(each["startedAt"] for each in found) - decided
    service.ecs.update_service(cluster="c", service=name, desiredCount=0)
    until(lambda: not _alive(service, name), timeout=60)
    return float(seconds.total_seconds())


def _alive(service: Balanced, name: str) -> bool:
    """Return whether a service has tasks that are not over."""
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in service.ecs.list_tasks(cluster="c", serviceName=name, desiredStatus=status)["taskArns"]
    ]
    found = service.ecs.describe_tasks(cluster="c", tasks=arns)["tasks"] if arns else []
    return any(each["lastStatus"] != "STOPPED" for each in found)


def create(service: Balanced, containers: int) -> str:
    """Create a service whose tasks have so many containers, without any task."""
    name = f"of-{containers}"
    made = [
        # the task's limits are those of the peer's one container each
        {"name": f"c{number}", "image": IMAGE, "command": _COMMAND, "stopTimeout": 2}
        for number in range(containers)
    ]
    service.ecs.create_service(
        cluster="c",
        serviceName=name,
        taskDefinition=service.register(*made, family=name),
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration=service.network,
    )
    return name


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    docker("network", "create", _NETWORK)
    try:
        with balanced() as service:
            for containers in (1, 2):
                name = create(service, containers)
                for tasks in (1, 4):
                    ours(service, name, tasks)  # the first one makes the network and what lasts
                    pairs = [(ours(service, name, tasks), peer(containers, tasks)) for _ in range(rounds)]
                    ratios = [mine / other for mine, other in pairs]
                    ratio = statistics.median(ratios)
                    show(
                        f"start of {tasks} task{'s' if tasks > 1 else ''} of {containers}",
                        f"{statistics.median(mine for mine, _ in pairs):.2f} s, "
                        f"docker run {statistics.median(other for _, other in pairs):.2f} s",
                        ratio,
                        goal=f"at most {_GOAL}",
                        met=ratio <= _GOAL,
                        spread=(min(ratios), max(ratios)),
                    )
    finally:
        docker("network", "rm", _NETWORK)


if __name__ == "__main__":
    main()
