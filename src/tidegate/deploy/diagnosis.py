"""Why a service's new tasks do not serve: what their containers wrote last, or what the health check was answered.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.deploy.logs import last_lines
from tidegate.deploy.session import Session

_SHOWN_LINES = 15
_AT_ONCE = 100  # tasks that DescribeTasks takes
_REASON = re.compile(r"due to \(reason (.*?)\)(?:$|[.;, ])")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why tasks fail, in one sentence, and the last lines of the log that shows it."""

    why: str
    lines: list[str] = field(default_factory=list)


def diagnose(session: Session, cluster: str, service: str, since: datetime) -> Diagnosis | None:
    """Return what ails the tasks that a service has started since then (by AWS's clock), None where nothing tells."""
    ecs = session.client("ecs")
    try:
        failed = list(_failed(session, cluster, service, since))
    except (ecs.exceptions.ServiceNotFoundException, ecs.exceptions.ClusterNotFoundException):
        return None  # it was not even created
    newest = max(failed, key=lambda task: task["createdAt"], default=None)
    if newest is None:
        return None
    reason = str(newest.get("stoppedReason", ""))
    if newest["stopCode"] == "TaskFailedToStart":
        return Diagnosis(f"its tasks cannot start: {reason}")
    if newest["stopCode"] == "EssentialContainerExited":
        return _exited(session, newest)
    return _unhealthy(session, cluster, service, since, reason)


def _failed(session: Session, cluster: str, service: str, since: datetime) -> Iterator[Any]:
    """Yield the tasks that did not stop because they were told to."""
    ecs = session.client("ecs")
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, serviceName=service, desiredStatus="STOPPED")
    arns = [arn for page in pages for arn in page["taskArns"]]
    for begin in range(0, len(arns), _AT_ONCE):
        for task in ecs.describe_tasks(cluster=cluster, tasks=arns[begin : begin + _AT_ONCE])["tasks"]:
            told = task.get("stopCode") in ("UserInitiated", "ServiceSchedulerInitiated", None)
            if task["createdAt"] >= since and not (told and "health checks" not in task.get("stoppedReason", "")):
                yield task


def _exited(session: Session, task: Any) -> Diagnosis:
    containers = [each for each in task["containers"] if "exitCode" in each]
    container = max(containers, key=lambda each: bool(each["exitCode"]), default=None)
    if container is None:
        return Diagnosis(f"its tasks end: {task.get('stoppedReason', '')}")
    why = f"its container {container['name']} ends with exit code {container['exitCode']}"
    if "OutOfMemory" in container.get("reason", ""):
        why += f" ({container['reason']})"
    lines = _log(session, task, container["name"])
    written = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return Diagnosis(f"{why} and last wrote: {written}" if written else f"{why} and wrote nothing", lines)


def _log(session: Session, task: Any, container: str) -> list[str]:
    """Return the last lines that a container wrote, where they went to CloudWatch Logs."""
    answer = session.client("ecs").describe_task_definition(taskDefinition=task["taskDefinitionArn"])
    defined = next(each for each in answer["taskDefinition"]["containerDefinitions"] if each["name"] == container)
    logging: Mapping[str, Any] = defined.get("logConfiguration", {})
    options = logging.get("options", {})
    if logging.get("logDriver") != "awslogs" or "awslogs-stream-prefix" not in options:
        return []
    stream = f"{options['awslogs-stream-prefix']}/{container}/{task['taskArn'].rpartition('/')[2]}"
    return last_lines(session, options["awslogs-group"], stream, _SHOWN_LINES)


def _unhealthy(session: Session, cluster: str, service: str, since: datetime, reason: str) -> Diagnosis:
    """Name the check that fails and how it was answered, which ECS tells in the service's events."""
    described = session.client("ecs").describe_services(cluster=cluster, services=[service])["services"][0]
    told = [event["message"] for event in described["events"] if event["createdAt"] >= since]
    answered = next((match[1] for message in [reason, *told] if (match := _REASON.search(message))), reason)
    groups = [each["targetGroupArn"] for each in described["loadBalancers"] if "targetGroupArn" in each]
    if not groups or "ELB" not in reason:
        return Diagnosis(f"its tasks fail the health check: {answered}")
    group = session.client("elbv2").describe_target_groups(TargetGroupArns=groups[:1])["TargetGroups"][0]
    codes, path = group.get("Matcher", {}).get("HttpCode", "200"), group.get("HealthCheckPath", "/")
    return Diagnosis(f"its tasks fail the health check of {path}, which wants {codes}: {answered}")
