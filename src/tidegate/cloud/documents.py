"""Documents that somebody else wrote, inside of requests: policies, patterns, buildspecs, tokens."""

from __future__ import annotations

import json
from typing import Any

import yaml

_KEPT = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:null")
_MOST_DIGITS = 18
_MOST_NODES = 100_000  # of a YAML document, once its aliases stand for what they name


def from_json(text: str | bytes) -> Any:
    """Return what JSON text says; `ValueError` for what is none, or is nested too deeply to be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def is_number(text: str) -> bool:
    """Return whether a text is a whole number that is not absurdly long: Python refuses to read 4300 digits."""
    return text.isdecimal() and len(text) <= _MOST_DIGITS


def from_yaml(text: str, *, as_written: bool = False) -> Any:
    """Return what YAML text says; `yaml.YAMLError` for what is none, is nested too deeply, or grows too large.

    `as_written`: scalars are texts (`3.10` is no number, `0755` no octal one), but for null.
    """
    try:
        return yaml.load(text, _TextLoader if as_written else _Loader)  # noqa: S506 - a SafeLoader
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    except (ValueError, TypeError) as error:  # a number of thousands of digits, a tag that its value is none of
        raise yaml.YAMLError(f"a value cannot be read: {error}") from None


class _Loader(yaml.SafeLoader):
    """Few lines with aliases of aliases stand for more than any memory holds: what they stand for is counted."""

    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._nodes += _size(node, {}) if alias else 1
        if self._nodes > _MOST_NODES:
            raise yaml.YAMLError("its aliases make it too large")
        return node


class _TextLoader(_Loader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - as the library declares it
        sign: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT]
        for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _size(node: Any, known: dict[int, int]) -> int:
    """Return how many nodes there are under one, each counted as often as it is named."""
    if id(node) not in known:
        known[id(node)] = 1  # should it name itself
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        children = [each for part in parts for each in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_size(each, known) for each in children)
    return known[id(node)]
