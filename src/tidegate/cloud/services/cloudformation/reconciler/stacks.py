"""Takes an operation on a stack through its phases: forward, back where that fails, and the clearing up.

Everything that no dependency forbids runs at once. Each look reads the records anew and starts what is ready; the
resources themselves are `Resources`' business.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.cloudformation import schemas
from tidegate.cloud.services.cloudformation.model import (
    CloudFormationModel,
    Made,
    OperationRecord,
    ResourceRecord,
    StackRecord,
    Work,
)
from tidegate.cloud.services.cloudformation.outputs import imports_of, outputs_of
from tidegate.cloud.services.cloudformation.plan import Plan, State, plan, replacement, reverse
from tidegate.cloud.services.cloudformation.scopes import StackScopes, stack_tags
from tidegate.cloud.services.cloudformation.template.evaluate import Scope
from tidegate.cloud.services.cloudformation.template.graph import dependencies
from tidegate.cloud.services.cloudformation.template.parse import TemplateError
from tidegate.cloud.store import Key

_SUFFIX = 12
_CUSTOM_NAME = (
    "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {} and update the "
    "stack again."
)
_ENDED = {"CREATE": "CREATE_COMPLETE", "UPDATE": "UPDATE_COMPLETE"}


class Stacks:
    """The controller of stacks, by (region, name, unique id)."""

    def __init__(self, model: CloudFormationModel, scopes: StackScopes, clock: Clock) -> None:
        self._model = model
        self._scopes = scopes
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Start what is ready on a stack; return the seconds until its time is up."""
        while True:
            stack = self._model.stacks.get(*key)
            if stack is None or stack["operation"] is None:
                return None
            operation, resources = stack["operation"], self._model.resources_of(key)
            if operation["phase"] == "forward" and operation["failure"] is None:
                self._check_time(key, stack, operation)
            moved = {
                "forward": self._forward,
                "rollback": self._rollback,
                "cleanup": self._cleanup,
                "delete": self._delete,
            }[operation["phase"]](key, stack, operation, resources)
            if not moved:
                left = self._left(stack, operation)
                return None if left is None else max(left.total_seconds(), 0.1)

    # -- forward ---------------------------------------------------------------------------------------------------

    def _forward(
        self, key: Key, stack: StackRecord, operation: OperationRecord, resources: dict[str, ResourceRecord]
    ) -> bool:
        scope = self._scopes.scope(stack["stack"].get("StackId", ""), operation["source"], resources)
        entries = {name: entry for name, entry in scope.template["Resources"].items() if scope.included(entry)}
        needs = dependencies(scope.template, entries)
        ahead = plan(needs, self._states(operation, needs, resources), stop_on_failure=True)
        if operation["failure"] is not None:
            ahead = Plan(over=not self._busy(resources), failed=("",))
        if ahead.failed and self._cancel_waits(key, resources):
            return True
        for name in ahead.start:
            self._start(key, stack, operation, scope, name, needs[name], resources.get(name))
        if not ahead.over:
            return bool(ahead.start)
        if ahead.failed:
            self._turn_back(key, stack, operation, ahead.failed)
            return True
        return self._arrive(key, stack, operation, scope)

    def _start(
        self,
        key: Key,
        stack: StackRecord,
        operation: OperationRecord,
        scope: Scope,
        name: str,
        depends: list[str],
        record: ResourceRecord | None,
    ) -> None:
        """Begin with one resource: create it, update it, replace it, or see that it is as it should be."""
        entry = scope.template["Resources"][name]
        resource_key = (*key, name)
        new = record is None or record["now"]["physical"] is None
        if record is None or new:
            record = self._new(name, entry["Type"])
        elif record["type"] != entry["Type"]:
            record["handled"], record["outcome"] = self._phase(operation), "failed"
            why = f"Update of resource type is not permitted. The new template modifies resource type of: [{name}]"
            self._model.set_resource(resource_key, record, "UPDATE_FAILED", why)
            return
        record["depends"] = depends
        record["deletion"] = entry.get("DeletionPolicy", "Delete")
        record["replacement"] = entry.get("UpdateReplacePolicy", "Delete")
        record["handled"], record["outcome"] = self._phase(operation), ""
        kind = "CREATE" if new else "UPDATE"
        try:
            target = self._target(stack, operation, scope, name)
        except (TemplateError, schemas.PropertiesError) as error:
            record["outcome"] = "failed"
            if new:
                record["change"] = "created"
            self._model.set_resource(resource_key, record, f"{kind}_FAILED", str(error))
            return
        change = "CREATE" if new else replacement(record["type"], record["now"]["properties"], target)
        if change == "NONE" and record["status"].endswith("_FAILED"):
            change = "UPDATE"  # what was tried before may be half done
        if change == "NONE":
            record["outcome"], record["change"], record["before"] = "done", None, None
            self._model.resources.put(resource_key, record)
        elif change == "REPLACE" and (title := _custom_name(record["type"], record["now"]["properties"], target)):
            record["outcome"] = "failed"
            self._model.set_resource(resource_key, record, "UPDATE_FAILED", _CUSTOM_NAME.format(title))
        else:
            self._begin(resource_key, record, change, target)

    def _begin(self, key: Key, record: ResourceRecord, change: str, target: dict[str, Any]) -> None:
        suffix = self._clock.token(_SUFFIX)
        kept: Made = {**record["now"]}
        record["before"] = None if change == "CREATE" else kept
        record["change"] = {"CREATE": "created", "UPDATE": "updated", "REPLACE": "replaced", "RECREATE": "recreated"}[
            change
        ]
        reason = None
        if change in ("CREATE", "REPLACE"):
            record["now"] = {"physical": None, "properties": {}, "attributes": {}, "suffix": suffix}
        if change == "REPLACE":
            reason = "Requested update requires the creation of a new physical resource; hence creating one."
        action = {"CREATE": "CREATE", "UPDATE": "UPDATE"}.get(change, "REPLACE")
        record["work"] = self._work(action, "clear" if change == "RECREATE" else "make", target, suffix)
        status = "CREATE_IN_PROGRESS" if action == "CREATE" else "UPDATE_IN_PROGRESS"
        self._model.set_resource(key, record, status, reason)

    def _target(self, stack: StackRecord, operation: OperationRecord, scope: Scope, name: str) -> dict[str, Any]:
        """Return the properties that a resource is to have; raise where they cannot be."""
        entry = scope.template["Resources"][name]
        schema = schemas.schema(entry["Type"])
        properties = schema.typed(scope.properties(name))
        try:
            schema.check(properties)
        except schemas.PropertiesError as error:
            raise schemas.PropertiesError(
                f"Properties validation failed for resource {name} with message: {error}"
            ) from None
        system = stack_tags(stack["stack"].get("StackId", ""), name)
        return schema.tagged(properties, operation["source"]["tags"], system)

    def _arrive(self, key: Key, stack: StackRecord, operation: OperationRecord, scope: Scope) -> bool:
        """End the way forward: outputs, exports, and for an update the clearing up."""
        others = {name: owner for name, (_, owner) in self._model.exports(key[0]).items()}
        stack_id = stack["stack"].get("StackId", "")
        try:
            outputs = outputs_of(scope)
            for output in outputs:
                owner = others.get(output.get("ExportName", ""), stack_id)
                if owner != stack_id:
                    raise TemplateError(
                        f"Export with name {output['ExportName']} is already exported by stack {owner.split('/')[1]}."
                    )
            self._check_imports(key, stack, outputs)
        except TemplateError as error:
            operation["failure"] = str(error)
            self._turn_back(key, stack, operation, ())
            return True
        operation["wanted"] = [name for name, entry in scope.template["Resources"].items() if scope.included(entry)]
        stack["stack"]["Outputs"] = outputs
        stack["imports"] = imports_of(scope)
        stack["source"] = operation["source"]
        if operation["kind"] == "UPDATE":
            operation["phase"] = "cleanup"
            self._model.set_status(key, stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            return True
        self._end(key, stack, "CREATE_COMPLETE")
        return False

    def _check_imports(self, key: Key, stack: StackRecord, outputs: list[Any]) -> None:
        """Raise where an export that another stack imports would go, or get another value."""
        kept = {each["ExportName"]: each["OutputValue"] for each in outputs if "ExportName" in each}
        for old in stack["stack"].get("Outputs", []):
            name = old.get("ExportName")
            if name is None or kept.get(name) == old["OutputValue"]:
                continue
            users = self._model.importers(key[0], name)
            if users:
                verb = "updated" if name in kept else "deleted"
                raise TemplateError(f"Cannot {verb[:-1]} export {name} as it is in use by {', '.join(users)}")

    def _left(self, stack: StackRecord, operation: OperationRecord) -> timedelta | None:
        """Return how much is left of the time that a stack's creation may take; None where it may take any."""
        if operation["deadline"] is None:
            return None
        begun = stack["stack"]["CreationTime"]
        return operation["deadline"] - begun - self._clock.elapsed(begun)

    def _check_time(self, key: Key, stack: StackRecord, operation: OperationRecord) -> None:
        left = self._left(stack, operation)
        if left is not None and left <= timedelta(0):
            operation["failure"] = "Stack creation time exceeded the specified timeout."
            operation["deadline"] = None
            self._model.stacks.put(key, stack)

    def _cancel_waits(self, key: Key, resources: Mapping[str, ResourceRecord]) -> bool:
        """Stop waiting for what is made but not ready: it is going to be taken back."""
        cancelled = False
        for name, record in resources.items():
            work = record["work"]
            if work is not None and work["stage"] == "settle":
                kind = "CREATE" if work["action"] == "CREATE" else "UPDATE"
                record["work"], record["outcome"] = None, "failed"
                record["now"]["properties"] = work["target"]
                what = "creation" if kind == "CREATE" else "update"
                self._model.set_resource((*key, name), record, f"{kind}_FAILED", f"Resource {what} cancelled")
                cancelled = True
        return cancelled

    # -- back ------------------------------------------------------------------------------------------------------

    def _turn_back(self, key: Key, stack: StackRecord, operation: OperationRecord, failed: tuple[str, ...]) -> None:
        """Begin with the rollback, or stay as it is where that was asked for."""
        verb = "create" if operation["kind"] == "CREATE" else "update"
        reason = operation["failure"] or f"The following resource(s) failed to {verb}: [{', '.join(failed)}]. "
        if operation["on_failure"] == "DO_NOTHING":
            stack["source"] = operation["source"]
            self._end(key, stack, f"{operation['kind']}_FAILED", reason)
            return
        operation["failure"] = reason
        if operation["kind"] == "CREATE":
            operation["phase"] = "delete"
            if operation["on_failure"] == "DELETE":
                self._model.set_status(key, stack, "DELETE_IN_PROGRESS", reason)
            else:
                self._model.set_status(
                    key, stack, "ROLLBACK_IN_PROGRESS", f"{reason.rstrip()} Rollback requested by user."
                )
            return
        operation["phase"] = "rollback"
        self._model.set_status(key, stack, "UPDATE_ROLLBACK_IN_PROGRESS", reason)

    def _rollback(
        self, key: Key, stack: StackRecord, operation: OperationRecord, resources: dict[str, ResourceRecord]
    ) -> bool:
        """Give every resource that the update has touched what it had before."""
        touched = {name: each for name, each in resources.items() if each["change"] not in (None, "created")}
        needs = {name: record["depends"] for name, record in touched.items()}
        back = plan(needs, self._states(operation, needs, resources), stop_on_failure=False)
        for name in back.start:
            self._take_back((*key, name), operation, resources[name])
        if not back.over:
            return bool(back.start)
        if back.failed:
            operation["attempt"] += 1
            stack["operation"] = operation
            names = ", ".join(back.failed)
            self._pause(
                key, stack, "UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{names}]. "
            )
            return False
        before = operation["before"] or {}
        stack["stack"] = {**stack["stack"], **before.get("stack", {})}
        for name in ("Outputs", "Tags", "Parameters"):
            if name not in before.get("stack", {}):
                stack["stack"].pop(name, None)  # type: ignore[misc]
        operation["phase"] = "cleanup"
        self._model.set_status(key, stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        return True

    def _take_back(self, key: Key, operation: OperationRecord, record: ResourceRecord) -> None:
        before, suffix = record["before"], self._clock.token(_SUFFIX)
        record["handled"], record["outcome"] = self._phase(operation), ""
        if before is None:
            record["outcome"] = "done"
            self._model.resources.put(key, record)
        elif record["change"] == "replaced":
            record["now"], record["before"] = before, record["now"]
            record["outcome"] = "done"
            self._model.set_resource(key, record, "UPDATE_COMPLETE")
        else:
            action, stage = ("UPDATE", "make") if record["change"] == "updated" else ("REPLACE", "clear")
            if stage == "clear" and record["now"]["physical"] is None:
                stage = "make"
            record["work"] = self._work(action, stage, before["properties"], suffix)
            self._model.set_resource(key, record, "UPDATE_IN_PROGRESS")

    # -- clearing up -----------------------------------------------------------------------------------------------

    def _cleanup(
        self, key: Key, stack: StackRecord, operation: OperationRecord, resources: dict[str, ResourceRecord]
    ) -> bool:
        """Delete what the update, or its rollback, leaves over: replaced ones, and those that are in no template."""
        rolled_back = operation["failure"] is not None
        doomed: dict[str, ResourceRecord] = {}
        for name, record in resources.items():
            before = record["before"]
            leftover = record["change"] == "replaced" and before is not None and before["physical"] is not None
            left = record["change"] == "created" if rolled_back else name not in operation["wanted"]
            if leftover or left:
                doomed[name] = record
        needs = reverse({name: record["depends"] for name, record in doomed.items()})
        states = self._states(operation, needs, resources)
        ahead = plan(needs, states, stop_on_failure=False)
        for name in ahead.start:
            old = doomed[name]["change"] == "replaced" and doomed[name]["before"] is not None
            self._remove((*key, name), operation, doomed[name], old=old)
        if not ahead.over:
            return bool(ahead.start)
        if self._attempt_again(operation, ahead):
            stack["operation"] = operation
            self._model.stacks.put(key, stack)
            return True
        self._end(key, stack, "UPDATE_ROLLBACK_COMPLETE" if rolled_back else "UPDATE_COMPLETE")
        return False

    def _attempt_again(self, operation: OperationRecord, ahead: Plan) -> bool:
        """Return whether what could not be deleted is tried once more: it may have been in use a moment ago."""
        if not ahead.failed or operation["attempt"] >= 2:
            return False
        operation["attempt"] += 1
        return True

    def _delete(
        self, key: Key, stack: StackRecord, operation: OperationRecord, resources: dict[str, ResourceRecord]
    ) -> bool:
        """Delete every resource: of a stack that is deleted, or whose creation failed."""
        needs = reverse({name: record["depends"] for name, record in resources.items()})
        ahead = plan(needs, self._states(operation, needs, resources), stop_on_failure=False)
        if self._busy(resources):
            ahead = Plan(ahead.start, False, ahead.failed)
        for name in ahead.start:
            self._remove((*key, name), operation, resources[name], old=False)
        if not ahead.over:
            return bool(ahead.start)
        creation = operation["kind"] == "CREATE" and operation["on_failure"] != "DELETE"
        if ahead.failed:
            reason = f"The following resource(s) failed to delete: [{', '.join(ahead.failed)}]. "
            self._end(key, stack, "ROLLBACK_FAILED" if creation else "DELETE_FAILED", reason)
            return False
        if creation:
            self._end(key, stack, "ROLLBACK_COMPLETE")
            return False
        stack["stack"]["DeletionTime"] = self._clock.now()
        for output in stack["stack"].get("Outputs", []):
            output.pop("ExportName", None)
        self._end(key, stack, "DELETE_COMPLETE")
        return False

    def _remove(self, key: Key, operation: OperationRecord, record: ResourceRecord, *, old: bool) -> None:
        """Begin to delete a resource, or see that it is to be kept or is not there."""
        record["handled"], record["outcome"] = self._phase(operation), ""
        made = record["before"] if old else record["now"]
        assert made is not None
        policy = record["replacement"] if old else record["deletion"]
        kept = policy == "Retain" or (policy == "RetainExceptOnCreate" and record["change"] != "created")
        if operation["phase"] == "delete" and operation["kind"] == "DELETE" and key[3] in operation["retained"]:
            kept = True
        if made["physical"] is None:
            record["outcome"] = "done"
            if record["status"] != "DELETE_COMPLETE":
                self._model.set_resource(key, record, "DELETE_COMPLETE")
            else:
                self._model.resources.put(key, record)
        elif kept:
            record["outcome"] = "done"
            if old:
                record["before"] = None
            self._write(key, record, "DELETE_SKIPPED", made if old else None)
        else:
            record["work"] = self._work("DELETE", "remove", made["properties"], made["suffix"], old=old)
            self._write(key, record, "DELETE_IN_PROGRESS", made if old else None)

    def _write(self, key: Key, record: ResourceRecord, status: str, old: Made | None) -> None:
        if old is None:
            self._model.set_resource(key, record, status)
        else:
            self._model.set_replaced(key, record, status, None, old)

    # -- common ----------------------------------------------------------------------------------------------------

    def _end(self, key: Key, stack: StackRecord, status: str, reason: str | None = None) -> None:
        """Close the operation; what is in no template any more is forgotten."""
        if status in ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
            for name, record in self._model.resources_of(key).items():
                if record["status"] in ("DELETE_COMPLETE", "DELETE_SKIPPED"):
                    self._model.resources.delete(*key, name)
        self._model.set_status(key, stack, status, reason)
        stack["operation"] = None
        self._model.stacks.put(key, stack)

    def _pause(self, key: Key, stack: StackRecord, status: str, reason: str) -> None:
        """Stop where only the user can go on (ContinueUpdateRollback)."""
        operation = stack["operation"]
        assert operation is not None
        self._model.set_status(key, stack, status, reason)
        stack["operation"] = None
        stack["paused"] = operation
        self._model.stacks.put(key, stack)

    def _new(self, name: str, kind: str) -> ResourceRecord:
        return {
            "logical": name,
            "type": kind,
            "now": {"physical": None, "properties": {}, "attributes": {}, "suffix": ""},
            "status": "",
            "reason": None,
            "updated": self._clock.now(),
            "depends": [],
            "deletion": "Delete",
            "replacement": "Delete",
            "work": None,
            "change": None,
            "before": None,
            "handled": "",
            "outcome": "",
        }

    def _work(self, action: str, stage: str, target: dict[str, Any], suffix: str, *, old: bool = False) -> Work:
        return {
            "action": action,
            "stage": stage,
            "begun": False,
            "token": self._clock.new_id(),
            "target": target,
            "suffix": suffix,
            "since": self._clock.now(),
            "old": old,
        }

    def _states(
        self, operation: OperationRecord, needs: Mapping[str, Any], resources: Mapping[str, ResourceRecord]
    ) -> dict[str, State]:
        return {name: self._state(operation, resources.get(name)) for name in needs}

    def _state(self, operation: OperationRecord, record: ResourceRecord | None) -> State:
        if record is None:
            return State.WAITING
        if record["work"] is not None:
            return State.BUSY
        if record["handled"] != self._phase(operation):
            return State.WAITING
        return State.FAILED if record["outcome"] == "failed" else State.DONE

    @staticmethod
    def _phase(operation: OperationRecord) -> str:
        return f"{operation['id']}/{operation['phase']}/{operation['attempt']}"

    @staticmethod
    def _busy(resources: Mapping[str, ResourceRecord]) -> bool:
        return any(record["work"] is not None for record in resources.values())


def _custom_name(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return the name that a replacement would need twice, or None."""
    names = schemas.schema(kind).names
    if names and all(name in after and before.get(name) == after[name] for name in names):
        return str(after[names[0]])
    return None
