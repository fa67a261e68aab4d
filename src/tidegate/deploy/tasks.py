"""Tasks: one of their own with a service's image, settings and network; and a command in one that runs.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.deploy.errors import UserError
from tidegate.deploy.progress import StoppedError
from tidegate.deploy.project import Project
from tidegate.deploy.releases import number_of, running_service

STARTED_BY = "tidegate run"
_LAST_LOOK = 3  # pauses after a task's end in which its last lines may still come
_STEPS = {
    "PROVISIONING": "gets its network",
    "PENDING": "gets its image",
    "ACTIVATING": "starts",
    "RUNNING": "runs",
    "DEACTIVATING": "ends",
    "STOPPING": "ends",
    "DEPROVISIONING": "ends",
    "STOPPED": "has ended",
}


@dataclass(frozen=True, slots=True)
class Task:
    """A task that was started: its ARN, the container that counts, and where that writes (None: nowhere readable)."""

    arn: str
    service: str
    release: int
    log: tuple[str, str] | None

    @property
    def id(self) -> str:
        """Return the last part of its ARN."""
        return self.arn.rpartition("/")[2]


def start(project: Project, service: str, command: Sequence[str]) -> Task:
    """Start a task that runs a command in place of the service's own; raise `UserError` where it cannot."""
    ecs = project.session.client("ecs")
    found = running_service(project, service)
    request: dict[str, Any] = {
        "cluster": project.cluster,
        "taskDefinition": found["taskDefinition"],
        "networkConfiguration": found["networkConfiguration"],
        "overrides": {"containerOverrides": [{"name": service, "command": list(command)}]},
        "startedBy": STARTED_BY,
        "group": f"run:{service}",
        "count": 1,
    }
    if found.get("capacityProviderStrategy"):
        request["capacityProviderStrategy"] = found["capacityProviderStrategy"]
    else:
        request["launchType"] = found.get("launchType", "FARGATE")
    answer = ecs.run_task(**request)
    if not answer["tasks"]:
        why = "; ".join(f"{each.get('reason', '')} {each.get('detail', '')}".strip() for each in answer["failures"])
        raise UserError(f"run {service}", why or "no task was started", "tidegate status")
    arn = answer["tasks"][0]["taskArn"]
    definition = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    return Task(arn, service, number_of(found["taskDefinition"]), _log(definition, service, arn))


def follow(project: Project, task: Task, line: Callable[[str], None], step: Callable[[str], None]) -> int:
    """Pass on what a task writes, and its steps, until it has ended; return the exit code of its command.

    Raises `UserError` where it never started. Whoever stops waiting (Ctrl-C) has the task stopped as well.
    """
    ecs, read = project.session.client("ecs"), _reader(project, task)
    left, told = _LAST_LOOK, ""
    try:
        for _ in _often(project):
            described = ecs.describe_tasks(cluster=project.cluster, tasks=[task.arn])["tasks"][0]
            status = described["lastStatus"]
            if _STEPS.get(status, status) != told:
                told = _STEPS.get(status, status)
                step(told)
            written = False
            for each in read():
                written = True
                line(each)
            if status == "STOPPED":
                left = left if written else left - 1
                if left == 0:
                    return _exit_code(described, task)
    except (KeyboardInterrupt, StoppedError):
        ecs.stop_task(cluster=project.cluster, task=task.arn, reason="tidegate run was interrupted")
        why = "you stopped waiting, and so the task was told to end (SIGTERM)"
        raise UserError(f"run {task.service}", why, f"tidegate logs {task.service}") from None
    raise AssertionError  # pauses never end


@dataclass(frozen=True, slots=True)
class Session:
    """A command that runs in a task, and where to talk to it. The token is a secret."""

    task: str
    url: str
    token: str


def execute(project: Project, service: str, command: Sequence[str], task: str | None) -> Session:
    """Start a command in a running task (the newest, unless one is named by the start of its id)."""
    ecs = project.session.client("ecs")
    if not running_service(project, service).get("enableExecuteCommand"):
        raise UserError(
            f"exec {service}",
            "it is not allowed for this service",
            f"write services.{service}.exec: true into tidegate.yml, then tidegate up",
        )
    chosen = _running_task(project, service, task)
    if not chosen.get("enableExecuteCommand"):
        command = f"aws ecs update-service --cluster {project.cluster} --service {service} --force-new-deployment"
        raise UserError(f"exec {service}", f"task {_short(chosen)} was started before it was allowed", command)
    agents = [
        agent
        for container in chosen["containers"]
        if container["name"] == service
        for agent in container.get("managedAgents", [])
        if agent["name"] == "ExecuteCommandAgent"
    ]
    if agents and agents[0].get("lastStatus") != "RUNNING":
        why = f"the agent in task {_short(chosen)} is {str(agents[0].get('lastStatus')).lower()}"
        reason = f": {agents[0]['reason']}" if agents[0].get("reason") else ""
        raise UserError(f"exec {service}", why + reason, "the same command in a moment, or with --task")
    try:
        answer = ecs.execute_command(
            cluster=project.cluster,
            task=chosen["taskArn"],
            container=service,
            interactive=True,  # AWS offers nothing else
            command=shlex.join(command),
        )
    except ecs.exceptions.TargetNotConnectedException as error:
        why = error.response["Error"]["Message"]
        raise UserError(f"exec {service}", why, "the same command in a moment, or with --task") from error
    return Session(_short(chosen), answer["session"]["streamUrl"], answer["session"]["tokenValue"])


def _running_task(project: Project, service: str, start_of_id: str | None) -> Any:
    ecs = project.session.client("ecs")
    arns = ecs.list_tasks(cluster=project.cluster, serviceName=service, desiredStatus="RUNNING")["taskArns"]
    found = ecs.describe_tasks(cluster=project.cluster, tasks=arns)["tasks"] if arns else []
    running = [each for each in found if each["lastStatus"] == "RUNNING"]
    if start_of_id is not None:
        running = [each for each in running if each["taskArn"].rpartition("/")[2].startswith(start_of_id)]
    if not running:
        which = f"none whose id begins with {start_of_id}" if start_of_id else "none"
        known = ", ".join(_short(each) for each in found if each["lastStatus"] == "RUNNING")
        raise UserError(
            f"exec {service}",
            f"{which} of its tasks runs" + (f"; there are {known}" if known else ""),
            "tidegate status",
        )
    return max(running, key=lambda each: each["createdAt"])


def _short(task: Any) -> str:
    return str(task["taskArn"].rpartition("/")[2][:8])


def _log(definition: Any, container: str, task: str) -> tuple[str, str] | None:
    """Return the log group and the stream that a container of a task writes to."""
    found = next(each for each in definition["containerDefinitions"] if each["name"] == container)
    logging = found.get("logConfiguration", {})
    options = logging.get("options", {})
    if logging.get("logDriver") != "awslogs" or "awslogs-stream-prefix" not in options:
        return None
    stream = f"{options['awslogs-stream-prefix']}/{container}/{task.rpartition('/')[2]}"
    return options["awslogs-group"], stream


def _reader(project: Project, task: Task) -> Callable[[], Iterator[str]]:
    """Return what yields the lines that have come since it was called last."""
    logs, token = project.session.client("logs"), ""

    def read() -> Iterator[str]:
        nonlocal token
        while task.log is not None:
            request = {"logGroupName": task.log[0], "logStreamName": task.log[1], "startFromHead": True}
            try:
                answer = logs.get_log_events(**request, **({"nextToken": token} if token else {}))
            except logs.exceptions.ResourceNotFoundException:
                return  # it has not written yet
            for event in answer["events"]:
                yield event["message"].rstrip("\n")
            ended, token = answer["nextForwardToken"] == token, answer["nextForwardToken"]
            if ended or not answer["events"]:
                return

    return read


def _often(project: Project) -> Iterator[None]:
    """Yield a few times a second."""
    while True:
        pauses = project.pace.pauses()
        for _ in range(4):
            yield next(pauses)


def _exit_code(task: Any, of: Task) -> int:
    container = next(each for each in task["containers"] if each["name"] == of.service)
    if "exitCode" in container:
        return int(container["exitCode"])
    why = container.get("reason") or task.get("stoppedReason") or "it ended without an exit code"
    raise UserError(f"run {of.service}", f"its task did not run: {why}", "tidegate status")
