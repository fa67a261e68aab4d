"""Service deployments and revisions: begun, described, ended.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html. While a service deployment goes on,
its counts are those of the moment; at its end they are written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.services.ecs.express import managed_resources
from tidegate.cloud.services.ecs.hooks import give_up
from tidegate.cloud.services.ecs.model import (
    PENDING,
    PRIMARY,
    DeploymentRecord,
    EcsModel,
    ServiceDeploymentRecord,
    ServiceRecord,
    ServiceRevisionRecord,
    TaskRecord,
    count,
    is_ongoing,
)
from tidegate.cloud.services.ecs.plan import Breaker
from tidegate.cloud.services.ecs.traffic import advanced, groups_of, shifts
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_DEFAULT_THRESHOLD = {"type": "BOUNDED_PERCENT", "value": 50}


def breaker_of(configuration: Mapping[str, Any]) -> Breaker | None:
    """Return the circuit breaker that a deployment configuration sets; None without."""
    given = configuration.get("deploymentCircuitBreaker", {})
    if not given.get("enable"):
        return None
    threshold = given.get("thresholdConfiguration", _DEFAULT_THRESHOLD)
    kind = threshold["type"]
    return Breaker(given["rollback"], threshold["value"], kind != "COUNT", kind != "UNBOUNDED_PERCENT")


def new_service_deployment(
    deployment_id: str, service: ServiceRecord, target: DeploymentRecord, now: datetime
) -> ServiceDeploymentRecord:
    """Return the record of a service deployment that is to begin; `service` has its target as the primary one."""
    shown = service["service"]
    arn = shown["serviceArn"].replace(":service/", ":service-deployment/")
    deployment: t.ServiceDeploymentTypeDef = {
        "serviceDeploymentArn": f"{arn}/{deployment_id}",
        "serviceArn": shown["serviceArn"],
        "clusterArn": shown["clusterArn"],
        "createdAt": now,
        "updatedAt": now,
        "status": PENDING,
        "deploymentConfiguration": shown["deploymentConfiguration"],
    }
    sources = [each["id"] for each in service["deployments"] if each["id"] != target["id"]]
    return {"deployment": deployment, "target": target["id"], "sources": sources}


def new_revision(
    service: ServiceRecord, deployment: DeploymentRecord, definition: t.TaskDefinitionTypeDef
) -> ServiceRevisionRecord:
    """Return the record of the service revision that a deployment aims at."""
    shown = service["service"]
    revision: t.ServiceRevisionTypeDef = {
        "serviceRevisionArn": deployment["revision"],
        "serviceArn": shown["serviceArn"],
        "clusterArn": shown["clusterArn"],
        "taskDefinition": deployment["definition"],
        "platformVersion": deployment["platform_version"],
        "platformFamily": "Linux",
        "loadBalancers": deployment["balancers"],
        "serviceRegistries": deployment.get("registries", []),
        "networkConfiguration": {"awsvpcConfiguration": deployment["network"]},
        "containerImages": [
            {"containerName": each["name"], "image": each["image"]} for each in definition["containerDefinitions"]
        ],
        "guardDutyEnabled": False,
        "createdAt": deployment["created_at"],
    }
    if deployment["providers"]:
        revision["capacityProviderStrategy"] = deployment["providers"]
    else:
        revision["launchType"] = "FARGATE"
    return {"revision": revision, "deployment": deployment["id"]}


def described_revision(model: EcsModel, key: Key, record: ServiceRevisionRecord) -> t.ServiceRevisionTypeDef:
    """Return a revision with the target groups that its tasks are in, as far as that was decided."""
    revision = record["revision"]
    service = model.services.get(*key)
    deployment = None if service is None else _find(service, record["deployment"])
    if deployment is not None and advanced(deployment["balancers"]):
        revision["resolvedConfiguration"] = {"loadBalancers": resolved(deployment)}
    express = model.express.get(*key)
    gateway = None if express is None else model.express_gateways.get(key[0], express["gateway"])
    if express is not None and gateway is not None and express["arn"] == revision["serviceArn"]:
        shown: Any = revision
        shown["ecsManagedResources"] = managed_resources(express, gateway)
    return revision


def resolved(deployment: DeploymentRecord) -> list[t.ServiceRevisionLoadBalancerTypeDef]:
    """Return where a revision's tasks are: target groups, and the rules that send requests there."""
    found: list[t.ServiceRevisionLoadBalancerTypeDef] = []
    for each in advanced(deployment["balancers"]):
        entry: Any = {"targetGroupArn": groups_of(each, alternate=deployment["alternate"])[0]}
        if "productionListenerRule" in each["advancedConfiguration"]:
            entry["productionListenerRule"] = each["advancedConfiguration"]["productionListenerRule"]
        found.append(entry)
    return found


def described(model: EcsModel, key: Key, record: ServiceDeploymentRecord) -> t.ServiceDeploymentTypeDef:
    """Return a service deployment as it is now, or as it was at its end. `key` is the service's."""
    service = model.services.get(*key)
    if service is None or not is_ongoing(record):
        return record["deployment"]
    return _counted(record, service, model.service_tasks(*key).values())


def end(
    record: ServiceDeploymentRecord,
    service: ServiceRecord,
    tasks: Iterable[TaskRecord],
    status: Any,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Write the end of a service deployment into its record."""
    give_up(record)
    deployment = record["deployment"] = _counted(record, service, tasks, status)
    deployment["status"] = status
    deployment["updatedAt"] = deployment["finishedAt"] = now
    if status == "STOPPED":
        deployment["stoppedAt"] = now
    if reason is not None:
        deployment["statusReason"] = reason


def _counted(
    record: ServiceDeploymentRecord, service: ServiceRecord, tasks: Iterable[TaskRecord], status: str | None = None
) -> t.ServiceDeploymentTypeDef:
    shown: t.ServiceDeploymentTypeDef = {**record["deployment"]}
    by_deployment: dict[str, list[TaskRecord]] = {}
    for task in tasks:
        by_deployment.setdefault(task.get("deployment", ""), []).append(task)
    configuration = shown["deploymentConfiguration"]
    revisions = {
        each["id"]: _summary(service, each, by_deployment.get(each["id"], []), weighted=shifts(configuration))
        for each in service["deployments"]
    }
    shown["sourceServiceRevisions"] = [revisions.get(each) or _past(shown, service, each) for each in record["sources"]]
    shown["targetServiceRevision"] = revisions.get(record["target"]) or _past(shown, service, record["target"])
    if status == "SUCCESSFUL":
        shown.pop("lifecycleStage", None)
    target = _find(service, record["target"])
    cause = record.get("ended_by")
    watching: Any = "MONITORING" if status is None and cause is None else "MONITORING_COMPLETE"
    if record.get("hooks"):
        shown["lifecycleHookDetails"] = [each["detail"] for each in record["hooks"]]
    breaker = breaker_of(configuration)
    shown["deploymentCircuitBreaker"] = {
        "status": "DISABLED" if breaker is None else "TRIGGERED" if cause == "BREAKER" else watching,
        "failureCount": record.get("failures", 0 if target is None else target["failed"]),
        "threshold": 0 if breaker is None else breaker.limit(service["service"]["desiredCount"]),
    }
    alarms: Any = configuration.get("alarms", {})
    if alarms.get("alarmNames"):
        shown["alarms"] = {
            "status": "DISABLED" if not alarms["enable"] else "TRIGGERED" if cause == "ALARM" else watching,
            "alarmNames": alarms["alarmNames"],
            "triggeredAlarmNames": record.get("alarms", []),
        }
    return shown


def _summary(
    service: ServiceRecord, deployment: DeploymentRecord, tasks: Iterable[TaskRecord], *, weighted: bool
) -> t.ServiceRevisionSummaryTypeDef:
    running, pending = count(tasks)
    wanted = service["service"]["desiredCount"] if deployment["status"] == PRIMARY else running + pending
    summary: t.ServiceRevisionSummaryTypeDef = {
        "arn": deployment["revision"],
        "requestedTaskCount": wanted,
        "runningTaskCount": running,
        "pendingTaskCount": pending,
    }
    if weighted:
        summary["requestedProductionTrafficWeight"] = deployment["traffic"]
        summary["requestedTestTrafficWeight"] = deployment["test_traffic"]
    return summary


def _past(shown: Mapping[str, Any], service: ServiceRecord, deployment_id: str) -> t.ServiceRevisionSummaryTypeDef:
    """Return a revision of which nothing is left."""
    number = deployment_id.rpartition("/")[2]
    arn = f"{service['service']['serviceArn'].replace(':service/', ':service-revision/')}/{number}"
    return {"arn": arn, "requestedTaskCount": 0, "runningTaskCount": 0, "pendingTaskCount": 0}


def _find(service: ServiceRecord, deployment_id: str) -> DeploymentRecord | None:
    return next((each for each in service["deployments"] if each["id"] == deployment_id), None)
