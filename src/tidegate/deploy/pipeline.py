"""The pipeline as it stands, and what one can have it do: start, approve, retry, hold, stop.

https://docs.aws.amazon.com/codepipeline/latest/userguide/pipelines.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from tidegate.deploy.errors import UserError
from tidegate.deploy.executions import Executions
from tidegate.deploy.progress import StoppedError
from tidegate.deploy.project import Project
from tidegate.deploy.releases import first_line
from tidegate.template import names

_INBOUND = "Inbound"
_SHORT = 8


@dataclass(frozen=True, slots=True)
class Action:
    """An action's last run. `token` is what an approval that waits is answered with."""

    name: str
    status: str
    since: datetime | None = None
    summary: str = ""
    why: str = ""
    link: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class StageState:
    """A stage: what is in it, what waits before it, and whether it is held (`reason` says why)."""

    name: str
    status: str
    execution: str
    enabled: bool
    reason: str = ""
    held_by: str = ""
    waiting: list[str] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of the pipeline."""

    id: str
    status: str
    started: datetime
    commit: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class PipelineState:
    """The pipeline, stage by stage, and its last executions."""

    name: str
    stages: list[StageState]
    executions: list[Run]

    def document(self) -> dict[str, Any]:
        """Return it for other programs; what an approval is answered with stays here."""
        document = asdict(self)
        for stage in document["stages"]:
            for action in stage["actions"]:
                del action["token"]
        return document


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The pipeline of a project."""

    project: Project

    @property
    def name(self) -> str:
        """Return its name."""
        return names.pipeline(self.project.app)

    @property
    def _client(self) -> Any:
        return self.project.home.client("codepipeline")

    def state(self) -> PipelineState:
        """Return how it stands; raise `UserError` where there is none."""
        stages = [_stage(each) for each in self._state()["stageStates"]]
        return PipelineState(self.name, stages, [_run(each) for each in Executions(self.project).summaries()])

    def start(self) -> str:
        """Start an execution with the newest commit of the branch; return its id."""
        self._state()
        return str(self._client.start_pipeline_execution(name=self.name)["pipelineExecutionId"])

    def follow(self, execution: str) -> None:
        """Follow an execution to its end; raise `UserError` where it does not succeed."""
        try:
            Executions(self.project).follow(execution)
        except (KeyboardInterrupt, StoppedError):  # the same command again would start another one
            raise UserError("stopped", "the execution goes on by itself", "tidegate pipeline status") from None

    def answer(self, stage: str | None, message: str, *, approved: bool) -> str:
        """Approve or reject what waits for it; return the stage and the action's name."""
        found = [
            (each, action)
            for each in self.state().stages
            for action in each.actions
            if action.token and stage in (None, each.name)
        ]
        if not found:
            where = f" in {stage}" if stage else ""
            raise UserError(
                f"pipeline {self.name}", f"nothing waits for an approval{where}", "tidegate pipeline status"
            )
        if len(found) > 1:
            waiting = ", ".join(state.name for state, _ in found)
            raise UserError(
                f"pipeline {self.name}", f"several stages wait for an approval: {waiting}", "add --stage NAME"
            )
        ((state, action),) = found
        self._client.put_approval_result(
            pipelineName=self.name,
            stageName=state.name,
            actionName=action.name,
            result={"summary": message, "status": "Approved" if approved else "Rejected"},
            token=action.token,
        )
        return f"{state.name}: {action.name}"

    def retry(self, stage: str | None, *, everything: bool) -> tuple[str, str]:
        """Run what failed in a stage again; return the stage and the execution's id."""
        failed = [
            each for each in self.state().stages if each.status in ("Failed", "Stopped") and stage in (None, each.name)
        ]
        if not failed:
            where = f"{stage} has not failed" if stage else "no stage has failed"
            raise UserError(f"pipeline {self.name}", where, "tidegate pipeline start")
        chosen = failed[-1]  # the farthest that an execution got
        self._client.retry_stage_execution(
            pipelineName=self.name,
            stageName=chosen.name,
            pipelineExecutionId=chosen.execution,
            retryMode="ALL_ACTIONS" if everything else "FAILED_ACTIONS",
        )
        return chosen.name, chosen.execution

    def hold(self, stage: str | None, reason: str) -> str:
        """Let no execution into a stage; return which: the one that deploys to the project's environment if none is."""
        chosen = self._chosen(stage)
        self._client.disable_stage_transition(
            pipelineName=self.name, stageName=chosen, transitionType=_INBOUND, reason=reason
        )
        return chosen

    def release(self, stage: str | None) -> str:
        """Let executions into a stage again; return which."""
        chosen = self._chosen(stage)
        self._client.enable_stage_transition(pipelineName=self.name, stageName=chosen, transitionType=_INBOUND)
        return chosen

    def stop(self, reason: str, *, abandon: bool) -> list[str]:
        """Stop what is under way, after its running actions or at once; return the executions' ids."""
        stopped = []
        for run in self.state().executions:
            if run.status == "InProgress" or (run.status == "Stopping" and abandon):
                self._client.stop_pipeline_execution(
                    pipelineName=self.name, pipelineExecutionId=run.id, abandon=abandon, reason=reason
                )
                stopped.append(run.id)
        return stopped

    def _chosen(self, stage: str | None) -> str:
        known = [each["stageName"] for each in self._state()["stageStates"]]
        chosen = stage or names.logical("deploy", self.project.environment)
        if chosen not in known:
            raise UserError(f"stage {chosen}", f"there are {', '.join(known)}", "tidegate pipeline status")
        return chosen

    def _state(self) -> Any:
        try:
            return self._client.get_pipeline_state(name=self.name)
        except self._client.exceptions.PipelineNotFoundException:
            raise UserError(f"pipeline {self.name}", "there is none yet", "tidegate up") from None


def _stage(state: Any) -> StageState:
    latest, gate = state.get("latestExecution", {}), state.get("inboundTransitionState", {})
    waiting = [each["pipelineExecutionId"] for each in state.get("inboundExecutions", [])]
    return StageState(
        state["stageName"],
        latest.get("status", ""),
        latest.get("pipelineExecutionId", ""),
        gate.get("enabled", True),
        gate.get("disabledReason", ""),
        gate.get("lastChangedBy", "") if not gate.get("enabled", True) else "",
        waiting,
        list(_actions(state)),
    )


def _actions(state: Any) -> Iterator[Action]:
    for action in state.get("actionStates", []):
        latest = action.get("latestExecution", {})
        yield Action(
            action["actionName"],
            latest.get("status", ""),
            latest.get("lastStatusChange"),
            next(iter((latest.get("summary") or "").splitlines()), ""),
            latest.get("errorDetails", {}).get("message", ""),
            latest.get("externalExecutionUrl") or action.get("entityUrl", ""),
            latest.get("token", "") if latest.get("status") == "InProgress" else "",
        )


def _run(summary: Any) -> Run:
    revision = (summary.get("sourceRevisions") or [{}])[0]
    message = first_line(revision.get("revisionSummary") or "")
    return Run(
        summary["pipelineExecutionId"],
        summary["status"],
        summary["startTime"],
        revision.get("revisionId", "")[:_SHORT],
        message,
    )
