"""Projects: create, update, get, list, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.codebuild.api.shared import (
    check_artifacts,
    check_batch_config,
    check_cache,
    check_environment,
    check_logs,
    check_role,
    check_source,
    invalid,
    named_project_arn,
    no_project,
    project_name,
)
from tidegate.cloud.services.codebuild.model import CodeBuildModel, ProjectRecord

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_PAGE = 100
_REFUSED = (
    "vpcConfig",
    "badgeEnabled",
    "fileSystemLocations",
    "buildBatchConfig.restrictions.fleetsAllowed",
    "autoRetryLimit",
    "source.gitSubmodulesConfig.fetchSubmodules",
    "source.reportBuildStatus",
    "source.buildStatusConfig",
    "secondarySources.gitSubmodulesConfig.fetchSubmodules",
    "environment.computeConfiguration",
    "environment.fleet",
    "environment.certificate",
    "environment.registryCredential",
    "environment.dockerServer",
    "environment.hostKernel",
)
_MEMBERS = (
    "description",
    "source",
    "secondarySources",
    "sourceVersion",
    "secondarySourceVersions",
    "artifacts",
    "secondaryArtifacts",
    "cache",
    "environment",
    "serviceRole",
    "timeoutInMinutes",
    "queuedTimeoutInMinutes",
    "encryptionKey",
    "tags",
    "logsConfig",
    "concurrentBuildLimit",
    "buildBatchConfig",
)


class ProjectsApi:
    """https://docs.aws.amazon.com/codebuild/latest/APIReference/API_CreateProject.html and its siblings."""

    def __init__(self, model: CodeBuildModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=named_project_arn, refuse=_REFUSED)
    async def create_project(self, context: Context, request: t.CreateProjectInputTypeDef) -> Mapping[str, Any]:
        """Create a project."""
        name = request["name"]
        if self.model.projects.get(context.region, name) is not None:
            raise _exists(self.model.project_arn(context.region, name))
        now = self._clock.now()
        defaults: t.ProjectTypeDef = {
            "name": name,
            "arn": self.model.project_arn(context.region, name),
            "cache": {"type": "NO_CACHE"},
            "timeoutInMinutes": 60,
            "queuedTimeoutInMinutes": 480,
            "encryptionKey": f"arn:aws:kms:{context.region}:{self.model.account}:alias/aws/s3",
            "tags": [],
            "created": now,
            "lastModified": now,
            "badge": {"badgeEnabled": False},
            "projectVisibility": "PRIVATE",
        }
        project = self._changed(context, defaults, request)
        await self._check_trust(context, project["serviceRole"])
        if self.model.projects.get(context.region, name) is not None:
            raise _exists(project["arn"])
        self.model.projects.put((context.region, name), {"project": project, "builds": 0})
        return {"project": project}

    @operation(resource=named_project_arn, refuse=_REFUSED)
    async def update_project(self, context: Context, request: t.UpdateProjectInputTypeDef) -> Mapping[str, Any]:
        """Replace those settings of a project that are given."""
        name = project_name(request["name"])
        record = self.model.projects.get(context.region, name)
        if record is None:
            raise no_project(self.model.project_arn(context.region, name))
        project = self._changed(context, {**record["project"], "lastModified": self._clock.now()}, request)
        if "serviceRole" in request:
            await self._check_trust(context, project["serviceRole"])
        self.model.projects.update((context.region, name), lambda each: each.update({"project": project}))
        return {"project": project}

    @operation(
        resource=lambda api, context, request: [
            api.model.project_arn(context.region, project_name(name)) for name in request["names"]
        ]
    )
    async def batch_get_projects(self, context: Context, request: t.BatchGetProjectsInputTypeDef) -> Mapping[str, Any]:
        """Return projects by their names or ARNs, and those names that are none."""
        found = {name: self.model.projects.get(context.region, project_name(name)) for name in request["names"]}
        return {
            "projects": [record["project"] for record in found.values() if record is not None],
            "projectsNotFound": [name for name, record in found.items() if record is None],
        }

    @operation()
    async def list_projects(self, context: Context, request: t.ListProjectsInputTypeDef) -> Mapping[str, Any]:
        """List the names of the projects, by name or by a time."""
        projects = [record["project"] for record in self.model.projects.values(context.region)]
        by = request.get("sortBy", "NAME")
        if by == "CREATED_TIME":
            projects.sort(key=lambda each: each["created"])
        elif by == "LAST_MODIFIED_TIME":
            projects.sort(key=lambda each: each["lastModified"])
        if request.get("sortOrder", "ASCENDING") == "DESCENDING":
            projects.reverse()
        ordered = [(f"{place:09d}", each["name"]) for place, each in enumerate(projects)]
        chosen, token = page(
            ordered, request.get("nextToken"), _PAGE, key=lambda each: each[0], invalid="InvalidInputException"
        )
        return {"projects": [name for _, name in chosen], **({"nextToken": token} if token else {})}

    @operation(resource=named_project_arn)
    async def delete_project(self, context: Context, request: t.DeleteProjectInputTypeDef) -> Mapping[str, Any]:
        """Delete a project; its builds stay. One that does not exist is no error."""
        self.model.projects.delete(context.region, project_name(request["name"]))
        return {}

    @operation(resource=named_project_arn)
    async def invalidate_project_cache(
        self, context: Context, request: t.InvalidateProjectCacheInputTypeDef
    ) -> Mapping[str, Any]:
        """Have a project's builds begin with no cache; what they share by a namespace stays."""
        name = project_name(request["projectName"])

        def invalidate(each: ProjectRecord) -> None:
            each["cache_generation"] = each.get("cache_generation", 0) + 1

        if self.model.projects.update((context.region, name), invalidate) is None:
            raise no_project(self.model.project_arn(context.region, name))
        return {}

    def _changed(self, context: Context, project: t.ProjectTypeDef, request: Any) -> t.ProjectTypeDef:
        """Return a project with the request's settings in the place of its own; raise where they cannot be."""
        given: Any = {name: request[name] for name in _MEMBERS if name in request}
        changed: t.ProjectTypeDef = {**project, **given}
        check_source(changed["source"])
        check_artifacts(changed["artifacts"], changed["source"]["type"])
        check_environment(changed["environment"])
        check_cache(changed.get("cache"))
        check_logs(changed.get("logsConfig"))
        for source in changed.get("secondarySources", []):
            check_source(source, primary=False)
        for artifacts in changed.get("secondaryArtifacts", []):
            check_artifacts(artifacts, changed["source"]["type"], primary=False)
        if "serviceRole" in given:
            check_role(self._calls, context, given["serviceRole"])
        config = given.get("buildBatchConfig")
        if config == {}:
            changed.pop("buildBatchConfig")
        elif config is not None:
            if "serviceRole" not in config:
                raise invalid("Invalid build batch config: serviceRole must be given")
            check_batch_config(self._calls, context, config)
        if given.get("concurrentBuildLimit", 1) == -1:
            changed.pop("concurrentBuildLimit")
        elif given.get("concurrentBuildLimit", 1) < 1:
            raise invalid("Invalid concurrent build limit: it must be at least 1")
        return changed

    async def _check_trust(self, context: Context, role: str) -> None:
        try:
            await self._calls.as_role(role, "codebuild.amazonaws.com", "CodeBuild", context.region)
        except ServiceError:
            raise invalid(f"CodeBuild is not authorized to perform: sts:AssumeRole on {role}") from None


def _exists(arn: str) -> ServiceError:
    return ServiceError("ResourceAlreadyExistsException", f"Project already exists: {arn}")
