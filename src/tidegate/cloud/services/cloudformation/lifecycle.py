"""The beginnings of operations: a stack's record with what is to be done, all in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.cloudformation.model import (
    CloudFormationModel,
    OperationRecord,
    Source,
    StackRecord,
)
from tidegate.cloud.services.cloudformation.template.parameters import shown
from tidegate.cloud.services.cloudformation.template.parse import parse
from tidegate.cloud.store import Key


class StackLifecycle:
    """Begins creates, updates, deletes and continued rollbacks."""

    def __init__(self, model: CloudFormationModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock

    def new_stack(self, region: str, name: str) -> tuple[Key, StackRecord]:
        """Return the record of a stack that does not exist yet; it is not written."""
        key = (region, name, self._clock.new_id())
        stack_id = f"arn:aws:cloudformation:{region}:{self._model.account}:stack/{name}/{key[2]}"
        record: StackRecord = {
            "stack": {
                "StackId": stack_id,
                "StackName": name,
                "CreationTime": self._clock.now(),
                "StackStatus": "REVIEW_IN_PROGRESS",
                "DisableRollback": False,
                "NotificationARNs": [],
                "RollbackConfiguration": {},
                "EnableTerminationProtection": False,
                "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
                "Tags": [],
            },
            "source": None,
            "operation": None,
            "paused": None,
            "imports": [],
        }
        return key, record

    def begin(
        self,
        key: Key,
        record: StackRecord,
        kind: str,
        source: Source,
        principal: Mapping[str, Any],
        *,
        role: str | None,
        token: str | None = None,
        on_failure: str = "ROLLBACK",
        deadline: datetime | None = None,
        retained: Sequence[str] = (),
        capabilities: Sequence[str] = (),
    ) -> None:
        """Begin a create, an update or a delete of a stack."""
        stack = record["stack"]
        before = {
            name: stack[name]
            for name in ("Parameters", "Tags", "Outputs", "Description", "Capabilities", "RoleARN")
            if name in stack
        }
        operation: OperationRecord = {
            "id": self._clock.new_id(),
            "kind": kind,
            "phase": "delete" if kind == "DELETE" else "forward",
            "attempt": 0,
            "principal": dict(principal),
            "role": role or stack.get("RoleARN"),
            "source": source,
            "before": {"stack": before} if kind == "UPDATE" else None,
            "retained": list(retained),
            "wanted": [],
            "on_failure": on_failure,
            "failure": None,
            "deadline": deadline,
            "token": token,
        }
        record["operation"], record["paused"] = operation, None
        if role is not None:
            stack["RoleARN"] = role
        reason = None
        if kind == "DELETE":
            stack["DeletionTime"] = self._clock.now()
        else:
            self._take(record, source, capabilities)
            stack["DisableRollback"] = on_failure == "DO_NOTHING"
            if kind == "UPDATE":
                stack["LastUpdatedTime"] = self._clock.now()
        if kind != "UPDATE" and token is None:
            reason = "User Initiated"
        with self._model.store.transaction():
            for name, resource in self._model.resources_of(key).items():
                resource["change"], resource["before"] = None, None
                self._model.resources.put((*key, name), resource)
            self._model.set_status(key, record, f"{kind}_IN_PROGRESS", reason)

    def continue_rollback(self, key: Key, record: StackRecord, skipped: Sequence[str]) -> None:
        """Take up a rollback that has failed, leaving out what the user wants left as it is."""
        operation = record["paused"]
        assert operation is not None
        with self._model.store.transaction():
            for name in skipped:
                resource = self._model.resources.get(*key, name)
                if resource is not None:
                    resource["change"] = None
                    self._model.resources.put((*key, name), resource)
            record["operation"], record["paused"] = operation, None
            self._model.set_status(key, record, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")

    def cancel(self, key: Key, record: StackRecord) -> None:
        """Turn an update back."""
        assert record["operation"] is not None
        record["operation"]["failure"] = "User Initiated"
        self._model.stacks.put(key, record)

    @staticmethod
    def _take(record: StackRecord, source: Source, capabilities: Sequence[str]) -> None:
        """Show what the stack is (to be) made from."""
        stack, template = record["stack"], parse(source["template"])
        stack["Parameters"] = [*shown(template, source["parameters"], source["values"])]  # type: ignore[list-item]
        stack["Tags"] = [{"Key": key, "Value": value} for key, value in source["tags"].items()]
        if capabilities:
            stack["Capabilities"] = list(capabilities)  # type: ignore[arg-type]
        stack.pop("Description", None)
        if "Description" in template:
            stack["Description"] = str(template["Description"])
