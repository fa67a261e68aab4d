"""Stacks: create, update, cancel, continue, delete, describe, list.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
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
from tidegate.cloud.services.cloudformation.lifecycle import StackLifecycle
from tidegate.cloud.services.cloudformation.model import GONE, CloudFormationModel, StackRecord
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_cloudformation import type_defs as t

_UPDATABLE = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", "CREATE_FAILED"}
)
_NO_UPDATES = "No updates are to be performed."


class StacksApi:
    """Operations on stacks."""

    def __init__(
        self, model: CloudFormationModel, lifecycle: StackLifecycle, sources: Sources, calls: Calls, clock: Clock
    ) -> None:
        self.model = model
        self._lifecycle = lifecycle
        self._sources = sources
        self._calls = calls
        self._clock = clock

    @operation(resource=stack_arn, refuse=REFUSED)
    async def create_stack(self, context: Context, request: t.CreateStackInputTypeDef) -> Mapping[str, Any]:
        """Begin to create a stack; raise AlreadyExistsException, ValidationError, InsufficientCapabilitiesException."""
        name = request["StackName"]
        known = self.model.find(context.region, name)
        if known is not None:
            operation = known[1]["operation"]
            token = request.get("ClientRequestToken")
            if token is not None and operation is not None and operation["token"] == token:
                return {"StackId": known[1]["stack"].get("StackId")}
            raise ServiceError("AlreadyExistsException", f"Stack [{name}] already exists")
        if "DisableRollback" in request and "OnFailure" in request:
            raise invalid("You can specify either DisableRollback or OnFailure, but not both.")
        on_failure = "DO_NOTHING" if request.get("DisableRollback") else request.get("OnFailure", "ROLLBACK")
        key, record = self._lifecycle.new_stack(context.region, name)
        source = await self._sources.of(context, request, record["stack"].get("StackId", ""))
        parent = source["tags"].get("aws:cloudformation:stack-id") if context.for_cloudformation else None
        if parent is not None:
            _, outer = find_stack(self.model, context, parent)
            record["stack"]["ParentId"], record["stack"]["RootId"] = parent, outer["stack"].get("RootId", parent)
        record["stack"]["EnableTerminationProtection"] = request.get("EnableTerminationProtection", False)
        deadline = None
        if "TimeoutInMinutes" in request:
            record["stack"]["TimeoutInMinutes"] = request["TimeoutInMinutes"]
            deadline = self._clock.now() + timedelta(minutes=request["TimeoutInMinutes"])
        self._lifecycle.begin(
            key,
            record,
            "CREATE",
            source,
            asdict(context.principal),
            role=request.get("RoleARN"),
            token=request.get("ClientRequestToken"),
            on_failure=on_failure,
            deadline=deadline,
            capabilities=request.get("Capabilities", []),
        )
        return {"StackId": record["stack"].get("StackId")}

    @operation(resource=stack_arn, refuse=REFUSED)
    async def update_stack(self, context: Context, request: t.UpdateStackInputTypeDef) -> Mapping[str, Any]:
        """Begin to update a stack; raise ValidationError where nothing would change or something is under way."""
        key, record = living_stack(self.model, context, request["StackName"])
        stack = record["stack"]
        token = request.get("ClientRequestToken")
        if token is not None and record["operation"] is not None and record["operation"]["token"] == token:
            return {"StackId": stack.get("StackId")}
        check_updatable(record)
        source = await self._sources.of(context, request, stack.get("StackId", ""), record["source"])
        if stack["StackStatus"] not in ("UPDATE_FAILED", "CREATE_FAILED") and source == record["source"]:
            raise invalid(_NO_UPDATES)
        self._lifecycle.begin(
            key,
            record,
            "UPDATE",
            source,
            asdict(context.principal),
            role=request.get("RoleARN"),
            token=token,
            on_failure="DO_NOTHING" if request.get("DisableRollback") else "ROLLBACK",
            capabilities=request.get("Capabilities", []),
        )
        return {"StackId": stack.get("StackId")}

    @operation(resource=stack_arn)
    async def cancel_update_stack(self, context: Context, request: t.CancelUpdateStackInputTypeDef) -> None:
        """Turn an update that is under way back; ClientRequestToken makes no difference to what is done once."""
        key, record = living_stack(self.model, context, request["StackName"])
        if record["stack"]["StackStatus"] != "UPDATE_IN_PROGRESS":
            raise invalid(
                f"CancelUpdateStack cannot be called from current stack status {record['stack']['StackStatus']}"
            )
        self._lifecycle.cancel(key, record)

    @operation(resource=stack_arn, refuse=("ForceRollback",))
    async def continue_update_rollback(
        self, context: Context, request: t.ContinueUpdateRollbackInputTypeDef
    ) -> Mapping[str, Any]:
        """Go on with a rollback that has failed, leaving ResourcesToSkip as they are."""
        key, record = living_stack(self.model, context, request["StackName"])
        if record["stack"]["StackStatus"] != "UPDATE_ROLLBACK_FAILED" or record["paused"] is None:
            raise invalid(
                f"Stack:{record['stack'].get('StackId')} is in {record['stack']['StackStatus']} state and can not "
                "continue update rollback."
            )
        skipped = request.get("ResourcesToSkip", [])
        unknown = sorted(set(skipped) - set(self.model.resources_of(key)))
        if unknown:
            raise invalid(f"ResourcesToSkip: the stack has no resource {', '.join(unknown)}")
        record["paused"]["token"] = request.get("ClientRequestToken")
        record["paused"]["principal"] = asdict(context.principal)
        if "RoleARN" in request:
            passed = {"iam:PassedToService": "cloudformation.amazonaws.com"}
            self._calls.authorize(context, "iam:PassRole", request["RoleARN"], passed)
            record["paused"]["role"] = request["RoleARN"]
        self._lifecycle.continue_rollback(key, record, skipped)
        return {}

    @operation(resource=stack_arn, refuse=("DeploymentConfig",))
    async def delete_stack(self, context: Context, request: t.DeleteStackInputTypeDef) -> None:
        """Begin to delete a stack; one that does not exist is no error."""
        refuse_new_deployment_mode("DeleteStack", request)
        found = self.model.find(context.region, request["StackName"])
        if found is None or found[1]["stack"]["StackStatus"] == GONE:
            return
        key, record = found
        stack = record["stack"]
        if stack.get("EnableTerminationProtection"):
            raise invalid(f"Stack [{stack['StackName']}] cannot be deleted while TerminationProtection is enabled")
        retained = request.get("RetainResources", [])
        if retained and stack["StackStatus"] != "DELETE_FAILED":
            raise invalid("Invalid operation on stack: RetainResources is for stacks in the state DELETE_FAILED")
        if stack["StackStatus"] == "DELETE_IN_PROGRESS":
            return
        if record["operation"] is not None and stack["StackStatus"] != "CREATE_IN_PROGRESS":
            raise invalid(f"Stack [{stack['StackName']}] is in {stack['StackStatus']} state and can not be deleted.")
        role = request.get("RoleARN")
        if role is not None:
            self._calls.authorize(
                context, "iam:PassRole", role, {"iam:PassedToService": "cloudformation.amazonaws.com"}
            )
        if record["source"] is None and record["operation"] is None:  # only a change set was ever made
            self._forget(key, record)
            return
        self._check_exports(context, key, record)
        source = self.model.source_of(record)
        assert source is not None
        self._lifecycle.begin(
            key,
            record,
            "DELETE",
            source,
            asdict(context.principal),
            role=role,
            token=request.get("ClientRequestToken"),
            retained=retained,
        )

    @operation(resource=stack_arn)
    async def describe_stacks(self, context: Context, request: t.DescribeStacksInputTypeDef) -> Mapping[str, Any]:
        """Return one stack, or all that are not deleted."""
        if "StackName" in request:
            return {"Stacks": [find_stack(self.model, context, request["StackName"])[1]["stack"]]}
        stacks = [record["stack"] for record in self.model.stacks.values(context.region)]
        living = [stack for stack in stacks if stack["StackStatus"] != GONE]
        return paged(request, living, "Stacks", lambda stack: stack["StackName"])

    @operation()
    async def list_stacks(self, context: Context, request: t.ListStacksInputTypeDef) -> Mapping[str, Any]:
        """List stacks, deleted ones as well, by their status."""
        wanted = request.get("StackStatusFilter")
        names = ("StackId", "StackName", "CreationTime", "LastUpdatedTime", "DeletionTime", "StackStatus",
                 "StackStatusReason", "DriftInformation")  # fmt: skip
        found = []
        for record in self.model.stacks.values(context.region):
            if wanted and record["stack"]["StackStatus"] not in wanted:
                continue
            summary = {name: each for name, each in record["stack"].items() if name in names}
            if "Description" in record["stack"]:
                summary["TemplateDescription"] = record["stack"]["Description"]
            found.append(summary)
        found.sort(key=lambda each: str(each["StackId"]))
        return paged(request, found, "StackSummaries", lambda each: str(each["StackId"]))

    @operation(resource=stack_arn)
    async def update_termination_protection(
        self, context: Context, request: t.UpdateTerminationProtectionInputTypeDef
    ) -> Mapping[str, Any]:
        """Let a stack be deleted, or not."""
        key, record = living_stack(self.model, context, request["StackName"])
        record["stack"]["EnableTerminationProtection"] = request["EnableTerminationProtection"]
        self.model.stacks.put(key, record)
        return {"StackId": record["stack"].get("StackId")}

    def _forget(self, key: Key, record: StackRecord) -> None:
        with self.model.store.transaction():
            for set_key, _ in self.model.change_sets_of(record["stack"].get("StackId", "")):
                self.model.change_sets.delete(*set_key)
            record["stack"]["DeletionTime"] = self._clock.now()
            self.model.set_status(key, record, GONE)

    def _check_exports(self, context: Context, key: Key, record: StackRecord) -> None:
        """Refuse to delete a stack whose exports others use: the stack stays as it was."""
        for output in record["stack"].get("Outputs", []):
            name = output.get("ExportName")
            users = [] if name is None else self.model.importers(context.region, name)
            if users:
                raise invalid(f"Delete canceled. Cannot delete export {name} as it is in use by {', '.join(users)}.")


def check_updatable(record: StackRecord) -> None:
    """Raise ValidationError where a stack is in no state to be updated in."""
    stack = record["stack"]
    if stack["StackStatus"] not in _UPDATABLE:
        raise invalid(f"Stack:{stack.get('StackId')} is in {stack['StackStatus']} state and can not be updated.")
