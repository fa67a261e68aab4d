"""Batches of builds: start, stop, retry, get, list, delete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.codebuild.api.new_build import new_build
from tidegate.cloud.services.codebuild.api.shared import (
    build_id,
    check_batch_config,
    check_role,
    invalid,
    is_remembered,
    listed,
    named_project_arn,
    no_project,
    project_name,
    project_of,
    projects_of_ids,
    started_already,
)
from tidegate.cloud.services.codebuild.batch_plan import as_build, combines
from tidegate.cloud.services.codebuild.model import BatchRecord, CodeBuildModel, batch_id, begin_phase, end_phase

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_PAGE = 100
_SHARED = (  # what a batch shows of its project and the overrides as a build of it would
    "source",
    "secondarySources",
    "secondarySourceVersions",
    "sourceVersion",
    "artifacts",
    "secondaryArtifacts",
    "cache",
    "environment",
    "serviceRole",
    "queuedTimeoutInMinutes",
    "initiator",
    "encryptionKey",
)


def _project_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    return str(api.model.project_arn(context.region, project_of(request.get("id", ""))))


class BatchesApi:
    """https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuildBatch.html and its siblings."""

    def __init__(self, model: CodeBuildModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(
        resource=named_project_arn,
        refuse=(
            "gitSubmodulesConfigOverride.fetchSubmodules",
            "insecureSslOverride",
            "reportBuildBatchStatusOverride",
            "certificateOverride",
            "registryCredentialOverride",
            "debugSessionEnabled",
            "buildBatchConfigOverride.restrictions.fleetsAllowed",
        ),
    )
    async def start_build_batch(self, context: Context, request: t.StartBuildBatchInputTypeDef) -> Mapping[str, Any]:
        """Have the builds run that a project's specification has under `batch`."""
        name = project_name(request["projectName"])
        record = self.model.projects.get(context.region, name)
        if record is None:
            raise no_project(self.model.project_arn(context.region, name))
        known = started_already(self.model.batches_of(context.region, name), request, self._clock.now())
        if known is not None:
            return {"buildBatch": known["batch"]}
        project = record["project"]
        if "serviceRoleOverride" in request:
            check_role(self._calls, context, request["serviceRoleOverride"])
        override = request.get("buildBatchConfigOverride")
        config: Any = {"timeoutInMins": 480, **project.get("buildBatchConfig", {}), **(override or {})}
        if "serviceRole" not in config:
            raise invalid(
                f"Project {name} has no service role for batches: give it a buildBatchConfig, "
                "or the batch a buildBatchConfigOverride"
            )
        if override is not None:
            check_batch_config(self._calls, context, override)
        artifacts = request.get("artifactsOverride", project["artifacts"])
        batch = self._batch(context, project, request, config, record.get("batches", 0) + 1)
        secondary = request.get("secondaryArtifactsOverride", project.get("secondaryArtifacts"))
        if combines(batch, artifacts) and secondary:
            raise not_offered("codebuild:StartBuildBatch combineArtifacts with secondary artifacts")
        with self.model.store.transaction():
            self.model.projects.update((context.region, name), _count)
            made: BatchRecord = {
                "batch": batch,
                "order": self.model.next_order(context.region),
                "token": request.get("idempotencyToken"),
                "retry": None,
                "request": dict(request),
                "artifacts": artifacts,
                "fast_fail": False,
                "builds": [],
                "stop": False,
                "fault": None,
            }
            self.model.batches.put((context.region, batch["id"]), made)
        return {"buildBatch": batch}

    @operation(resource=_project_arn)
    async def stop_build_batch(self, context: Context, request: t.StopBuildBatchInputTypeDef) -> Mapping[str, Any]:
        """Have a batch and its running builds stopped; one that is over stays as it is."""
        record = self._find(context, request["id"])
        if not record["batch"]["complete"]:
            self.model.batches.update((context.region, record["batch"]["id"]), lambda each: each.update({"stop": True}))
        return {"buildBatch": record["batch"]}

    @operation(resource=_project_arn)
    async def retry_build_batch(self, context: Context, request: t.RetryBuildBatchInputTypeDef) -> Mapping[str, Any]:
        """Run a batch that has failed again: all its builds, or those that have not succeeded."""
        record = self._find(context, request.get("id", ""))
        if "idempotencyToken" in request and record["retry"] is not None:
            last = {name: value for name, value in record["retry"].items() if name != "at"}
            if last.get("idempotencyToken") == request["idempotencyToken"] and is_remembered(
                record["retry"]["at"], self._clock.now()
            ):
                if last != dict(request):
                    raise invalid("Idempotency token was used for another request before")
                return {"buildBatch": record["batch"]}
        if not record["batch"]["complete"] or record["batch"]["buildBatchStatus"] == "SUCCEEDED":
            raise invalid(f"Build batch {record['batch']['id']} has not failed: only one that has can be retried")
        failed_only = request.get("retryType") == "RETRY_FAILED_BUILDS"
        now = self._clock.now()

        def begin_again(each: BatchRecord) -> None:
            each["retry"], each["stop"], each["fault"] = {**request, "at": now}, False, None
            batch = each["batch"]
            for group in batch.get("buildGroups", []):
                _retire(group, failed_only=failed_only)
            batch["buildBatchStatus"], batch["complete"], batch["phases"] = "IN_PROGRESS", False, []
            batch["startTime"] = now
            batch.pop("endTime", None)
            _submit(batch, now)
            if each["builds"]:  # the specification was read: its builds are known
                end_phase(batch, "SUCCEEDED", now)
                begin_phase(batch, "IN_PROGRESS", now)

        changed = self.model.batches.update((context.region, record["batch"]["id"]), begin_again)
        assert changed is not None
        return {"buildBatch": changed["batch"]}

    @operation(resource=projects_of_ids)
    async def batch_get_build_batches(
        self, context: Context, request: t.BatchGetBuildBatchesInputTypeDef
    ) -> Mapping[str, Any]:
        """Return batches by their ids or ARNs, and those ids that are none."""
        found = {each: self.model.batches.get(context.region, batch_id(each)) for each in request["ids"]}
        missing = [each for each, record in found.items() if record is None]
        return {
            "buildBatches": [record["batch"] for record in found.values() if record is not None],
            **({"buildBatchesNotFound": missing} if missing else {}),
        }

    @operation()
    async def list_build_batches(self, context: Context, request: t.ListBuildBatchesInputTypeDef) -> Mapping[str, Any]:
        """List the ids of all batches, the newest first unless asked otherwise."""
        return self._listed(context, request)

    @operation(resource=named_project_arn)
    async def list_build_batches_for_project(
        self, context: Context, request: t.ListBuildBatchesForProjectInputTypeDef
    ) -> Mapping[str, Any]:
        """List the ids of a project's batches, the newest first unless asked otherwise."""
        name = project_name(request.get("projectName", ""))
        if self.model.projects.get(context.region, name) is None:
            raise no_project(self.model.project_arn(context.region, name))
        return self._listed(context, request, name)

    @operation(resource=_project_arn)
    async def delete_build_batch(self, context: Context, request: t.DeleteBuildBatchInputTypeDef) -> Mapping[str, Any]:
        """Delete a batch that is over, and its builds."""
        record = self._find(context, request["id"])
        if not record["batch"]["complete"]:
            raise invalid(f"Build batch {record['batch']['id']} is still in progress and cannot be deleted")
        deleted, kept = [], []
        with self.model.store.transaction():
            for arn in _builds(record["batch"]):
                if self.model.builds.get(context.region, build_id(arn)) is None:
                    kept.append({"id": arn, "statusCode": "BUILD_NOT_FOUND"})
                else:
                    self.model.builds.delete(context.region, build_id(arn))
                    deleted.append(arn)
            self.model.batches.delete(context.region, record["batch"]["id"])
        return {"statusCode": "BATCH_DELETED", "buildsDeleted": deleted, "buildsNotDeleted": kept}

    def _batch(
        self, context: Context, project: t.ProjectTypeDef, request: Any, config: Any, number: int
    ) -> t.BuildBatchTypeDef:
        identity, now = f"{project['name']}:{self._clock.new_id()}", self._clock.now()
        build = new_build(self.model, context, project, as_build(request), identity, number)
        shown: Any = {name: value for name, value in build["build"].items() if name in _SHARED}
        batch: t.BuildBatchTypeDef = shown | {
            "id": identity,
            "arn": self.model.batch_arn(context.region, identity),
            "startTime": now,
            "buildBatchStatus": "IN_PROGRESS",
            "projectName": project["name"],
            "logConfig": build["logs"],
            "buildTimeoutInMinutes": build["build"]["timeoutInMinutes"],
            "complete": False,
            "buildBatchNumber": number,
            "buildBatchConfig": config,
            "buildGroups": [],
        }
        _submit(batch, now)
        return batch

    def _find(self, context: Context, identity: str) -> BatchRecord:
        record = self.model.batches.get(context.region, batch_id(identity))
        if record is None:
            raise ServiceError("ResourceNotFoundException", f"Build batch {identity} cannot be found")
        return record

    def _listed(self, context: Context, request: Mapping[str, Any], project: str | None = None) -> dict[str, Any]:
        status = request.get("filter", {}).get("status")
        found = self.model.batches_of(context.region, project)
        wanted = [each for each in found if status in (None, each["batch"]["buildBatchStatus"])]
        most = request.get("maxResults", _PAGE)
        return listed([(each["order"], each["batch"]["id"]) for each in wanted], request, most)


def _count(project: Any) -> None:
    project["batches"] = project.get("batches", 0) + 1


def _submit(batch: t.BuildBatchTypeDef, now: datetime) -> None:
    begin_phase(batch, "SUBMITTED", now)
    end_phase(batch, "SUCCEEDED", now)
    begin_phase(batch, "DOWNLOAD_BATCHSPEC", now)


def _retire(group: t.BuildGroupTypeDef, *, failed_only: bool) -> None:
    current = group.get("currentBuildSummary")
    if current is None or (failed_only and current["buildStatus"] == "SUCCEEDED"):
        return
    group["priorBuildSummaryList"] = [*group.get("priorBuildSummaryList", []), current]
    del group["currentBuildSummary"]


def _builds(batch: t.BuildBatchTypeDef) -> list[str]:
    groups = batch.get("buildGroups", [])
    current = [group["currentBuildSummary"] for group in groups if "currentBuildSummary" in group]
    prior = [each for group in groups for each in group.get("priorBuildSummaryList", [])]
    return [each["arn"] for each in (*prior, *current)]
