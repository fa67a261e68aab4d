"""Tags as the services want them, and as the mark of what a resource made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidegate.cloud.services.cloudformation.resources.handler import Properties, Step, tag_changes


def lowered(tags: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return `[{Key, Value}]` as `[{key, value}]`."""
    return [{"key": tag["Key"], "value": tag["Value"]} for tag in tags]


def as_map(properties: Properties) -> dict[str, str]:
    """Return the tags among properties by their keys."""
    put, _ = tag_changes({}, properties)
    return {tag["Key"]: tag["Value"] for tag in put}


def carries(step: Step, tags: Iterable[Mapping[str, str]]) -> bool:
    """Return whether what has these tags, of either writing, was made by this step.

    The tags of CloudFormation are among those of a step, so what somebody else made under the same name has others.
    Where a type has none of them, and the stack has none either, the name has to do.
    """
    there = {tag.get("Key", tag.get("key", "")): tag.get("Value", tag.get("value", "")) for tag in tags}
    return as_map(step.properties).items() <= there.items()
