"""Patterns of JSON properties: `{ $.a.b[0] = "x*" && ($.c > 5 || $.d IS NULL) }`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tidegate.cloud.documents import from_json
from tidegate.cloud.services.logs.patterns.scan import (
    OPERATORS,
    InvalidPatternError,
    Matches,
    Scanner,
    Test,
    comparison,
    disjunction,
)

_STEP = re.compile(
    r"""\.\[?(?:"([^"]+)"|'([^']+)')\]?|\.([A-Za-z0-9_@$#/:-]+)|\[(?:'([^']+)'|"([^"]+)")\]|\[(\d+|\*)\]"""
)
_BARE = re.compile(r"[^\s(){}&|]+")
_POSTFIX = re.compile(r"(IS\s+NULL|IS\s+TRUE|IS\s+FALSE|NOT\s+EXISTS|EXISTS)\b", re.IGNORECASE)


def properties(text: str) -> Matches:
    """Return what matches messages that are JSON objects with these properties."""
    scanner = Scanner(text)
    scanner.expect("{")
    test = disjunction(scanner, _operand)
    scanner.expect("}")
    if not scanner.at_end:
        raise InvalidPatternError("something follows the closing brace")

    def matches(message: str) -> bool:
        if not message.lstrip().startswith("{"):
            return False
        try:
            document = from_json(message)
        except (ValueError, RecursionError):
            return False
        return test(document)

    return matches


def _operand(scanner: Scanner) -> Test:
    scanner.expect("$")
    path: list[str | int] = []
    while (step := scanner.match(_STEP)) is not None:
        index = step[6]
        if index is not None:
            path.append(index if index == "*" else int(index))
        else:
            path.append(next(each for each in step.groups()[:5] if each is not None))
    if not path:
        raise InvalidPatternError("$ is not followed by a property")
    postfix = scanner.match(_POSTFIX)
    if postfix is not None:
        return _state(path, " ".join(postfix[0].upper().split()))
    operator = scanner.take(*OPERATORS)
    if operator is None:
        raise InvalidPatternError("a property is compared with nothing")
    test = comparison(operator, scanner, _BARE)
    return lambda document: any(_plain(value) and test(value) for value in _values(document, path))


def _state(path: list[str | int], state: str) -> Test:
    def test(document: Any) -> bool:
        values = list(_values(document, path))
        if state == "NOT EXISTS":
            return not values
        if state == "EXISTS":
            return bool(values)
        wanted = {"IS NULL": None, "IS TRUE": True, "IS FALSE": False}[state]
        return any(value is wanted for value in values)

    return test


def _plain(value: Any) -> bool:
    return value is not None and not isinstance(value, (dict, list))


def _values(document: Any, path: list[str | int]) -> Iterator[Any]:
    """Yield what stands at a path: nothing, one value, or with `[*]` those of all elements."""
    if not path:
        yield document
        return
    step, rest = path[0], path[1:]
    if step == "*" and isinstance(document, list):
        for each in document:
            yield from _values(each, rest)
    elif isinstance(step, int):
        if isinstance(document, list) and step < len(document):
            yield from _values(document[step], rest)
    elif isinstance(document, dict) and step in document:
        yield from _values(document[step], rest)
