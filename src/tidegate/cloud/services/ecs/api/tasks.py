"""Tasks: run, stopped, described, listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.ecs.api.account_settings import setting_of
from tidegate.cloud.services.ecs.api.capacity import checked_platform, chosen_strategy
from tidegate.cloud.services.ecs.api.network import checked_network
from tidegate.cloud.services.ecs.api.shared import (
    check_fargate,
    definition_arn,
    find_active_definition,
    find_cluster,
    find_task,
    in_cluster,
    merged_tags,
    missing,
    new_tags,
    task_arn,
)
from tidegate.cloud.services.ecs.model import (
    RUNNING,
    STOPPED,
    EcsModel,
    TaskRecord,
    cluster_name,
    resource_id,
    task_key,
)
from tidegate.cloud.services.ecs.settings import LOG_DRIVER_MODE
from tidegate.cloud.services.ecs.sizes import check_size
from tidegate.cloud.services.ecs.start import choose_provider, new_task

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_MOST_AT_ONCE = 10
_REFUSED = (
    "placementConstraints",
    "placementStrategy",
    "volumeConfigurations",
    "overrides.inferenceAcceleratorOverrides",
    "overrides.ephemeralStorage",
    "overrides.containerOverrides.environmentFiles",
    "overrides.containerOverrides.resourceRequirements",
)


_NO_TASK_ROLE = (
    "The task couldn't be run because a valid taskRoleArn is not being used. Specify a valid task role in your task "
    "definition and try again."
)


class TasksApi:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html and its siblings."""

    def __init__(self, model: EcsModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=definition_arn, conditions=in_cluster, refuse=_REFUSED)
    async def run_task(self, context: Context, request: t.RunTaskRequestTypeDef) -> Mapping[str, Any]:
        """Start tasks of their own, without a service."""
        cluster = cluster_name(request.get("cluster"))
        found = find_cluster(self.model, context, cluster)["cluster"]
        count = request.get("count", 1)
        if not 1 <= count <= _MOST_AT_ONCE:
            raise ServiceError("InvalidParameterException", f"Count must be between 1 and {_MOST_AT_ONCE}.")
        record = find_active_definition(self.model, context, request["taskDefinition"])
        definition = record["definition"]
        if request.get("propagateTags") == "SERVICE":
            raise ServiceError("InvalidParameterException", "A task without a service cannot propagate SERVICE tags.")
        strategy = chosen_strategy(found, request)
        platform = checked_platform(request)
        check_fargate(definition)
        overrides: Mapping[str, Any] = request.get("overrides", {})
        if "cpu" in overrides or "memory" in overrides:
            check_size(overrides.get("cpu", definition["cpu"]), overrides.get("memory", definition["memory"]))
        names = {each["name"] for each in definition["containerDefinitions"]}
        for override in overrides.get("containerOverrides", []):
            if override.get("name") not in names:
                raise ServiceError(
                    "InvalidParameterException",
                    f"Override for container named {override.get('name')} is not a container in the TaskDefinition.",
                )
        task_role = overrides.get("taskRoleArn") or definition.get("taskRoleArn")
        for role in (task_role, overrides.get("executionRoleArn") or definition.get("executionRoleArn")):
            if role is not None:
                self._calls.authorize(context, "iam:PassRole", role, {"iam:PassedToService": "ecs-tasks.amazonaws.com"})
        executable = request.get("enableExecuteCommand", False)
        if executable and not (overrides.get("taskRoleArn") or definition.get("taskRoleArn")):
            raise ServiceError("InvalidParameterException", _NO_TASK_ROLE)
        caller = self._calls.as_service("ecs.amazonaws.com", context.region)
        network = await checked_network(caller, request.get("networkConfiguration"))
        token = request.get("clientToken")
        if token is not None:
            known = [each for each in self.model.tasks.values(context.region, cluster) if each.get("token") == token]
            if known:
                return {"tasks": [each["task"] for each in known], "failures": []}
        tags = new_tags(self._calls, context, request, context.arn("ecs", f"task/{cluster}/*"), "RunTask")
        if request.get("propagateTags") == "TASK_DEFINITION":
            tags = merged_tags(record["tags"], tags)
        if request.get("enableECSManagedTags"):
            tags = merged_tags(tags, [{"key": "aws:ecs:clusterName", "value": cluster}])
        started: list[TaskRecord] = []
        with self.model.store.transaction():
            for _ in range(count):
                running: dict[str, int] = {}
                for each in started:
                    name = each["task"].get("capacityProviderName", "")
                    running[name] = running.get(name, 0) + 1
                task = new_task(
                    self._clock.hex(32),
                    found["clusterArn"],
                    definition,
                    network,
                    self._clock.now(),
                    group=request.get("group", f"family:{definition['family']}"),
                    started_by=request.get("startedBy"),
                    overrides=overrides,
                    tags=tags,
                    provider=choose_provider(strategy, running),
                    platform_version=platform,
                    executable=executable,
                    log_mode=setting_of(self.model, context, LOG_DRIVER_MODE),
                )
                if token is not None:
                    task["token"] = token
                if "referenceId" in request:
                    task["task"]["attributes"].append({"name": "referenceId", "value": request["referenceId"]})
                self.model.tasks.put(task_key(task), task)
                started.append(task)
        return {"tasks": [each["task"] for each in started], "failures": []}

    @operation(resource=task_arn, conditions=in_cluster)
    async def stop_task(self, context: Context, request: t.StopTaskRequestTypeDef) -> Mapping[str, Any]:
        """Have a task stopped: drained, SIGTERM, and SIGKILL once its time-out is over."""
        record = find_task(self.model, context, request.get("cluster"), request["task"])
        task = record["task"]
        if task["desiredStatus"] == RUNNING:
            task["desiredStatus"] = STOPPED
            task["stopCode"] = "UserInitiated"
            task["stoppedReason"] = request.get("reason", "Task stopped by user")
            task["stoppingAt"] = self._clock.now()
            self.model.tasks.put(task_key(record), record)
        return {"task": task}

    @operation(
        resource=lambda api, context, request: [
            task_arn(api, context, {**request, "task": each}) for each in request["tasks"]
        ],
        conditions=in_cluster,
    )
    async def describe_tasks(self, context: Context, request: t.DescribeTasksRequestTypeDef) -> Mapping[str, Any]:
        """Describe up to a hundred tasks of a cluster; stopped ones can be seen for an hour."""
        cluster = cluster_name(request.get("cluster"))
        find_cluster(self.model, context, cluster)
        if not request["tasks"]:
            raise ServiceError("InvalidParameterException", "Tasks cannot be empty.")
        tasks: list[Mapping[str, Any]] = []
        failures = []
        for each in request["tasks"]:
            record = self.model.tasks.get(context.region, cluster, resource_id(each))
            if record is None:
                failures.append(missing(task_arn(self, context, {"cluster": cluster, "task": each})))
                continue
            described = dict(record["task"])
            if "TAGS" not in request.get("include", []):
                described.pop("tags", None)
            tasks.append(described)
        return {"tasks": tasks, "failures": failures}

    @operation(conditions=in_cluster, refuse=("containerInstance", "daemonName"))
    async def list_tasks(self, context: Context, request: t.ListTasksRequestTypeDef) -> Mapping[str, Any]:
        """List the ARNs of a cluster's tasks, by service, family, starter or status."""
        cluster = cluster_name(request.get("cluster"))
        find_cluster(self.model, context, cluster)
        service = resource_id(request["serviceName"]) if "serviceName" in request else None
        if service is not None and self.model.services.get(context.region, cluster, service) is None:
            raise ServiceError("ServiceNotFoundException", "Service not found.")
        status = request.get("desiredStatus", RUNNING)
        arns = [
            each["task"]["taskArn"]
            for each in self.model.tasks.values(context.region, cluster)
            if each["task"]["desiredStatus"] == status
            and service in (None, each.get("service"))
            and request.get("family") in (None, each["definition"].rpartition("/")[2].partition(":")[0])
            and request.get("startedBy") in (None, each["task"].get("startedBy"))
            and request.get("launchType") in (None, each["task"].get("launchType"))
        ]
        chosen, token = page(arns, request.get("nextToken"), request.get("maxResults", 100), key=str)
        return {"taskArns": chosen, "nextToken": token}
