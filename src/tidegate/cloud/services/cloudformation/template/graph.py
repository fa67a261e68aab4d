"""What depends on what in a template, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tidegate.cloud.services.cloudformation.template.evaluate import variables
from tidegate.cloud.services.cloudformation.template.parse import TemplateError


def uses(node: Any) -> Iterator[tuple[str, str | None]]:
    """Yield what a node takes from others by Ref, Fn::GetAtt and Fn::Sub: (name, attribute; None for Ref)."""
    if isinstance(node, list):
        for each in node:
            yield from uses(each)
    elif isinstance(node, dict):
        for name, argument in node.items():
            if name == "Ref" and len(node) == 1 and isinstance(argument, str):
                yield argument, None
            elif name == "Fn::GetAtt" and len(node) == 1:
                parts = argument.split(".", 1) if isinstance(argument, str) else argument
                yield str(parts[0]), str(parts[-1])
                yield from uses(parts[1:])
            elif name == "Fn::Sub" and len(node) == 1:
                text, values = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
                yield from uses(values)
                for variable in variables(str(text)):
                    if variable not in values:
                        title, _, attribute = variable.partition(".")
                        yield title, attribute or None
            else:
                yield from uses(argument)


def references(node: Any) -> Iterator[str]:
    """Yield the names that a node refers to: of resources and of parameters."""
    for name, _ in uses(node):
        yield name


def dependencies(template: Mapping[str, Any], included: Collection[str] | None = None) -> dict[str, list[str]]:
    """Return what each resource needs before it, by logical id; only of those `included` (default: all)."""
    resources = template["Resources"]
    names = set(resources if included is None else included)
    found = {}
    for name in names:
        entry = resources[name]
        explicit = entry.get("DependsOn", [])
        needed = {explicit} if isinstance(explicit, str) else set(explicit)
        needed |= set(references(entry.get("Properties", {})))
        found[name] = sorted(needed & names)
    return found


def check_acyclic(graph: Mapping[str, Collection[str]]) -> None:
    """Raise `TemplateError` where resources wait for each other."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names = ", ".join(sorted(set(error.args[1])))
        raise TemplateError(f"Circular dependency between resources: [{names}]") from None


def in_order(needs: Mapping[str, Collection[str]]) -> list[str]:
    """Return the names so that each comes after what it needs."""
    return list(TopologicalSorter(needs).static_order())
