"""Pipeline executions: found by their commit, followed stage by stage, explained when they fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegate.deploy.builds import Builds
from tidegate.deploy.diagnosis import diagnose
from tidegate.deploy.errors import UserError
from tidegate.deploy.project import Project
from tidegate.deploy.repository import Commit
from tidegate.deploy.session import Session
from tidegate.template import names

_APPROVAL = "Approval"
_ENDED = ("Succeeded", "Failed", "Stopped", "Superseded", "Cancelled")
_PATIENCE = 90.0  # seconds in which a push must have started the pipeline
_SHOWN_EVENTS = 3


@dataclass(frozen=True, slots=True)
class Executions:
    """The executions of one app's pipeline."""

    project: Project

    @property
    def name(self) -> str:
        """Return the pipeline's name."""
        return names.pipeline(self.project.app)

    @property
    def _client(self) -> Any:
        return self.project.home.client("codepipeline")

    def summaries(self, number: int = 10) -> list[Any]:
        """Return the last executions, the newest first; none where there is no pipeline."""
        try:
            answer = self._client.list_pipeline_executions(pipelineName=self.name, maxResults=number)
        except self._client.exceptions.PipelineNotFoundException:
            return []
        return list(answer["pipelineExecutionSummaries"])

    def clusters(self) -> set[str]:
        """Return the clusters that the pipeline deploys to, none where there is no pipeline."""
        try:
            stages = self._client.get_pipeline(name=self.name)["pipeline"]["stages"]
        except self._client.exceptions.PipelineNotFoundException:
            return set()
        actions = [action.get("configuration", {}) for stage in stages for action in stage["actions"]]
        return {each["ClusterName"] for each in actions if "ClusterName" in each}

    def begins(self) -> bool:
        """Return whether the pipeline's very first execution is under way."""
        found = self.summaries(2)
        return len(found) == 1 and found[0]["status"] == "InProgress"

    def follow_first(self) -> None:
        """Follow the execution that a new pipeline begins with."""

        def first() -> Any:
            found = self.summaries(1)
            return found[0] if found else None

        self.follow(self.project.pace.until(first)["pipelineExecutionId"], to_approval=True)

    def of_revision(self, commit: Commit, revision: str, known: set[str]) -> str:
        """Return the id of the execution that a push of this commit started: one that was not `known` before.

        `revision` is what the pipeline knows the commit by.
        """
        started = self.project.pace.now()

        def found() -> str | None:
            for summary in self.summaries():
                revisions = [each.get("revisionId") for each in summary.get("sourceRevisions", [])]
                if revision in revisions and summary["pipelineExecutionId"] not in known:
                    return str(summary["pipelineExecutionId"])
            if self.project.pace.now() - started > _PATIENCE:
                why = f"the push of {commit.short} did not start it within {_PATIENCE:.0f} s"
                if self.project.manifest.pipeline.trigger.paths:
                    why += "; does it change a file that pipeline.trigger.paths names?"
                raise UserError(f"pipeline {self.name}", why, "tidegate pipeline start")
            return None

        return self.project.pace.until(found)

    def follow(self, execution: str, *, to_approval: bool = False) -> None:
        """Tell of each action as it begins and ends; raise `UserError` where the execution does not succeed.

        `to_approval`: do not wait for somebody's approval, only say that it is waited for.
        """
        told: dict[str, str] = {}

        def ended() -> Any:
            summary = self._client.get_pipeline_execution(pipelineName=self.name, pipelineExecutionId=execution)
            actions = self._actions(execution)
            self._tell(actions, told)
            if to_approval and any(map(_waits, actions)):
                return _APPROVAL
            status = summary["pipelineExecution"]["status"]
            return status if status in _ENDED else None

        status = self.project.pace.until(ended)
        if status == _APPROVAL:
            return
        actions = self._actions(execution)
        self._tell(actions, told)
        if status == "Superseded":
            raise UserError(f"pipeline {self.name}", "a newer push has overtaken this one", "tidegate status")
        if status != "Succeeded":
            raise self._failure(actions, status)

    def _actions(self, execution: str) -> list[Any]:
        """Return the actions of an execution, the earliest first."""
        pages = self._client.get_paginator("list_action_executions").paginate(
            pipelineName=self.name, filter={"pipelineExecutionId": execution}
        )
        actions = [action for page in pages for action in page["actionExecutionDetails"]]
        return sorted(actions, key=lambda action: action["startTime"])

    def _tell(self, actions: list[Any], told: dict[str, str]) -> None:
        for action in actions:
            key, status = action["actionExecutionId"], action["status"]
            if told.get(key) == status:
                continue
            told[key] = status
            title = f"{action['stageName']}: {action['actionName']}"
            if status == "Succeeded":
                seconds = (action["lastUpdateTime"] - action["startTime"]).total_seconds()
                self.project.progress.done(title, _summary(action), seconds)
            else:
                text = "waits for tidegate pipeline approve" if _waits(action) else status.lower()
                self.project.progress.step(title, text)

    def _failure(self, actions: list[Any], status: str) -> UserError:
        failed = next((action for action in actions if action["status"] in ("Failed", "Abandoned")), None)
        if failed is None:
            return UserError(f"pipeline {self.name}", f"the execution ended as {status}", "tidegate status")
        title = f"{failed['stageName']}: {failed['actionName']}"
        result = failed.get("output", {}).get("executionResult", {})
        why = result.get("errorDetails", {}).get("message") or result.get("externalExecutionSummary") or status
        provider = failed["input"]["actionTypeId"]["provider"]
        if provider == "CodeBuild" and result.get("externalExecutionId"):
            build = self.project.home.client("codebuild").batch_get_builds(ids=[result["externalExecutionId"]])
            # one that goes on, or that went well, is not what failed
            if build["builds"] and build["builds"][0]["buildStatus"] not in ("IN_PROGRESS", "SUCCEEDED"):
                return Builds(self.project).failure(build["builds"][0], title)
        if provider == "ECS":
            configuration = failed["input"].get("configuration", {})
            place = (configuration.get("ClusterName", ""), configuration.get("ServiceName", ""))
            session = self.project.session.at(failed["input"].get("region"))
            found = diagnose(session, *place, failed["startTime"])
            for line in _service_events(session, *place) if found is None else found.lines:
                self.project.progress.line(title, line)
            if found is not None:
                why = f"{why.rstrip('.')}: {found.why}"
        return UserError(title, why, "tidegate logs, mend it and commit, then tidegate push")


def _service_events(session: Session, cluster: str, service: str) -> list[str]:
    services = session.client("ecs").describe_services(cluster=cluster, services=[service])["services"]
    events = services[0]["events"][:_SHOWN_EVENTS] if services else []
    return [event["message"] for event in reversed(events)]


def _waits(action: Any) -> bool:
    """Return whether an action waits for somebody's approval."""
    return bool(action["status"] == "InProgress" and action["input"]["actionTypeId"]["provider"] == "Manual")


def _summary(action: Any) -> str:
    result = action.get("output", {}).get("executionResult", {})
    text = result.get("externalExecutionSummary") or "done"
    return str(text).splitlines()[0][:80]
