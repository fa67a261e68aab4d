"""What a stack tells others: its outputs, and which of other stacks' exports it uses itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.cloud.services.cloudformation.template.evaluate import Scope, as_text
from tidegate.cloud.services.cloudformation.template.parse import TemplateError


def outputs_of(scope: Scope) -> list[Any]:
    """Return the outputs as DescribeStacks shows them; raise `TemplateError` for one that is no text."""
    found = []
    for name, entry in scope.template.get("Outputs", {}).items():
        if not scope.included(entry):
            continue
        value = scope.value(entry["Value"])
        if isinstance(value, (list, dict)):
            raise TemplateError(f"Template format error: Output {name} is malformed; its value must be a string")
        output = {"OutputKey": name, "OutputValue": as_text(value)}
        if "Description" in entry:
            output["Description"] = str(entry["Description"])
        if "Export" in entry:
            output["ExportName"] = as_text(scope.value(entry["Export"]["Name"]))
        found.append(output)
    return found


def imports_of(scope: Scope) -> list[str]:
    """Return the names of the exports that a template's resources and outputs use."""
    names = set()
    for section in ("Resources", "Outputs"):
        for entry in scope.template.get(section, {}).values():
            if scope.included(entry):
                names |= {str(scope.value(each)) for each in _import_values(entry)}
    return sorted(names)


def _import_values(node: Any) -> Iterator[Any]:
    if isinstance(node, Mapping):
        for name, argument in node.items():
            if name == "Fn::ImportValue":
                yield argument
            yield from _import_values(argument)
    elif isinstance(node, list):
        for each in node:
            yield from _import_values(each)
