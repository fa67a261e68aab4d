"""Patterns of space-delimited fields: `[ip, user, ..., status = 4* && status != 404, bytes > 1000]`.

A field of a message is a word, or what stands in square brackets or double quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tidegate.cloud.services.logs.patterns.scan import (
    OPERATORS,
    InvalidPatternError,
    Matches,
    Scanner,
    Test,
    comparison,
    disjunction,
)

_FIELD = re.compile(r'\[([^\]]*)\]|"([^"]*)"|(\S+)')
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_BARE = re.compile(r"[^\s(),\]&|]+")


def fields(text: str) -> Matches:
    """Return what matches messages that have these fields: as many as are named, unless `...` stands for any."""
    scanner = Scanner(text)
    scanner.expect("[")
    names: list[str | None] = []  # None: the ellipsis
    tests: list[Test] = []
    while True:
        if scanner.take("..."):
            names.append(None)
        else:
            _field(scanner, names, tests)
        if scanner.take(","):
            continue
        scanner.expect("]")
        break
    if not scanner.at_end or names.count(None) > 1:
        raise InvalidPatternError("a list of fields has one ellipsis at most, and nothing after it")

    def matches(message: str) -> bool:
        found = _bound(names, _split(message))
        return found is not None and all(test(found) for test in tests)

    return matches


def _field(scanner: Scanner, names: list[str | None], tests: list[Test]) -> None:
    found = scanner.match(re.compile(r"\(?\s*([A-Za-z_][\w-]*)"))
    if found is None:
        number = len(names) + 1
        names.append(f"${number}")  # one without a name
        return
    names.append(found[1])
    rest = Scanner(_until_comma(scanner))
    if rest.at_end and not found[0].startswith("("):
        return
    condition = Scanner(found[0] + " " + rest.rest())
    test = disjunction(condition, _operand)
    if not condition.at_end:
        raise InvalidPatternError(f"the condition on {found[1]} cannot be read")
    tests.append(test)


def _until_comma(scanner: Scanner) -> str:
    found = scanner.match(re.compile(r'(?:"(?:[^"\\]|\\.)*"|%(?:[^%\\]|\\.)+%|[^,\]"%])*'))
    return "" if found is None else found[0]


def _operand(scanner: Scanner) -> Test:
    name = scanner.match(_NAME)
    operator = scanner.take(*OPERATORS)
    if name is None or operator is None:
        raise InvalidPatternError("a field is compared with nothing")
    test, field = comparison(operator, scanner, _BARE), name[0]
    return lambda found: field in found and test(found[field])


def _split(message: str) -> list[str]:
    return [found[found.lastindex or 0] for found in _FIELD.finditer(message)]


def _bound(names: list[str | None], found: list[str]) -> Mapping[str, str] | None:
    """Return the fields by name, or None where a message has too few or too many."""
    if None not in names:
        return None if len(found) != len(names) else dict(zip(names, found, strict=True))  # type: ignore[arg-type]
    before = names.index(None)
    after = len(names) - before - 1
    if len(found) < before + after:
        return None
    bound = dict(zip(names[:before], found, strict=False))
    if after:
        bound |= dict(zip(names[-after:], found[-after:], strict=True))
    return bound  # type: ignore[return-value]
