"""What services use, measured from their containers and published as CloudWatch metrics.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html

AWS publishes once a minute; the local cloud does every `PERIOD` seconds, so that whoever tries autoscaling on a
laptop does not wait for minutes.
"""

from __future__ import annotations

import asyncio

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.planes.docker.values import Usage
from tidegate.cloud.services.ecs.model import RUNNING, EcsModel, TaskRecord, pod_name
from tidegate.cloud.store import Key

PERIOD = 20.0  # seconds
_MIB = 1 << 20


class Metrics:
    """The controller of `ecs.metrics`: one key a service, worked while it has tasks."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock, pods: Pods) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._pods = pods
        self._samples: dict[Key, tuple[float, dict[str, float]]] = {}  # service -> when, CPU seconds by task

    async def reconcile(self, key: Key) -> float | None:
        """Measure a service's tasks and publish what they used since the last time."""
        now = self._clock.monotonic()
        last = self._samples.get(key)
        if last is not None and now < last[0] + PERIOD:
            return last[0] + PERIOD - now
        running = {
            task_id: record
            for task_id, record in self._model.service_tasks(*key).items()
            if record["task"]["lastStatus"] == RUNNING
        }
        if not running:
            self._samples.pop(key, None)
            return None
        usages = await asyncio.gather(*(self._usage(key, each) for each in running.items()))
        used = dict(zip(running, usages, strict=True))
        self._samples[key] = (now, {task_id: usage.cpu_seconds for task_id, usage in used.items()})
        cpu = []
        if last is not None:
            for task_id, usage in used.items():
                if task_id in last[1]:
                    cores = int(running[task_id]["task"]["cpu"]) / 1024
                    cpu.append(100 * (usage.cpu_seconds - last[1][task_id]) / (now - last[0]) / cores)
        memory = [
            100 * usage.memory / (int(running[task_id]["task"]["memory"]) * _MIB) for task_id, usage in used.items()
        ]
        await self._publish(key, {"CPUUtilization": cpu, "MemoryUtilization": memory})
        return PERIOD

    async def _usage(self, key: Key, task: tuple[str, TaskRecord]) -> Usage:
        task_id, record = task
        pod = pod_name((key[0], key[1], task_id))
        names = [container["name"] for container in record["task"]["containers"]]
        usages = await asyncio.gather(*(self._pods.usage(pod, name) for name in names))
        known = [usage for usage in usages if usage is not None]
        return Usage(sum(usage.cpu_seconds for usage in known), sum(usage.memory for usage in known))

    async def _publish(self, key: Key, metrics: dict[str, list[float]]) -> None:
        region, cluster, service = key
        dimensions = [{"Name": "ClusterName", "Value": cluster}, {"Name": "ServiceName", "Value": service}]
        data = [
            {
                "MetricName": name,
                "Dimensions": dimensions,
                "Timestamp": self._clock.now(),
                "Values": [max(0.0, value) for value in values],
                "Unit": "Percent",
                "StorageResolution": 1,
            }
            for name, values in metrics.items()
            if values
        ]
        if data:
            caller = self._calls.as_service("ecs.amazonaws.com", region)
            await caller("cloudwatch", "put_metric_data", Namespace="AWS/ECS", MetricData=data)
