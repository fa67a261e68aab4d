"""Does what is to be done with one resource: one call after the other, each noted before the next.

A kill between any two lines is survived: what is made is looked for before it is made again, what is deleted may be
gone already, and an update or a look can be had twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tidegate.cloud.call import Caller
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation import schemas
from tidegate.cloud.services.cloudformation.model import (
    STACK_TYPE,
    CloudFormationModel,
    Made,
    OperationRecord,
    ResourceRecord,
    StackRecord,
    Work,
)
from tidegate.cloud.services.cloudformation.reconciler.callers import Callers
from tidegate.cloud.services.cloudformation.references import UnresolvedError, filled
from tidegate.cloud.services.cloudformation.resources.handler import FailedError, Handler, Step
from tidegate.cloud.store import Key

_LOOK_AGAIN = 0.2  # seconds
_PATIENCE = timedelta(minutes=10)  # with what others still use
_HANDLER_CODES = {
    "AccessDenied": "AccessDenied",
    "AccessDeniedException": "AccessDenied",
    "NotImplemented": "UnsupportedTarget",
    "ValidationException": "InvalidRequest",
    "ValidationError": "InvalidRequest",
    "InvalidParameterException": "InvalidRequest",
    "InvalidParameterValue": "InvalidRequest",
    "ClientException": "InvalidRequest",
}
_ENDINGS = {"CREATE": "CREATE", "UPDATE": "UPDATE", "REPLACE": "UPDATE", "DELETE": "DELETE"}


class SupersededError(Exception):
    """The work was taken back while it was done: the stack is rolled back, or gone."""


class Resources:
    """The controller of resources, by (region, stack's name, stack's unique id, logical id)."""

    def __init__(
        self, model: CloudFormationModel, callers: Callers, clock: Clock, handlers: Mapping[str, Handler]
    ) -> None:
        self._model = model
        self._callers = callers
        self._clock = clock
        self._handlers = handlers
        self._secrets: dict[Key, list[str]] = {}  # those among the properties of what is under way: never told

    async def reconcile(self, key: Key) -> float | None:
        """Take a resource one step further; return the seconds until it is to be looked at again."""
        record, stack = self._model.resources.get(*key), self._model.stacks.get(*key[:3])
        if record is None or stack is None or record["work"] is None or stack["operation"] is None:
            return None
        work, operation = record["work"], stack["operation"]
        handler = self._handlers[record["type"]]
        try:
            while (stage := await self._advance(key, stack, operation, handler)) != "done":
                if stage == "wait":
                    return _LOOK_AGAIN
        except SupersededError:
            return None
        except ServiceError as error:
            code = "NotFound" if handler.is_missing(error) else _handler_code(error)
            self._fail(key, work, _reason(self._untold(key, error.message), work, code))
        except FailedError as error:
            self._fail(key, work, _reason(self._untold(key, error.message), work, error.code))
        except UnresolvedError as error:
            self._fail(key, work, str(error))
        finally:
            self._secrets.pop(key, None)
        return None

    async def _advance(self, key: Key, stack: StackRecord, operation: OperationRecord, handler: Handler) -> str:
        """Do the stage that comes next; return done, wait, or anything else: there is more to do at once."""
        record = self._model.resources.get(*key)
        if record is None or record["work"] is None:
            raise SupersededError
        work = record["work"]
        stack_id = stack["stack"].get("StackId", "")
        caller = await self._callers.of(stack_id, operation["principal"], operation["role"])
        step = await self._step(key, stack_id, record, work, caller)
        if work["stage"] in ("remove", "clear"):
            try:
                await handler.delete(step)
            except ServiceError as error:
                if not handler.is_missing(error):
                    raise
            self._note(key, work, stage="removing" if work["stage"] == "remove" else "clearing")
            return "more"
        if work["stage"] in ("removing", "clearing"):
            if not await handler.gone(step):
                if self._clock.elapsed(work["since"]) > _PATIENCE:
                    raise FailedError(f"{step.physical_id} is still in use by something else", "NotStabilized")
                return "wait"
            if work["stage"] == "clearing":
                self._cleared(key, work)
                return "more"
            self._finish(key, work, None)
            return "done"
        if work["stage"] == "make":
            physical_id = await self._make(key, record, work, handler, step)
            self._note(key, work, physical_id, stage="settle")
            return "more"
        if not await handler.settled(step):
            return "wait"
        self._finish(key, work, dict(await handler.read(step)))
        return "done"

    async def _make(self, key: Key, record: ResourceRecord, work: Work, handler: Handler, step: Step) -> str:
        if work["action"] == "UPDATE":
            await handler.update(step, record["now"]["properties"])
            return step.physical_id
        found = await handler.find(step) if work["begun"] else None
        if found is None:
            self._note(key, work, begun=True)
            found = await handler.create(step)
        return found

    async def _step(self, key: Key, stack_id: str, record: ResourceRecord, work: Work, caller: Caller) -> Step:
        made = record["before"] if work["old"] else record["now"]
        assert made is not None
        taking_away = work["stage"] in ("remove", "removing", "clear", "clearing")
        properties = made["properties"] if taking_away else work["target"]
        filled_in = properties
        if record["type"] != STACK_TYPE:  # a stack within resolves its own: nothing is kept in clear in its parameters
            filled_in, self._secrets[key] = await filled(caller, properties, strict=work["stage"] == "make")
        if filled_in != properties:
            filled_in = schemas.schema(record["type"]).typed(filled_in)

        def note(physical_id: str) -> None:
            def change(changed: ResourceRecord) -> None:
                changed["now"]["physical"] = physical_id

            if self._model.resources.update(key, change) is None:
                raise SupersededError

        return Step(
            caller,
            stack_id=stack_id,
            logical_id=record["logical"],
            properties=filled_in,
            suffix=made["suffix"] if work["action"] in ("UPDATE", "DELETE") else work["suffix"],
            token=work["token"],
            physical_id=made["physical"],
            attributes=made["attributes"],
            made=note,
        )

    def _note(self, key: Key, work: Work, physical_id: str | None = None, **progress: Any) -> None:
        def change(record: ResourceRecord) -> None:
            if record["work"] is None or record["work"]["token"] != work["token"]:
                raise SupersededError
            record["work"].update(progress)  # type: ignore[typeddict-item]
            if physical_id is not None:
                record["now"]["physical"] = physical_id

        if self._model.resources.update(key, change) is None:
            raise SupersededError

    def _cleared(self, key: Key, work: Work) -> None:
        """Note that the old one is gone and the new one is to be made."""

        def change(record: ResourceRecord) -> None:
            assert record["work"] is not None
            nothing: Made = {"physical": None, "properties": {}, "attributes": {}, "suffix": work["suffix"]}
            record["now"] = nothing
            record["work"] |= {"stage": "make", "begun": False}

        self._model.resources.update(key, change)

    def _finish(self, key: Key, work: Work, attributes: dict[str, Any] | None) -> None:
        record = self._ended(key, work, "done")
        status = f"{_ENDINGS[work['action']]}_COMPLETE"
        if work["old"]:
            old = record["before"]
            assert old is not None
            record["before"] = None
            self._model.set_replaced(key, record, status, None, old)
            return
        made = record["now"]
        if work["action"] == "DELETE":
            self._model.set_resource(key, record, status)
            record["now"] = {**made, "physical": None, "attributes": {}}
            self._model.resources.put(key, record)
            return
        suffix = made["suffix"] if work["action"] == "UPDATE" else work["suffix"]
        record["now"] = {
            "physical": made["physical"],
            "properties": work["target"],
            "attributes": attributes or {},
            "suffix": suffix,
        }
        self._model.set_resource(key, record, status)

    def _untold(self, key: Key, message: str) -> str:
        """Return a service's sentence without the secrets that it may have been given."""
        for secret in sorted(self._secrets.get(key, ()), key=len, reverse=True):
            message = message.replace(secret, "****") if secret else message
        return message

    def _fail(self, key: Key, work: Work, reason: str) -> None:
        try:
            record = self._ended(key, work, "failed")
        except SupersededError:
            return
        before = record["before"]
        going_back = before is not None and before["properties"] == work["target"]
        if work["action"] != "DELETE" and not going_back:
            # nobody knows how far it came: what takes it back has to see all of it
            record["now"]["properties"] = work["target"]
        status = f"{_ENDINGS[work['action']]}_FAILED"
        if work["old"]:
            assert record["before"] is not None
            self._model.set_replaced(key, record, status, reason, record["before"])
        else:
            self._model.set_resource(key, record, status, reason)

    def _ended(self, key: Key, work: Work, outcome: str) -> ResourceRecord:
        record = self._model.resources.get(*key)
        if record is None or record["work"] is None or record["work"]["token"] != work["token"]:
            raise SupersededError
        record["work"] = None
        record["outcome"] = outcome
        return record


def _reason(message: str, work: Work, code: str) -> str:
    return f'Resource handler returned message: "{message}" (RequestToken: {work["token"]}, HandlerErrorCode: {code})'


def _handler_code(error: ServiceError) -> str:
    if "AlreadyExists" in error.code or "Duplicate" in error.code:
        return "AlreadyExists"
    return _HANDLER_CODES.get(error.code, "GeneralServiceException")
