"""How everything is, gathered at once; for whatever is not well, the reason in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tidegate.deploy.executions import Executions
from tidegate.deploy.project import Project
from tidegate.deploy.stacks import Stacks
from tidegate.template import names

_EVENTS = 3
_AT_ONCE = 10  # services that DescribeServices takes


@dataclass(frozen=True, slots=True)
class ActionStatus:
    """One action of the pipeline's last execution."""

    stage: str
    name: str
    status: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """The pipeline's last execution: its commit, its status, its actions."""

    name: str
    status: str
    commit: str = ""
    message: str = ""
    actions: list[ActionStatus] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One target behind the load balancer."""

    address: str
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service: counts, the image that runs, its deployment, its targets, its last events."""

    name: str
    status: str
    desired: int = 0
    running: int = 0
    pending: int = 0
    image: str = ""
    rollout: str = ""
    why: str = ""
    targets: list[TargetStatus] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Return whether the service is as it should be."""
        return self.status == "ACTIVE" and self.rollout == "COMPLETED" and self.running == self.desired


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at a glance."""

    app: str
    environment: str
    region: str
    url: str | None
    services: list[ServiceStatus]
    pipeline: PipelineStatus | None

    def document(self) -> dict[str, Any]:
        """Return it for other programs."""
        return asdict(self)


def status(project: Project) -> Status:
    """Gather the status; what does not exist (yet) is shown as missing, not as an error."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        url = pool.submit(_url, project)
        pipeline = pool.submit(_pipeline, project)
        found = described(project)
        services = [pool.submit(_service, project, name, found.get(name)) for name in project.manifest.services]
        return Status(
            project.app,
            project.environment,
            project.session.region,
            url.result(),
            [service.result() for service in services],
            pipeline.result(),
        )


def _url(project: Project) -> str | None:
    stacks = Stacks(project.session, project.progress, project.pace)
    return stacks.outputs(names.environment_stack(project.app, project.environment)).get("Url")


def described(project: Project) -> dict[str, Any]:
    """Return the services that there are (ECS's descriptions) by name: ten with one call."""
    ecs, wanted = project.session.client("ecs"), list(project.manifest.services)
    found = []
    try:
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            found += ecs.describe_services(cluster=project.cluster, services=some)["services"]
    except ecs.exceptions.ClusterNotFoundException:
        return {}
    return {each["serviceName"]: each for each in found if each["status"] != "INACTIVE"}


def _service(project: Project, name: str, service: Any | None) -> ServiceStatus:
    if service is None:
        return ServiceStatus(name, "MISSING", why="it has not been deployed: tidegate up")
    ecs = project.session.client("ecs")
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    primary = next(each for each in service["deployments"] if each["status"] == "PRIMARY")
    events = [event["message"] for event in service["events"][:_EVENTS]]
    return ServiceStatus(
        name=name,
        status=service["status"],
        desired=service["desiredCount"],
        running=service["runningCount"],
        pending=service["pendingCount"],
        image=next(each["image"] for each in definition["containerDefinitions"] if each["name"] == name),
        rollout=primary.get("rolloutState", ""),
        why=_why(service, primary),
        targets=_targets(project, service),
        events=events,
    )


def _why(service: Any, primary: Any) -> str:
    """Say in one sentence what a service that is not well is waiting for, or what ails it."""
    if primary.get("rolloutState") == "FAILED":
        return str(primary.get("rolloutStateReason", ""))
    if service["runningCount"] == service["desiredCount"] and primary.get("rolloutState") == "COMPLETED":
        return ""
    telling = ("unable", "unhealthy", "failed", "rolling back")
    for event in service["events"][:_EVENTS]:
        if any(word in event["message"] for word in telling):
            return str(event["message"])
    return f"{service['runningCount']} of {service['desiredCount']} tasks run"


def _targets(project: Project, service: Any) -> list[TargetStatus]:
    elbv2 = project.session.client("elbv2")
    targets = []
    for balancer in service.get("loadBalancers", []):
        answer = _or_none(lambda arn: elbv2.describe_target_health(TargetGroupArn=arn), balancer["targetGroupArn"])
        for each in answer["TargetHealthDescriptions"] if answer else ():
            health = each["TargetHealth"]
            address = f"{each['Target']['Id']}:{each['Target']['Port']}"
            targets.append(TargetStatus(address, health["State"], health.get("Description", "")))
    return targets


def _pipeline(project: Project) -> PipelineStatus | None:
    executions = Executions(project)
    summaries = executions.summaries(1)
    if not summaries:
        return None
    summary = summaries[0]
    state = project.home.client("codepipeline").get_pipeline_state(name=executions.name)
    revision = (summary.get("sourceRevisions") or [{}])[0]
    actions = []
    for stage in state["stageStates"]:
        for action in stage.get("actionStates", []):
            latest = action.get("latestExecution", {})
            why = latest.get("errorDetails", {}).get("message", "")
            actions.append(ActionStatus(stage["stageName"], action["actionName"], latest.get("status", "-"), why))
    return PipelineStatus(
        executions.name,
        summary["status"],
        revision.get("revisionId", "")[:8],
        (revision.get("revisionSummary") or "").splitlines()[0] if revision.get("revisionSummary") else "",
        actions,
    )


def _or_none(call: Callable[[str], Any], argument: str) -> Any | None:
    try:
        return call(argument)
    except ClientError:
        return None
