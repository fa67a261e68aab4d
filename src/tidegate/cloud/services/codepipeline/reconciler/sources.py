"""Starts pipelines when what they watch has changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tidegate.cloud.call import Calls, RoleSession
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import (
    CodePipelineModel,
    ExecutionRecord,
    PipelineRecord,
    counted,
    polled_sources,
)
from tidegate.cloud.services.codepipeline.reconciler.run import SERVICE, is_denied
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_SESSION = "PollForSourceChanges"
_AGAIN = 60.0  # seconds until a source that the role may not read, or a pipeline that is full, is tried again

log = logging.getLogger(__name__)


class Sources:
    """The controller of watched sources, by a pipeline's (region, name)."""

    def __init__(self, model: CodePipelineModel, lifecycle: ExecutionLifecycle, calls: Calls) -> None:
        self._model = model
        self._lifecycle = lifecycle
        self._calls = calls

    async def reconcile(self, key: Key) -> float | None:
        """Start an execution where a source is at a revision that the pipeline has not run."""
        record = self._model.pipelines.get(*key)
        if record is None:
            return None
        region, name = key
        found: dict[str, dict[str, str]] = {}
        unread = None
        for action in polled_sources(record["pipeline"]):
            try:
                revision = await _newest(await self._session(region, record), action)
            except ServiceError as error:
                log.warning("%s: its source %s cannot be watched: %s", name, action["name"], error)
                unread = _AGAIN
            else:
                if revision is not None:
                    found[action["name"]] = revision
        return self._start(region, name, found) or unread

    async def _session(self, region: str, record: PipelineRecord) -> RoleSession:
        pipeline = record["pipeline"]
        source = self._model.arn(region, pipeline["name"])
        return await self._calls.as_role(pipeline["roleArn"], SERVICE, _SESSION, region, source=source)

    def _start(self, region: str, name: str, found: dict[str, dict[str, str]]) -> float | None:
        """Start an execution with the revisions that were found, if any of them is new."""
        record = self._model.pipelines.get(region, name)
        if record is None:
            return None
        stage = record["pipeline"]["stages"][0]["name"]
        undecided = [each for each in self._model.open_executions(region, name) if each["at"] == stage]
        news = {
            action: revision
            for action, revision in found.items()
            if record["seen"].get(action) != _token(revision)
            and not any(will_take_newest(each, stage, action) for each in undecided)
        }
        if not news:
            return None
        record["seen"].update({action: _token(revision) for action, revision in news.items()})
        trigger: t.ExecutionTriggerTypeDef = {
            "triggerType": "PollForSourceChanges",
            "triggerDetail": next(iter(news)),
        }
        try:
            self._lifecycle.begin(region, record, trigger, pinned=news)
        except ServiceError as error:
            log.warning("%s: a change of %s cannot start it: %s", name, ", ".join(news), error)
            return _AGAIN
        return None


async def _newest(session: RoleSession, action: t.ActionDeclarationOutputTypeDef) -> dict[str, str] | None:
    """Return the newest revision of a source by its type, or None where there is none."""
    configuration = action["configuration"]
    try:
        if action["actionTypeId"]["provider"] == "CodeCommit":
            answer = await session(
                "codecommit",
                "get_branch",
                repositoryName=configuration["RepositoryName"],
                branchName=configuration["BranchName"],
            )
            return {"COMMIT_ID": answer["branch"]["commitId"]}
        answer = await session("s3", "head_object", Bucket=configuration["S3Bucket"], Key=configuration["S3ObjectKey"])
    except ServiceError as error:
        if is_denied(error) or error.status >= 500:
            raise
        return None
    return {"S3_OBJECT_VERSION_ID": answer["VersionId"]} if answer.get("VersionId") else None


def _token(revision: dict[str, str]) -> str:
    return next(iter(revision.values()))


def will_take_newest(execution: ExecutionRecord, stage: str, action: str) -> bool:
    """Return whether an execution has still to look for the newest revision of a source."""
    if action in execution["pinned"] or "rollback_of" in execution:
        return False
    run = counted(execution, stage, action)
    return run is None or (run["status"] == "InProgress" and "revision" not in run["progress"])
