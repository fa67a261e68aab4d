"""Executions begun, tried again, ended; their stages and actions with them. EventBridge is to hear of each change.

Everything here is one atomic write, in which nothing is awaited. Who calls it has read the records just before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.model import (
    ABANDONED,
    BEFORE_ENTRY,
    CANCELLED,
    FAILED,
    IN_PROGRESS,
    MOST_AT_ONCE,
    SKIPPED,
    STOPPED,
    STOPPING,
    SUCCEEDED,
    SUPERSEDED,
    ActionRecord,
    CodePipelineModel,
    ExecutionRecord,
    PipelineRecord,
    StageRunRecord,
    condition_rules,
    condition_status,
    find_stage,
    stage_names,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_EVENT_STATES = {
    IN_PROGRESS: "STARTED",
    SUCCEEDED: "SUCCEEDED",
    FAILED: "FAILED",
    ABANDONED: "ABANDONED",
    STOPPING: "STOPPING",
    STOPPED: "STOPPED",
    SUPERSEDED: "SUPERSEDED",
    CANCELLED: "CANCELED",
    SKIPPED: "SKIPPED",
}
_RESUMED = "RESUMED"


class ExecutionLifecycle:
    """Changes executions and writes them, each together with what EventBridge is to hear of it."""

    def __init__(self, model: CodePipelineModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    # executions

    def begin(
        self,
        region: str,
        record: PipelineRecord,
        trigger: t.ExecutionTriggerTypeDef,
        *,
        variables: Mapping[str, str] | None = None,
        pinned: dict[str, dict[str, str]] | None = None,
        token: str | None = None,
    ) -> ExecutionRecord:
        """Begin an execution and write it with the pipeline's record; raise where it cannot start.

        `pinned` tells the source actions that are not to take the newest revision which to take.
        """
        pipeline = record["pipeline"]
        execution = self._new(region, record, trigger, _variables(pipeline, variables or {}))
        execution["pinned"] = pinned or {}
        if token is not None:
            execution["token"] = token
        self._write_new(region, record, execution)
        return execution

    def roll_back(
        self,
        region: str,
        record: PipelineRecord,
        stage: str,
        target: ExecutionRecord,
        trigger: t.ExecutionTriggerTypeDef,
    ) -> ExecutionRecord:
        """Begin an execution of one stage with the artifacts and the variables of an earlier one."""
        execution = self._new(region, record, trigger, dict(target["variables"]))
        execution["at"] = stage
        execution["rollback_of"] = target["id"]
        execution["artifacts"] = dict(target["artifacts"])
        execution["namespaces"] = dict(target["namespaces"])
        execution["revisions"] = list(target["revisions"])
        execution["sources"] = dict(target["sources"])
        self._write_new(region, record, execution)
        return execution

    def request_stop(self, region: str, pipeline: str, execution: ExecutionRecord) -> None:
        """Let it be seen that an execution is to be stopped."""
        self.set_status(region, pipeline, execution, STOPPING)
        run = execution["stages"].get(execution["at"])
        if execution["inside"] and run is not None:
            run["status"] = STOPPING
            self._tell_stage(region, pipeline, execution, execution["at"], "STOPPING")

    def retry(self, region: str, pipeline: str, execution: ExecutionRecord, stage: str, *, everything: bool) -> None:
        """Put an execution back into a stage: what did not succeed there, or `everything`, is run again."""
        run = execution["stages"][stage]
        results = {each["id"]: each["status"] for each in execution["actions"]}
        run["actions"] = {
            name: action_id
            for name, action_id in run["actions"].items()
            if not everything and results.get(action_id) == SUCCEEDED
        }
        entry = run.get("conditions", {}).get(BEFORE_ENTRY)
        met = entry is not None and condition_status(execution, entry) in (SUCCEEDED, "Overridden")
        run["conditions"] = {BEFORE_ENTRY: entry} if entry is not None and met and not everything else {}
        self.resume(region, pipeline, execution, stage)

    def override(
        self, region: str, pipeline: str, execution: ExecutionRecord, stage: str, condition: str, by: str
    ) -> None:
        """Let a condition count as met; where the execution failed for it, it goes on in the stage."""
        run = execution["stages"][stage]
        overridden = run["conditions"][condition]
        for rule in condition_rules(execution, overridden):
            if rule["status"] == IN_PROGRESS:
                self._finish(region, pipeline, execution, rule, ABANDONED)
        overridden["overridden_by"], overridden["overridden"] = by, self._clock.now()
        if not execution["inside"]:
            self.resume(region, pipeline, execution, stage)

    def resume(self, region: str, pipeline: str, execution: ExecutionRecord, stage: str) -> None:
        """Put an execution that is over back into a stage, as it was there."""
        execution["stages"][stage]["status"] = IN_PROGRESS
        execution["at"], execution["inside"] = stage, True
        execution.pop("stop", None)
        execution.pop("summary", None)
        self._tell_stage(region, pipeline, execution, stage, _RESUMED)
        self.set_status(region, pipeline, execution, IN_PROGRESS, told=_RESUMED)

    def end(
        self, region: str, pipeline: str, execution: ExecutionRecord, status: Any, summary: str | None = None
    ) -> None:
        """End an execution: what it has in progress is abandoned, the stage that it is in ends with it."""
        for action in execution["actions"]:
            if action["status"] == IN_PROGRESS:
                self._finish(region, pipeline, execution, action, ABANDONED)
        run = execution["stages"].get(execution["at"])
        if execution["inside"] and run is not None and run["status"] in (IN_PROGRESS, STOPPING):
            self.end_stage(region, pipeline, execution, _stage_status(execution, run, status))
        execution["inside"] = False
        if summary is not None:
            execution["summary"] = summary
        self.set_status(region, pipeline, execution, status)

    def set_status(
        self, region: str, pipeline: str, execution: ExecutionRecord, status: Any, *, told: str | None = None
    ) -> None:
        """Give an execution a status."""
        execution["status"] = status
        execution["updated"] = self._clock.now()
        self._tell(
            region,
            "CodePipeline Pipeline Execution State Change",
            pipeline,
            execution,
            {"state": told or _EVENT_STATES[status]},
        )

    # stages

    def enter(self, region: str, record: PipelineRecord, execution: ExecutionRecord) -> None:
        """Let an execution into the stage that it waits for."""
        stage, name = execution["at"], record["pipeline"]["name"]
        execution["inside"] = True
        execution["stages"][stage] = {"status": IN_PROGRESS, "actions": {}, "automatic": 0, "manual": 0}
        execution["updated"] = self._clock.now()
        record["entered"][stage] = execution["id"]
        self._tell_stage(region, name, execution, stage, "STARTED")

    def end_stage(self, region: str, pipeline: str, execution: ExecutionRecord, status: Any) -> None:
        """End the stage that an execution is in."""
        stage = execution["at"]
        execution["stages"][stage]["status"] = status
        execution["inside"] = False
        execution["updated"] = self._clock.now()
        self._tell_stage(region, pipeline, execution, stage, _EVENT_STATES[status])

    # actions

    def start_action(self, region: str, pipeline: str, execution: ExecutionRecord, action: ActionRecord) -> None:
        """Add a run of an action to an execution."""
        execution["actions"].append(action)
        execution["stages"][action["stage"]]["actions"][action["name"]] = action["id"]
        execution["updated"] = action["started"]
        self._tell_action(region, pipeline, execution, action)

    def start_rule(self, execution: ExecutionRecord, rule: ActionRecord, condition: str) -> None:
        """Add a run of a condition's rule to an execution."""
        rule["condition"] = condition
        execution["actions"].append(rule)
        conditions = execution["stages"][rule["stage"]].setdefault("conditions", {})
        conditions.setdefault(condition, {"rules": {}})["rules"][rule["name"]] = rule["id"]
        execution["updated"] = rule["started"]

    def succeed(
        self,
        region: str,
        pipeline: str,
        execution: ExecutionRecord,
        action: ActionRecord,
        *,
        summary: str | None = None,
        revision: t.ArtifactRevisionTypeDef | None = None,
    ) -> None:
        """End an action well: its artifacts, variables and revision are there for those that follow."""
        if summary is not None:
            action["summary"] = summary
        if revision is not None:
            action["revision"] = revision
        if revision is not None and action["input"]["actionTypeId"]["category"] == "Source":
            # retried, a source action may have found another one
            others = [each for each in execution["revisions"] if each["name"] != revision["name"]]
            execution["revisions"] = [*others, revision]
            source: t.SourceRevisionTypeDef = {"actionName": action["name"], "revisionId": revision["revisionId"]}
            if "revisionSummary" in revision:
                source["revisionSummary"] = revision["revisionSummary"]
            if "revisionUrl" in revision:
                source["revisionUrl"] = revision["revisionUrl"]
            execution["sources"][action["name"]] = source
        for each in action["outputs"]:
            execution["artifacts"][each["name"]] = each["s3location"]
        namespace = action["input"].get("namespace")
        if namespace is not None:
            execution["namespaces"][namespace] = dict(action["variables"])
        self._finish(region, pipeline, execution, action, SUCCEEDED)

    def fail(
        self,
        region: str,
        pipeline: str,
        execution: ExecutionRecord,
        action: ActionRecord,
        code: str,
        message: str,
    ) -> None:
        """End an action badly; `code` is one of `FailureDetails`'."""
        action["error"] = {"code": code, "message": message[:5000]}
        action["outputs"] = []
        self._finish(region, pipeline, execution, action, FAILED)

    def _finish(
        self, region: str, pipeline: str, execution: ExecutionRecord, action: ActionRecord, status: Any
    ) -> None:
        action["status"] = status
        action["updated"] = execution["updated"] = self._clock.now()
        action.pop("token", None)
        if "condition" not in action:
            self._tell_action(region, pipeline, execution, action)

    def _new(
        self,
        region: str,
        record: PipelineRecord,
        trigger: t.ExecutionTriggerTypeDef,
        variables: dict[str, str],
    ) -> ExecutionRecord:
        pipeline, now = record["pipeline"], self._clock.now()
        mode = pipeline["executionMode"]
        if mode != "SUPERSEDED" and len(self._model.open_executions(region, pipeline["name"])) >= MOST_AT_ONCE:
            raise ServiceError(
                "ConcurrentPipelineExecutionsLimitExceededException",
                f"The pipeline {pipeline['name']} has reached the limit of {MOST_AT_ONCE} concurrent executions",
            )
        record["executions"] += 1
        return {
            "id": self._clock.new_id(),
            "number": record["executions"],
            "version": pipeline["version"],
            "mode": mode,
            "status": IN_PROGRESS,
            "trigger": trigger,
            "started": now,
            "updated": now,
            "variables": variables,
            "at": stage_names(pipeline)[0],
            "inside": False,
            "stages": {},
            "actions": [],
            "artifacts": {},
            "namespaces": {},
            "revisions": [],
            "sources": {},
            "pinned": {},
        }

    def _write_new(self, region: str, record: PipelineRecord, execution: ExecutionRecord) -> None:
        name = record["pipeline"]["name"]
        with self._model.store.transaction():
            self._model.pipelines.put((region, name), record)
            self.set_status(region, name, execution, IN_PROGRESS)
            self._model.put_execution(region, name, execution)

    # what EventBridge hears

    def _tell_stage(self, region: str, pipeline: str, execution: ExecutionRecord, stage: str, state: str) -> None:
        about = {"stage": stage, "state": state}
        self._tell(region, "CodePipeline Stage Execution State Change", pipeline, execution, about)

    def _tell_action(self, region: str, pipeline: str, execution: ExecutionRecord, action: ActionRecord) -> None:
        kind = action["input"]["actionTypeId"]
        about: dict[str, Any] = {
            "stage": action["stage"],
            "action": action["name"],
            "action-execution-id": action["id"],
            "state": _EVENT_STATES[action["status"]],
            "region": region,
            "type": {name: kind[name] for name in ("owner", "provider", "category", "version")},
        }
        if action["status"] != IN_PROGRESS:
            error = action.get("error", {})
            result = {
                "external-execution-id": action.get("external_id"),
                "external-execution-url": action.get("external_url"),
                "external-execution-summary": error.get("message") or action.get("summary"),
                "error-code": error.get("code"),
            }
            about["execution-result"] = {name: value for name, value in result.items() if value is not None}
        self._tell(region, "CodePipeline Action Execution State Change", pipeline, execution, about)

    def _tell(
        self, region: str, detail_type: str, pipeline: str, execution: ExecutionRecord, about: Mapping[str, Any]
    ) -> None:
        """https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html"""
        detail = {
            "pipeline": pipeline,
            "execution-id": execution["id"],
            "start-time": _stamp(execution["started"]),
            "version": float(execution["version"]),
            "execution-trigger": {
                "trigger-type": execution["trigger"]["triggerType"],
                "trigger-detail": execution["trigger"].get("triggerDetail", ""),
            },
            **about,
        }
        entry = {"time": self._clock.now(), "type": detail_type, "pipeline": pipeline, "detail": detail}
        self._model.changes.put((region, self._clock.new_id()), entry)


def adapted(execution: ExecutionRecord, old: t.PipelineDeclarationOutputTypeDef, new: Any) -> bool:
    """Return whether an execution can go on when a pipeline is updated: the stage that it is at is as it was."""
    return find_stage(old, execution["at"]) == find_stage(new, execution["at"])


def _variables(pipeline: t.PipelineDeclarationOutputTypeDef, given: Mapping[str, str]) -> dict[str, str]:
    declared = {each["name"]: each.get("defaultValue") for each in pipeline.get("variables", [])}
    for name in given:
        if name not in declared:
            raise ServiceError(
                "ValidationException", f"The variable {name} is not declared in the pipeline {pipeline['name']}"
            )
    values: dict[str, str] = {}
    for name, default in declared.items():
        value = given.get(name, default)
        if value is None:
            raise ServiceError(
                "ValidationException", f"The variable {name} has no default value: it must be given a value"
            )
        values[name] = value
    return values


def _stage_status(execution: ExecutionRecord, run: StageRunRecord, status: Any) -> Any:
    """Return how the stage that an execution is in ends, when the execution ends so."""
    results = {each["id"]: each["status"] for each in execution["actions"]}
    if status == STOPPED and any(results.get(each) == FAILED for each in run["actions"].values()):
        return FAILED
    return status


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
