"""Works change sets out: what each resource would become, without touching any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tidegate.cloud.services.cloudformation import schemas
from tidegate.cloud.services.cloudformation.model import (
    ChangeSetRecord,
    CloudFormationModel,
    ResourceRecord,
)
from tidegate.cloud.services.cloudformation.plan import details, replacement
from tidegate.cloud.services.cloudformation.scopes import StackScopes, stack_tags
from tidegate.cloud.services.cloudformation.template.evaluate import Scope
from tidegate.cloud.services.cloudformation.template.graph import dependencies, in_order, uses
from tidegate.cloud.services.cloudformation.template.parse import TemplateError, parse
from tidegate.cloud.store import Key

_NOTHING = "The submitted information didn't contain changes. Submit different information to create a change set."


class ChangeSets:
    """The controller of change sets that are pending, by (region, id)."""

    def __init__(self, model: CloudFormationModel, scopes: StackScopes) -> None:
        self._model = model
        self._scopes = scopes

    async def reconcile(self, key: Key) -> float | None:
        """Work a pending change set out."""
        record = self._model.change_sets.get(*key)
        if record is None or record["set"]["Status"] != "CREATE_PENDING":
            return None
        described = record["set"]
        stack_id = described["StackId"]
        resources = self._model.resources_of(self._model.key_of(stack_id))
        try:
            changes = self._changes(record, resources)
            stack = self._model.stacks.get(*self._model.key_of(stack_id))
            if (
                not changes
                and record["kind"] == "UPDATE"
                and not (stack is not None and _outputs_differ(stack, record))
            ):
                raise TemplateError(_NOTHING)
        except (TemplateError, schemas.PropertiesError) as error:
            described["Status"], described["ExecutionStatus"] = "FAILED", "UNAVAILABLE"
            described["StatusReason"] = str(error)
        else:
            described["Changes"] = changes
            described["Status"], described["ExecutionStatus"] = "CREATE_COMPLETE", "AVAILABLE"
        self._model.change_sets.put(key, record)
        return None

    def _changes(self, record: ChangeSetRecord, resources: Mapping[str, ResourceRecord]) -> list[Any]:
        stack_id, source = record["set"]["StackId"], record["source"]
        unknown: set[str] = set()
        scope = self._scopes.scope(stack_id, source, resources, unknown)
        entries = {name: entry for name, entry in scope.template["Resources"].items() if scope.included(entry)}
        found: list[tuple[str, Any]] = []
        for name in in_order(dependencies(scope.template, entries)):
            known = resources.get(name)
            target = self._target(scope, stack_id, name, source["tags"])
            if known is None or known["now"]["physical"] is None:
                unknown.add(name)
                found.append((name, _change("Add", name, entries[name]["Type"])))
                continue
            before = known["now"]["properties"]
            if known["type"] != entries[name]["Type"]:
                raise TemplateError(
                    f"Update of resource type is not permitted. The new template modifies resource type of: [{name}]"
                )
            how = replacement(known["type"], before, target)
            if how == "NONE":
                continue
            replaced = how in ("REPLACE", "RECREATE")
            if replaced:
                unknown.add(name)
            issues = details(known["type"], before, target)
            found.append((name, _modify(known, scope.template["Resources"][name], issues, replaced, unknown)))
        for name, known in resources.items():
            if name not in entries and known["now"]["physical"] is not None:
                found.append((name, _change("Remove", name, known["type"], known)))
        return [change for _, change in sorted(found, key=lambda each: each[0])]

    @staticmethod
    def _target(scope: Scope, stack_id: str, name: str, tags: Mapping[str, str]) -> dict[str, Any]:
        entry = scope.template["Resources"][name]
        schema = schemas.schema(entry["Type"])
        properties = schema.typed(scope.properties(name))
        return schema.tagged(properties, tags, stack_tags(stack_id, name))


def _outputs_differ(stack: Any, record: ChangeSetRecord) -> bool:
    """Return whether the template's outputs, or what it says of them, are other than the stack's."""
    before = stack["source"]
    if before is None:
        return True
    from_template = [json.dumps(_outputs(source), sort_keys=True) for source in (before, record["source"])]
    return from_template[0] != from_template[1]


def _outputs(source: Any) -> Any:
    return parse(source["template"]).get("Outputs", {})


def _change(action: str, name: str, kind: str, known: ResourceRecord | None = None) -> dict[str, Any]:
    change: dict[str, Any] = {
        "Action": action,
        "LogicalResourceId": name,
        "ResourceType": kind,
        "Scope": [],
        "Details": [],
    }
    if known is not None:
        change["PhysicalResourceId"] = known["now"]["physical"]
    if action == "Remove" and known is not None and known["deletion"] == "Retain":
        change["PolicyAction"] = "Retain"
    elif action == "Remove":
        change["PolicyAction"] = "Delete"
    return {"Type": "Resource", "ResourceChange": change}


def _modify(
    known: ResourceRecord, entry: Mapping[str, Any], issues: list[dict[str, Any]], replaced: bool, unknown: set[str]
) -> dict[str, Any]:
    """Return a modification; what depends on what another resource is going to be is `Dynamic`."""
    from_others = _causes(entry, unknown)
    for each in issues:
        cause = from_others.get(each["Target"].get("Name", "Tags"))
        if cause is not None:
            each["Evaluation"] = "Dynamic"
            each["ChangeSource"] = "ResourceAttribute" if "." in cause else "ResourceReference"
            each["CausingEntity"] = cause
    change = _change("Modify", known["logical"], known["type"], known)
    detail = change["ResourceChange"]
    detail["Scope"] = sorted({each["Target"]["Attribute"] for each in issues})
    detail["Details"] = issues
    sure = any(each["Target"]["RequiresRecreation"] == "Always" and each["Evaluation"] == "Static" for each in issues)
    detail["Replacement"] = "True" if replaced and sure else "Conditional" if replaced else "False"
    if replaced:
        detail["PolicyAction"] = "ReplaceAndRetain" if known["replacement"] == "Retain" else "ReplaceAndDelete"
    return change


def _causes(entry: Mapping[str, Any], unknown: set[str]) -> dict[str, str]:
    """Return which property of a resource takes its value from which unknown one (`Name`, `Name.Attribute`)."""
    found = {}
    for name, value in entry.get("Properties", {}).items():
        for other, attribute in uses(value):
            if other in unknown:
                found[name] = other if attribute is None else f"{other}.{attribute}"
    return found
