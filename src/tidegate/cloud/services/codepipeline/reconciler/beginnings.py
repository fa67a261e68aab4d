"""Begins actions and rules: what each works with is settled here, before anything is done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.documents import from_json, is_number
from tidegate.cloud.services.codepipeline.action_types import TypeName
from tidegate.cloud.services.codepipeline.conditions import condition
from tidegate.cloud.services.codepipeline.custom import CUSTOM_TIMEOUT, is_custom
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import (
    FAILED,
    IN_PROGRESS,
    ActionRecord,
    ExecutionRecord,
    find_stage,
)
from tidegate.cloud.services.codepipeline.rule_types import RULES
from tidegate.cloud.services.codepipeline.structure import action_type, artifact_store
from tidegate.cloud.services.codepipeline.variables import DECLARED, PIPELINE, UnresolvedError, resolve

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_JSON_KEYS = ("EnvironmentVariables", "ParameterOverrides")


class Beginnings:
    """Adds runs of actions and of rules to executions. Nothing is awaited."""

    def __init__(self, lifecycle: ExecutionLifecycle, clock: Clock) -> None:
        self._lifecycle = lifecycle
        self._clock = clock

    def action(
        self,
        region: str,
        pipeline: t.PipelineDeclarationOutputTypeDef,
        execution: ExecutionRecord,
        stage: str,
        action: str,
    ) -> None:
        """Begin an action."""
        declared = _declared(pipeline, stage, action)
        now = self._clock.now()
        record = self._run(region, execution, stage, declared, now + _timeout(declared), now)
        record["input"]["actionTypeId"] = declared["actionTypeId"]
        if "namespace" in declared:
            record["input"]["namespace"] = declared["namespace"]
        bucket = artifact_store(pipeline, region)["location"]
        record["outputs"] = [
            {
                "name": each["name"],
                "s3location": {"bucket": bucket, "key": self._artifact_key(pipeline["name"], each["name"])},
            }
            for each in declared["outputArtifacts"]
        ]
        category = declared["actionTypeId"]["category"]
        if category == "Approval":
            record["token"] = record["progress"]["token"] = self._clock.new_id()
        self._lifecycle.start_action(region, pipeline["name"], execution, record)
        if category == "Compute":
            record["progress"]["compute"] = {
                "commands": declared["commands"],
                "environment": declared.get("environmentVariables", []),
                "exported": declared.get("outputVariables", []),
                "files": [file for each in declared["outputArtifacts"] for file in each["files"]],
            }
        self._settle(region, pipeline["name"], execution, record, declared["inputArtifacts"])

    def rules(
        self,
        region: str,
        pipeline: t.PipelineDeclarationOutputTypeDef,
        execution: ExecutionRecord,
        stage: str,
        kind: str,
    ) -> None:
        """Begin the rules of a stage's condition."""
        found = find_stage(pipeline, stage)
        assert found is not None
        held = condition(found, kind)
        assert held is not None
        now = self._clock.now()
        for rule in held.rules:
            minutes = rule.get("timeoutInMinutes", RULES[rule["ruleTypeId"]["provider"]].timeout)
            record = self._run(region, execution, stage, rule, now + timedelta(minutes=minutes), now)
            record["input"]["actionTypeId"] = rule["ruleTypeId"]  # type: ignore[typeddict-item]
            if "commands" in rule:
                empty: list[Any] = []
                compute = {"commands": rule["commands"], "environment": empty, "exported": empty, "files": empty}
                record["progress"]["compute"] = compute
            self._lifecycle.start_rule(execution, record, kind)
            self._settle(region, pipeline["name"], execution, record, rule["inputArtifacts"])

    def _run(
        self, region: str, execution: ExecutionRecord, stage: str, declared: Any, deadline: datetime, now: datetime
    ) -> ActionRecord:
        configuration = declared["configuration"]
        given: t.ActionExecutionInputTypeDef = {
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
        return {
            "id": self._clock.new_id(),
            "stage": stage,
            "name": declared["name"],
            "status": IN_PROGRESS,
            "started": now,
            "updated": now,
            "deadline": deadline,
            "input": given,
            "outputs": [],
            "variables": {},
            "progress": {},
        }

    def _settle(
        self,
        region: str,
        pipeline: str,
        execution: ExecutionRecord,
        record: ActionRecord,
        inputs: Sequence[t.InputArtifactTypeDef],
    ) -> None:
        """Put the values of variables into a configuration; what lacks a variable or an artifact fails."""
        given = record["input"]
        try:
            if "compute" in record["progress"]:
                record["progress"]["compute"] = _each_text(record["progress"]["compute"], _namespaces(execution))
            given["resolvedConfiguration"] = _resolved(given["configuration"], execution)
        except UnresolvedError as error:
            why = f"The variable #{{{error}}} that the action's configuration refers to has no value"
            self._lifecycle.fail(region, pipeline, execution, record, "ConfigurationError", why)
        missing = [each["name"] for each in inputs if each["name"] not in execution["artifacts"]]
        if missing and record["status"] != FAILED:
            why = f"The input artifact {missing[0]} was not made by this execution"
            self._lifecycle.fail(region, pipeline, execution, record, "ConfigurationError", why)

    def _artifact_key(self, pipeline: str, artifact: str) -> str:
        return f"{pipeline[:20]}/{artifact[:10]}/{self._clock.token(7)}"


def _declared(
    pipeline: t.PipelineDeclarationOutputTypeDef, stage: str, action: str
) -> t.ActionDeclarationOutputTypeDef:
    found = find_stage(pipeline, stage)
    assert found is not None
    return next(each for each in found["actions"] if each["name"] == action)


def _timeout(declared: t.ActionDeclarationOutputTypeDef) -> timedelta:
    if is_custom(declared["actionTypeId"]):
        return timedelta(minutes=CUSTOM_TIMEOUT)
    kind = action_type(declared)
    minutes = declared.get("timeoutInMinutes", kind.timeout)
    if kind.name == TypeName("Deploy", "ECS"):
        given = declared["configuration"].get("DeploymentTimeout", "")
        minutes = int(given) if is_number(given) else kind.timeout
    return timedelta(minutes=minutes)


def _namespaces(execution: ExecutionRecord) -> Mapping[str, Mapping[str, str]]:
    return {
        **execution["namespaces"],
        PIPELINE: {"PipelineExecutionId": execution["id"]},
        DECLARED: execution["variables"],
    }


def _resolved(configuration: Mapping[str, str], execution: ExecutionRecord) -> dict[str, str]:
    """Return a configuration with the values of its variables; within JSON they stay the strings that they are in."""
    namespaces = _namespaces(execution)
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
