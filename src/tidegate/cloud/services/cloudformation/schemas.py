"""The schemas of resource types: which properties there are, which of them replace, which are attributes.

They are AWS's own, as cfn-lint ships them; nothing of cfn-lint is run.
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema

from tidegate.cloud.services.cloudformation.template.references import holds_any

_REGION = "us-east-1.json"  # the one that has every type
_OF_PATTERNS = ("patternProperties", "additionalProperties")
_OF_NAMES = ("additionalProperties", "required")  # what a schema says of names, not of values
_ARRAY = re.compile(r"\[(\d+)\]")


class PropertiesError(Exception):
    """Properties that the type's schema does not allow; the message is AWS's sentence."""


@lru_cache(maxsize=1)
def _folder() -> Path:
    package = find_spec("cfnlint")  # found, not imported: that would take half a second
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "data" / "schemas"


@lru_cache(maxsize=1)
def _types() -> Mapping[str, str]:
    return json.loads((_folder() / "providers" / _REGION).read_text())  # type: ignore[no-any-return]


def exists(type_name: str) -> bool:
    """Return whether AWS has a resource type of this name."""
    return type_name in _types()


@lru_cache(maxsize=128)
def schema(type_name: str) -> Schema:
    """Return the schema of a type; KeyError where there is none."""
    return Schema(json.loads((_folder() / "resources" / f"{_types()[type_name]}.json").read_text()))


class Schema:
    """One type's schema."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.properties: Mapping[str, Any] = document["properties"]
        tagging = document.get("tagging", {})
        self._tags = tagging.get("tagProperty", "/properties/Tags").rpartition("/")[2] if self._taggable else None
        self._system_tags = bool(tagging.get("cloudFormationSystemTags", True))
        self.deletes_first: bool = document.get("replacementStrategy") == "delete_then_create"
        identifiers = [path.rpartition("/")[2] for path in document.get("primaryIdentifier", ())]
        own = [name for name in identifiers if not self._is_read_only(name)]
        self.names: list[str] = own if own == identifiers else []  # what a user names the resource by, if at all
        self._validator = jsonschema.Draft7Validator(_checkable(document))

    @property
    def _taggable(self) -> bool:
        tagging = self._document.get("tagging", {})
        name = tagging.get("tagProperty", "/properties/Tags").rpartition("/")[2]
        return bool(tagging.get("taggable", True)) and name in self.properties

    def has_attribute(self, name: str) -> bool:
        """Return whether `Fn::GetAtt` can ask for an attribute."""
        top = name.split(".")[0]
        nested = self._document["typeName"] == "AWS::CloudFormation::Stack"
        return top in self.properties or (nested and top == "Outputs")

    def typed(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Return properties with each scalar as its schema has it ("256" as a number where a number is wanted)."""
        return {name: self._typed(self.properties.get(name, {}), each) for name, each in properties.items()}

    def check(self, properties: Mapping[str, Any]) -> None:
        """Raise `PropertiesError` with every fault of (typed) properties; what a secret will be, nobody knows yet."""
        faults = [
            _sentence(error)
            for error in self._validator.iter_errors(dict(properties))
            if error.validator in _OF_NAMES or not holds_any(error.instance)
        ]
        given = {name for name in properties if self._is_read_only(name)}
        faults += [f"Encountered unsupported property {name}" for name in sorted(given)]
        if faults:
            raise PropertiesError("; ".join(dict.fromkeys(faults)))

    def tagged(
        self, properties: Mapping[str, Any], tags: Mapping[str, str], system: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return properties with the stack's tags below the resource's own, and CloudFormation's above."""
        if self._tags is None or not (tags or self._system_tags):
            return dict(properties)
        tags = {key: value for key, value in tags.items() if not key.startswith("aws:")}  # a nested stack has such
        own = properties.get(self._tags)
        shape = self._resolved(self.properties[self._tags])
        if shape.get("type") == "object":
            return {**properties, self._tags: {**tags, **(own or {}), **(system if self._system_tags else {})}}
        listed = {each["Key"]: each for each in own or () if isinstance(each, Mapping) and "Key" in each}
        added = {**tags, **(system if self._system_tags else {})}
        merged = [{"Key": key, "Value": value} for key, value in added.items() if key not in listed]
        return {**properties, self._tags: [*(own or ()), *merged]} if own or merged else dict(properties)

    def replaced_by(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
        """Return the changed properties that make a new resource necessary."""
        return [name for name in changed_properties(before, after) if self._create_only(name, before, after)]

    def recreation(self, name: str) -> str:
        """Return Never, Conditionally or Always: whether a change of a property replaces the resource."""
        paths = [each for each in self._document.get("createOnlyProperties", ()) if each.split("/")[2] == name]
        if f"/properties/{name}" in paths:
            return "Always"
        conditional = self._document.get("conditionalCreateOnlyProperties", ())
        return "Conditionally" if paths or f"/properties/{name}" in conditional else "Never"

    def _create_only(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        for path in self._document.get("createOnlyProperties", ()):
            parts = path.split("/")[2:]
            if parts[0] == name and list(_at(before, parts)) != list(_at(after, parts)):
                return True
        return False

    def _is_read_only(self, name: str) -> bool:
        return f"/properties/{name}" in self._document.get("readOnlyProperties", ())

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            target: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def _typed(self, node: Mapping[str, Any], value: Any) -> Any:
        node = self._resolved(node)
        kinds = node.get("type", ())
        kinds = [kinds] if isinstance(kinds, str) else list(kinds)
        if isinstance(value, list):
            items = node.get("items", {})
            return [self._typed(items if isinstance(items, Mapping) else {}, each) for each in value]
        if isinstance(value, dict):
            known = dict(node.get("properties", {}))
            for choice in (*node.get("oneOf", ()), *node.get("anyOf", ()), *node.get("allOf", ())):
                if isinstance(choice, Mapping):
                    known = {**self._resolved(choice).get("properties", {}), **known}
            other: Mapping[str, Any] = next(iter(node.get("patternProperties", {}).values()), {})
            return {name: self._typed(known.get(name, other), each) for name, each in value.items()}
        return _scalar(kinds, value)


def changed_properties(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of the properties that differ, in order."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _scalar(kinds: list[str], value: Any) -> Any:
    if isinstance(value, bool):
        return value if "boolean" in kinds or "string" not in kinds else ("true" if value else "false")
    if isinstance(value, (int, float)):
        return str(value) if "string" in kinds and not {"integer", "number"} & set(kinds) else value
    if not isinstance(value, str) or "string" in kinds:
        return value
    try:
        if "integer" in kinds:
            return int(value)
        if "number" in kinds:
            return float(value)
    except ValueError:
        return value
    if "boolean" in kinds and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """Yield what stands at a path of a schema (`*`: each item)."""
    if not path:
        yield value
    elif path[0] == "*" and isinstance(value, list):
        for each in value:
            yield from _at(each, path[1:])
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


_KEPT = frozenset(
    {
        "type", "properties", "definitions", "$ref", "items", "required", "additionalProperties", "patternProperties",
        "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "anyOf",
        "allOf", "oneOf", "pattern", "const", "not",
    }
)  # fmt: skip


def _checkable(node: Any, named: bool = False) -> Any:
    """Return a schema without what a JSON Schema validator cannot use: Java's expressions, cfn-lint's own keywords."""
    if isinstance(node, list):
        return [_checkable(each) for each in node]
    if not isinstance(node, Mapping):
        return node
    if named:
        return {name: _checkable(each) for name, each in node.items()}
    result = {}
    foreign = [pattern for pattern in node.get("patternProperties", {}) if not _compiles(pattern)]
    for name, each in node.items():
        if (name == "pattern" and not _compiles(each)) or (foreign and name in _OF_PATTERNS):
            continue
        if name in _KEPT:
            result[name] = _checkable(each, named=name in ("properties", "definitions", "patternProperties"))
    return result


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _sentence(error: jsonschema.ValidationError) -> str:
    where = "#" + "".join(f"/{part}" for part in error.absolute_path)
    wanted: Any = error.validator_value
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        extra = ", ".join(sorted(set(instance) - set(known)))
        return f"{where}: extraneous key [{extra}] is not permitted"
    if error.validator == "required":
        missing = ", ".join(name for name in wanted if name not in instance)
        return f"{where}: required key [{missing}] not found"
    if error.validator == "type":
        return f"{where}: expected type: {wanted}, found: {type(error.instance).__name__}"
    if error.validator == "enum":
        return f"{where}: {error.instance} is not a valid enum value, one of {wanted}"
    return f"{where}: {error.message}"
