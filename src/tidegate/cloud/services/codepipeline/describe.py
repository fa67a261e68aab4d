"""Executions and actions as AWS shows them. Pure reads of the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tidegate.cloud.services.codepipeline.action_types import TypeName
from tidegate.cloud.services.codepipeline.model import IN_PROGRESS, ActionRecord, ExecutionRecord

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t


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
        ("errorDetails", "error"),
    ):
        if name in action:
            described[member] = action[name]  # type: ignore[literal-required]
    return described


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
