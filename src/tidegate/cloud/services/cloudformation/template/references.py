"""Dynamic references, `{{resolve:service:…}}`: found in values, read, replaced. Pure.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tidegate.cloud.services.cloudformation.template.parse import TemplateError

PLAIN, SECURE, SECRET = "ssm", "ssm-secure", "secretsmanager"
_REFERENCE = re.compile(r"\{\{resolve:([^{}]*)\}\}")
_PARAMETER = re.compile(r"(?P<name>[a-zA-Z0-9_.\-/]+)(?::(?P<version>\d+))?")
_ARN_PARTS = 7
# of the properties that may have a secure one, those whose types there are handlers for
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-ssm-secure-strings.html
_SECURE_PROPERTIES = frozenset({"AWS::IAM::User/Properties/LoginProfile/Password"})


class Reference(NamedTuple):
    """What a dynamic reference names. `key`, `stage` and the secret's `version` are empty where it does not say."""

    kind: str
    name: str  # a parameter's name, or a secret's name or ARN
    version: str = ""
    key: str = ""
    stage: str = ""


def read(literal: str) -> Reference:
    """Return what a whole reference says; raise `TemplateError`."""
    kind, _, rest = literal.removeprefix("{{resolve:").removesuffix("}}").partition(":")
    if kind in (PLAIN, SECURE):
        match = _PARAMETER.fullmatch(rest)
        if match is None:
            raise TemplateError(f"Incorrect format is used in the following SSM reference: [{literal}]")
        return Reference(kind, match["name"], match["version"] or "")
    if kind != SECRET:
        raise TemplateError(f"Template error: {kind} is no service of dynamic references: [{literal}]")
    parts = rest.split(":")
    if rest.startswith("arn:"):
        parts = [":".join(parts[:_ARN_PARTS]), *parts[_ARN_PARTS:]]
    name, member, key, stage, version, *more = [*parts, "", "", "", ""][: max(len(parts), 5)]
    if not name or more or member not in ("", "SecretString"):
        raise TemplateError(f"Incorrect format is used in the following Secrets Manager reference: [{literal}]")
    return Reference(kind, name, version, key, stage)


def found(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the references in a value with the paths of the properties that they are in."""
    if isinstance(value, str):
        for match in _REFERENCE.finditer(value):
            yield path, match.group()
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from found(each, f"{path}/{name}")
    elif isinstance(value, list):
        for each in value:
            yield from found(each, path)


def holds_any(value: Any) -> bool:
    """Return whether there is a reference in a value."""
    return any(True for _ in found(value))


def replaced(value: Any, values: Mapping[str, str]) -> Any:
    """Return a value with references replaced; those that are not among `values` stay as they are."""
    if not values:
        return value
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: values.get(match.group(), match.group()), value)
    if isinstance(value, Mapping):
        return {name: replaced(each, values) for name, each in value.items()}
    return [replaced(each, values) for each in value] if isinstance(value, list) else value


def check(kind: str, properties: Any) -> None:
    """Raise `TemplateError` for a reference that cannot be, or not in this property of this type of resource."""
    for path, literal in found(properties, f"{kind}/Properties"):
        if read(literal).kind == SECURE and path not in _SECURE_PROPERTIES:
            raise TemplateError(f"SSM Secure reference is not supported in: [{path}]")


def check_default(name: str, default: Any) -> None:
    """Raise `TemplateError` for a parameter's default whose value could change without anybody's doing."""
    for _, literal in found(default):
        reference = read(literal)
        if reference.kind in (PLAIN, SECURE) and not reference.version:
            raise TemplateError(f"Template error: parameter {name} should not contain {reference.kind} versionless "
                                "resolver")  # fmt: skip
