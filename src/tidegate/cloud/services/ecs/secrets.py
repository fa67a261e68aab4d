"""Secrets and environment files of containers: what a definition asks for, and what is made of what is found. Pure.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/use-environment-file.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tidegate.cloud.documents import from_json

_ARN_PARTS, _REFERENCE_PARTS = 7, 10
_S3 = "arn:aws:s3:::"
_EXPONENT = 6  # from this power of ten on Go writes a number with an exponent


class SecretError(Exception):
    """A secret that cannot be had; the message, ECS's own where it has one, holds nothing of any value."""


class Parameter(NamedTuple):
    """A parameter of Systems Manager: its name, with a selector or without."""

    region: str
    name: str


class Secret(NamedTuple):
    """A secret of Secrets Manager: which version of it, and which key of its JSON; empty: not named."""

    region: str
    arn: str
    key: str = ""
    stage: str = ""
    version: str = ""


def reference(value_from: str, region: str) -> Parameter | Secret:
    """Return what a `valueFrom` names; a bare name is a parameter in the task's region. Raise `SecretError`."""
    if value_from.startswith("arn:") and value_from.split(":")[2:3] == ["secretsmanager"]:
        parts = value_from.split(":")
        if len(parts) not in (_ARN_PARTS, _REFERENCE_PARTS):
            raise SecretError("unexpected ARN format with parameters when trying to retrieve ASM secret")
        return Secret(parts[3], ":".join(parts[:_ARN_PARTS]), *parts[_ARN_PARTS:])
    if value_from.startswith("arn:"):
        parts = value_from.split(":", 5)
        if len(parts) < 6 or parts[2] != "ssm" or not parts[5].startswith("parameter/"):
            raise SecretError(f"invalid ARN for a secret: {value_from}")
        name = parts[5].removeprefix("parameter/")
        return Parameter(parts[3], f"/{name}" if "/" in name else name)
    return Parameter(region, value_from)


def extracted(secret: str, key: str) -> str:
    """Return the whole of a secret, or what its JSON has under a key, written as ECS writes it; raise `SecretError`."""
    if not key:
        return secret
    try:
        document = from_json(secret)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise SecretError(f"the secret is no JSON object to take the json key {key} from")
    if key not in document:
        raise SecretError(f"retrieved secret from Secrets Manager did not contain json key {key}")
    return _text(document[key])


def bucket_and_key(arn: str) -> tuple[str, str]:
    """Return where an environment file is."""
    bucket, _, key = arn.removeprefix(_S3).partition("/")
    return bucket, key


def is_environment_file(arn: str) -> bool:
    """Return whether an ARN can be that of an environment file."""
    return arn.startswith(_S3) and "" not in bucket_and_key(arn) and arn.endswith(".env")


def file_variables(text: str) -> dict[str, str]:
    """Return the variables of an environment file: `NAME=VALUE` lines, values as they stand, `#` lines left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip() and not line.startswith("#"):
            found[name.strip()] = value
    return found


def _text(value: Any) -> str:
    """Return a JSON value as Go's `%v` writes it, for ECS's agent is a Go program."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    if isinstance(value, (int, float)):
        return _number(float(value))
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{_text(value[key])}" for key in sorted(value)) + "]"
    return "[" + " ".join(_text(each) for each in value) + "]"


def _number(value: float) -> str:
    """Return a number as `%v` writes a float64: with as few digits as mean it, a million as `1e+06`.

    https://pkg.go.dev/strconv#FormatFloat
    """
    shortest = next(text for digits in range(17) if float(text := f"{value:.{digits}e}") == value)
    mantissa, _, exponent = shortest.partition("e")
    power = int(exponent)
    if power < -4 or power >= _EXPONENT:
        return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return f"{value:.{max(len(mantissa.lstrip('-').replace('.', '')) - 1 - power, 0)}f}"
