"""Batches: which of their builds run, and how they end."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, RoleSession
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.shell.shell import remove_all
from tidegate.cloud.services.codebuild.batch_plan import Group, build_request, combines, decide, is_failure, refusal
from tidegate.cloud.services.codebuild.buildspec import BatchBuild
from tidegate.cloud.services.codebuild.model import (
    BatchRecord,
    BuildRecord,
    CodeBuildModel,
    begin_phase,
    end_phase,
)
from tidegate.cloud.services.codebuild.reconciler.batch_source import BatchSource, Found
from tidegate.cloud.services.codebuild.reconciler.combine import Combination
from tidegate.cloud.services.codebuild.reconciler.failure import PhaseError
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_PAUSE = 5.0  # seconds until a build is tried again that the project's limit kept back
_LIMIT = "AccountLimitExceededException"


class Batches:
    """Reads what batches consist of, and starts and stops their builds, as each batch's own service role."""

    def __init__(
        self, model: CodeBuildModel, calls: Calls, clock: Clock, source: BatchSource, combination: Combination
    ) -> None:
        self._model = model
        self._calls = calls
        self._clock = clock
        self._source = source
        self._combination = combination

    async def reconcile(self, key: Key) -> float | None:
        """Do what is next about a batch. All that is to be known is in the records of it and its builds."""
        record = self._model.batches.get(*key)
        if record is None or record["batch"]["complete"]:
            return None
        if record["batch"]["currentPhase"] == "DOWNLOAD_BATCHSPEC":
            await self._expand(key, record)
            return None
        if record["batch"]["currentPhase"] == "COMBINE_ARTIFACTS":
            await self._combine(key, record)
            return None
        record = self._refresh(key, record)
        return await self._advance(key, record)

    def reset(self) -> None:
        """Forget what was being read."""
        threading.Thread(target=remove_all, args=(self._source.root,), name="remove batch folders").start()

    async def _expand(self, key: Key, record: BatchRecord) -> None:
        """Leave DOWNLOAD_BATCHSPEC, for IN_PROGRESS with the builds that the specification asks for, or for the end."""
        if record["stop"]:
            self._finish(key, "STOPPED", "", "")
            return
        batch = record["batch"]
        try:
            found = await self._source.read(batch, key[0])
            restrictions = batch["buildBatchConfig"].get("restrictions", {})
            refused = refusal(found.spec.builds, restrictions, batch["environment"]["computeType"])
            if refused is not None:
                raise PhaseError("CLIENT_ERROR", f"Batch restriction violated: {refused}")
        except PhaseError as error:
            self._finish(key, "FAILED", error.code, error.message)
            return
        now = self._clock.now()
        self._model.batches.update(key, lambda each: _enter(each, found, now))

    async def _combine(self, key: Key, record: BatchRecord) -> None:
        if record["stop"]:
            self._finish(key, "STOPPED", "", "")
            return
        try:
            location = await self._combination.make(record, key[0])
        except PhaseError as error:
            self._finish(key, "FAILED", error.code, error.message)
            return
        self._update(key, lambda each: each["batch"].update({"artifacts": {"location": location}}))
        self._finish(key, "SUCCEEDED", "", "")

    def _refresh(self, key: Key, record: BatchRecord) -> BatchRecord:
        """Bring the summaries of a batch's builds up to date."""
        groups = [self._summarized(key[0], group) for group in record["batch"]["buildGroups"]]
        if groups == record["batch"]["buildGroups"]:
            return record
        return self._update(key, lambda each: each["batch"].update({"buildGroups": groups}))

    def _summarized(self, region: str, group: t.BuildGroupTypeDef) -> t.BuildGroupTypeDef:
        current = group.get("currentBuildSummary")
        if current is None:
            return group
        build = self._model.builds.get(region, _id_of(current))
        return group if build is None else {**group, "currentBuildSummary": _summary(group["identifier"], build)}

    async def _advance(self, key: Key, record: BatchRecord) -> float | None:
        batch = record["batch"]
        left = self._left(batch)
        ending = "STOPPED" if record["stop"] else "FAILED" if record["fault"] else None
        if ending is None and left <= 0:
            ending = "TIMED_OUT"
        groups = [_group(each) for each in batch["buildGroups"]]
        step = decide(groups, fast_fail=record["fast_fail"], ending=ending)
        if step.status == "SUCCEEDED" and combines(batch, record["artifacts"]):
            self._update(key, lambda each: _begin_combining(each["batch"], self._clock.now()))
            return None
        if step.status is not None:
            failed = ", ".join(each.identifier for each in groups if is_failure(each))
            code, message = record["fault"] or ("", f"Failed builds: {failed}" if failed else "")
            if step.status == "TIMED_OUT":
                code, message = "BUILD_TIMED_OUT", "Build batch has timed out. "
            self._finish(key, step.status, code, message)
            return None
        try:
            for identifier in step.stop:
                await self._stop(key, batch, identifier)
            for identifier in step.start:
                await self._start(key, record, identifier)
        except ServiceError as error:
            if error.code == _LIMIT:
                return _PAUSE
            denied = "ACCESS_DENIED" if error.code.startswith("AccessDenied") else "CLIENT_ERROR"
            fault = [denied, f"{error.code}: {error.message}"]
            if record["fault"] is None:
                self._update(key, lambda each: each.update({"fault": fault}))
        return left if left > 0 else None

    def _left(self, batch: t.BuildBatchTypeDef) -> float:
        limit = timedelta(minutes=batch["buildBatchConfig"]["timeoutInMins"])
        return (limit - self._clock.elapsed(batch["startTime"])).total_seconds()

    async def _start(self, key: Key, record: BatchRecord, identifier: str) -> None:
        """Have a build started, but not twice: one that a killed daemon had started already is known by its token."""
        batch = record["batch"]
        group = next(each for each in batch["buildGroups"] if each["identifier"] == identifier)
        prior = group.get("priorBuildSummaryList", [])
        token = f"{batch['id'].rpartition(':')[2]}-{identifier}-{len(prior)}"
        builds = self._model.builds_of(key[0], batch["projectName"])
        known = next((each for each in builds if each["token"] == token), None)
        if known is None:
            session = await self._session(key[0], batch)
            before = self._model.builds.get(key[0], _id_of(prior[-1])) if prior else None
            if before is not None:
                request: dict[str, Any] = {"id": before["build"]["id"]}
                answer = await session("codebuild", "retry_build", **request, idempotencyToken=token)
            else:
                (build,) = [each for each in record["builds"] if each["identifier"] == identifier]
                request = build_request(batch, record["artifacts"], record["request"], BatchBuild(**build))
                answer = await session("codebuild", "start_build", **request, idempotencyToken=token)
            known = self._model.builds.get(key[0], answer["build"]["id"])
            if known is None:
                return  # the local cloud was emptied
        summary = _summary(identifier, known)

        def note(each: BatchRecord) -> None:
            for one in each["batch"]["buildGroups"]:
                if one["identifier"] == identifier:
                    one["currentBuildSummary"] = summary

        self._update(key, note)

    async def _stop(self, key: Key, batch: t.BuildBatchTypeDef, identifier: str) -> None:
        group = next(each for each in batch["buildGroups"] if each["identifier"] == identifier)
        build = self._model.builds.get(key[0], _id_of(group["currentBuildSummary"]))
        if build is not None and not build["stop"]:
            session = await self._session(key[0], batch)
            await session("codebuild", "stop_build", id=build["build"]["id"])

    async def _session(self, region: str, batch: t.BuildBatchTypeDef) -> RoleSession:
        role, name = batch["buildBatchConfig"]["serviceRole"], f"AWSCodeBuild-{batch['id'].rpartition(':')[2]}"
        return await self._calls.as_role(role, "codebuild.amazonaws.com", name, region, source=batch["arn"])

    def _finish(self, key: Key, status: str, code: str, message: str) -> None:
        def end(each: BatchRecord) -> None:
            now, batch = self._clock.now(), each["batch"]
            end_phase(batch, status, now, code, message)
            begin_phase(batch, status if status in ("SUCCEEDED", "STOPPED") else "FAILED", now)
            batch.update({"buildBatchStatus": status, "complete": True, "endTime": now})  # type: ignore[typeddict-item]

        self._update(key, end)

    def _update(self, key: Key, change: Callable[[BatchRecord], None]) -> BatchRecord:
        changed = self._model.batches.update(key, change)
        assert changed is not None  # only one that is over is deleted
        return changed


def _enter(record: BatchRecord, found: Found, now: Any) -> None:
    batch = record["batch"]
    record["builds"] = [dataclasses.asdict(build) for build in found.spec.builds]
    record["fast_fail"] = found.spec.fast_fail
    batch["buildGroups"] = [
        {
            "identifier": build.identifier,
            "dependsOn": list(build.depends_on),
            "ignoreFailure": build.ignore_failure,
            "priorBuildSummaryList": [],
        }
        for build in found.spec.builds
    ]
    if found.version:
        batch["resolvedSourceVersion"] = found.version
    end_phase(batch, "SUCCEEDED", now)
    begin_phase(batch, "IN_PROGRESS", now)


def _begin_combining(batch: t.BuildBatchTypeDef, now: Any) -> None:
    end_phase(batch, "SUCCEEDED", now)
    begin_phase(batch, "COMBINE_ARTIFACTS", now)


def _group(group: t.BuildGroupTypeDef) -> Group:
    status = group.get("currentBuildSummary", {}).get("buildStatus")
    return Group(group["identifier"], group["dependsOn"], group["ignoreFailure"], status)


def _summary(identifier: str, record: BuildRecord) -> t.BuildSummaryTypeDef:
    build = record["build"]
    summary: t.BuildSummaryTypeDef = {
        "arn": build["arn"],
        "requestedOn": build["startTime"],
        "buildStatus": build["buildStatus"],
        "primaryArtifact": {"type": record["artifacts"]["type"], "identifier": identifier},
        "secondaryArtifacts": [
            {"type": "S3", "identifier": each["artifactIdentifier"], "location": each["location"]}
            for each in build.get("secondaryArtifacts", [])
        ],
    }
    if build.get("artifacts", {}).get("location"):
        summary["primaryArtifact"]["location"] = build["artifacts"]["location"]
    return summary


def _id_of(summary: t.BuildSummaryTypeDef) -> str:
    return summary["arn"].partition(":build/")[2]
