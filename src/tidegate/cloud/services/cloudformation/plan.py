"""Pure decisions: which resources come next, and what a change of one means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tidegate.cloud.services.cloudformation import schemas


class State(Enum):
    """How a resource stands in the phase under way."""

    WAITING = "waiting"
    BUSY = "busy"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Plan:
    """The resources to begin with now, and whether the phase has come to its end."""

    start: tuple[str, ...] = ()
    over: bool = False
    failed: tuple[str, ...] = ()


def plan(needs: Mapping[str, Collection[str]], states: Mapping[str, State], *, stop_on_failure: bool) -> Plan:
    """Return what comes next: everything whose needs are done, all at once.

    `needs` are by logical id; what is needed but is no key of `needs` counts as done. With `stop_on_failure` nothing
    more begins after a failure; without, only what needs the failed one does not.
    """
    failed = tuple(sorted(name for name in needs if states[name] is State.FAILED))
    busy = any(states[name] is State.BUSY for name in needs)
    start: list[str] = []
    if not (failed and stop_on_failure):
        start = [
            name
            for name in sorted(needs)
            if states[name] is State.WAITING
            and all(each not in needs or states[each] is State.DONE for each in needs[name])
        ]
    return Plan(tuple(start), not start and not busy, failed)


def reverse(needs: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Return the needs of taking away: what needed a thing goes before it."""
    found: dict[str, set[str]] = {name: set() for name in needs}
    for name, needed in needs.items():
        for each in needed:
            if each in found:
                found[each].add(name)
    return found


def replacement(type_name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what a change of properties asks for: NONE, UPDATE, REPLACE (new, then old) or RECREATE (old first)."""
    if before == after:
        return "NONE"
    schema = schemas.schema(type_name)
    if not schema.replaced_by(before, after):
        return "UPDATE"
    return "RECREATE" if schema.deletes_first else "REPLACE"


def details(type_name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the `Details` of a resource change: the properties at issue, and which of them replace it."""
    schema = schemas.schema(type_name)
    return [
        {
            "Target": {
                "Attribute": "Tags" if name == "Tags" else "Properties",
                **({} if name == "Tags" else {"Name": name}),
                "RequiresRecreation": schema.recreation(name),
            },
            "Evaluation": "Static",
            "ChangeSource": "DirectModification",
        }
        for name in schemas.changed_properties(before, after)
    ]


def capabilities(resources: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the capability that a template asks for: CAPABILITY_IAM, CAPABILITY_NAMED_IAM, or none.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
    """
    needed = None
    for resource in resources:
        kind = resource["Type"].removeprefix("AWS::IAM::")
        if kind in _IAM_NAMES:
            if any(name in resource.get("Properties", {}) for name in _IAM_NAMES[kind]):
                return "CAPABILITY_NAMED_IAM"
            needed = "CAPABILITY_IAM"
    return needed


_IAM_NAMES: Mapping[str, tuple[str, ...]] = {
    "AccessKey": (),
    "Group": ("GroupName",),
    "InstanceProfile": ("InstanceProfileName",),
    "ManagedPolicy": ("ManagedPolicyName",),
    "Policy": (),
    "Role": ("RoleName",),
    "RolePolicy": (),
    "User": ("UserName",),
    "UserPolicy": (),
    "UserToGroupAddition": (),
}
