"""The queue of builds: who runs, who waits, who is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.planes.shell.shell import remove_all
from tidegate.cloud.services.codebuild.model import (
    MOST_RUNNING,
    BuildRecord,
    CodeBuildModel,
    begin_phase,
    complete,
    end_phase,
    is_begun,
)
from tidegate.cloud.services.codebuild.reconciler.event import event_detail
from tidegate.cloud.services.codebuild.reconciler.host import BuildHost
from tidegate.cloud.services.codebuild.reconciler.run import BuildRun
from tidegate.cloud.services.codebuild.reconciler.source import Origins
from tidegate.cloud.store import Key

_PAUSE = 5.0  # seconds

log = logging.getLogger(__name__)


class Builds:
    """Starts builds, stops them, begins them anew after a kill, and tells EventBridge how they went."""

    def __init__(
        self,
        model: CodeBuildModel,
        calls: Calls,
        clock: Clock,
        host: BuildHost,
        origins: Origins,
        wake: Callable[[Key], None],
    ) -> None:
        """`wake` has a build looked at again."""
        self._model = model
        self._calls = calls
        self._clock = clock
        self._host = host
        self._origins = origins
        self._wake = wake
        self._runs: dict[Key, tuple[BuildRun, asyncio.Task[None]]] = {}
        self._waiting: set[Key] = set()  # for another build to end
        self._group: asyncio.TaskGroup | None = None

    async def serve(self) -> None:
        """Own the builds' tasks for as long as the daemon runs."""
        await asyncio.to_thread(self._sweep)
        try:
            async with asyncio.TaskGroup() as self._group:
                for key in self._model.open_keys():
                    self._wake(key)
                await asyncio.Event().wait()
        finally:
            self._group = None
            for run, _ in self._runs.values():
                run.abandon()

    async def reconcile(self, key: Key) -> float | None:
        """Do what is next about a build."""
        record = self._model.builds.get(*key)
        if record is None or self._group is None:
            return None
        again = None if record["build"]["buildComplete"] else self._advance(key, record)
        await self._announce(key)
        return again

    def reset(self) -> None:
        """End every build at once and forget it, and what they cached."""
        for run, task in self._runs.values():
            run.abandon()
            task.cancel()
        self._runs.clear()
        self._waiting.clear()
        gone = self._host.root.with_name(f"{self._host.root.name}.gone")
        with contextlib.suppress(OSError):
            self._host.root.rename(gone)
            self._host.caches.rename(gone / "caches")
        threading.Thread(target=remove_all, args=(gone,), name="remove build folders").start()

    def _advance(self, key: Key, record: BuildRecord) -> float | None:
        running = self._runs.get(key)
        if running is not None:
            if record["stop"]:
                running[0].stop()
            return None
        if record["stop"]:
            self._end_queued(key, "STOPPED", "", "")
            return None
        if len(self._runs) < MOST_RUNNING:
            self._start(key, record)
            return None
        build = record["build"]
        self._waiting.add(key)
        left = timedelta(minutes=build["queuedTimeoutInMinutes"]) - self._clock.elapsed(build["startTime"])
        if left <= timedelta(0):
            self._end_queued(key, "TIMED_OUT", "BUILD_TIMED_OUT", "Build has timed out. ")
            return None
        return left.total_seconds()

    def _start(self, key: Key, record: BuildRecord) -> None:
        assert self._group is not None
        before = is_begun(record)
        run = BuildRun(key, self._model, self._calls, self._clock, self._host, self._origins)

        def leave_queue(each: BuildRecord) -> None:
            now, build = self._clock.now(), each["build"]
            each["starts"] += 1
            if before:
                build["phases"] = [one for one in build["phases"] if one["phaseType"] in ("SUBMITTED", "QUEUED")]
            if build["phases"] and "phaseStatus" not in build["phases"][-1]:
                end_phase(build, "SUCCEEDED", now)

        self._model.builds.update(key, leave_queue)
        task = self._group.create_task(self._work(key, run, before), name=f"build {key[1]}")
        self._runs[key] = (run, task)

    async def _work(self, key: Key, run: BuildRun, ran_before: bool) -> None:
        try:
            await run.execute(ran_before)
        except Exception:  # not even its end could be written, as on a full disk: it begins again, not at once
            log.exception("build %s has no end", key[1])
            await asyncio.sleep(_PAUSE)
        finally:
            if self._runs.get(key, (None,))[0] is run:
                del self._runs[key]
        waiting, self._waiting = self._waiting, set()
        for each in (key, *sorted(waiting)):
            self._wake(each)

    def _end_queued(self, key: Key, status: str, code: str, message: str) -> None:
        def end(each: BuildRecord) -> None:
            now, build = self._clock.now(), each["build"]
            if "phaseStatus" in build["phases"][-1]:
                begin_phase(build, "FINALIZING", now)
            end_phase(build, status, now, code, message)
            complete(build, status, now)

        self._model.builds.update(key, end)

    async def _announce(self, key: Key) -> None:
        record = self._model.builds.get(*key)
        if record is None or record["announced"] == record["build"]["buildStatus"]:
            return
        status = record["build"]["buildStatus"]
        entry = {
            "Source": "aws.codebuild",
            "DetailType": "CodeBuild Build State Change",
            "Resources": [record["build"]["arn"]],
            "Detail": event_detail(record),
        }
        await self._calls.as_service("codebuild.amazonaws.com", key[0])("events", "put_events", Entries=[entry])
        self._model.builds.update(key, lambda each: each.update({"announced": status}))

    def _sweep(self) -> None:
        """End what builds of an earlier daemon left running, and remove their folders."""
        remove_all(self._host.root.with_name(f"{self._host.root.name}.gone"))
        remove_all(self._host.root)
