"""Text to template: JSON, or YAML with CloudFormation's short forms (`!Ref`, `!GetAtt a.b`, `!Sub`).

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import lru_cache
from typing import Any

import yaml

_LARGEST = 1_000_000  # bytes, https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_WHOLE_NAMES = ("Ref", "Condition")


class TemplateError(Exception):
    """A template that cannot be used; the message is AWS's sentence."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as CloudFormation reads it: dates stay text, a key twice is an error."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise TemplateError("Template error: YAML aliases are not allowed in CloudFormation templates")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen and key != "<<":
                line = key_node.start_mark.line + 1
                raise TemplateError(f"Template format error: the key {key} occurs twice (line {line})")
            seen.add(key)
        return super().construct_mapping(node, deep=True)


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in _WHOLE_NAMES else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            return {name: str(value).split(".", 1)}
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


_Loader.add_multi_constructor("!", _short_form)
# a date is text, as in `Version: 2012-10-17` and `AWSTemplateFormatVersion: 2010-09-09`
_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@lru_cache(maxsize=32)
def parse(text: str) -> dict[str, Any]:
    """Return the template that a text holds, not to be changed; raise `TemplateError`."""
    if len(text.encode()) > _LARGEST:
        raise TemplateError("Template may not exceed 1000000 bytes in size.")
    template = _json(text) if text.lstrip().startswith("{") else _yaml(text)
    if not isinstance(template, dict):
        raise TemplateError("Template format error: unsupported structure.")
    return _with_text_keys(template, 0)  # type: ignore[no-any-return]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if ":" in text and not text.rstrip().endswith("}"):
            return _yaml(text)
        raise TemplateError(
            f"Template format error: JSON not well-formed. (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise TemplateError("Template format error: the template is nested too deeply") from None


def _yaml(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
        raise TemplateError(
            f"Template format error: YAML not well-formed.{where} {error.problem or ''}".rstrip()
        ) from None
    except yaml.YAMLError as error:
        raise TemplateError(f"Template format error: YAML not well-formed. {error}") from None
    except RecursionError:
        raise TemplateError("Template format error: the template is nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits, a date that is none
        raise TemplateError(f"Template format error: YAML not well-formed. {error}") from None


def _with_text_keys(value: Any, depth: int) -> Any:
    """Return the value with every key as text: YAML makes numbers and booleans of some (`80:`, `on:`)."""
    if depth > 200:
        raise TemplateError("Template format error: the template is nested too deeply")
    if isinstance(value, dict):
        return {_text(key): _with_text_keys(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_text_keys(each, depth + 1) for each in value]
    return value


def _text(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)
