"""The JSON Schema of tidegate.yml, for editors: what the models say, in the form in which people write it.

https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tidegate.manifest.documented import documented
from tidegate.manifest.model import FILE_NAME

_DEFINITIONS = "#/$defs/"
_OVERRIDE = "Override"


def schema_text() -> str:
    """Return the schema as it is published."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def json_schema() -> dict[str, Any]:
    """Return the schema; an environment's overrides may name any key of a service or job, and require none."""
    schema = documented().model_json_schema(mode="validation")
    definitions: dict[str, Any] = schema["$defs"]
    for name in sorted(_reached(definitions, "Service") | _reached(definitions, "Job")):
        definitions[f"{name}{_OVERRIDE}"] = _override(definitions[name])
    environment = definitions["Environment"]["properties"]
    for node, name in (
        (schema["properties"]["services"], "Service"),
        (environment["services"], f"Service{_OVERRIDE}"),
        (environment["jobs"], f"Job{_OVERRIDE}"),
    ):
        (pattern,) = node["patternProperties"]
        node["patternProperties"][pattern] = {"anyOf": [{"$ref": f"{_DEFINITIONS}{name}"}, {"type": "null"}]}
    whole: dict[str, Any] = _tidied(schema)
    whole["title"], whole["description"] = FILE_NAME, "What Tidegate is told of an app."
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def _reached(definitions: Mapping[str, Any], name: str) -> set[str]:
    """Return a definition and all that it refers to."""
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in reached:
            reached.add(each)
            waiting += [found for found in definitions if f'"{_DEFINITIONS}{found}"' in json.dumps(definitions[each])]
    return reached


def _override(node: Any) -> Any:
    """Return a definition of which any part may be said, and null takes it back."""
    if isinstance(node, list):
        return [_override(each) for each in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _override(each) for key, each in node.items() if key not in ("required", "default")}
    if isinstance(node.get("$ref"), str):
        changed["$ref"] = f"{node['$ref']}{_OVERRIDE}"
    if isinstance(node.get("properties"), dict):
        properties = changed["properties"]
        changed["properties"] = {key: {"anyOf": [each, {"type": "null"}]} for key, each in properties.items()}
    return changed


def _tidied(node: Any) -> Any:
    """Return a schema without the titles that only repeat a key, with texts in one line, and with no name unchecked."""
    if isinstance(node, list):
        return [_tidied(each) for each in node]
    if not isinstance(node, dict):
        return node
    tidied = {key: _tidied(each) for key, each in node.items() if not (key == "title" and isinstance(each, str))}
    if "patternProperties" in tidied:  # names that are none
        tidied["additionalProperties"] = False
    if isinstance(tidied.get("description"), str):
        tidied["description"] = " ".join(tidied["description"].split())
    return tidied
