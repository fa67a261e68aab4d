"""Fargate Spot takes capacity back when somebody asks for it: there is no market here that would do so by itself.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html#fargate-capacity-providers-termination
On AWS a task gets a notice of two minutes. Here it begins to stop at once, as at the end of those: it leaves its load
balancer, gets SIGTERM, and SIGKILL once the `stopTimeout` of its containers is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.model import STOPPED, EcsModel, TaskRecord, cluster_name, is_live, resource_id
from tidegate.cloud.store import Key

_REASON = "Your Spot Task was interrupted."


class Interruptions:
    """`POST /_tidegate/interrupt?cluster=…&task=…`, or `&service=…` for the newest Spot task of a service."""

    def __init__(self, model: EcsModel, clock: Clock, region: str) -> None:
        """`region` is the one that is meant where none is named."""
        self._model = model
        self._clock = clock
        self._region = region

    async def interrupt(self, asked: Mapping[str, str]) -> Mapping[str, Any]:
        """Interrupt a task that runs on Fargate Spot, and return its ARN; raise `ServiceError` where there is none."""
        key = self._find(asked.get("region", self._region), asked)
        now = self._clock.now()

        def stop(record: TaskRecord) -> None:
            task: Any = record["task"]
            task["desiredStatus"] = STOPPED
            task["stopCode"] = "SpotInterruption"
            task["stoppedReason"] = _REASON
            task["stoppingAt"] = now
            task["version"] += 1

        record = self._model.tasks.update(key, stop)
        assert record is not None
        return {"taskArn": record["task"]["taskArn"]}

    def _find(self, region: str, asked: Mapping[str, str]) -> Key:
        cluster, task, service = cluster_name(asked.get("cluster")), asked.get("task"), asked.get("service")
        found = [
            (record["task"]["createdAt"], key)
            for key, record in self._model.tasks.items(region, cluster)
            if is_live(record)
            and record["task"].get("capacityProviderName") == "FARGATE_SPOT"
            and (key[2] == resource_id(task) if task else record.get("service") == service)
        ]
        if not found:
            which = task or f"of service {service}"
            raise ServiceError("NotFound", f"no task {which} runs on FARGATE_SPOT in cluster {cluster}", 404)
        return max(found)[1]
