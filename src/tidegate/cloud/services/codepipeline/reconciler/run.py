"""One run of an action, as its provider sees it: what to do, as whom, and what it has done so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.cloud.call import Calls, RoleSession
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.model import (
    IN_PROGRESS,
    ActionRecord,
    CodePipelineModel,
    ExecutionRecord,
    find_action,
)
from tidegate.cloud.services.codepipeline.structure import artifact_store
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_codepipeline import type_defs as t

SERVICE = "codepipeline.amazonaws.com"
POLL = 15.0  # seconds; change notices come first, this is for those that are missed

JOB_FAILED = "JobFailed"
CONFIGURATION_ERROR = "ConfigurationError"
PERMISSION_ERROR = "PermissionError"
REVISION_UNAVAILABLE = "RevisionUnavailable"

_MARGIN = timedelta(minutes=5)


class ActionFailedError(Exception):
    """An action that cannot succeed; `code` is one of `FailureDetails`', the message is the user's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class GoneError(Exception):
    """The action is not in progress any more: it was abandoned, or the pipeline was deleted."""


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing more to do now: look again when something changes, or in `seconds`."""

    seconds: float = POLL


@dataclass(frozen=True, slots=True)
class Done:
    """The action has succeeded."""

    variables: Mapping[str, str] = field(default_factory=dict)
    summary: str | None = None
    revision: t.ArtifactRevisionTypeDef | None = None  # a source action's


class Provider(Protocol):
    """Does what an action of one provider does.

    `advance` is called again and again until it is `Done` or raises `ActionFailedError`; whatever it must not do
    twice it notes with `run.keep` before and after. A denied call fails the action with the denial's own words.
    """

    async def advance(self, run: ActionRun) -> Later | Done: ...


class Sessions:
    """The sessions of the roles that actions run as, kept for as long as they are valid."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self._sessions: dict[tuple[str, ...], RoleSession] = {}

    async def of(self, pipeline_role: str, role: str | None, name: str, region: str, source: str) -> RoleSession:
        """Return a session of the pipeline's role, or of an action's own, which the pipeline's role assumes."""
        session = self._known(pipeline_role, name, region)
        if session is None:
            session = await self._calls.as_role(pipeline_role, SERVICE, name, region, source=source)
            self._sessions[pipeline_role, name, region] = session
        if role is None:
            return session
        own = self._known(pipeline_role, name, region, role)
        if own is None:
            own = await self._calls.chained(session, role)
            self._sessions[pipeline_role, name, region, role] = own
        return own

    def forget(self, name: str) -> None:
        """Drop the sessions of this name."""
        for key in [each for each in self._sessions if each[1] == name]:
            del self._sessions[key]

    def _known(self, *key: str) -> RoleSession | None:
        session = self._sessions.get(key)
        if session is None or session.credentials["Expiration"] - self._clock.now() < _MARGIN:
            return None
        return session


class ActionRun:
    """A run of an action in progress."""

    def __init__(
        self, model: CodePipelineModel, sessions: Sessions, key: Key, execution: ExecutionRecord, now: datetime
    ) -> None:
        """`key` is (region, pipeline, execution, action execution)."""
        self._model = model
        self._sessions = sessions
        self.region, self.pipeline, self.execution_id, self.id = key
        self.execution = execution
        self.now = now
        self._take(execution)

    def _take(self, execution: ExecutionRecord) -> None:
        action = find_action(execution, self.id)
        if action is None or action["status"] != IN_PROGRESS:
            raise GoneError
        self.action: ActionRecord = action

    @property
    def configuration(self) -> Mapping[str, str]:
        """The configuration, with the values of its variables."""
        return self.action["input"]["resolvedConfiguration"]

    @property
    def progress(self) -> Mapping[str, Any]:
        """What was kept so far."""
        return self.action["progress"]

    @property
    def inputs(self) -> Mapping[str, t.S3LocationTypeDef]:
        """Where the input artifacts are."""
        return {each["name"]: each["s3location"] for each in self.action["input"]["inputArtifacts"]}

    @property
    def outputs(self) -> Mapping[str, t.S3LocationTypeDef]:
        """Where the output artifacts go."""
        return {each["name"]: each["s3location"] for each in self.action["outputs"]}

    @property
    def encryption_key(self) -> str | None:
        """The key of KMS that output artifacts are encrypted with; None: whatever the bucket does by itself."""
        record = self._model.pipelines.get(self.region, self.pipeline)
        store = None if record is None else artifact_store(record["pipeline"], self.region)
        return None if store is None or "encryptionKey" not in store else store["encryptionKey"]["id"]

    @property
    def pinned(self) -> Mapping[str, str]:
        """The revision that a source action is to take, by its type; empty: the newest."""
        return self.execution["pinned"].get(self.action["name"], {})

    @property
    def role(self) -> str:
        """The pipeline's role."""
        record = self._model.pipelines.get(self.region, self.pipeline)
        if record is None:
            raise GoneError
        return record["pipeline"]["roleArn"]

    async def session(self) -> RoleSession:
        """Return the hand of the role that the action runs as; raise where it cannot be assumed."""
        record = self._model.pipelines.get(self.region, self.pipeline)
        if record is None:
            raise GoneError
        role, own = record["pipeline"]["roleArn"], self.action["input"].get("roleArn")
        source = self._model.arn(self.region, self.pipeline)
        try:
            return await self._sessions.of(role, own, self.execution_id, self.region, source)
        except ServiceError as error:
            raise ActionFailedError(
                PERMISSION_ERROR,
                f"CodePipeline is not authorized to perform AssumeRole on role {own or role}. {error.message}",
            ) from error

    def keep(
        self,
        *,
        external_id: str | None = None,
        external_url: str | None = None,
        summary: str | None = None,
        log_stream: str | None = None,
        **progress: Any,
    ) -> None:
        """Note what was done, or is about to be; raise `GoneError` where the action is not in progress any more."""

        def change(execution: ExecutionRecord) -> None:
            action = find_action(execution, self.id)
            if action is None or action["status"] != IN_PROGRESS:
                raise GoneError
            action["progress"].update(progress)
            if external_id is not None:
                action["external_id"] = external_id
            if external_url is not None:
                action["external_url"] = external_url
            if summary is not None:
                action["summary"] = summary
            if log_stream is not None:
                action["log_stream"] = log_stream

        changed = self._model.executions.update((self.region, self.pipeline, self.execution_id), change)
        if changed is None:
            raise GoneError
        self.execution = changed
        self._take(changed)

    def see(self, revision: str) -> None:
        """Remember the revision that a source action has found, so that it does not start the pipeline again.

        One that it was told to take is not remembered: the newest may be another.
        """
        if self.pinned:
            return
        record = self._model.pipelines.get(self.region, self.pipeline)
        if record is None:
            raise GoneError
        record["seen"][self.action["name"]] = revision
        # written even where it is not new: who watches the source has waited to hear what this action took
        self._model.pipelines.put((self.region, self.pipeline), record)


def is_denied(error: ServiceError) -> bool:
    """Return whether a call failed because it was not allowed."""
    return error.code in ("AccessDenied", "AccessDeniedException")
