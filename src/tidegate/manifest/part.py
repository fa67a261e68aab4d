"""What all parts of the manifest have in common, and the small types that several of them use."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# no hyphen at the end, no two in a row: what is made of two names must not read like what is made of two others
NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
LONGEST_NAME = 30


class Part(BaseModel):
    """A mapping of known keys. The docstring of each key is the reference and the schema's text: see `documented`.

    Every command waits for these models. So they are built when the first is validated, defaults are made without
    being validated (`model_construct`), and docstrings are read only by who shows them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _one_or_several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _texts(value: Any) -> Any:
    """Return numbers and truth values as the text that an environment variable is."""
    if not isinstance(value, dict):
        return value
    return {key: _text(each) for key, each in value.items()}


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME)]
Minutes = Annotated[int, Field(ge=0, le=1440)]
Percent = Annotated[int, Field(ge=1, le=100)]
Patterns = Annotated[
    tuple[str, ...], BeforeValidator(_one_or_several, json_schema_input_type=str | list[str]), Field(min_length=1)
]
Variables = Annotated[
    dict[str, str], BeforeValidator(_texts, json_schema_input_type=dict[str, str | int | float | bool])
]
