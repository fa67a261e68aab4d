"""What runs of a service, counted on the engine, at the balancer and among the files: nothing may leak."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load import Load

from tests.contract.test_ecs_services import Balanced
from tests.daemon import Daemon
from tests.fargate import until


@dataclass(frozen=True)
class Containers:
    """The container engine as a local cloud uses it; `variables` name another than the machine's."""

    cloud: Daemon

    def docker(self, *arguments: str) -> str:
        """Type `docker …` at the local cloud's engine."""
        command = ["docker", *arguments]
        if host := self.cloud.variables.get("DOCKER_HOST"):
            command[1:1] = ["--host", host]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def owned(self, *listing: str) -> list[Any]:
        """Return what a listing (`ps --all`, `network ls`) has of the local cloud."""
        owner = f"label=dev.tidegate.data-dir={self.cloud.data_dir}"
        lines = self.docker(*listing, "--filter", owner, "--format", "{{json .}}").splitlines()
        return [json.loads(line) for line in lines]

    def of_tasks(self) -> dict[str, str]:
        """Return the running containers of tasks, pauses apart: the task's id, and the container's."""
        found = {each["Names"]: each["ID"] for each in self.owned("ps") if not each["Names"].endswith("-pause")}
        return {name.split(".")[2].partition("-")[0]: identity for name, identity in found.items()}


@dataclass(frozen=True)
class Running:
    """The service `web` of one container a task, as it is."""

    balanced: Balanced

    def settled(self, timeout: float = 60.0) -> None:
        """Wait until there is what the service needs, and nothing else."""
        seen: list[Any] = []

        def exact() -> bool:
            seen[:] = [self.present(), self.wanted()]
            return bool(seen[0] == seen[1])

        try:
            until(exact, timeout)
        except AssertionError:
            raise AssertionError(f"there is {seen[0]}, there should be {seen[1]}") from None

    def wanted(self) -> Counter[str]:
        """Return what a steady service has: tasks, and a network that stands by for each, two at the most."""
        tasks = int(self.balanced.service()["desiredCount"])
        return Counter(
            tasks=tasks,
            containers=tasks,
            pauses=tasks + min(tasks, 2),
            networks=min(tasks, 1),
            interfaces=tasks + min(tasks, 2),
            targets=tasks,
            envoys=1,
        )

    def present(self) -> Counter[str]:
        """Return what there is, by kind."""
        cloud, engine = self.balanced.cloud, Containers(self.balanced.cloud)
        names = [each["Names"] for each in engine.owned("ps", "--all")]
        pauses = [name for name in names if name.endswith("-pause")]
        found = self.balanced.ec2.describe_network_interfaces()["NetworkInterfaces"]
        health = self.balanced.elb.describe_target_health(TargetGroupArn=self.balanced.target_group)
        return Counter(
            tasks=len(self.balanced.ecs.list_tasks(cluster="c")["taskArns"]),
            containers=len(names) - len(pauses),
            pauses=len(pauses),
            networks=len(engine.owned("network", "ls")),
            volumes=len(engine.owned("volume", "ls")),
            interfaces=sum(":task/" in each["Description"] for each in found),
            targets=len(health["TargetHealthDescriptions"]),
            envoys=len(envoys(cloud.data_dir)),
            torn=len([path for path in cloud.data_dir.rglob("*.new") if path.suffix == ".new"]),
        )


def serves(url: str) -> None:
    """See that whoever asks from now on is answered."""
    with Load(url) as load:
        until(lambda: load.sent > 200)
    assert load.failures == {}


def envoys(data_dir: Path) -> list[int]:
    """Return the process ids of the load balancers of a data folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"{data_dir}/envoy/bootstrap.json".encode() in command:
                found.append(int(process.name))
    return found
