"""A new build of a project: its settings, with what a request overrides of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.services.codebuild.api.shared import (
    check_artifacts,
    check_cache,
    check_environment,
    check_logs,
    check_source,
    invalid,
)
from tidegate.cloud.services.codebuild.model import BuildRecord, CodeBuildModel, managed_pipeline

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_SOURCE_OVERRIDES = {
    "sourceTypeOverride": "type",
    "sourceLocationOverride": "location",
    "gitCloneDepthOverride": "gitCloneDepth",
    "buildspecOverride": "buildspec",
    "sourceAuthOverride": "auth",
}
_ENVIRONMENT_OVERRIDES = {
    "environmentTypeOverride": "type",
    "imageOverride": "image",
    "computeTypeOverride": "computeType",
    "privilegedModeOverride": "privilegedMode",
    "imagePullCredentialsTypeOverride": "imagePullCredentialsType",
}


def new_build(
    model: CodeBuildModel, context: Context, project: t.ProjectTypeDef, request: Any, identity: str, number: int
) -> BuildRecord:
    """Return a new build of a project: its settings with the overrides in their place; raise where they clash."""
    source = _overridden(project["source"], request, _SOURCE_OVERRIDES)
    environment = _overridden(project["environment"], request, _ENVIRONMENT_OVERRIDES)
    variables = {each["name"]: each for each in environment.get("environmentVariables", [])}
    variables |= {each["name"]: each for each in request.get("environmentVariablesOverride", [])}
    environment["environmentVariables"] = list(variables.values())
    artifacts = request.get("artifactsOverride", project["artifacts"])
    secondary = request.get("secondaryArtifactsOverride", project.get("secondaryArtifacts", []))
    secondary_sources = request.get("secondarySourcesOverride", project.get("secondarySources", []))
    cache = request.get("cacheOverride", project.get("cache"))
    logs = request.get("logsConfigOverride", project.get("logsConfig", {}))
    if source["type"] == "CODEPIPELINE" and not source.get("location"):
        raise invalid("Build of a project with source type CODEPIPELINE must be started by CodePipeline")
    check_source(source)
    check_environment(environment)
    check_artifacts(artifacts, source["type"])
    check_cache(cache)
    check_logs(logs)
    for each in secondary_sources:
        check_source(each, primary=False)
    for each in secondary:
        check_artifacts(each, source["type"], primary=False)
    build: t.BuildTypeDef = {
        "id": identity,
        "arn": model.build_arn(context.region, identity),
        "buildNumber": number,
        "buildStatus": "IN_PROGRESS",
        "projectName": project["name"],
        "source": source,
        "secondarySources": secondary_sources,
        "secondarySourceVersions": request.get(
            "secondarySourcesVersionOverride", project.get("secondarySourceVersions", [])
        ),
        "artifacts": {"location": _place(artifacts)},
        "secondaryArtifacts": [],
        "cache": cache,
        "environment": environment,
        "serviceRole": request.get("serviceRoleOverride", project["serviceRole"]),
        "logs": _logs(model, context, project["name"], identity, logs),
        "timeoutInMinutes": request.get("timeoutInMinutesOverride", project["timeoutInMinutes"]),
        "queuedTimeoutInMinutes": request.get("queuedTimeoutInMinutesOverride", project["queuedTimeoutInMinutes"]),
        "buildComplete": False,
        "initiator": project["name"] if managed_pipeline(project["name"]) else _initiator(context),
        "encryptionKey": request.get("encryptionKeyOverride", project["encryptionKey"]),
        "exportedEnvironmentVariables": [],
        "reportArns": [],
    }
    version = request.get("sourceVersion", project.get("sourceVersion"))
    if version:
        build["sourceVersion"] = version
    return {
        "build": build,
        "order": 0,
        "token": request.get("idempotencyToken"),
        "request": dict(request),
        "artifacts": artifacts,
        "secondary_artifacts": secondary,
        "logs": logs,
        "stop": False,
        "starts": 0,
        "announced": None,
    }


def _logs(
    model: CodeBuildModel, context: Context, project: str, identity: str, logs: t.LogsConfigTypeDef
) -> t.LogsLocationTypeDef:
    enabled: t.CloudWatchLogsConfigTypeDef = {"status": "ENABLED"}
    config, own = logs.get("cloudWatchLogs", enabled), identity.rpartition(":")[2]
    shown: t.LogsLocationTypeDef = {"cloudWatchLogs": config}
    if config["status"] == "ENABLED":
        group, stream = config.get("groupName") or f"/aws/codebuild/{project}", own
        if config.get("streamName"):
            stream = f"{config['streamName']}/{stream}"
        arn = f"arn:aws:logs:{context.region}:{model.account}:log-group:{group}:log-stream:{stream}"
        shown |= {"groupName": group, "streamName": stream, "cloudWatchLogsArn": arn}
    copy = logs.get("s3Logs")
    if copy is not None:
        shown["s3Logs"] = copy
    if copy is not None and copy["status"] == "ENABLED":
        place = copy.get("location", "").removeprefix("arn:aws:s3:::").strip("/")
        shown["s3LogsArn"] = f"arn:aws:s3:::{place}/{own}.gz"
    return shown


def _overridden(settings: Any, request: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    return {**settings, **{member: request[name] for name, member in names.items() if name in request}}


def _place(artifacts: t.ProjectArtifactsTypeDef) -> str:
    if artifacts["type"] == "NO_ARTIFACTS" or "location" not in artifacts:
        return ""
    parts: Sequence[str] = (artifacts["location"], artifacts.get("path", ""), artifacts.get("name", ""))
    return "arn:aws:s3:::" + "/".join(part.strip("/") for part in parts if part.strip("/"))


def _initiator(context: Context) -> str:
    """Return who started a build: `codepipeline/NAME`, `rule/NAME`, a user's name, a role's name and session."""
    _, _, service, _, _, resource = (context.principal.source or ":::::").split(":", 5)
    if service == "codepipeline":
        return f"codepipeline/{resource}"
    if service == "events":
        return resource
    own = context.principal.arn.rpartition(":")[2]
    return own.rpartition("/")[2] if context.principal.role_arn is None else own.removeprefix("assumed-role/")
