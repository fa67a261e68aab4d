"""What the three kinds of pattern share: words out of text, `&&` and `||`, and comparing a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Matches = Callable[[str], bool]
Test = Callable[[Any], bool]

_REGEX_ALLOWED = re.compile(r"^[A-Za-z0-9_#=@/;,:'\s^$?\[\]{}|\\*+.-]+$")
OPERATORS = ("!=", "<=", ">=", "=", "<", ">")


class InvalidPatternError(Exception):
    """A pattern that cannot be read."""


class Scanner:
    """Takes a pattern apart from the left."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def skip_space(self) -> None:
        """Move to what is not white space."""
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    @property
    def at_end(self) -> bool:
        """Say whether nothing but white space is left."""
        self.skip_space()
        return self._at >= len(self._text)

    def rest(self) -> str:
        """Return all that is left."""
        return self._text[self._at :]

    def take(self, *symbols: str) -> str | None:
        """Return the first of these symbols that comes next, past it; or None."""
        self.skip_space()
        for symbol in symbols:
            if self._text.startswith(symbol, self._at):
                self._at += len(symbol)
                return symbol
        return None

    def expect(self, symbol: str) -> None:
        """Move past a symbol that has to come next."""
        if self.take(symbol) is None:
            raise InvalidPatternError(f"{symbol!r} is missing at {self._text[self._at : self._at + 10]!r}")

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Return the match of an expression with what comes next, past it; or None."""
        self.skip_space()
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found


_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_REGEX = re.compile(r"%((?:[^%\\]|\\.)+)%")


def quoted(scanner: Scanner) -> str | None:
    """Return the text in double quotes that comes next, or None."""
    found = scanner.match(_QUOTED)
    return None if found is None else re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL)


def expression(scanner: Scanner) -> re.Pattern[str] | None:
    """Return the regular expression between percent signs that comes next, or None."""
    found = scanner.match(_REGEX)
    if found is None:
        return None
    if not _REGEX_ALLOWED.match(found[1]):
        raise InvalidPatternError(f"%{found[1]}% has a character that a regular expression here cannot have")
    try:
        return re.compile(found[1])
    except re.error as error:
        raise InvalidPatternError(f"%{found[1]}%: {error}") from None


def disjunction(scanner: Scanner, operand: Callable[[Scanner], Test]) -> Test:
    """Read operands joined by `||` and, binding closer, `&&`, with parentheses."""
    tests = [_conjunction(scanner, operand)]
    while scanner.take("||"):
        tests.append(_conjunction(scanner, operand))
    return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)


def _conjunction(scanner: Scanner, operand: Callable[[Scanner], Test]) -> Test:
    tests = [_factor(scanner, operand)]
    while scanner.take("&&"):
        tests.append(_factor(scanner, operand))
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


def _factor(scanner: Scanner, operand: Callable[[Scanner], Test]) -> Test:
    if scanner.take("("):
        test = disjunction(scanner, operand)
        scanner.expect(")")
        return test
    return operand(scanner)


def comparison(operator: str, scanner: Scanner, bare: re.Pattern[str]) -> Test:
    """Read the value that a thing is compared to, `bare` being what one without quotes looks like."""
    regex = expression(scanner)
    if regex is not None:
        if operator not in ("=", "!="):
            raise InvalidPatternError(f"{operator} cannot compare to a regular expression")
        return lambda value: (regex.search(_text(value)) is not None) is (operator == "=")
    text = quoted(scanner)
    is_bare = text is None
    if text is None:
        found = scanner.match(bare)
        if found is None:
            raise InvalidPatternError(f"there is no value after {operator}")
        text = found[0]
    number = _number(text) if is_bare else None
    if operator in ("=", "!="):
        return _equality(text, number, wanted=operator == "=")
    if number is None:
        raise InvalidPatternError(f"{operator} compares numbers, and {text!r} is none")
    return _order(operator, number)


def _equality(text: str, number: float | None, *, wanted: bool) -> Test:
    if "*" in text:
        like = re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
        return lambda value: (like.fullmatch(_text(value)) is not None) is wanted

    def test(value: Any) -> bool:
        given = _number(value) if number is not None else None
        return (given == number if given is not None else _text(value) == text) is wanted

    return test


def _order(operator: str, number: float) -> Test:
    def test(value: Any) -> bool:
        given = _number(value)
        if given is None:
            return False
        return {"<": given < number, "<=": given <= number, ">": given > number, ">=": given >= number}[operator]

    return test


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
