"""Stacks by change sets: what would change, then the change, followed event by event to its end.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from tidegate.deploy.errors import UserError
from tidegate.deploy.progress import Pace, Progress
from tidegate.deploy.session import Session

if TYPE_CHECKING:  # who only looks at stacks makes no templates
    from troposphere import Template

    from tidegate.judge.changes import Action

_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
# what a failed attempt leaves: nothing can be done with such a stack but to remove it
_REMAINS = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
_MOST_SKIPS = 5  # times that a rollback is continued without what it fails at
_LONGEST_BODY = 51_200  # bytes that CloudFormation takes with a request
_NOTHING = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that would change. `action` is Add, Modify, Replace or Remove; `properties` are those at issue.

    `forcing` are those of them that cannot be changed in what exists. `by_hand`: somebody has changed the resource
    since, so that CloudFormation does not see (all of) it.
    """

    action: Action
    resource: str
    type: str
    properties: tuple[str, ...] = ()
    forcing: tuple[str, ...] = ()
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A stack as it stands: its template (parsed) and its parameters."""

    body: Mapping[str, Any]
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StackPlan:
    """What a template would change. `change_set` None: the stack is new, or there is nothing to change.

    `standing` None: the stack is new. `outputs` are those that it has now.
    """

    name: str
    body: str
    parameters: Mapping[str, str]
    exists: bool
    changes: tuple[Change, ...] = ()
    change_set: str | None = None
    standing: Standing | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)


class StackError(UserError):
    """A stack's operation failed first at a resource of this type, at the earliest then (by AWS's clock)."""

    def __init__(self, what: str, why: str, next_step: str, kind: str, since: datetime) -> None:
        super().__init__(what, why, next_step)
        self.kind = kind
        self.since = since


@dataclass(slots=True)
class Stacks:
    """The stacks of an account and region."""

    session: Session
    progress: Progress
    pace: Pace
    tags: Mapping[str, str] = field(default_factory=dict)

    def describe(self, name: str) -> Any | None:
        """Return a stack as DescribeStacks answers it, None where there is none (or only a change set of one)."""
        try:
            stack = self._client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        return None if stack["StackStatus"] in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE") else stack

    def outputs(self, name: str) -> dict[str, str]:
        """Return a stack's outputs by their keys, none where there is no stack."""
        return _outputs(self.describe(name))

    def standing(self, name: str) -> Any | None:
        """Return a stack that can be updated, once no operation is under way on it (any more), None without one."""
        stack = self._ended(name)
        return None if stack is None or stack["StackStatus"] in _REMAINS else stack

    def plan(
        self,
        name: str,
        template: Template,
        parameters: Mapping[str, str] | None = None,
        stack: Any | Literal[False] | None = False,
    ) -> StackPlan:
        """Return what a template would change; nothing is changed yet. `stack`: what `standing(name)` has answered."""
        parameters = parameters or {}
        body = _written(name, template)
        if stack is False:
            stack = self.standing(name)
        if stack is None:
            resources = json.loads(body)["Resources"]
            added = tuple(Change("Add", title, each["Type"]) for title, each in sorted(resources.items()))
            return StackPlan(name, body, parameters, exists=False, changes=added)
        if stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
            self._continue_rollback(name)
        change_set = self._create_change_set(name, body, parameters, "UPDATE")
        if change_set is None:
            same = Standing(json.loads(body), parameters)
            return StackPlan(name, body, parameters, exists=True, standing=same, outputs=_outputs(stack))
        changes = tuple(self._changes(change_set))
        return StackPlan(name, body, parameters, True, changes, change_set, self._standing(stack), _outputs(stack))

    def plan_later(self, name: str, template: Template, changes: tuple[Change, ...]) -> StackPlan:
        """Return a plan to be shown, of a stack that stands: it needs what is not there yet, and is made again then."""
        body, stack = _written(name, template), self.standing(name)
        if stack is None:
            return self.plan(name, template, stack=None)
        standing = self._standing(stack)
        return StackPlan(name, body, {}, exists=True, changes=changes, standing=standing, outputs=_outputs(stack))

    def apply(self, plan: StackPlan) -> dict[str, str]:
        """Make it so and return the stack's outputs; raise `StackError` with the first cause of a failure.

        A new stack that fails stays as it is, so that its cause can be looked into; the next attempt removes it.
        """
        if plan.exists and plan.change_set is None:
            self.progress.done(plan.name, "nothing to change", 0.0)
            return dict(plan.outputs)
        if not plan.exists:
            self._clear(plan.name)
        started = self.pace.now()
        self.progress.step(plan.name, "updating" if plan.exists else "creating")
        change_set = plan.change_set or self._create_change_set(plan.name, plan.body, plan.parameters, "CREATE")
        assert change_set is not None, "a new stack always has something to change"
        seen = self._last_event(plan.name)
        self._client.execute_change_set(ChangeSetName=change_set, DisableRollback=not plan.exists)
        status = self._follow(plan.name, plan.name, seen)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise self._failure(plan.name, seen)
        self.progress.done(plan.name, "updated" if plan.exists else "created", self.pace.now() - started)
        return self.outputs(plan.name)

    def discard(self, plan: StackPlan) -> None:
        """Forget a plan that is not to be carried out."""
        if plan.change_set is not None:
            self._client.delete_change_set(ChangeSetName=plan.change_set)

    def delete(self, name: str) -> bool:
        """Delete a stack and wait until it is gone; return whether there was one. Raise `UserError` on failure."""
        stack = self._ended(name)
        if stack is None:
            self._discard_review(name)
            return False
        started, stack_id = self.pace.now(), stack["StackId"]
        self.progress.step(name, "deleting")
        seen = self._last_event(stack_id)
        self._client.delete_stack(StackName=stack_id)
        if self._follow(stack_id, name, seen) != "DELETE_COMPLETE":
            raise self._failure(stack_id, seen, name)
        self.progress.done(name, "deleted", self.pace.now() - started)
        return True

    @property
    def _client(self) -> Any:
        return self.session.client("cloudformation")

    def _clear(self, name: str) -> None:
        """Make room for a stack: whatever a failed or interrupted attempt has left is removed."""
        stack = self._ended(name)
        if stack is None:
            self._discard_review(name)
        elif stack["StackStatus"] in _REMAINS:
            status = stack["StackStatus"]
            self.progress.step(name, f"is {status}, the rest of a failed attempt: it is removed first")
            self.delete(name)

    def _continue_rollback(self, name: str) -> None:
        """Take a rollback that has failed to its end: as it is, else without the resources that it fails at."""
        skipped: list[str] = []
        for _ in range(_MOST_SKIPS):
            self.progress.step(name, "is UPDATE_ROLLBACK_FAILED: its rollback is continued first")
            seen = self._last_event(name)
            more = {"ResourcesToSkip": skipped} if skipped else {}
            self._client.continue_update_rollback(StackName=name, **more)
            if self._follow(name, name, seen) != "UPDATE_ROLLBACK_FAILED":
                return
            failed = [
                event["LogicalResourceId"]
                for event in self._events_after(name, seen)
                if event["ResourceStatus"] == "UPDATE_FAILED" and event["LogicalResourceId"] != name
            ]
            skipped = sorted({*skipped, *failed})
            self.progress.line(name, f"its rollback fails at {', '.join(skipped)}: what they are now is left as it is")
        raise self._failure(name, seen)

    def _ended(self, name: str) -> Any | None:
        """Return a stack once no operation is under way on it (any more)."""

        def ended() -> Any:
            stack = self.describe(name)
            if stack is None or not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return (stack,)
            self.progress.step(name, f"is {stack['StackStatus']}: waiting for its end")
            return None

        return self.pace.until(ended)[0]

    def _discard_review(self, name: str) -> None:
        """Delete what an interrupted first change set leaves: a stack that is under review for ever."""
        try:
            stack = self._client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError:
            return
        if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
            self._client.delete_stack(StackName=name)

    def _create_change_set(self, name: str, body: str, parameters: Mapping[str, str], kind: str) -> str | None:
        answer = self._client.create_change_set(
            StackName=name,
            ChangeSetName=f"tidegate-{secrets.token_hex(8)}",
            ChangeSetType=kind,
            TemplateBody=body,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=_CAPABILITIES,
            Tags=[{"Key": key, "Value": value} for key, value in self.tags.items()],
        )
        change_set = str(answer["Id"])

        def made() -> Any:
            found = self._client.describe_change_set(ChangeSetName=change_set)
            return found if found["Status"] in ("CREATE_COMPLETE", "FAILED") else None

        found = self.pace.until(made)
        if found["Status"] == "CREATE_COMPLETE":
            return change_set
        reason = found.get("StatusReason", "")
        self._client.delete_change_set(ChangeSetName=change_set)
        if any(text in reason for text in _NOTHING):
            return None
        raise UserError(f"stack {name}", f"its change set failed: {reason}", "tidegate plan --debug")

    def _standing(self, stack: Any) -> Standing:
        body = self._client.get_template(StackName=stack["StackName"])["TemplateBody"]
        if isinstance(body, str):  # somebody has deployed YAML, as `tidegate eject` writes it
            from cfn_flip import to_json  # type: ignore[import-untyped]

            body = json.loads(to_json(body))
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}
        return Standing(body, parameters)

    def _changes(self, change_set: str) -> Iterator[Change]:
        pages = self._client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
        for page in pages:
            for change in page["Changes"]:
                each = change["ResourceChange"]
                replaced = each["Action"] == "Modify" and each.get("Replacement") in ("True", "Conditional")
                targets = [detail["Target"] for detail in each.get("Details", [])]
                forcing = {
                    target["Name"]
                    for target in targets
                    if "Name" in target and target.get("RequiresRecreation", "Never") != "Never"
                }
                yield Change(
                    "Replace" if replaced else each["Action"],
                    each["LogicalResourceId"],
                    each["ResourceType"],
                    tuple(sorted({target.get("Name") or target["Attribute"] for target in targets})),
                    tuple(sorted(forcing)) if replaced else (),
                )

    def _follow(self, stack: str, title: str, seen: str | None) -> str:
        """Tell of each event as it comes; return the status in which the operation ended.

        Everything is read from the events, the stack's own among them: one call a look.
        """
        under_way: dict[str, float] = {}

        def ended() -> str | None:
            nonlocal seen
            status = None
            for event in self._events_after(stack, seen):
                seen = event["EventId"]
                if event["PhysicalResourceId"] == event["StackId"]:
                    status = event["ResourceStatus"]
                else:
                    self._tell(title, event, under_way)
            if under_way:
                resource, since = min(under_way.items(), key=lambda item: item[1])
                more = f", and {len(under_way) - 1} more" if len(under_way) > 1 else ""
                self.progress.step(title, f"waits for {resource} ({self.pace.now() - since:.0f} s){more}")
            return None if status is None or status.endswith("_IN_PROGRESS") else status

        return self.pace.until(ended)

    def _tell(self, title: str, event: Any, under_way: dict[str, float]) -> None:
        """Tell of one resource: that it is begun, or how it ended and how long it took."""
        status = event["ResourceStatus"]
        resource = f"{event['ResourceType'].removeprefix('AWS::')} {event['LogicalResourceId']}"
        if status.endswith("_IN_PROGRESS"):
            under_way.setdefault(resource, self.pace.now())
            return
        since = under_way.pop(resource, None)
        took = "" if since is None else f" after {self.pace.now() - since:.0f} s"
        self.progress.step(title, f"{resource} {status}{took}")

    def _last_event(self, stack: str) -> str | None:
        try:
            events = self._client.describe_stack_events(StackName=stack)["StackEvents"]
        except ClientError:
            return None
        return events[0]["EventId"] if events else None

    def _events_after(self, stack: str, seen: str | None) -> list[Any]:
        """Return the events after one, the oldest first."""
        found: list[Any] = []
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack):
            for event in page["StackEvents"]:
                if event["EventId"] == seen:
                    return found[::-1]
                found.append(event)
        return found[::-1]

    def _failure(self, stack: str, seen: str | None, title: str | None = None) -> UserError:
        """Return the first cause: the first event that failed, and not because another had."""
        events = self._events_after(stack, seen)
        for event in events:
            reason = event.get("ResourceStatusReason", "")
            cancelled = "cancelled" in reason.lower()
            if event["ResourceStatus"].endswith("_FAILED") and not cancelled:
                kind = event["ResourceType"].removeprefix("AWS::")
                what = f"stack {title or stack}: {kind} {event['LogicalResourceId']}"
                why = reason or event["ResourceStatus"]
                return StackError(what, why, "mend it, then tidegate up", kind, events[0]["Timestamp"])
        status = self._client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        return UserError(f"stack {title or stack}", f"it ended as {status}", "tidegate up")


def _written(name: str, template: Template) -> str:
    """Return a template as text: for people, unless only what is for machines is short enough."""
    body = str(template.to_json(indent=1))
    if len(body) > _LONGEST_BODY:
        body = template.to_json(indent=None, separators=(",", ":"))
    if len(body) > _LONGEST_BODY:
        why = f"its template has {len(body)} characters, and CloudFormation takes {_LONGEST_BODY}"
        raise UserError(f"stack {name}", why, "make two apps of it: services that belong together in one tidegate.yml")
    return body


def _outputs(stack: Any | None) -> dict[str, str]:
    return {} if stack is None else {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
