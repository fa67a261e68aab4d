"""The YAML of a build specification: its nodes, and what is wrong with one.

Scalars are texts as they are written (`3.10` is no number, `0755` no octal one), as CodeBuild takes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tidegate.cloud.documents import from_yaml

_YES, _NO = ("yes", "true", "on"), ("no", "false", "off", "")


class BuildspecError(Exception):
    """A buildspec that cannot be used; the message is the phase context's, under YAML_FILE_ERROR."""


def load(text: str) -> Any:
    """Return a document's nodes: mappings, lists, texts, None; raise `BuildspecError`."""
    try:
        return from_yaml(text, as_written=True)
    except yaml.MarkedYAMLError as error:
        line = f" at line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise BuildspecError(f"{error.problem or error.context}{line}") from None
    except yaml.YAMLError as error:
        raise BuildspecError(str(error)) from None


def mapping(node: Any, path: str, keys: frozenset[str] | None = None) -> Mapping[str, Any]:
    """Return a mapping, with no keys but these; raise `BuildspecError`."""
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise BuildspecError(f"Expected {path} to be a mapping: found {kind(node)} instead")
    unknown = sorted(str(key) for key in node if keys is not None and key not in keys)
    if unknown:
        raise BuildspecError(f"unknown key {unknown[0]} in {path}, it must be one of {', '.join(sorted(keys or ()))}")
    return {str(key): value for key, value in node.items()}


def texts(node: Any, path: str) -> Sequence[str]:
    """Return the texts of a list, or the one that is there."""
    if node is None:
        return ()
    if isinstance(node, list):
        return tuple(scalar(each, path) for each in node)
    return (scalar(node, path),)


def scalar(node: Any, path: str) -> str:
    """Return a text; raise `BuildspecError` for anything else."""
    if isinstance(node, (dict, list)) or node is None:
        raise BuildspecError(f"Expected {path} to be of string type: found {kind(node)} instead")
    return str(node)


def flag(node: Any, path: str) -> bool:
    """Return what `yes` or `no` means; raise `BuildspecError` for anything else."""
    text = "" if node is None else scalar(node, path).lower()
    if text not in (*_YES, *_NO):
        raise BuildspecError(f"invalid {path}: {node}, it must be yes or no")
    return text in _YES


def kind(node: Any) -> str:
    """Return what a node is, in words."""
    return {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(node), "text")
