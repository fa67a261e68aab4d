"""How a manifest names a secret: `ssm:/name`, `secretsmanager:name`, or `secretsmanager:name#key`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator

_REFERENCE = re.compile(r"^(?:(ssm):/?([\w.-][\w./-]*)|(secretsmanager):([\w/+=.@-]+)(?:#([\w.-]+))?)$")


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: the store, its name there (of SSM without the first /), and for JSON the key."""

    store: Literal["ssm", "secretsmanager"]
    name: str
    key: str | None = None


def secret(reference: str) -> Secret:
    """Return what a reference means; raise `ValueError` where it is none."""
    match = _REFERENCE.match(reference)
    if match is None:
        raise ValueError(
            f"{reference!r}, but a secret reads ssm:/name or secretsmanager:name "
            "(secretsmanager:name#key for one key of a JSON secret)"
        )
    if match[1]:
        return Secret("ssm", match[2])
    return Secret("secretsmanager", match[4], match[5])


def _secrets(value: dict[str, str]) -> dict[str, str]:
    for name, reference in value.items():
        try:
            secret(reference)
        except ValueError as error:
            raise ValueError(f"{name} is {error}") from None
    return value


Secrets = Annotated[dict[str, str], AfterValidator(_secrets)]
