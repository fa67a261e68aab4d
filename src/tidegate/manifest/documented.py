"""The docstrings of the manifest's keys, given to the models by who shows them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from tidegate.manifest.model import Manifest
from tidegate.manifest.part import Part


def documented() -> type[Manifest]:
    """Return the manifest's model, in which the description of each key is the docstring below it."""
    for part in _parts(Manifest, []):
        for name, text in _docstrings(part).items():
            part.model_fields[name].description = text
        part.model_rebuild(force=True)
    return Manifest


def _parts(part: type[Part], seen: list[type[Part]]) -> Iterator[type[Part]]:
    """Yield a part and all below it, each once, those below first."""
    seen.append(part)
    for field in part.model_fields.values():
        for below in _mentioned(field.annotation):
            if below not in seen:
                yield from _parts(below, seen)
    yield part


def _mentioned(annotation: Any) -> Iterator[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    for each in get_args(annotation):
        yield from _mentioned(each)


def _docstrings(part: type[Part]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for line, below in zip(definition.body, definition.body[1:], strict=False):
        match line, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ) if name in part.model_fields:
                found[name] = inspect.cleandoc(text)
    return found
