"""What a stack consists of and what has happened to it: resources and events.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackEvents.html and its siblings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.documents import is_number
from tidegate.cloud.services.cloudformation.api.shared import find_stack, invalid, paged, stack_arn
from tidegate.cloud.services.cloudformation.model import CloudFormationModel, ResourceRecord, StackRecord
from tidegate.cloud.services.cloudformation.template.parse import parse
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_cloudformation import type_defs as t

_EVENTS = 100


class ResourcesApi:
    """Operations that look at resources and events."""

    def __init__(self, model: CloudFormationModel) -> None:
        self.model = model

    @operation(resource=stack_arn)
    async def describe_stack_events(
        self, context: Context, request: t.DescribeStackEventsInputTypeDef
    ) -> Mapping[str, Any]:
        """Return what happened to a stack, the newest first."""
        key, _ = find_stack(self.model, context, request["StackName"])
        token = request.get("NextToken")
        if token is not None and not is_number(token):
            raise invalid("The token for the next page is not one that was given out.")
        events = self.model.events(key, before=None if token is None else int(token), limit=_EVENTS)
        more = len(events) == _EVENTS and events[-1][0] > 1
        return {"StackEvents": [event for _, event in events], **({"NextToken": str(events[-1][0])} if more else {})}

    @operation(resource=stack_arn)
    async def describe_stack_resources(
        self, context: Context, request: t.DescribeStackResourcesInputTypeDef
    ) -> Mapping[str, Any]:
        """Return the resources of a stack, or of the stack that something belongs to."""
        if "StackName" in request:
            key, stack = find_stack(self.model, context, request["StackName"])
        elif "PhysicalResourceId" in request:
            key, stack = self._owner(context, request["PhysicalResourceId"])
        else:
            raise invalid("One of StackName and PhysicalResourceId must be specified.")
        wanted = request.get("LogicalResourceId")
        records = [each for name, each in self._resources(key).items() if wanted in (None, name)]
        if wanted is not None and not records:
            raise _no_resource(wanted, stack)
        return {"StackResources": [{**_described(stack, each), "Timestamp": each["updated"]} for each in records]}

    @operation(resource=stack_arn)
    async def describe_stack_resource(
        self, context: Context, request: t.DescribeStackResourceInputTypeDef
    ) -> Mapping[str, Any]:
        """Return one resource of a stack with the metadata that its template gives it."""
        key, stack = find_stack(self.model, context, request["StackName"])
        record = self._resources(key).get(request["LogicalResourceId"])
        if record is None:
            raise _no_resource(request["LogicalResourceId"], stack)
        detail = {**_described(stack, record), "LastUpdatedTimestamp": record["updated"]}
        if stack["source"] is not None:
            entry = parse(stack["source"]["template"])["Resources"].get(record["logical"], {})
            if "Metadata" in entry:
                detail["Metadata"] = json.dumps(entry["Metadata"])
        return {"StackResourceDetail": detail}

    @operation(resource=stack_arn)
    async def list_stack_resources(
        self, context: Context, request: t.ListStackResourcesInputTypeDef
    ) -> Mapping[str, Any]:
        """List the resources of a stack."""
        key, _ = find_stack(self.model, context, request["StackName"])
        summaries = [
            {**_summary(record), "LastUpdatedTimestamp": record["updated"]} for record in self._resources(key).values()
        ]
        return paged(request, summaries, "StackResourceSummaries", lambda each: each["LogicalResourceId"])

    def _resources(self, key: Key) -> dict[str, ResourceRecord]:
        return {name: record for name, record in self.model.resources_of(key).items() if record["status"]}

    def _owner(self, context: Context, physical_id: str) -> tuple[Key, StackRecord]:
        for key, record in self.model.resources.items(context.region):
            if record["now"]["physical"] == physical_id:
                stack = self.model.stacks.get(*key[:3])
                assert stack is not None
                return key[:3], stack
        raise invalid(f"Stack for {physical_id} does not exist")


def _no_resource(name: str, stack: StackRecord) -> Exception:
    return invalid(f"Resource {name} does not exist for stack {stack['stack']['StackName']}")


def _described(stack: StackRecord, record: ResourceRecord) -> dict[str, Any]:
    names = {"StackName": stack["stack"]["StackName"], "StackId": stack["stack"].get("StackId")}
    return {**names, **_summary(record)}


def _summary(record: ResourceRecord) -> dict[str, Any]:
    summary = {
        "LogicalResourceId": record["logical"],
        "ResourceType": record["type"],
        "ResourceStatus": record["status"],
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }
    if record["now"]["physical"] is not None:
        summary["PhysicalResourceId"] = record["now"]["physical"]
    if record["reason"]:
        summary["ResourceStatusReason"] = record["reason"]
    return summary
