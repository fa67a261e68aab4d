"""Event patterns, read and matched purely.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tidegate.cloud.documents import from_json

Test = Callable[[Any], bool]  # of one leaf value

_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
}
_ABSENT = object()


class InvalidPatternError(Exception):
    """A pattern that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What one field has to be: any of the tests. `absent`: it may also be missing."""

    tests: tuple[Test, ...]
    absent: bool

    def matches(self, value: Any) -> bool:
        if value is _ABSENT:
            return self.absent
        values = value if isinstance(value, list) else [value]
        return any(test(each) for each in values if not isinstance(each, Mapping) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Pattern:
    """An object of a pattern: all its fields and one branch of each `$or` have to match."""

    fields: Mapping[str, Pattern | _Leaf]
    choices: tuple[tuple[Pattern, ...], ...]

    def matches(self, event: Any) -> bool:
        """Return whether an event, or a part of one, matches. Of a list one element has to match in whole."""
        if isinstance(event, list):
            return any(self.matches(each) for each in event)
        known = event if isinstance(event, Mapping) else {}
        for name, wanted in self.fields.items():
            if not wanted.matches(known.get(name, _ABSENT)):
                return False
        return all(any(branch.matches(event) for branch in choice) for choice in self.choices)


@lru_cache(maxsize=256)
def parse(text: str) -> Pattern:
    """Return a pattern; raise `InvalidPatternError`."""
    try:
        node = from_json(text)
    except ValueError as error:
        raise InvalidPatternError(f"Invalid JSON: {error}") from None
    return _pattern(node, "")


def _pattern(node: Any, path: str) -> Pattern:
    if not isinstance(node, dict):
        raise InvalidPatternError("Filter is not an object" if not path else f"{path} is not an object")
    if not node:
        raise InvalidPatternError("Empty objects are not allowed")
    fields: dict[str, Pattern | _Leaf] = {}
    choices = []
    for name, value in node.items():
        place = f"{path}.{name}" if path else name
        if (
            name == "$or"
            and isinstance(value, list)
            and len(value) > 1
            and all(isinstance(each, dict) for each in value)
        ):
            choices.append(tuple(_pattern(each, place) for each in value))
        elif isinstance(value, dict):
            fields[name] = _pattern(value, place)
        elif isinstance(value, list):
            fields[name] = _leaf(value, place)
        else:
            raise InvalidPatternError(f'"{name}" must be an object or an array')
    return Pattern(fields, tuple(choices))


def _leaf(values: list[Any], path: str) -> _Leaf:
    if not values:
        raise InvalidPatternError(f"Empty arrays are not allowed: {path}")
    tests: list[Test] = []
    absent = False
    for value in values:
        if isinstance(value, dict) and "exists" in value:
            if len(value) != 1 or not isinstance(value["exists"], bool):
                raise InvalidPatternError(f"{path}: exists match pattern must be either true or false")
            if value["exists"]:
                tests.append(lambda given: True)
            else:
                absent = True
        else:
            tests.append(_test(value, path))
    return _Leaf(tuple(tests), absent)


def _test(value: Any, path: str) -> Test:
    if isinstance(value, list):
        raise InvalidPatternError(f"{path}: arrays cannot be nested")
    if not isinstance(value, dict):
        return _equal(value)
    if len(value) != 1:
        raise InvalidPatternError(f"{path}: Only one key allowed in match expression")
    ((kind, wanted),) = value.items()
    if kind == "anything-but":
        return _anything_but(wanted, path)
    if kind == "numeric":
        return _numeric(wanted, path)
    if kind == "cidr":
        return _cidr(wanted, path)
    return _text_test(kind, wanted, path)


def _equal(wanted: Any) -> Test:
    def test(given: Any) -> bool:
        if isinstance(wanted, bool) or isinstance(given, bool):  # True is 1 to Python, not to JSON
            return wanted is given
        return bool(wanted == given)

    return test


def _text_test(kind: str, wanted: Any, path: str) -> Test:
    """Return the test of a matcher that is about text: `{"prefix": "us-"}`, `{"prefix": {"equals-ignore-case": …}}`."""
    folded = False
    if kind in ("prefix", "suffix") and isinstance(wanted, dict) and list(wanted) == ["equals-ignore-case"]:
        wanted, folded = wanted["equals-ignore-case"], True
    if kind not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
        raise InvalidPatternError(f"Unrecognized match type {kind}")
    if not isinstance(wanted, str):
        raise InvalidPatternError(f"{path}: {kind} match pattern must be a string")
    if kind == "wildcard":
        pattern = _wildcard(wanted, path)
        return lambda given: isinstance(given, str) and pattern.fullmatch(given) is not None
    text = wanted.lower() if folded or kind == "equals-ignore-case" else wanted

    def test(given: Any) -> bool:
        if not isinstance(given, str):
            return False
        value = given.lower() if folded or kind == "equals-ignore-case" else given
        if kind == "prefix":
            return value.startswith(text)
        return value.endswith(text) if kind == "suffix" else value == text

    return test


def _wildcard(wanted: str, path: str) -> re.Pattern[str]:
    if "**" in wanted.replace("\\\\", "").replace("\\*", ""):
        raise InvalidPatternError(f"{path}: Consecutive wildcard characters")
    parts = re.split(r"(\\\\|\\\*|\*)", wanted)
    if any("\\" in part for part in parts if part not in ("\\\\", "\\*")):
        raise InvalidPatternError(f"{path}: Invalid escape character")
    known = {"*": ".*", "\\*": re.escape("*"), "\\\\": re.escape("\\")}
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _anything_but(wanted: Any, path: str) -> Test:
    if isinstance(wanted, dict):
        if len(wanted) != 1:
            raise InvalidPatternError(f"{path}: Only one key allowed in anything-but match expression")
        ((kind, value),) = wanted.items()
        tests = [_text_test(kind, each, path) for each in (value if isinstance(value, list) else [value])]
    else:
        values = wanted if isinstance(wanted, list) else [wanted]
        if not values or any(isinstance(each, (dict, list)) for each in values):
            raise InvalidPatternError(f"{path}: anything-but needs a value or a list of values")
        tests = [_equal(each) for each in values]
    return lambda given: not any(test(given) for test in tests)


def _numeric(wanted: Any, path: str) -> Test:
    if not isinstance(wanted, list) or len(wanted) not in (2, 4):
        raise InvalidPatternError(f"{path}: Value of numeric must be an array of one or two comparisons")
    bounds = list(zip(wanted[::2], wanted[1::2], strict=True))
    for sign, number in bounds:
        if sign not in _COMPARISONS or isinstance(number, bool) or not isinstance(number, (int, float)):
            raise InvalidPatternError(f"{path}: Unrecognized numeric comparison {sign} {number}")

    def test(given: Any) -> bool:
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            return False
        return all(_COMPARISONS[sign](given, number) for sign, number in bounds)

    return test


def _cidr(wanted: Any, path: str) -> Test:
    try:
        network = ipaddress.ip_network(wanted, strict=False)
    except (ValueError, TypeError):
        raise InvalidPatternError(f"{path}: Malformed CIDR {wanted}") from None

    def test(given: Any) -> bool:
        try:
            return isinstance(given, str) and ipaddress.ip_address(given) in network
        except ValueError:
            return False

    return test
