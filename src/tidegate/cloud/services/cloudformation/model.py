"""CloudFormation's records: stacks with the operation under way, their resources, change sets, events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.cloudformation.template.parameters import without_hidden
from tidegate.cloud.services.cloudformation.template.parse import parse
from tidegate.cloud.store import Collection, Entry, Key, Store

if TYPE_CHECKING:
    from types_boto3_cloudformation import type_defs as t

STACK_TYPE = "AWS::CloudFormation::Stack"
GONE = "DELETE_COMPLETE"
IN_REVIEW = "REVIEW_IN_PROGRESS"


class Source(TypedDict):
    """What a stack is made from: its template and everything that this is evaluated with."""

    template: str
    parameters: dict[str, str]  # as given, by key
    values: dict[str, str]  # as they are used: what Systems Manager parameters hold, not their names
    tags: dict[str, str]
    zones: dict[str, list[str]]  # availability zones, by region
    references: NotRequired[dict[str, str]]  # what plain dynamic references stand for


class OperationRecord(TypedDict):
    """A create, an update or a delete under way, and how far it has come.

    `phase` is forward, rollback, cleanup or delete; `attempt` counts how often a phase was begun again.
    """

    id: str
    kind: str  # CREATE, UPDATE, DELETE
    phase: str
    attempt: int
    principal: dict[str, Any]
    role: str | None
    source: Source
    before: dict[str, Any] | None  # the stack's record, in parts, that a rollback restores
    retained: list[str]
    wanted: list[str]  # the resources of the template that was arrived at: what else there is, is cleared up
    on_failure: str  # ROLLBACK, DELETE, DO_NOTHING
    failure: str | None  # why it is rolled back
    deadline: datetime | None
    token: str | None


class StackRecord(TypedDict):
    """A stack as DescribeStacks shows it, what it is made from, and what is being done to it."""

    stack: t.StackTypeDef
    source: Source | None  # None: only a change set of it was made
    operation: OperationRecord | None
    paused: OperationRecord | None  # a rollback that failed, until the user has it continued
    imports: list[str]  # the exports that it uses


class Made(TypedDict):
    """What a resource is, or was before this operation."""

    physical: str | None
    properties: dict[str, Any]
    attributes: dict[str, Any]
    suffix: str


class Work(TypedDict):
    """What is being done to a resource: `stage` is the step that comes next, or has begun."""

    action: str  # CREATE, UPDATE, REPLACE, DELETE
    stage: str  # clear, clearing, make, settle, remove, removing
    begun: bool  # whether `make` was tried: what it left is looked for first
    token: str
    target: dict[str, Any]  # the properties that it is to have
    suffix: str
    since: datetime
    old: bool  # whether it is the replaced one that is deleted


class ResourceRecord(TypedDict):
    """A resource of a stack. `handled` names the phase that is done with it, `outcome` how: done or failed."""

    logical: str
    type: str
    now: Made
    status: str
    reason: str | None
    updated: datetime
    depends: list[str]
    deletion: str
    replacement: str
    work: Work | None
    change: str | None  # created, updated, replaced, recreated: what this operation has done to it
    before: Made | None
    handled: str
    outcome: str


class ChangeSetRecord(TypedDict):
    """A change set as DescribeChangeSet shows it, and what executing it makes the stack from."""

    set: t.DescribeChangeSetOutputTypeDef
    kind: str  # CREATE, UPDATE
    source: Source
    principal: dict[str, Any]
    role: str | None


class CloudFormationModel:
    """Stacks by region, name and id; resources under them by logical id; change sets by region and id."""

    def __init__(self, store: Store, account: str, clock: Clock) -> None:
        self.account = account
        self.store = store
        self._clock = clock
        self.stacks = Collection[StackRecord](store, "cloudformation.stack")
        self.resources = Collection[ResourceRecord](store, "cloudformation.resource")
        self.change_sets = Collection[ChangeSetRecord](store, "cloudformation.change_set")

    def key_of(self, stack_id: str) -> Key:
        """Return the key of a stack by its ARN."""
        _, _, _, region, _, resource = stack_id.split(":", 5)
        return (region, *resource.split("/")[1:3])

    def find(self, region: str, name: str) -> tuple[Key, StackRecord] | None:
        """Return a stack by its ARN, or by its name if it is not deleted."""
        if name.startswith("arn:"):
            if name.count(":") < 5 or name.count("/") < 2:
                return None
            key = self.key_of(name)
            record = self.stacks.get(*key)
            return None if record is None or key[0] != region else (key, record)
        living = (each for each in self.stacks.items(region, name) if each[1]["stack"]["StackStatus"] != GONE)
        return next(living, None)

    def resources_of(self, key: Key) -> dict[str, ResourceRecord]:
        """Return the resources of a stack by their logical ids."""
        return {record["logical"]: record for record in self.resources.values(*key)}

    def busy_stacks(self) -> list[Key]:
        """Return the stacks on which an operation is under way."""
        return [key for key, record in self.stacks.items() if record["operation"] is not None]

    def busy_resources(self) -> list[Key]:
        """Return the resources to which something is being done."""
        return [key for key, record in self.resources.items() if record["work"] is not None]

    def pending_change_sets(self) -> list[Key]:
        """Return the change sets that are still to be worked out."""
        return [key for key, record in self.change_sets.items() if record["set"]["Status"] == "CREATE_PENDING"]

    def change_sets_of(self, stack_id: str) -> list[tuple[Key, ChangeSetRecord]]:
        """Return the change sets of a stack."""
        region = stack_id.split(":")[3]
        return [each for each in self.change_sets.items(region) if each[1]["set"].get("StackId") == stack_id]

    def exports(self, region: str) -> dict[str, tuple[str, str]]:
        """Return what stacks export: name to (value, stack's ARN)."""
        return {
            output["ExportName"]: (output["OutputValue"], record["stack"].get("StackId", ""))
            for record in self.stacks.values(region)
            if record["stack"]["StackStatus"] != GONE
            for output in record["stack"].get("Outputs", [])
            if "ExportName" in output
        }

    @staticmethod
    def source_of(record: StackRecord) -> Source | None:
        """Return what a stack is made from, or is being made from for the first time; None while under review."""
        if record["source"] is not None or record["operation"] is None:
            return record["source"]
        return record["operation"]["source"]

    def set_status(self, key: Key, record: StackRecord, status: str, reason: str | None = None) -> None:
        """Write a stack with a new status, and the event of it."""
        record["stack"]["StackStatus"] = status  # type: ignore[typeddict-item]
        if reason is None:
            record["stack"].pop("StackStatusReason", None)
        else:
            record["stack"]["StackStatusReason"] = reason
        stack_id = record["stack"].get("StackId", "")
        operation = record["operation"]
        with self.store.transaction():
            self.stacks.put(key, record)
            self._event(key, stack_id, stack_id, STACK_TYPE, key[1], status, reason, None,
                        None if operation is None else operation["token"])  # fmt: skip

    def set_resource(self, key: Key, record: ResourceRecord, status: str, reason: str | None = None) -> None:
        """Write a resource with a new status, and the event of it."""
        reason = self._without_hidden(key, reason)
        record["status"], record["reason"], record["updated"] = status, reason, self._clock.now()
        work = record["work"]
        properties = record["now"]["properties"] if work is None else work["target"]
        self._tell(key, record, status, reason, {**record["now"], "properties": properties})

    def set_replaced(self, key: Key, record: ResourceRecord, status: str, reason: str | None, old: Made) -> None:
        """Write what becomes of the one that a resource has replaced: the resource itself keeps its status."""
        self._tell(key, record, status, self._without_hidden(key, reason), old)

    def importers(self, region: str, export: str) -> list[str]:
        """Return the names of the stacks that import an export."""
        stacks = self.stacks.values(region)
        return sorted(
            each["stack"]["StackName"]
            for each in stacks
            if export in each["imports"] and each["stack"]["StackStatus"] != GONE
        )

    def _tell(self, key: Key, record: ResourceRecord, status: str, reason: str | None, made: Made) -> None:
        stack = self.stacks.get(*key[:3])
        if stack is None:
            return  # the local cloud was reset
        token = None if stack["operation"] is None else stack["operation"]["token"]
        with self.store.transaction():
            self.resources.put(key, record)
            self._event(key[:3], stack["stack"].get("StackId", ""), made["physical"] or "", record["type"],
                        record["logical"], status, reason, self._without_hidden(key, made["properties"]),
                        token)  # fmt: skip

    def _without_hidden(self, key: Key, value: Any) -> Any:
        """Return what an event shows of a value: nothing of parameters that are not to be echoed."""
        stack = self.stacks.get(*key[:3])
        operation = None if stack is None else stack["operation"]
        for source in (None if operation is None else operation["source"], None if stack is None else stack["source"]):
            if source is not None and "NoEcho" in source["template"]:
                value = without_hidden(parse(source["template"]), source["values"], value)
        return value

    def _event(
        self,
        key: Key,
        stack_id: str,
        physical: str,
        kind: str,
        logical: str,
        status: str,
        reason: str | None,
        properties: Mapping[str, Any] | None,
        token: str | None,
    ) -> None:
        event = {
            "StackId": stack_id,
            "StackName": key[1],
            "EventId": self._clock.new_id() if kind == STACK_TYPE else f"{logical}-{status}-{self._clock.new_id()}",
            "LogicalResourceId": logical,
            "PhysicalResourceId": physical,
            "ResourceType": kind,
            "ResourceStatus": status,
        }
        if reason:
            event["ResourceStatusReason"] = reason
        if properties is not None:
            event["ResourceProperties"] = json.dumps(properties, separators=(",", ":"))
        if token:
            event["ClientRequestToken"] = token
        now = int(self._clock.now().timestamp() * 1000)
        self.store.append(_journal(key), [(now, json.dumps(event))])

    def events(self, key: Key, *, before: int | None, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return events of a stack, the newest first, each with its sequence number; `before` one, at most `limit`."""
        entries = self.store.entries(_journal(key), before=before, limit=limit, newest_first=True)
        return [(entry.sequence, _event_of(entry)) for entry in entries]


def _journal(key: Key) -> str:
    return f"cloudformation.events/{key[2]}"


def _event_of(entry: Entry) -> dict[str, Any]:
    return {**json.loads(entry.body), "Timestamp": datetime.fromtimestamp(entry.time / 1000, UTC)}
