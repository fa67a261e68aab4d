"""Runs actions: hands each to its provider, and writes how it ended."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.codepipeline.action_types import TypeName
from tidegate.cloud.services.codepipeline.custom import is_custom
from tidegate.cloud.services.codepipeline.lifecycle import ExecutionLifecycle
from tidegate.cloud.services.codepipeline.model import (
    IN_PROGRESS,
    ActionRecord,
    CodePipelineModel,
    ExecutionRecord,
    find_action,
    is_over,
)
from tidegate.cloud.services.codepipeline.reconciler.run import (
    CONFIGURATION_ERROR,
    JOB_FAILED,
    PERMISSION_ERROR,
    ActionFailedError,
    ActionRun,
    Done,
    GoneError,
    Later,
    Provider,
    Sessions,
    is_denied,
)
from tidegate.cloud.store import Key


class Actions:
    """The controller of actions in progress, by (region, pipeline, execution, action execution)."""

    def __init__(
        self,
        model: CodePipelineModel,
        lifecycle: ExecutionLifecycle,
        sessions: Sessions,
        clock: Clock,
        providers: Mapping[TypeName, Provider],
        custom: Provider,
    ) -> None:
        self._model = model
        self._lifecycle = lifecycle
        self._sessions = sessions
        self._clock = clock
        self._providers = providers
        self._custom = custom

    async def reconcile(self, key: Key) -> float | None:
        """Take an action one step further; return the seconds until it is to be looked at again."""
        execution, now = self._model.executions.get(*key[:3]), self._clock.now()
        action = None if execution is None else find_action(execution, key[3])
        if execution is None or action is None or action["status"] != IN_PROGRESS:
            self._sessions.forget(key[2])
            return None
        started = action["started"]
        left = (action["deadline"] - started - self._clock.elapsed(started)).total_seconds()
        try:
            if left <= 0:
                minutes = int((action["deadline"] - started).total_seconds() / 60)
                raise ActionFailedError(JOB_FAILED, f"The action did not complete within {minutes} minutes")
            outcome = await self._advance(ActionRun(self._model, self._sessions, key, execution, now))
        except ActionFailedError as error:
            self._fail(key, error)
        except GoneError:
            pass  # nobody wants to know any more
        else:
            if isinstance(outcome, Later):
                return min(outcome.seconds, left)
            self._succeed(key, outcome)
        return None

    async def _advance(self, run: ActionRun) -> Later | Done:
        kind = run.action["input"]["actionTypeId"]
        try:
            if is_custom(kind):
                return await self._custom.advance(run)
            return await self._providers[TypeName(kind["category"], kind["provider"])].advance(run)
        except ServiceError as error:
            if is_denied(error):
                what = f"The provided role does not have sufficient permissions to access {kind['provider']}"
                raise ActionFailedError(PERMISSION_ERROR, f"{what}. {error.message}") from error
            if error.code == "NotImplemented":
                raise ActionFailedError(CONFIGURATION_ERROR, error.message) from error
            if error.status >= 500:
                raise  # it may pass: the loop comes back, until the action's time is over
            raise ActionFailedError(JOB_FAILED, f"{error.message} ({error.code})") from error

    def _succeed(self, key: Key, outcome: Done) -> None:
        found = self._find(key)
        if found is None:
            return
        execution, action = found
        action["variables"] = dict(outcome.variables)
        with self._model.store.transaction():
            self._lifecycle.succeed(
                key[0], key[1], execution, action, summary=outcome.summary, revision=outcome.revision
            )
            self._model.put_execution(key[0], key[1], execution)

    def _fail(self, key: Key, error: ActionFailedError) -> None:
        found = self._find(key)
        if found is None:
            return
        execution, action = found
        with self._model.store.transaction():
            self._lifecycle.fail(key[0], key[1], execution, action, error.code, error.message)
            self._model.put_execution(key[0], key[1], execution)

    def _find(self, key: Key) -> tuple[ExecutionRecord, ActionRecord] | None:
        """Return an action that is in progress, read anew, and its execution."""
        execution = self._model.executions.get(*key[:3])
        action = None if execution is None else find_action(execution, key[3])
        if execution is None or action is None or action["status"] != IN_PROGRESS or is_over(execution):
            return None
        return execution, action
