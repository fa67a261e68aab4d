"""Change sets: create, describe, list, execute, delete.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.api.shared import (
    REFUSED,
    Sources,
    find_stack,
    invalid,
    living_stack,
    paged,
    refuse_new_deployment_mode,
    stack_arn,
)
from tidegate.cloud.services.cloudformation.api.stacks import check_updatable
from tidegate.cloud.services.cloudformation.lifecycle import StackLifecycle
from tidegate.cloud.services.cloudformation.model import IN_REVIEW, ChangeSetRecord, CloudFormationModel
from tidegate.cloud.services.cloudformation.template.parameters import shown
from tidegate.cloud.services.cloudformation.template.parse import parse
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_cloudformation import type_defs as t


def change_set_stack(api: ChangeSetsApi, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the stack that an operation on a change set is authorized on."""
    if "StackName" in request:
        return stack_arn(api, context, request)
    found = api.named(context, request)
    return context.arn("cloudformation", "stack/*") if found is None else found[1]["set"]["StackId"]


class ChangeSetsApi:
    """Operations on change sets."""

    def __init__(self, model: CloudFormationModel, lifecycle: StackLifecycle, sources: Sources, clock: Clock) -> None:
        self.model = model
        self._lifecycle = lifecycle
        self._sources = sources
        self._clock = clock

    @operation(
        resource=stack_arn,
        refuse=(*REFUSED, "ResourcesToImport", "IncludeNestedStacks", "ImportExistingResources"),
    )
    async def create_change_set(self, context: Context, request: t.CreateChangeSetInputTypeDef) -> Mapping[str, Any]:
        """Begin to work out what a template would change; `CREATE` makes the stack, under review, as well."""
        refuse_new_deployment_mode("CreateChangeSet", request)
        kind = request.get("ChangeSetType", "UPDATE")
        if kind == "IMPORT":
            raise not_offered("cloudformation:CreateChangeSet ChangeSetType IMPORT")
        name, known = request["ChangeSetName"], self.model.find(context.region, request["StackName"])
        if known is not None and self._of_stack(known[1]["stack"].get("StackId", ""), name) is not None:
            raise ServiceError("AlreadyExistsException", f"ChangeSet {name} cannot be created due to a mismatch "
                               f"with existing attribute Name: a change set of this name exists")  # fmt: skip
        if kind == "CREATE":
            if known is not None and known[1]["stack"]["StackStatus"] != IN_REVIEW:
                raise invalid(f"Stack [{request['StackName']}] already exists and cannot be created again with the "
                              f"changeSet [{name}].")  # fmt: skip
            key, record = known or self._lifecycle.new_stack(context.region, request["StackName"])
        else:
            key, record = living_stack(self.model, context, request["StackName"])
            check_updatable(record)
        stack_id = record["stack"].get("StackId", "")
        source = await self._sources.of(context, request, stack_id, record["source"])
        identity = self._clock.new_id()
        arn = context.arn("cloudformation", f"changeSet/{name}/{identity}")
        described: Any = {
            "ChangeSetName": name,
            "ChangeSetId": arn,
            "StackId": stack_id,
            "StackName": record["stack"]["StackName"],
            "Parameters": shown(parse(source["template"]), source["parameters"], source["values"]),
            "CreationTime": self._clock.now(),
            "ExecutionStatus": "UNAVAILABLE",
            "Status": "CREATE_PENDING",
            "NotificationARNs": [],
            "RollbackConfiguration": {},
            "Capabilities": list(request.get("Capabilities", [])),
            "Tags": [{"Key": tag, "Value": value} for tag, value in source["tags"].items()],
            "Changes": [],
            "IncludeNestedStacks": False,
        }
        change_set: ChangeSetRecord = {
            "set": described,
            "kind": kind,
            "source": source,
            "principal": asdict(context.principal),
            "role": request.get("RoleARN"),
        }
        for member in ("Description", "OnStackFailure"):
            if member in request:
                described[member] = request[member]
        with self.model.store.transaction():
            if kind == "CREATE" and known is None:
                self.model.set_status(key, record, IN_REVIEW, "User Initiated")
            self.model.change_sets.put((context.region, identity), change_set)
        return {"Id": arn, "StackId": stack_id}

    @operation(resource=change_set_stack)
    async def describe_change_set(
        self, context: Context, request: t.DescribeChangeSetInputTypeDef
    ) -> Mapping[str, Any]:
        """Return a change set with a page of its changes; IncludePropertyValues adds nothing that is not there yet."""
        if request.get("IncludePropertyValues"):
            raise not_offered("cloudformation:DescribeChangeSet IncludePropertyValues")
        record = self._find(context, request)[1]
        changes = paged(
            request, record["set"]["Changes"], "Changes", lambda each: each["ResourceChange"]["LogicalResourceId"]
        )
        answer: dict[str, Any] = {**record["set"], **changes}
        return answer

    @operation(resource=stack_arn)
    async def list_change_sets(self, context: Context, request: t.ListChangeSetsInputTypeDef) -> Mapping[str, Any]:
        """List a stack's change sets."""
        _, stack = living_stack(self.model, context, request["StackName"])
        names = ("StackId", "StackName", "ChangeSetId", "ChangeSetName", "ExecutionStatus", "Status", "StatusReason",
                 "CreationTime", "Description", "IncludeNestedStacks")  # fmt: skip
        found = [
            {name: value for name, value in record["set"].items() if name in names}
            for _, record in self.model.change_sets_of(stack["stack"].get("StackId", ""))
        ]
        found.sort(key=lambda each: str(each["ChangeSetName"]))
        return paged(request, found, "Summaries", lambda each: str(each["ChangeSetName"]))

    @operation(resource=change_set_stack, refuse=("RetainExceptOnCreate",))
    async def execute_change_set(self, context: Context, request: t.ExecuteChangeSetInputTypeDef) -> Mapping[str, Any]:
        """Carry a change set out; the stack's other change sets are gone with it."""
        set_key, record = self._find(context, request)
        described = record["set"]
        key, stack = living_stack(self.model, context, described["StackId"])
        token = request.get("ClientRequestToken")
        if token is not None and stack["operation"] is not None and stack["operation"]["token"] == token:
            return {}
        if described["ExecutionStatus"] != "AVAILABLE":
            raise ServiceError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{described['ChangeSetId']}] cannot be executed in its current status of "
                f"[{described['Status']}]",
            )
        if record["kind"] == "UPDATE":
            check_updatable(stack)
        failing = described.get("OnStackFailure", "ROLLBACK")
        with self.model.store.transaction():
            for other, each in self.model.change_sets_of(described["StackId"]):
                if other != set_key:
                    self.model.change_sets.delete(*other)
                else:
                    each["set"]["ExecutionStatus"] = "EXECUTE_COMPLETE"
                    self.model.change_sets.put(other, each)
            self._lifecycle.begin(
                key,
                stack,
                record["kind"],
                record["source"],
                asdict(context.principal),
                role=record["role"],
                token=token,
                on_failure="DO_NOTHING" if request.get("DisableRollback") else failing,
                capabilities=described["Capabilities"],
            )
            stack["stack"]["ChangeSetId"] = described["ChangeSetId"]
            self.model.stacks.put(key, stack)
        return {}

    @operation(resource=change_set_stack)
    async def delete_change_set(self, context: Context, request: t.DeleteChangeSetInputTypeDef) -> Mapping[str, Any]:
        """Forget a change set; one that does not exist is no error."""
        found = self.named(context, request)
        if found is not None:
            self.model.change_sets.delete(*found[0])
        return {}

    def named(self, context: Context, request: Mapping[str, Any]) -> tuple[Key, ChangeSetRecord] | None:
        """Return the change set that a request names, by ARN or by name and stack."""
        name = request["ChangeSetName"]
        if name.startswith("arn:"):
            key = (context.region, name.rpartition("/")[2])
            record = self.model.change_sets.get(*key)
            return None if record is None else (key, record)
        if "StackName" not in request:
            raise invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
        _, stack = find_stack(self.model, context, request["StackName"])
        return self._of_stack(stack["stack"].get("StackId", ""), name)

    def _of_stack(self, stack_id: str, name: str) -> tuple[Key, ChangeSetRecord] | None:
        each = self.model.change_sets_of(stack_id)
        return next((found for found in each if found[1]["set"]["ChangeSetName"] == name), None)

    def _find(self, context: Context, request: Mapping[str, Any]) -> tuple[Key, ChangeSetRecord]:
        found = self.named(context, request)
        if found is None:
            raise ServiceError("ChangeSetNotFound", f"ChangeSet [{request['ChangeSetName']}] does not exist", 404)
        return found
