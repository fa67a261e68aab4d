"""From a commit to the service that serves it: pushed, then followed through the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.deploy.errors import UserError
from tidegate.deploy.executions import Executions
from tidegate.deploy.project import Project
from tidegate.deploy.repository import Commit
from tidegate.deploy.source import Source
from tidegate.deploy.stacks import Stacks
from tidegate.template import names


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push has brought: the commit, whether it was new, how long it took to be live, and where it is."""

    commit: Commit
    new: bool
    seconds: float
    url: str | None


def push(project: Project) -> Pushed:
    """Push the commit that is checked out and follow it until it is live; raise `UserError` where it is not."""
    here = Stacks(project.session, project.progress, project.pace)
    outputs = Stacks(project.home, project.progress, project.pace).outputs(names.image_stack(project.app))
    executions = Executions(project)
    before = executions.summaries(50)
    if not outputs or not before:
        raise UserError(f"pipeline {executions.name}", "there is none yet", "tidegate up")
    commit = project.repository.head()
    started = project.pace.now()
    url = here.outputs(names.environment_stack(project.app, project.environment)).get("Url")
    project.progress.step("push", f"{commit.short} {commit.subject}")
    delivered = Source(project, outputs).deliver(commit)
    if not delivered.new:
        return Pushed(commit, new=False, seconds=0.0, url=url)
    project.progress.done("push", f"{commit.short} {commit.subject}", project.pace.now() - started)
    known = {each["pipelineExecutionId"] for each in before}
    executions.follow(executions.of_revision(commit, delivered.revision, known))
    return Pushed(commit, new=True, seconds=project.pace.now() - started, url=url)
