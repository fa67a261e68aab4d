"""What uses the rights of roles, to be run again: a push, a build by itself, a task, a job, a shell."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tidegate.deploy.builds import Builds
from tidegate.deploy.errors import UserError
from tidegate.deploy.executions import Executions
from tidegate.deploy.progress import Pace, StoppedError
from tidegate.deploy.project import Project
from tidegate.deploy.rehearsal import Rehearsal
from tidegate.deploy.releases import running_service
from tidegate.deploy.source import Source
from tidegate.deploy.stacks import Stacks
from tidegate.deploy.tasks import execute
from tidegate.judge.roles import Access, Right, denied
from tidegate.template import names

_PATIENCE = 120.0  # seconds after which what does not end by itself is given up
_DENIAL_PATIENCE = 10.0  # seconds in which what is asked for in passing must have been asked for
_SOURCE_SERVICES = ("codecommit", "codeconnections", "codestar-connections")  # of a build without a pipeline
_EVENTS = "tidegate.rehearsal"  # the source of events that have a job run now, not by its clock

_NEWEST = 20  # executions that are looked through
_NOT_STARTED = "not started"

Denial = Callable[[], str | None]


@dataclass
class Written:
    """Progress that is kept, for its words count."""

    lines: list[str] = field(default_factory=list)

    def step(self, name: str, text: str) -> None:
        """Take no notice."""

    def done(self, name: str, text: str, seconds: float) -> None:
        """Take no notice."""

    def line(self, name: str, text: str) -> None:
        """Keep a line that something wrote."""
        self.lines.append(text)

    def close(self) -> None:
        """Nothing is open."""


class Attempts:
    """Runs the parts of a rehearsal. Each returns what failed, as its user reads it; nothing where it went well."""

    def __init__(self, rehearsal: Rehearsal, accesses: Callable[[], list[Access]]) -> None:
        self._rehearsal = rehearsal
        self._accesses = accesses

    def moment(self) -> float:
        """Return the time of what is known to have been done last, by the local cloud's clock."""
        return max((each.last for each in self._accesses()), default=0.0)

    def all(self) -> None:
        """Run everything once; raise `UserError` where something of it fails."""
        failed = self._push(lambda: None) or self._build(self._rehearsal.projects[0])
        for project in self._rehearsal.projects:
            for name, service in project.manifest.services_in(project.environment).items():
                if service.exec:
                    failed = failed or self._shell(project, name)
            for key in project.manifest.jobs_in(project.environment):
                failed = failed or self._job(project, key, lambda: None)
        if failed:
            raise UserError("rehearsal", f"with every role as it is: {failed}", "mend it, then the same command again")

    def of(self, right: Right, since: float) -> str:
        """Run what uses a right, until something fails, and return that."""

        def denial() -> str | None:
            return denied(right, self._accesses(), since)

        for attempt in self._attempts(right, denial):
            failed = attempt()
            if failed:
                return failed
        return ""

    def _attempts(self, right: Right, denial: Denial) -> Iterator[Callable[[], str]]:
        """Yield what uses a right of a role, the likeliest first."""
        title, project, service = right.role.title, *self._place(right)
        if title == "ExecutionRole":
            yield lambda: self._task(project, service, denial)
        elif title == "TaskRole":
            yield lambda: self._shell(project, service)
        elif title == "JobRole":
            for key, job in project.manifest.jobs_in(project.environment).items():
                if project.manifest.job_service(job) == service:
                    yield partial(self._job, project, key, denial)
        elif right.action.partition(":")[0] in _SOURCE_SERVICES and title == "BuildRole":
            yield lambda: self._build(project)
        else:
            yield lambda: self._push(denial)
            if title == "BuildRole":
                yield lambda: self._build(project)

    def _place(self, right: Right) -> tuple[Project, str]:
        """Return the project and the service that a role belongs to; the first ones where it belongs to all."""
        for project in self._rehearsal.projects:
            for service in project.manifest.services:
                if names.service_stack(project.app, project.environment, service) == right.role.stack:
                    return project, service
        first = self._rehearsal.projects[0]
        return first, next(iter(first.manifest.services))

    def _push(self, denial: Denial) -> str:
        """Push a commit and follow it through the pipeline; a pipeline that does not start is told by the denial."""
        self._rehearsal.commit()
        with _attempt(self._rehearsal.projects[0]) as (project, said):
            executions = Executions(project)
            outputs = Stacks(project.home, project.progress, project.pace).outputs(names.image_stack(project.app))
            known = {each["pipelineExecutionId"] for each in executions.summaries(_NEWEST)}
            revision = Source(project, outputs).deliver(project.repository.head()).revision

            def started() -> str | None:
                for each in executions.summaries(_NEWEST):
                    revisions = [found.get("revisionId") for found in each.get("sourceRevisions", [])]
                    new = each["pipelineExecutionId"] not in known
                    # one that could not even take its source has no revision
                    if new and (revision in revisions or each["status"] == "Failed"):
                        return str(each["pipelineExecutionId"])
                return _NOT_STARTED if denial() else None

            execution = project.pace.until(started)
            if execution == _NOT_STARTED:
                return f"the push does not start the pipeline: {denial()}"
            try:
                executions.follow(execution)
            except StoppedError:
                place = {"pipelineName": executions.name, "pipelineExecutionId": execution}
                project.home.client("codepipeline").stop_pipeline_execution(**place, abandon=True)
                raise
        return said.text

    def _build(self, project: Project) -> str:
        """Have a build fetch the code by itself, as the first one does."""
        with _attempt(project) as (project, said):
            outputs = Stacks(project.home, project.progress, project.pace).outputs(names.image_stack(project.app))
            source = Source(project, outputs)
            revision = source.deliver(project.repository.head()).revision
            service = next(iter(project.manifest.services))
            started = project.home.client("codebuild").start_build(
                projectName=names.build_project(project.app, service),
                artifactsOverride={"type": "NO_ARTIFACTS"},
                **source.override(revision),
            )
            Builds(project).follow(started["build"]["id"], f"build {service}")
        return said.text

    def _task(self, project: Project, service: str, denial: Denial) -> str:
        """Start a task of a service, see it run or fail, and stop it."""
        with _attempt(project) as (project, said):
            ecs, found = project.session.client("ecs"), running_service(project, service)
            launch = {"launchType": "FARGATE", "networkConfiguration": found["networkConfiguration"]}
            task = ecs.run_task(cluster=project.cluster, taskDefinition=found["taskDefinition"], **launch)["tasks"][0]

            def settled() -> Any:
                described = ecs.describe_tasks(cluster=project.cluster, tasks=[task["taskArn"]])["tasks"][0]
                return described if described["lastStatus"] in ("RUNNING", "STOPPED") else None

            settled_task = project.pace.until(settled)
            if settled_task["lastStatus"] == "STOPPED" and settled_task.get("stopCode") == "TaskFailedToStart":
                reasons = [each["reason"] for each in settled_task["containers"] if each.get("reason")]
                return "; ".join([settled_task["stoppedReason"], *reasons])
            ecs.stop_task(cluster=project.cluster, task=task["taskArn"], reason="the rehearsal is over")
            _within(_DENIAL_PATIENCE, denial)  # what its log carries comes with its end at the latest
        return said.text

    def _shell(self, project: Project, service: str) -> str:
        """Ask for a shell in a task that runs."""
        with _attempt(project) as (project, said):
            execute(project, service, ["true"], None)
        return said.text

    def _job(self, project: Project, key: str, denial: Denial) -> str:
        """Have a job's rule run it now: by an event, for its clock may be a day away."""
        job = project.manifest.jobs_in(project.environment)[key]
        with _attempt(project) as (project, said):
            stack = names.service_stack(project.app, project.environment, project.manifest.job_service(job))
            resource = {"StackName": stack, "LogicalResourceId": names.logical(key, "job")}
            answer = project.session.client("cloudformation").describe_stack_resource(**resource)
            rule = answer["StackResourceDetail"]["PhysicalResourceId"].rpartition("|")[2]
            events, ecs = project.session.client("events"), project.session.client("ecs")
            events.put_rule(Name=rule, EventPattern=json.dumps({"source": [_EVENTS]}), State="ENABLED")
            before = set(ecs.list_tasks(cluster=project.cluster, family=stack)["taskArns"])
            events.put_events(Entries=[{"Source": _EVENTS, "DetailType": "now", "Detail": "{}"}])

            def ran() -> str | None:
                why = denial()
                if why:
                    return f"the job {key} does not run: {why}"
                for status in ("RUNNING", "STOPPED"):
                    listed = ecs.list_tasks(cluster=project.cluster, family=stack, desiredStatus=status)["taskArns"]
                    if set(listed) - before:
                        return ""
                return None

            return project.pace.until(ran)
        return said.text


class _Said:
    """What an attempt said."""

    def __init__(self) -> None:
        self.text = ""


@contextmanager
def _attempt(project: Project) -> Iterator[tuple[Project, _Said]]:
    """Yield a project that keeps what is said, and what was said: of what fails inside, nothing where nothing does.

    What does not end is stopped after a while, and has not failed.
    """
    written, pace, said = Written(), Pace(), _Said()
    timer = threading.Timer(_PATIENCE, pace.stop)
    timer.start()
    try:
        yield replace(project, progress=written, pace=pace), said
    except UserError as error:
        said.text = "\n".join([f"{error.what}: {error.why}", *written.lines])
    except StoppedError:
        said.text = ""
    finally:
        timer.cancel()


def _within(seconds: float, condition: Callable[[], object]) -> None:
    """Wait until a condition holds, `seconds` at the most."""
    began = Pace.now()
    for _ in Pace().pauses():
        if condition() or Pace.now() - began > seconds:
            return
