"""Moves the executions of a pipeline: plans, and writes what the plan says. Nothing is awaited; actions do the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.cloud.services.codepipeline.conditions import conditions
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import (
    FAILED,
    INBOUND,
    OUTBOUND,
    SKIPPED,
    STOPPED,
    SUCCEEDED,
    SUPERSEDED,
    CodePipelineModel,
    ConditionRunRecord,
    ExecutionRecord,
    PipelineRecord,
    condition_rules,
    condition_status,
    counted,
    find_action,
    find_stage,
)
from tidegate.cloud.services.codepipeline.plan import (
    Check,
    Condition,
    Enter,
    Execution,
    Fail,
    Halt,
    Leave,
    Mode,
    OnFailure,
    Pipeline,
    Result,
    Retry,
    Skip,
    Stage,
    Start,
    Status,
    Step,
    Stop,
    Supersede,
    plan,
)
from tidegate.cloud.services.codepipeline.reconciler.beginnings import Beginnings
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t


class Pipelines:
    """The controller of pipelines, by (region, name)."""

    def __init__(self, model: CodePipelineModel, lifecycle: ExecutionLifecycle, beginnings: Beginnings) -> None:
        self._model = model
        self._lifecycle = lifecycle
        self._beginnings = beginnings

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
                    self._beginnings.action(region, record["pipeline"], execution, step.stage, action)
            case Check(condition=condition):
                self._beginnings.rules(region, record["pipeline"], execution, step.stage, condition.value)
            case Leave(following=following):
                self._lifecycle.end_stage(region, name, execution, SUCCEEDED)
                self._go_on(region, name, execution, following)
            case Skip(following=following):
                self._lifecycle.end_stage(region, name, execution, SKIPPED)
                self._go_on(region, name, execution, following)
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

    def _go_on(self, region: str, name: str, execution: ExecutionRecord, following: str | None) -> None:
        if following is None:
            self._lifecycle.set_status(region, name, execution, SUCCEEDED)
        else:
            execution["at"] = following

    def _fail(self, region: str, record: PipelineRecord, execution: ExecutionRecord, step: Fail) -> None:
        name = record["pipeline"]["name"]
        summary = _why_failed(execution, step)
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


def _why_failed(execution: ExecutionRecord, step: Fail) -> str:
    run = execution["stages"][step.stage]
    if step.unmet is None:
        found = [find_action(execution, each) for each in run["actions"].values()]
        names = [each["name"] for each in found if each is not None and each["status"] == FAILED]
        return f"The stage {step.stage} failed: {', '.join(names)}"
    rules = condition_rules(execution, run["conditions"][step.unmet.value])
    names = [each["name"] for each in rules if each["status"] == FAILED]
    return f"The {step.unmet.value} condition of the stage {step.stage} failed: {', '.join(names)}"


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
                conditions={Condition(each.kind): Result(each.result) for each in conditions(stage)},
            )
        )
    return Pipeline(Mode(pipeline["executionMode"]), stages, [_execution(each) for each in executions])


def _is_open(record: PipelineRecord, transition: str, stage: str | None) -> bool:
    gate = record["gates"].get(f"{transition}/{stage}")
    return gate is None or gate["enabled"]


def _execution(record: ExecutionRecord) -> Execution:
    run = record["stages"].get(record["at"]) if record["inside"] else None
    stop = record.get("stop")
    held = {} if run is None else run.get("conditions", {})
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
        conditions={Condition(kind): _status(record, each) for kind, each in held.items()},
    )


def _status(record: ExecutionRecord, run: ConditionRunRecord) -> Status:
    status = condition_status(record, run)
    return Status.SUCCEEDED if status == "Overridden" else Status(status)


def _retry_mode(pipeline: t.PipelineDeclarationOutputTypeDef, stage: str) -> str:
    found = find_stage(pipeline, stage)
    assert found is not None
    return found.get("onFailure", {}).get("retryConfiguration", {}).get("retryMode", "FAILED_ACTIONS")
