"""Moves the executions of a pipeline: plans, and writes what the plan says. Nothing is awaited; actions do the work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.documents import from_json
from tidegate.cloud.services.codepipeline.action_types import TypeName
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import (
    FAILED,
    INBOUND,
    OUTBOUND,
    STOPPED,
    SUCCEEDED,
    SUPERSEDED,
    ActionRecord,
    CodePipelineModel,
    ExecutionRecord,
    PipelineRecord,
    counted,
    find_action,
    find_stage,
)
from tidegate.cloud.services.codepipeline.plan import (
    Enter,
    Execution,
    Fail,
    Halt,
    Leave,
    Mode,
    OnFailure,
    Pipeline,
    Retry,
    Stage,
    Start,
    Status,
    Step,
    Stop,
    Supersede,
    plan,
)
from tidegate.cloud.services.codepipeline.structure import action_type, artifact_store
from tidegate.cloud.services.codepipeline.variables import DECLARED, PIPELINE, UnresolvedError, resolve
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_JSON_KEYS = ("EnvironmentVariables", "ParameterOverrides")


class Pipelines:
    """The controller of pipelines, by (region, name)."""

    def __init__(self, model: CodePipelineModel, lifecycle: ExecutionLifecycle, clock: Clock) -> None:
        self._model = model
        self._lifecycle = lifecycle
        self._clock = clock

    async def reconcile(self, key: Key) -> None:
        """Carry out one plan after the other until there is nothing to do but wait."""
        with self._model.store.transaction():
            while self._round(*key):
                pass

    def _round(self, region: str, name: str) -> bool:
        record = self._model.pipelines.get(region, name)
        if record is None:
            return False
        executions = {each["id"]: each for each in self._model.open_executions(region, name)}
        steps = plan(_view(record, list(executions.values())))
        for step in steps:
            self._take(region, record, executions[step.execution], step)
        for identity in dict.fromkeys(step.execution for step in steps):
            self._model.put_execution(region, name, executions[identity])
        if steps:
            self._model.pipelines.put((region, name), record)
        return bool(steps)

    def _take(self, region: str, record: PipelineRecord, execution: ExecutionRecord, step: Step) -> None:
        name = record["pipeline"]["name"]
        match step:
            case Enter():
                self._lifecycle.enter(region, record, execution)
            case Start(actions=actions):
                for action in actions:
                    self._start(region, record["pipeline"], execution, step.stage, action)
            case Leave(following=following):
                self._lifecycle.end_stage(region, name, execution, SUCCEEDED)
                if following is None:
                    self._lifecycle.set_status(region, name, execution, SUCCEEDED)
                else:
                    execution["at"] = following
            case Fail():
                self._fail(region, record, execution, step)
            case Retry():
                run = execution["stages"][step.stage]
                self._lifecycle.end_stage(region, name, execution, FAILED)
                run["automatic"] += 1
                run["retried_by"] = "AutomatedStageRetry"
                everything = _retry_mode(record["pipeline"], step.stage) == "ALL_ACTIONS"
                self._lifecycle.retry(region, name, execution, step.stage, everything=everything)
            case Halt():
                why = execution["stop"].get("reason") if "stop" in execution else None
                self._lifecycle.end(region, name, execution, STOPPED, why)
            case Supersede(by=newer):
                summary = f"Superseded by the execution {newer}"
                self._lifecycle.end(region, name, execution, SUPERSEDED, summary)

    def _fail(self, region: str, record: PipelineRecord, execution: ExecutionRecord, step: Fail) -> None:
        name = record["pipeline"]["name"]
        run = execution["stages"][step.stage]
        failed = [find_action(execution, each) for each in run["actions"].values()]
        names = [each["name"] for each in failed if each is not None and each["status"] == FAILED]
        summary = f"The stage {step.stage} failed: {', '.join(names)}"
        self._lifecycle.end(region, name, execution, FAILED, summary)
        if not step.rolls_back:
            return
        target = self._succeeded_before(region, record, execution, step.stage)
        if target is None:
            execution["summary"] = f"{summary}. There is no earlier execution to roll the stage back to"
            return
        trigger: t.ExecutionTriggerTypeDef = {"triggerType": "AutomatedRollback", "triggerDetail": execution["id"]}
        self._lifecycle.roll_back(region, record, step.stage, target, trigger)

    def _succeeded_before(
        self, region: str, record: PipelineRecord, execution: ExecutionRecord, stage: str
    ) -> ExecutionRecord | None:
        """Return the last execution of the same version that succeeded in a stage, not counting rollbacks."""
        for each in self._model.history(region, record["pipeline"]["name"]):
            run = each["stages"].get(stage)
            if each["number"] >= execution["number"] or "rollback_of" in each:
                continue
            if each["version"] == execution["version"] and run is not None and run["status"] == SUCCEEDED:
                return each
        return None

    def _start(
        self,
        region: str,
        pipeline: t.PipelineDeclarationOutputTypeDef,
        execution: ExecutionRecord,
        stage: str,
        action: str,
    ) -> None:
        """Begin an action: what it works with is settled here, before anything is done."""
        declared = _declared(pipeline, stage, action)
        now = self._clock.now()
        configuration = declared["configuration"]
        given: t.ActionExecutionInputTypeDef = {
            "actionTypeId": declared["actionTypeId"],
            "configuration": configuration,
            "resolvedConfiguration": dict(configuration),
            "region": region,
            "inputArtifacts": [
                {"name": each["name"], "s3location": execution["artifacts"][each["name"]]}
                for each in declared["inputArtifacts"]
                if each["name"] in execution["artifacts"]
            ],
        }
        if "roleArn" in declared:
            given["roleArn"] = declared["roleArn"]
        if "namespace" in declared:
            given["namespace"] = declared["namespace"]
        bucket = artifact_store(pipeline, region)["location"]
        record: ActionRecord = {
            "id": self._clock.new_id(),
            "stage": stage,
            "name": action,
            "status": "InProgress",
            "started": now,
            "updated": now,
            "deadline": now + _timeout(declared),
            "input": given,
            "outputs": [
                {
                    "name": each["name"],
                    "s3location": {"bucket": bucket, "key": self._artifact_key(pipeline["name"], each["name"])},
                }
                for each in declared["outputArtifacts"]
            ],
            "variables": {},
            "progress": {},
        }
        if declared["actionTypeId"]["category"] == "Approval":
            record["token"] = record["progress"]["token"] = self._clock.new_id()
        self._lifecycle.start_action(region, pipeline["name"], execution, record)
        missing = [each["name"] for each in declared["inputArtifacts"] if each["name"] not in execution["artifacts"]]
        try:
            given["resolvedConfiguration"] = _resolved(configuration, execution)
        except UnresolvedError as error:
            why = f"The variable #{{{error}}} that the action's configuration refers to has no value"
            self._lifecycle.fail(region, pipeline["name"], execution, record, "ConfigurationError", why)
        if missing and record["status"] != FAILED:
            why = f"The input artifact {missing[0]} was not made by this execution"
            self._lifecycle.fail(region, pipeline["name"], execution, record, "ConfigurationError", why)

    def _artifact_key(self, pipeline: str, artifact: str) -> str:
        return f"{pipeline[:20]}/{artifact[:10]}/{self._clock.token(7)}"


def _view(record: PipelineRecord, executions: list[ExecutionRecord]) -> Pipeline:
    """Return what a plan is made from."""
    pipeline = record["pipeline"]
    stages: list[Stage] = []
    for place, stage in enumerate(pipeline["stages"]):
        before = pipeline["stages"][place - 1]["name"] if place else None
        stages.append(
            Stage(
                stage["name"],
                {action["name"]: action["runOrder"] for action in stage["actions"]},
                open=_is_open(record, INBOUND, stage["name"]) and _is_open(record, OUTBOUND, before),
                on_failure=OnFailure(stage.get("onFailure", {}).get("result", "FAIL")),
            )
        )
    return Pipeline(Mode(pipeline["executionMode"]), stages, [_execution(each) for each in executions])


def _is_open(record: PipelineRecord, transition: str, stage: str | None) -> bool:
    gate = record["gates"].get(f"{transition}/{stage}")
    return gate is None or gate["enabled"]


def _execution(record: ExecutionRecord) -> Execution:
    run = record["stages"].get(record["at"]) if record["inside"] else None
    stop = record.get("stop")
    actions = {name: counted(record, record["at"], name) for name in ({} if run is None else run["actions"])}
    return Execution(
        record["id"],
        record["number"],
        record["at"],
        inside=record["inside"],
        actions={name: Status(action["status"]) for name, action in actions.items() if action is not None},
        stop=None if stop is None else Stop.ABANDON if stop["abandon"] else Stop.WAIT,
        alone="rollback_of" in record,
        retried=run is not None and run["automatic"] > 0,
    )


def _declared(
    pipeline: t.PipelineDeclarationOutputTypeDef, stage: str, action: str
) -> t.ActionDeclarationOutputTypeDef:
    found = find_stage(pipeline, stage)
    assert found is not None
    return next(each for each in found["actions"] if each["name"] == action)


def _retry_mode(pipeline: t.PipelineDeclarationOutputTypeDef, stage: str) -> str:
    found = find_stage(pipeline, stage)
    assert found is not None
    return found.get("onFailure", {}).get("retryConfiguration", {}).get("retryMode", "FAILED_ACTIONS")


def _timeout(declared: t.ActionDeclarationOutputTypeDef) -> timedelta:
    kind = action_type(declared)
    minutes = declared.get("timeoutInMinutes", kind.timeout)
    if kind.name == TypeName("Deploy", "ECS"):
        given = declared["configuration"].get("DeploymentTimeout", "")
        minutes = int(given) if given.isdecimal() else kind.timeout
    return timedelta(minutes=minutes)


def _resolved(configuration: Mapping[str, str], execution: ExecutionRecord) -> dict[str, str]:
    """Return a configuration with the values of its variables; within JSON they stay the strings that they are in."""
    namespaces = {
        **execution["namespaces"],
        PIPELINE: {"PipelineExecutionId": execution["id"]},
        DECLARED: execution["variables"],
    }
    resolved = resolve(configuration, namespaces)
    for key in _JSON_KEYS:
        if key in configuration and resolved[key] != configuration[key]:
            try:
                document = from_json(configuration[key])
            except ValueError:
                continue
            resolved[key] = json.dumps(_each_text(document, namespaces))
    return resolved


def _each_text(value: Any, namespaces: Mapping[str, Mapping[str, str]]) -> Any:
    if isinstance(value, str):
        return resolve({"": value}, namespaces)[""]
    if isinstance(value, list):
        return [_each_text(each, namespaces) for each in value]
    if isinstance(value, dict):
        return {key: _each_text(each, namespaces) for key, each in value.items()}
    return value
