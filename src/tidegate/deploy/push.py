"""From a commit to the service that serves it: pushed, then followed through the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.deploy.errors import UserError
from tidegate.deploy.executions import Executions
from tidegate.deploy.project import Project
from tidegate.deploy.repository import Commit
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
    stacks = Stacks(project.session, project.progress, project.pace)
    clone_url = stacks.outputs(names.image_stack(project.app)).get("SourceUrl")
    executions = Executions(project)
    if clone_url is None or not executions.summaries(1):
        raise UserError(f"pipeline {executions.name}", "there is none yet", "tidegate up")
    commit = project.repository.head()
    known = {each["pipelineExecutionId"] for each in executions.summaries(50)}
    started = project.pace.now()
    url = stacks.outputs(names.environment_stack(project.app, project.environment)).get("Url")
    project.progress.step("push", f"{commit.short} {commit.subject}")
    if not project.repository.push(clone_url, project.manifest.source.branch, project.session):
        return Pushed(commit, new=False, seconds=0.0, url=url)
    project.progress.done("push", f"{commit.short} {commit.subject}", project.pace.now() - started)
    executions.follow(executions.of_commit(commit, known))
    return Pushed(commit, new=True, seconds=project.pace.now() - started, url=url)
