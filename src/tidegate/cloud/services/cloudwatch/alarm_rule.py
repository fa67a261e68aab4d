"""The rule of a composite alarm: read, asked for the alarms that it names, and whether it holds. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html

    ALARM("errors") AND (NOT OK(latency) OR INSUFFICIENT_DATA("arn:aws:cloudwatch:…:alarm:load")) OR FALSE
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.cloud.errors import ServiceError

_TOKEN = re.compile(r'\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<mark>[()])|(?P<word>[^\s()"]+))')
_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Constant:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class In:
    """An alarm is in a state."""

    state: str
    alarm: str


@dataclass(frozen=True, slots=True)
class Not:
    """Something does not hold."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Both:
    """Two things hold."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of two things holds."""

    left: Node
    right: Node


Node = Constant | In | Not | Both | Either


def parse(text: str) -> Node:
    """Return a rule; raise ValidationError for what is none."""
    parser = _Parser(text)
    rule = parser.either(0)
    parser.end()
    return rule


def names_in(rule: Node) -> set[str]:
    """Return the names of the alarms that a rule looks at."""
    match rule:
        case In():
            return {rule.alarm}
        case Not():
            return names_in(rule.operand)
        case Both() | Either():
            return names_in(rule.left) | names_in(rule.right)
        case _:
            return set()


def holds(rule: Node, states: Mapping[str, str]) -> bool:
    """Return whether a rule holds; an alarm that there is not (any more) is in INSUFFICIENT_DATA."""
    match rule:
        case Constant():
            return rule.value
        case In():
            return states.get(rule.alarm, "INSUFFICIENT_DATA") == rule.state
        case Not():
            return not holds(rule.operand, states)
        case Both():
            return holds(rule.left, states) and holds(rule.right, states)
        case Either():
            return holds(rule.left, states) or holds(rule.right, states)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._tokens: list[str] = []
        position = 0
        while position < len(self._text):
            match = _TOKEN.match(self._text, position)
            if match is None:
                raise self._wrong(f"at position {position}")
            self._tokens.append(match[0].strip())
            position = match.end()
        self._next = 0

    def either(self, depth: int) -> Node:
        left = self._both(depth)
        while self._peek().upper() == "OR":
            self._take()
            left = Either(left, self._both(depth))
        return left

    def end(self) -> None:
        if self._peek():
            raise self._wrong(f"{self._peek()} is unexpected")

    def _both(self, depth: int) -> Node:
        left = self._one(depth)
        while self._peek().upper() == "AND":
            self._take()
            left = Both(left, self._one(depth))
        return left

    def _one(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self._wrong("it is nested too deeply")
        first = self._take()
        word = first.upper()
        if word == "(":
            inner = self.either(depth + 1)
            self._expect(")")
            return inner
        if word == "NOT":
            return Not(self._one(depth + 1))
        if word in ("TRUE", "FALSE"):
            return Constant(word == "TRUE")
        if word in _STATES:
            self._expect("(")
            name = self._take()
            self._expect(")")
            return In(word, _name(name))
        raise self._wrong(f"{first or 'its end'} is unexpected")

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _expect(self, token: str) -> None:
        found = self._take()
        if found != token:
            raise self._wrong(f"{found or 'its end'} is unexpected")

    def _wrong(self, why: str) -> ServiceError:
        return ServiceError("ValidationError", f"AlarmRule is invalid: {why} in '{self._text}'")


def _name(token: str) -> str:
    text = re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token
    return text.split(":", 6)[6] if text.startswith("arn:") and text.count(":") >= 6 else text
