"""Executions and actions as AWS shows them. Pure reads of the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tidegate.cloud.services.codepipeline.action_types import ActionType, TypeName
from tidegate.cloud.services.codepipeline.conditions import Declared
from tidegate.cloud.services.codepipeline.model import (
    IN_PROGRESS,
    ActionRecord,
    ConditionRunRecord,
    ExecutionRecord,
    condition_rules,
    condition_status,
)

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

_SUMMARY = 2048  # characters


def pipeline_execution(name: str, execution: ExecutionRecord) -> dict[str, Any]:
    """Return an execution as GetPipelineExecution shows it."""
    return {
        "pipelineName": name,
        "pipelineVersion": execution["version"],
        "pipelineExecutionId": execution["id"],
        "status": execution["status"],
        **_summary(execution),
        "artifactRevisions": execution["revisions"],
        "variables": [{"name": name, "resolvedValue": value} for name, value in sorted(execution["variables"].items())],
        "trigger": execution["trigger"],
        "executionMode": execution["mode"],
        **_type(execution),
    }


def execution_summary(execution: ExecutionRecord) -> dict[str, Any]:
    """Return an execution as ListPipelineExecutions shows it."""
    summary: dict[str, Any] = {
        "pipelineExecutionId": execution["id"],
        "status": execution["status"],
        **_summary(execution),
        "startTime": execution["started"],
        "lastUpdateTime": execution["updated"],
        "sourceRevisions": list(execution["sources"].values()),
        "trigger": execution["trigger"],
        "executionMode": execution["mode"],
        **_type(execution),
    }
    if "stop" in execution:
        summary["stopTrigger"] = {name: execution["stop"][name] for name in ("reason",) if name in execution["stop"]}
    return summary


def action_detail(execution: ExecutionRecord, action: ActionRecord) -> dict[str, Any]:
    """Return a run of an action as ListActionExecutions shows it."""
    result: dict[str, Any] = {}
    if "external_id" in action:
        result["externalExecutionId"] = action["external_id"]
    if "summary" in action:
        result["externalExecutionSummary"] = action["summary"]
    if "external_url" in action:
        result["externalExecutionUrl"] = action["external_url"]
    if "log_stream" in action:
        result["logStreamARN"] = action["log_stream"]
    if "error" in action:
        result["errorDetails"] = action["error"]
    detail: dict[str, Any] = {
        "pipelineExecutionId": execution["id"],
        "actionExecutionId": action["id"],
        "pipelineVersion": execution["version"],
        "stageName": action["stage"],
        "actionName": action["name"],
        "startTime": action["started"],
        "lastUpdateTime": action["updated"],
        "status": action["status"],
        "input": action["input"],
    }
    if "updated_by" in action:
        detail["updatedBy"] = action["updated_by"]
    if action["status"] != IN_PROGRESS or result:
        detail["output"] = {
            "outputArtifacts": action["outputs"] if action["status"] != IN_PROGRESS else [],
            "executionResult": result,
            "outputVariables": action["variables"],
        }
    return detail


def action_execution(action: ActionRecord) -> dict[str, Any]:
    """Return a run of an action as GetPipelineState shows it."""
    described: dict[str, Any] = {
        "actionExecutionId": action["id"],
        "status": action["status"],
        "lastStatusChange": action["updated"],
    }
    for member, name in (
        ("summary", "summary"),
        ("token", "token"),
        ("lastUpdatedBy", "updated_by"),
        ("externalExecutionId", "external_id"),
        ("externalExecutionUrl", "external_url"),
        ("logStreamARN", "log_stream"),
        ("percentComplete", "percent"),
        ("errorDetails", "error"),
    ):
        if name in action:
            described[member] = action[name]  # type: ignore[literal-required]
    return described


def type_of_rule(kind: ActionType) -> dict[str, Any]:
    """Return a rule type as ListRuleTypes shows it."""
    return {
        "id": {"category": kind.name.category, "owner": "AWS", "provider": kind.name.provider, "version": "1"},
        "settings": {},
        "ruleConfigurationProperties": properties(kind),
        "inputArtifactDetails": {"minimumCount": kind.inputs.least, "maximumCount": kind.inputs.most},
    }


def properties(kind: ActionType) -> list[dict[str, Any]]:
    """Return the keys of a type's configuration."""
    return [
        {"name": key, "required": required, "key": True, "secret": False, "queryable": False}
        for key, required in kind.keys.items()
        if key not in kind.refused
    ]


def rule_detail(execution: ExecutionRecord, rule: ActionRecord) -> dict[str, Any]:
    """Return a run of a rule as ListRuleExecutions shows it."""
    detail = action_detail(execution, rule)
    given = {name: value for name, value in rule["input"].items() if name != "actionTypeId"}
    output = {"output": {"executionResult": detail["output"]["executionResult"]}} if "output" in detail else {}
    return {
        **{name: value for name, value in detail.items() if name not in ("actionExecutionId", "actionName", "output")},
        "ruleExecutionId": rule["id"],
        "ruleName": rule["name"],
        "input": {**given, "ruleTypeId": rule["input"]["actionTypeId"]},
        **output,
    }


def condition_state(
    declared: Declared, latest: ExecutionRecord | None, run: ConditionRunRecord | None
) -> dict[str, Any]:
    """Return a stage's condition as GetPipelineState shows it: it, and its rules."""
    rules = {} if latest is None or run is None else {each["name"]: each for each in condition_rules(latest, run)}
    states = []
    for each in declared.rules:
        rule = rules.get(each["name"])
        state: dict[str, Any] = {"ruleName": each["name"]}
        if rule is not None:
            shown = action_execution(rule)
            state["latestExecution"] = {"ruleExecutionId": shown.pop("actionExecutionId"), **shown}
        states.append(state)
    condition: dict[str, Any] = {"ruleStates": states}
    if latest is None or run is None:
        return {"conditionStates": [condition]}
    status = condition_status(latest, run)
    changed = run.get("overridden") or max(each["updated"] for each in rules.values())
    failed = [each["error"]["message"] for each in rules.values() if "error" in each]
    summary = f"Overridden by {run['overridden_by']}" if "overridden_by" in run else " ".join(failed)
    about = {"status": status, **({"summary": summary[:_SUMMARY]} if summary else {})}
    condition["latestExecution"] = {**about, "lastStatusChange": changed}
    return {"latestExecution": about, "conditionStates": [condition]}


def stage_execution(execution: ExecutionRecord, status: str) -> dict[str, Any]:
    """Return an execution as a stage's state shows it."""
    return {
        "pipelineExecutionId": execution["id"],
        "status": status,
        "type": "ROLLBACK" if "rollback_of" in execution else "STANDARD",
    }


def console(region: str, path: str) -> str:
    """Return the address of a page of AWS's console, as the answers of AWS carry them."""
    return f"https://{region}.console.aws.amazon.com/{path}"


def connected_url(region: str, configuration: Mapping[str, str], kind: str, value: str) -> str:
    """Return the address through which the console leads to a branch or a commit of a connection's repository."""
    query = {
        "connectionArn": configuration["ConnectionArn"],
        "referenceType": kind,
        "FullRepositoryId": configuration["FullRepositoryId"],
        kind.capitalize(): value,
    }
    return console(region, f"codesuite/settings/connections/redirect?{urlencode(query, safe=':/')}")


def entity_url(action: t.ActionDeclarationOutputTypeDef, region: str) -> str | None:
    """Return the address of what an action works with, or None."""
    configuration = action["configuration"]
    kind = TypeName(action["actionTypeId"]["category"], action["actionTypeId"]["provider"])
    if kind == TypeName("Source", "CodeCommit"):
        place = f"{configuration['RepositoryName']}/browse/{quote(configuration['BranchName'], safe='')}/--/"
        return console(region, f"codecommit/home?region={region}#/repository/{place}")
    if kind.provider == "CodeStarSourceConnection":
        return connected_url(region, configuration, "BRANCH", configuration["BranchName"])
    if kind.provider == "CodeBuild":
        return console(region, f"codebuild/home?region={region}#/projects/{configuration['ProjectName']}/view")
    if kind.provider == "ECS":
        place = f"{configuration['ClusterName']}/services/{configuration['ServiceName']}"
        return console(region, f"ecs/home?region={region}#/clusters/{place}")
    if kind.provider in ("ECR", "ECRBuildAndPublish"):
        name = configuration.get("RepositoryName") or configuration["ECRRepositoryName"]
        return console(region, f"ecr/home?region={region}#/repositories/{name}")
    if kind.provider == "S3":
        return console("s3", f"s3/buckets/{configuration.get('S3Bucket') or configuration['BucketName']}")
    if kind.provider == "CloudFormation":
        return console(region, f"cloudformation/home?region={region}#/stacks")
    return configuration.get("ExternalEntityLink")


def _summary(execution: ExecutionRecord) -> dict[str, str]:
    return {"statusSummary": execution["summary"]} if "summary" in execution else {}


def _type(execution: ExecutionRecord) -> dict[str, Any]:
    if "rollback_of" not in execution:
        return {"executionType": "STANDARD"}
    return {
        "executionType": "ROLLBACK",
        "rollbackMetadata": {"rollbackTargetPipelineExecutionId": execution["rollback_of"]},
    }
