"""Builds: start, stop, retry, get, list, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codebuild.api.managed import managed_project
from tidegate.cloud.services.codebuild.api.new_build import new_build
from tidegate.cloud.services.codebuild.api.shared import (
    build_id,
    check_role,
    invalid,
    listed,
    named_project_arn,
    no_project,
    project_name,
    project_of,
    projects_of_ids,
    started_already,
)
from tidegate.cloud.services.codebuild.model import (
    BuildRecord,
    CodeBuildModel,
    begin_phase,
    end_phase,
)

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_PAGE = 100


class BuildsApi:
    """https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html and its siblings."""

    def __init__(self, model: CodeBuildModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(
        resource=named_project_arn,
        refuse=(
            "gitSubmodulesConfigOverride.fetchSubmodules",
            "insecureSslOverride",
            "reportBuildStatusOverride",
            "buildStatusConfigOverride",
            "certificateOverride",
            "registryCredentialOverride",
            "debugSessionEnabled",
            "fleetOverride",
            "autoRetryLimitOverride",
            "hostKernelOverride",
        ),
    )
    async def start_build(self, context: Context, request: t.StartBuildInputTypeDef) -> Mapping[str, Any]:
        """Put a build into the queue, with whatever is overridden of its project's settings."""
        return {"build": self._start(context, request)}

    @operation(
        resource=lambda api, context, request: api.model.project_arn(context.region, project_of(request.get("id", "")))
    )
    async def retry_build(self, context: Context, request: t.RetryBuildInputTypeDef) -> Mapping[str, Any]:
        """Start a build again with the same overrides."""
        record = self._find(context, request.get("id", ""))
        if not record["build"]["buildComplete"]:
            raise invalid(f"Build {record['build']['id']} is still in progress and cannot be retried")
        again: Any = {name: value for name, value in record["request"].items() if name != "idempotencyToken"}
        if "idempotencyToken" in request:
            again["idempotencyToken"] = request["idempotencyToken"]
        return {"build": self._start(context, again)}

    @operation(resource=lambda api, context, request: api.model.project_arn(context.region, project_of(request["id"])))
    async def stop_build(self, context: Context, request: t.StopBuildInputTypeDef) -> Mapping[str, Any]:
        """Have a build stopped, in whatever phase it is; one that is over stays as it is."""
        record = self._find(context, request["id"])
        if not record["build"]["buildComplete"]:
            record["stop"] = True
            self.model.builds.put((context.region, record["build"]["id"]), record)
        return {"build": record["build"]}

    @operation(resource=projects_of_ids)
    async def batch_get_builds(self, context: Context, request: t.BatchGetBuildsInputTypeDef) -> Mapping[str, Any]:
        """Return builds by their ids or ARNs, and those ids that are none."""
        found = {each: self.model.builds.get(context.region, build_id(each)) for each in request["ids"]}
        missing = [each for each, record in found.items() if record is None]
        return {
            "builds": [record["build"] for record in found.values() if record is not None],
            **({"buildsNotFound": missing} if missing else {}),
        }

    @operation()
    async def list_builds(self, context: Context, request: t.ListBuildsInputTypeDef) -> Mapping[str, Any]:
        """List the ids of all builds, the newest first unless asked otherwise."""
        return self._listed(context, request)

    @operation(resource=named_project_arn)
    async def list_builds_for_project(
        self, context: Context, request: t.ListBuildsForProjectInputTypeDef
    ) -> Mapping[str, Any]:
        """List the ids of a project's builds, the newest first unless asked otherwise."""
        name = project_name(request["projectName"])
        if self.model.projects.get(context.region, name) is None:
            raise no_project(self.model.project_arn(context.region, name))
        return self._listed(context, request, name)

    @operation(resource=projects_of_ids)
    async def batch_delete_builds(
        self, context: Context, request: t.BatchDeleteBuildsInputTypeDef
    ) -> Mapping[str, Any]:
        """Delete builds that are over."""
        deleted, kept = [], []
        for each in request["ids"]:
            record = self.model.builds.get(context.region, build_id(each))
            if record is None:
                kept.append({"id": each, "statusCode": "BUILD_NOT_FOUND"})
            elif not record["build"]["buildComplete"]:
                kept.append({"id": each, "statusCode": "BUILD_IN_PROGRESS"})
            else:
                self.model.builds.delete(context.region, build_id(each))
                deleted.append(record["build"]["arn"])
        return {"buildsDeleted": deleted, "buildsNotDeleted": kept}

    def _start(self, context: Context, request: t.StartBuildInputTypeDef) -> t.BuildTypeDef:
        name = project_name(request["projectName"])
        managed = managed_project(context, name)
        record = self.model.projects.get(context.region, name) if managed is None else managed
        if record is None:
            raise no_project(self.model.project_arn(context.region, name))
        known = started_already(self.model.builds_of(context.region, name), request, self._clock.now())
        if known is not None:
            return known["build"]
        project = record["project"]
        if "serviceRoleOverride" in request and managed is None:
            check_role(self._calls, context, request["serviceRoleOverride"])
        self._check_limit(context, project)
        identity, now = f"{name}:{self._clock.new_id()}", self._clock.now()
        record["builds"] += 1
        built = new_build(self.model, context, project, request, identity, record["builds"])
        built["build"]["startTime"] = now
        built["cache_generation"] = record.get("cache_generation", 0)
        if ":build-batch/" in (context.principal.source or ""):
            built["build"]["buildBatchArn"] = context.principal.source or ""
        begin_phase(built["build"], "SUBMITTED", now)
        end_phase(built["build"], "SUCCEEDED", now)
        begin_phase(built["build"], "QUEUED", now)
        with self.model.store.transaction():
            if managed is None:
                self.model.projects.put((context.region, name), record)
            built["order"] = self.model.next_order(context.region)
            self.model.builds.put((context.region, identity), built)
        return built["build"]

    def _check_limit(self, context: Context, project: t.ProjectTypeDef) -> None:
        limit = project.get("concurrentBuildLimit")
        if limit is None:
            return
        active = [each for each in self.model.builds_of(context.region, project["name"]) if not _is_over(each)]
        if len(active) >= limit:
            raise ServiceError(
                "AccountLimitExceededException", f"Cannot have more than {limit} active builds for the project"
            )

    def _find(self, context: Context, identity: str) -> BuildRecord:
        record = self.model.builds.get(context.region, build_id(identity))
        if record is None:
            raise ServiceError("ResourceNotFoundException", f"Build {identity} cannot be found")
        return record

    def _listed(self, context: Context, request: Mapping[str, Any], project: str | None = None) -> dict[str, Any]:
        builds = self.model.builds_of(context.region, project)
        return listed([(each["order"], each["build"]["id"]) for each in builds], request, _PAGE)


def _is_over(record: BuildRecord) -> bool:
    return record["build"]["buildComplete"]
