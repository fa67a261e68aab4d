"""What containers write, carried into CloudWatch Logs as their task's execution role (the awslogs driver)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.planes.docker.values import LogLine
from tidegate.cloud.services.ecs.containers import log_target
from tidegate.cloud.services.ecs.model import EcsModel, TaskRecord, pod_name
from tidegate.cloud.services.ecs.reconciler.roles import Roles
from tidegate.cloud.store import Key

_GATHER = 0.1  # seconds that lines are gathered for one request
_MOST_LINES = 5_000
_MOST_BYTES = 900_000  # of a request; PutLogEvents takes 1,048,576 with 26 for each event
_LONGEST = 250_000  # bytes of one event

log = logging.getLogger(__name__)


class LogShipper:
    """One controller key a container: (region, cluster, task, container), worked for as long as it writes."""

    def __init__(self, model: EcsModel, pods: Pods, roles: Roles) -> None:
        self._model = model
        self._pods = pods
        self._roles = roles
        self._running: dict[Key, asyncio.Event] = {}
        self._behind: set[Key] = set()  # of these, lines may have been left: the last attempt has failed

    async def open(self, record: TaskRecord, container: Mapping[str, Any], task_id: str) -> None:
        """Make the container's log stream (and its group, where asked for); raise `ServiceError`."""
        target = log_target(container, task_id)
        if target is None:
            return
        group, stream, region, create = target
        caller = await self._roles.execution(record, region)
        if create:
            await _unless_exists(caller("logs", "create_log_group", logGroupName=group))
        await _unless_exists(caller("logs", "create_log_stream", logGroupName=group, logStreamName=stream))

    async def reconcile(self, key: Key) -> float | None:
        """Carry a container's lines from where they were left until it has ended."""
        region, cluster, task_id, name = key
        record = self._model.tasks.get(region, cluster, task_id)
        definition = None if record is None else self._model.definition_by_arn(record["definition"])
        if record is None or definition is None:
            self._model.log_positions.delete(*key)
            self._behind.discard(key)
            return None
        container = next(c for c in definition["definition"]["containerDefinitions"] if c["name"] == name)
        target = log_target(container, task_id)
        if target is None:
            return None
        if key in self._running:
            await self._running[key].wait()
            return None
        done = self._running[key] = asyncio.Event()
        self._behind.add(key)
        try:
            caller = await self._roles.execution(record, target[2])
            await self._follow(key, caller, target[0], target[1])
            self._behind.discard(key)
        finally:
            done.set()
            del self._running[key]
        return None

    async def drained(self, key: Key, patience: float) -> None:
        """Wait until what a container has written is carried, `patience` seconds at the most."""
        try:
            async with asyncio.timeout(patience):
                if key in self._running:
                    await self._running[key].wait()
                if key in self._behind:  # it would be tried again later, when the container is gone
                    await self.reconcile(key)
        except TimeoutError:
            log.warning("%s: its last lines were not carried within %.0f s", "/".join(key), patience)
        except ServiceError as error:  # a role that was taken away keeps nobody from stopping
            log.warning("%s: its last lines were not carried: %s", "/".join(key), error)
        self._behind.discard(key)

    async def _follow(self, key: Key, caller: Caller, group: str, stream: str) -> None:
        since = self._model.log_positions.get(*key)
        lines: asyncio.Queue[LogLine | None] = asyncio.Queue(maxsize=_MOST_LINES)

        async def read() -> None:
            async for line in self._pods.logs(pod_name(key[:3]), key[3], since):
                if since is None or line.time > since:
                    await lines.put(line)
            await lines.put(None)

        async with asyncio.TaskGroup() as group_of_tasks:
            group_of_tasks.create_task(read())
            ended = False
            while not ended:
                batch = [await lines.get()]
                await asyncio.sleep(_GATHER if lines.empty() and batch[0] is not None else 0)
                size = 0
                while not lines.empty() and len(batch) < _MOST_LINES and size < _MOST_BYTES:
                    batch.append(line := lines.get_nowait())
                    size += 26 + (len(line.text.encode()) if line else 0)
                ended = batch[-1] is None
                await self._put(key, caller, group, stream, [line for line in batch if line is not None])

    async def _put(self, key: Key, caller: Caller, group: str, stream: str, lines: list[LogLine]) -> None:
        events = [
            {"timestamp": int(line.time.timestamp() * 1000), "message": line.text[:_LONGEST]}
            for line in sorted(lines, key=lambda line: line.time)
            if line.text
        ]
        if events:
            try:
                await caller("logs", "put_log_events", logGroupName=group, logStreamName=stream, logEvents=events)
            except ServiceError as error:
                # as on Fargate, a group that was deleted or a permission that was taken away loses the lines,
                # not the task
                log.warning("%s: %d lines lost: %s", "/".join(key), len(events), error)
        if lines:
            newest = max(line.time for line in lines)
            self._model.log_positions.put(key, newest)


async def _unless_exists(call: Any) -> None:
    try:
        await call
    except ServiceError as error:
        if error.code != "ResourceAlreadyExistsException":
            raise
