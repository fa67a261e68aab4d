"""Stacks for tests: templates from a few words, operations waited for with botocore's own waiters."""

from __future__ import annotations

import json
from typing import Any

import yaml
from botocore.exceptions import WaiterError

from tests.daemon import Daemon
from tests.waiting import wait_for

_SOON = {"Delay": 1, "MaxAttempts": 60}


class Stacks:
    """The stacks of a local cloud."""

    def __init__(self, cloud: Daemon) -> None:
        self.client = cloud.client("cloudformation")

    def create(self, name: str, template: Any, *, waiter: str = "stack_create_complete", **settings: Any) -> Any:
        """Create a stack and return it once `waiter` is satisfied."""
        self.client.create_stack(StackName=name, TemplateBody=text(template), **settings)
        self.client.get_waiter("stack_exists").wait(StackName=name, WaiterConfig=_SOON)
        return self.wait(name, waiter)

    def update(self, name: str, template: Any, *, waiter: str = "stack_update_complete", **settings: Any) -> Any:
        """Update a stack and return it once `waiter` is satisfied."""
        self.client.update_stack(StackName=name, TemplateBody=text(template), **settings)
        return self.wait(name, waiter)

    def delete(self, name: str) -> None:
        """Delete a stack and wait until it is gone."""
        self.client.delete_stack(StackName=name)
        self.wait(name, "stack_delete_complete")

    def wait(self, name: str, waiter: str) -> Any:
        """Wait for a stack and return it as it is then; None when it is gone. Say what happened where it fails."""
        try:
            self.client.get_waiter(waiter).wait(StackName=name, WaiterConfig=_SOON)
        except WaiterError as error:
            raise AssertionError("\n".join(self.reasons(name)) or str(error)) from error
        return None if waiter == "stack_delete_complete" else self.describe(name)

    def ended(self, name: str) -> str:
        """Wait until nothing is under way on a stack and return its status."""
        return str(
            wait_for(lambda: self.describe(name)["StackStatus"], lambda status: not status.endswith("_IN_PROGRESS"))
        )

    def describe(self, name: str) -> Any:
        """Return a stack."""
        return self.client.describe_stacks(StackName=name)["Stacks"][0]

    def outputs(self, name: str) -> dict[str, str]:
        """Return a stack's outputs by key."""
        return {each["OutputKey"]: each["OutputValue"] for each in self.describe(name).get("Outputs", [])}

    def physical(self, name: str) -> dict[str, str]:
        """Return physical ids by logical ones."""
        resources = self.client.describe_stack_resources(StackName=name)["StackResources"]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in resources}

    def events(self, name: str) -> list[tuple[str, str]]:
        """Return (logical id, status) of all events, the oldest first."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=name)
        found = [(each["LogicalResourceId"], each["ResourceStatus"]) for page in pages for each in page["StackEvents"]]
        return found[::-1]

    def reasons(self, name: str) -> list[str]:
        """Return why things failed, the oldest first."""
        events = self.client.describe_stack_events(StackName=name)["StackEvents"]
        return [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}"
            for each in reversed(events)
            if each["ResourceStatus"].endswith("_FAILED")
        ]


def text(template: Any) -> str:
    """Return a template as text: what is text already stays as it is."""
    return template if isinstance(template, str) else yaml.safe_dump(json.loads(json.dumps(template)))
