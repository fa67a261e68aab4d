"""The reference of the manifest, docs/manifest.md, made of the docstrings of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tidegate.manifest.documented import documented
from tidegate.manifest.model import FILE_NAME
from tidegate.manifest.sizes import FARGATE_SIZES

_ADDRESS = re.compile(r"^https://\S+$", re.MULTILINE)
_HEAD = f"""\
# The manifest: every key of `{FILE_NAME}`

<!-- Made of the docstrings in src/tidegate/manifest by `python -m tests.generate`: change them there. -->

Only `app` and one of the `services` are required. An unknown key is an error that names the nearest right one, with its
line. NAME stands for a name that you choose, N for a place in a list. Editors check and complete the file with
[tidegate.schema.json](tidegate.schema.json).
"""


def reference() -> str:
    """Return the reference as Markdown: a section for every part of the manifest, a row for every key."""
    sections = [_HEAD]
    sections += [_section(path, model) for path, model in _parts(documented(), "")]
    return "\n".join([*sections, _sizes()])


def _parts(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield a model, then those below it, each with the path of its keys."""
    yield path, model
    for name, field in model.model_fields.items():
        below, between = below_of(field.annotation)
        if below is not None:
            yield from _parts(below, f"{path}{name}{between}.")


def _section(path: str, model: type[BaseModel]) -> str:
    title = f"`{path.removesuffix('.')}`" if path else "The whole"
    text = model.__doc__ or ""
    address = _ADDRESS.search(text)
    prose = " ".join(_ADDRESS.sub("", text).split())
    rows = [_row(path, name, field) for name, field in model.model_fields.items()]
    source = [f"More: <{address[0]}>", ""] if address else []
    return "\n".join([f"## {title}", "", prose, "", *source, "| key | default | |", "|---|---|---|", *rows, ""])


def _row(path: str, name: str, field: FieldInfo) -> str:
    assert field.description, f"{path}{name} is not described"
    return f"| `{path}{name}` | {_default(field)} | {' '.join(field.description.split()).replace('|', '&#124;')} |"


def below_of(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the model below a key, and what stands between: a name, or a place in a list."""
    if hasattr(annotation, "__metadata__"):
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin, found = get_origin(annotation), [below_of(each) for each in get_args(annotation)]
    models = [model for model, _ in found if model is not None]
    return (models[0], {dict: ".NAME", tuple: ".N"}.get(origin, "")) if models else (None, "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined or value is None or isinstance(value, (BaseModel, dict)) or value == ():
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{each}`" for each in value if isinstance(each, str))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _sizes() -> str:
    rows = [f"| {cpu} | {_steps(memory)} |" for cpu, memory in FARGATE_SIZES.items()]
    head = [
        "## Sizes",
        "",
        "Cpu and memory must be a pair that Fargate has:",
        "",
        "| cpu | memory (MiB) |",
        "|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def _steps(sizes: tuple[int, ...]) -> str:
    if len(sizes) < 4:
        return ", ".join(map(str, sizes))
    return f"{sizes[0]} to {sizes[-1]} in steps of {sizes[1] - sizes[0]}"
