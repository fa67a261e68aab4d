"""What ECS's operations have in common: finding things by name or ARN, ARNs for IAM, lists of failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context
from tidegate.cloud.documents import is_number
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.definition import is_for_fargate
from tidegate.cloud.services.ecs.model import (
    ACTIVE,
    ClusterRecord,
    EcsModel,
    ServiceRecord,
    TaskDefinitionRecord,
    TaskRecord,
    cluster_name,
    resource_id,
)

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t


def find_cluster(model: EcsModel, context: Context, name: str | None) -> ClusterRecord:
    """Return an active cluster or raise ClusterNotFoundException."""
    record = model.clusters.get(context.region, cluster_name(name))
    if record is None or record["cluster"]["status"] != ACTIVE:
        raise ServiceError("ClusterNotFoundException", "Cluster not found.")
    return record


def find_service(model: EcsModel, context: Context, cluster: str | None, service: str) -> ServiceRecord:
    """Return a service or raise ServiceNotFoundException."""
    find_cluster(model, context, cluster)
    record = model.services.get(context.region, cluster_name(cluster), resource_id(service))
    if record is None:
        raise ServiceError("ServiceNotFoundException", "Service not found.")
    return record


def find_task(model: EcsModel, context: Context, cluster: str | None, task: str) -> TaskRecord:
    """Return a task or raise InvalidParameterException, as ECS does."""
    find_cluster(model, context, cluster)
    record = model.tasks.get(context.region, cluster_name(cluster), resource_id(task))
    if record is None:
        raise ServiceError("InvalidParameterException", "The referenced task was not found.")
    return record


def find_definition(model: EcsModel, context: Context, name: str) -> TaskDefinitionRecord:
    """Return an existing revision by `family`, `family:revision` or ARN; raise ClientException."""
    family, _, revision = resource_id(name).partition(":")
    if not revision:
        record = model.latest_active(context.region, family)
    else:
        record = model.definition(context.region, family, int(revision)) if is_number(revision) else None
    if record is None:
        raise ServiceError("ClientException", "Unable to describe task definition.")
    return record


def find_active_definition(model: EcsModel, context: Context, name: str) -> TaskDefinitionRecord:
    """Return a revision that tasks may be started from; raise ClientException."""
    family, _, revision = resource_id(name).partition(":")
    record = (
        model.definition(context.region, family, int(revision))
        if is_number(revision)
        else model.latest_active(context.region, family)
    )
    if record is None:
        raise ServiceError("ClientException", "TaskDefinition not found.")
    if record["definition"]["status"] != ACTIVE:
        raise ServiceError("ClientException", "TaskDefinition is inactive")
    return record


def check_fargate(definition: t.TaskDefinitionTypeDef) -> None:
    """Raise InvalidParameterException where tasks of a definition cannot run on Fargate."""
    if not is_for_fargate(definition):
        raise ServiceError("InvalidParameterException", "Task definition does not support launch_type FARGATE.")


def check_executable(definition: t.TaskDefinitionTypeDef, done: str) -> None:
    """Raise InvalidParameterException where no command can be executed in a definition's tasks."""
    if "taskRoleArn" not in definition:
        raise ServiceError(
            "InvalidParameterException",
            f"The service couldn't be {done} because a valid taskRoleArn is not being used. Specify a valid task role "
            "in your task definition and try again.",
        )


def missing(arn: str) -> dict[str, str]:
    """Return the failure entry for what is not there."""
    return {"arn": arn, "reason": "MISSING"}


def merged_tags(tags: list[t.TagTypeDef], more: list[t.TagTypeDef]) -> list[t.TagTypeDef]:
    """Return tags with others put over them."""
    values = {tag["key"]: tag["value"] for tag in [*tags, *more]}
    return [{"key": key, "value": value} for key, value in values.items()]


def new_tags(
    calls: Calls, context: Context, request: Mapping[str, Any], arn: str, operation_name: str
) -> list[t.TagTypeDef]:
    """Return the tags that a request gives to what it creates; the caller must be allowed to add them.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html
    """
    tags: list[t.TagTypeDef] = list(request.get("tags", []))
    if any("key" not in tag for tag in tags):
        raise ServiceError("InvalidParameterException", "A tag has a key.")
    if tags:
        conditions = {
            "ecs:CreateAction": operation_name,
            "aws:TagKeys": [tag["key"] for tag in tags],
            **{f"aws:RequestTag/{tag['key']}": tag.get("value", "") for tag in tags},
        }
        calls.authorize(context, "ecs:TagResource", arn, conditions)
    return tags


def cluster_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the cluster that a request names."""
    return context.arn("ecs", f"cluster/{cluster_name(request.get('cluster') or request.get('clusterName'))}")


def service_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the service that a request names."""
    name = resource_id(request.get("service", request.get("serviceName", "")))
    return context.arn("ecs", f"service/{cluster_name(request.get('cluster'))}/{name}")


def task_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the task that a request names."""
    return context.arn("ecs", f"task/{cluster_name(request.get('cluster'))}/{resource_id(request['task'])}")


def definition_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the task definition that a request names; without a revision, of all of its family."""
    name = resource_id(request["taskDefinition"])
    return context.arn("ecs", f"task-definition/{name if ':' in name else name + ':*'}")


def in_cluster(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the condition key that narrows an operation to a cluster."""
    return {"ecs:cluster": cluster_arn(api, context, request)}
