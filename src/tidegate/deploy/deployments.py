"""Deployments of a service: followed until they serve, or stopped at once.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stop-service-deployment.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tidegate.deploy.diagnosis import diagnose
from tidegate.deploy.errors import UserError
from tidegate.deploy.executions import Executions
from tidegate.deploy.project import Project
from tidegate.deploy.releases import deploys, running_service

_RUNNING = ["PENDING", "IN_PROGRESS"]
_BEING_STOPPED = ("STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
_REASON = "tidegate stop"
_LATE = 5.0  # seconds in which an action that was abandoned may still begin its deployment
_PATIENCE = 300.0  # seconds in which new tasks must have come


def follow(project: Project, service: str, deployment: Any) -> float:
    """Wait until a deployment (as UpdateService answers it) serves, and return how many seconds that took.

    Raises `UserError` where it fails or another one takes its place: the sentence says why.
    """
    ecs, started, title = project.session.client("ecs"), project.pace.now(), f"service {service}"

    def ended() -> Any:
        described = ecs.describe_services(cluster=project.cluster, services=[service])["services"][0]
        own = next((each for each in described["deployments"] if each["id"] == deployment["id"]), None)
        primary = next(each for each in described["deployments"] if each["status"] == "PRIMARY")
        if own is None or own.get("rolloutState") == "FAILED" or own["id"] != primary["id"]:
            return (own, False)
        if own.get("rolloutState") == "COMPLETED":
            return (own, True)
        project.progress.step(title, f"{own['runningCount']} of {own['desiredCount']} new tasks run")
        return None

    own, served = project.pace.until(ended)
    seconds = project.pace.now() - started
    if served:
        project.progress.done(title, f"{own['runningCount']} tasks serve", seconds)
        return seconds
    found = diagnose(project.session, project.cluster, service, deployment["createdAt"])
    for line in [] if found is None else found.lines:
        project.progress.line(title, line)
    reason = "another deployment has taken its place" if own is None else own.get("rolloutStateReason", "it failed")
    raise UserError(title, reason if found is None else found.why, f"tidegate logs {service}, or tidegate status")


def settle(project: Project, service: str) -> None:
    """Wait until as many tasks of a service run as are wanted; raise `UserError` where they do not come."""
    ecs, started, title = project.session.client("ecs"), project.pace.now(), f"service {service}"
    told_at = running_service(project, service).get("events", [])[:1]

    def settled() -> Any:
        described = ecs.describe_services(cluster=project.cluster, services=[service])["services"][0]
        if described["runningCount"] == described["desiredCount"] and not described["pendingCount"]:
            return described
        project.progress.step(title, f"{described['runningCount']} of {described['desiredCount']} tasks run")
        if project.pace.now() - started > _PATIENCE:
            events = [
                each for each in described["events"] if not told_at or each["createdAt"] > told_at[0]["createdAt"]
            ]
            why = events[0]["message"] if events else f"{described['runningCount']} tasks run after {_PATIENCE:.0f} s"
            raise UserError(title, why, "tidegate status")
        return None

    described = project.pace.until(settled)
    project.progress.done(title, f"{described['runningCount']} tasks run", project.pace.now() - started)


@dataclass(frozen=True, slots=True)
class Stopped:
    """What was stopped: the deployment and how it ended (None: there was none), the pipeline's execution (its id)."""

    deployment: str | None
    outcome: str
    execution: str | None


def stop(project: Project, service: str, *, abort: bool) -> Stopped:
    """End the deployment that is under way, and the execution that waits for it.

    The service goes back to the release that served before, and is waited for; with `abort` everything stays as it
    is at this moment. Raises `UserError` where the service cannot go back.
    """
    running_service(project, service)
    ecs, title, started = project.session.client("ecs"), f"service {service}", project.pace.now()
    # the execution first: its action fails as soon as it sees that its deployment does not go on
    execution = _stop_execution(project, service)
    deployment = _under_way(project, service, _LATE if execution else 0.0)
    if deployment is None:
        return Stopped(None, "", execution)
    try:
        ecs.stop_service_deployment(serviceDeploymentArn=deployment, stopType="ABORT" if abort else "ROLLBACK")
    except ecs.exceptions.ServiceDeploymentNotFoundException:
        return Stopped(None, "", execution)  # it has just ended by itself
    except ClientError as error:
        next_step = "tidegate status" if abort else f"tidegate stop --abort {service}"
        raise UserError(title, error.response["Error"]["Message"], next_step) from error
    project.progress.step(title, "stopping the deployment")

    def ended() -> Any:
        each = ecs.describe_service_deployments(serviceDeploymentArns=[deployment])["serviceDeployments"][0]
        project.progress.step(title, each["status"].lower().replace("_", " "))
        return None if each["status"] in (*_RUNNING, *_BEING_STOPPED) else each

    described = project.pace.until(ended)
    status = described["status"]
    project.progress.done(title, status.lower().replace("_", " "), project.pace.now() - started)
    if status == "ROLLBACK_FAILED":
        why = described.get("rollback", {}).get("reason") or described.get("statusReason", "it could not go back")
        raise UserError(title, why, f"tidegate rollback --yes {service}, or tidegate status")
    return Stopped(deployment, status, execution)


def _under_way(project: Project, service: str, patience: float) -> str | None:
    """Return the ARN of the deployment under way; one that a deploy action is about to begin is waited for."""
    ecs, started = project.session.client("ecs"), project.pace.now()
    for _ in project.pace.pauses():
        found = ecs.list_service_deployments(cluster=project.cluster, service=service, status=_RUNNING)
        if found["serviceDeployments"]:
            return str(found["serviceDeployments"][0]["serviceDeploymentArn"])
        if project.pace.now() - started >= patience:
            return None
    raise AssertionError  # pauses never end


def _stop_execution(project: Project, service: str) -> str | None:
    """Abandon the execution whose deploy action is busy with this service; return its id, None where there is none."""
    client, name = project.home.client("codepipeline"), Executions(project).name
    for summary in Executions(project).summaries():
        if summary["status"] != "InProgress":
            continue
        identity = str(summary["pipelineExecutionId"])
        answer = client.list_action_executions(pipelineName=name, filter={"pipelineExecutionId": identity})
        busy = [each for each in answer["actionExecutionDetails"] if each["status"] == "InProgress"]
        if any(deploys(each, project.cluster, service) for each in busy):
            try:
                client.stop_pipeline_execution(
                    pipelineName=name, pipelineExecutionId=identity, abandon=True, reason=_REASON
                )
            except client.exceptions.PipelineExecutionNotStoppableException:
                return None  # it has just ended by itself
            return identity
    return None
