"""Evaluation: what a template's values are, given its parameters and what its resources have become.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tidegate.cloud.services.cloudformation.template.parse import TemplateError
from tidegate.cloud.services.cloudformation.template.references import replaced

_VARIABLE = re.compile(r"\$\{(![^}]*|[^}]*)\}")


class _Mark:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


NO_VALUE: Final = _Mark("AWS::NoValue")
UNKNOWN: Final = _Mark("{{changeSet:KNOWN_AFTER_APPLY}}")  # what only a resource that is not made yet could tell


@dataclass
class Scope:
    """All that a template's values depend on. `reference` and `attribute` answer for resources, maybe `UNKNOWN`."""

    template: Mapping[str, Any]
    parameters: Mapping[str, Any]  # text, or lists of text; pseudo parameters among them
    reference: Callable[[str], Any]
    attribute: Callable[[str, str], Any]
    exports: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by region
    references: Mapping[str, str] = field(default_factory=dict)  # what dynamic references stand for, secrets excepted
    _conditions: dict[str, bool] = field(default_factory=dict)

    def value(self, node: Any) -> Any:
        """Return a node's value; raise `TemplateError`."""
        if isinstance(node, list):
            values = (self.value(each) for each in node)
            return [each for each in values if each is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Condition" and isinstance(argument, str) and argument in self.template.get("Conditions", {}):
                return self.condition(argument)
            if name.startswith("Fn::"):
                function = _FUNCTIONS.get(name)
                if function is None:
                    raise TemplateError(f"Template error: {name} is not a function that can be used here")
                return function(self, argument)
        values_by_key = {key: self.value(each) for key, each in node.items()}
        return {key: each for key, each in values_by_key.items() if each is not NO_VALUE}

    def properties(self, name: str) -> Any:
        """Return the properties of a resource; dynamic references to secrets are left in them."""
        return replaced(self.value(self.template["Resources"][name].get("Properties", {})), self.references)

    def condition(self, name: str) -> bool:
        """Return whether a condition of the template holds."""
        if name not in self._conditions:
            declared = self.template.get("Conditions", {})
            if name not in declared:
                raise TemplateError(f"Template format error: Unresolved condition {name}")
            self._conditions[name] = _truth(self.value(declared[name]))
        return self._conditions[name]

    def included(self, entry: Mapping[str, Any]) -> bool:
        """Return whether a resource or an output is there at all: it has no condition, or one that holds."""
        return "Condition" not in entry or self.condition(entry["Condition"])

    def _ref(self, name: Any) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.parameters:
            return self.parameters[name]
        return self.reference(str(name))

    # -- functions ------------------------------------------------------------------------------------------------

    def _get_att(self, argument: Any) -> Any:
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        if not isinstance(parts, list) or len(parts) != 2:
            raise TemplateError("Template error: every Fn::GetAtt object requires two non-empty parameters")
        name, attribute = parts[0], self.value(parts[1])
        return UNKNOWN if attribute is UNKNOWN else self.attribute(str(name), str(attribute))

    def _sub(self, argument: Any) -> Any:
        text, own = (argument, {}) if isinstance(argument, str) else _pair("Fn::Sub", argument)
        values = {key: self.value(each) for key, each in own.items()}
        unknown = False

        def put(match: re.Match[str]) -> str:
            nonlocal unknown
            name = match.group(1).strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in values:
                found = values[name]
            elif "." in name and name not in self.parameters:
                found = self._get_att(name)
            else:
                found = self._ref(name)
            unknown = unknown or found is UNKNOWN
            if isinstance(found, (list, dict)):
                raise TemplateError(
                    f"Template error: variable {name} in Fn::Sub expression does not resolve to a string"
                )
            return as_text(found)

        result = _VARIABLE.sub(put, text)
        return UNKNOWN if unknown else result

    def _join(self, argument: Any) -> Any:
        delimiter, items = _pair("Fn::Join", argument)
        values = self.value(items)
        if values is UNKNOWN or (isinstance(values, list) and UNKNOWN in values):
            return UNKNOWN
        if not isinstance(values, list) or any(isinstance(each, (list, dict)) for each in values):
            raise TemplateError("Template error: every Fn::Join object requires two parameters, "
                                "(1) a string delimiter and (2) a list of strings to be joined")  # fmt: skip
        return str(delimiter).join(as_text(each) for each in values)

    def _split(self, argument: Any) -> Any:
        delimiter, text = _pair("Fn::Split", argument)
        value = self.value(text)
        if value is UNKNOWN:
            return UNKNOWN
        if not isinstance(value, str) or not delimiter:
            raise TemplateError("Template error: every Fn::Split object requires two parameters, "
                                "(1) a string delimiter and (2) a string to be split")  # fmt: skip
        return value.split(str(delimiter))

    def _select(self, argument: Any) -> Any:
        index, items = _pair("Fn::Select", argument)
        index, values = self.value(index), self.value(items)
        if UNKNOWN in (index, values):
            return UNKNOWN
        try:
            position = int(index)
        except (TypeError, ValueError):
            raise TemplateError(f"Template error: Fn::Select requires an index that is a number, not {index}") from None
        if not isinstance(values, list):
            raise TemplateError("Template error: Fn::Select requires a list argument with two elements")
        if not 0 <= position < len(values):
            raise TemplateError(f"Template error: Fn::Select cannot select nonexistent value at index {position}")
        return values[position]

    def _if(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 3:
            raise TemplateError("Template error: Fn::If requires a list argument with three elements")
        name, then, otherwise = argument
        return self.value(then if self.condition(str(name)) else otherwise)

    def _equals(self, argument: Any) -> bool:
        left, right = (self.value(each) for each in _pair("Fn::Equals", argument))
        return bool(_comparable(left) == _comparable(right))

    def _not(self, argument: Any) -> bool:
        if not isinstance(argument, list) or len(argument) != 1:
            raise TemplateError("Template error: every Fn::Not object requires one condition")
        return not _truth(self.value(argument[0]))

    def _and(self, argument: Any) -> bool:
        return all(_truth(self.value(each)) for each in _several("Fn::And", argument))

    def _or(self, argument: Any) -> bool:
        return any(_truth(self.value(each)) for each in _several("Fn::Or", argument))

    def _find_in_map(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) not in (3, 4):
            raise TemplateError("Template error: every Fn::FindInMap object requires three parameters, "
                                "the map name, map key and the attribute for return value")  # fmt: skip
        name, first, second = (self.value(each) for each in argument[:3])
        if UNKNOWN in (name, first, second):
            return UNKNOWN
        try:
            return self.template.get("Mappings", {})[name][as_text(first)][as_text(second)]
        except (KeyError, TypeError):
            if len(argument) == 4 and "DefaultValue" in argument[3]:
                return self.value(argument[3]["DefaultValue"])
            raise TemplateError(f"Template error: Unable to get mapping for {name}::{first}::{second}") from None

    def _import_value(self, argument: Any) -> Any:
        name = self.value(argument)
        if name is UNKNOWN:
            return UNKNOWN
        if name not in self.exports:
            raise TemplateError(f"No export named {name} found.")
        return self.exports[name]

    def _get_azs(self, argument: Any) -> Any:
        region = self.value(argument) or self.parameters["AWS::Region"]
        if region not in self.zones:
            raise TemplateError(f"Template error: Fn::GetAZs knows no region {region}")
        return list(self.zones[region])

    def _cidr(self, argument: Any) -> Any:
        values = self.value(argument)
        if values is UNKNOWN or UNKNOWN in values:
            return UNKNOWN
        block, count, bits = [*values, "8"][:3] if isinstance(values, list) else (values, 1, 8)
        try:
            network = ipaddress.ip_network(block)
            prefix = network.max_prefixlen - int(bits)
            found = [str(each) for each in itertools.islice(network.subnets(new_prefix=prefix), int(count))]
        except ValueError as error:
            raise TemplateError(f"Template error: Fn::Cidr of {block} fails: {error}") from None
        if len(found) < int(count):
            raise TemplateError(f"Template error: Fn::Cidr: {block} does not hold {count} blocks of {bits} bits")
        return found

    def _base64(self, argument: Any) -> Any:
        value = self.value(argument)
        return UNKNOWN if value is UNKNOWN else base64.b64encode(as_text(value).encode()).decode()

    def _to_json_string(self, argument: Any) -> Any:
        value = self.value(argument)
        return UNKNOWN if is_unknown(value) else json.dumps(value, separators=(",", ":"))

    def _length(self, argument: Any) -> Any:
        value = self.value(argument)
        return UNKNOWN if value is UNKNOWN else len(value)


_FUNCTIONS: Mapping[str, Callable[[Scope, Any], Any]] = {
    "Fn::And": Scope._and,
    "Fn::Base64": Scope._base64,
    "Fn::Cidr": Scope._cidr,
    "Fn::Equals": Scope._equals,
    "Fn::FindInMap": Scope._find_in_map,
    "Fn::GetAZs": Scope._get_azs,
    "Fn::GetAtt": Scope._get_att,
    "Fn::If": Scope._if,
    "Fn::ImportValue": Scope._import_value,
    "Fn::Join": Scope._join,
    "Fn::Length": Scope._length,
    "Fn::Not": Scope._not,
    "Fn::Or": Scope._or,
    "Fn::Select": Scope._select,
    "Fn::Split": Scope._split,
    "Fn::Sub": Scope._sub,
    "Fn::ToJsonString": Scope._to_json_string,
}
FUNCTIONS = frozenset(_FUNCTIONS)


def is_unknown(value: Any) -> bool:
    """Return whether a value is, or holds, what is not known yet."""
    if isinstance(value, dict):
        return any(is_unknown(each) for each in value.values())
    if isinstance(value, list):
        return any(is_unknown(each) for each in value)
    return value is UNKNOWN


def variables(text: str) -> list[str]:
    """Return the names that a `Fn::Sub` text refers to, without its `${!Literal}`s."""
    names = (match.group(1).strip() for match in _VARIABLE.finditer(text))
    return [name for name in names if not name.startswith("!")]


def as_text(value: Any) -> str:
    """Return a scalar as CloudFormation writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _comparable(value: Any) -> Any:
    return value if isinstance(value, (list, dict, _Mark)) else as_text(value)


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise TemplateError("Template error: every condition has to be a condition function or refer to a condition")


def _pair(name: str, argument: Any) -> tuple[Any, Any]:
    if not isinstance(argument, list) or len(argument) != 2:
        raise TemplateError(f"Template error: every {name} object requires two parameters")
    return argument[0], argument[1]


def _several(name: str, argument: Any) -> list[Any]:
    if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
        raise TemplateError(f"Template error: every {name} object requires two to ten conditions")
    return argument
