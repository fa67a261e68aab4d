"""Variables in an action's configuration: `#{namespace.key}`.

https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

PIPELINE = "codepipeline"  # the namespace of what every execution knows of itself
DECLARED = "variables"  # the namespace of the pipeline's own variables
RESERVED = frozenset({PIPELINE, DECLARED})

_REFERENCE = re.compile(r"#\{(?P<text>[^{}]*)\}")

Namespaces = Mapping[str, Mapping[str, str]]


class UnresolvedError(Exception):
    """A reference to a variable that has no value; the message names it."""


class Reference(NamedTuple):
    """A reference as it is written, and what it means."""

    text: str
    namespace: str
    key: str


def references(text: str) -> Iterator[Reference]:
    """Yield the references in a text."""
    for match in _REFERENCE.finditer(text):
        namespace, _, key = match["text"].partition(".")
        yield Reference(match["text"], namespace, key)


def resolve(configuration: Mapping[str, str], namespaces: Namespaces) -> dict[str, str]:
    """Return a configuration with its variables' values in it; raise `UnresolvedError`."""

    def value(match: re.Match[str]) -> str:
        namespace, _, key = match["text"].partition(".")
        found = namespaces.get(namespace, {}).get(key)
        if found is None:
            raise UnresolvedError(match["text"])
        return found

    return {name: _REFERENCE.sub(value, text) for name, text in configuration.items()}
