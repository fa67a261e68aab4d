"""What dynamic references stand for, asked of the other services as whoever runs the operation.

Plain parameters (`ssm`) are asked when an operation is requested, and what they hold is part of what the stack is made
from. Secrets are asked at the moment when a resource's calls are made, and kept nowhere: records, change sets and
events have the reference itself, as on AWS.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
"""

from __future__ import annotations

import json
from typing import Any

from tidegate.cloud.call import Caller
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.template.parse import TemplateError
from tidegate.cloud.services.cloudformation.template.references import (
    PLAIN,
    SECRET,
    SECURE,
    Reference,
    found,
    read,
    replaced,
)


class UnresolvedError(Exception):
    """A reference that stands for nothing; the message is AWS's sentence and holds no value."""


async def value_of(caller: Caller, literal: str) -> str:
    """Return what a reference stands for; raise `UnresolvedError`."""
    try:
        reference = read(literal)
    except TemplateError as error:
        raise UnresolvedError(str(error)) from None
    try:
        return await (_secret if reference.kind == SECRET else _parameter)(caller, reference)
    except ServiceError as error:
        raise UnresolvedError(error.message) from None


async def filled(caller: Caller, properties: Any, *, strict: bool) -> tuple[Any, list[str]]:
    """Return properties with all references replaced, and the secrets that are now among them.

    `strict`: raise `UnresolvedError` for one that stands for nothing; it stays as it is otherwise.
    """
    values: dict[str, str] = {}
    secrets: list[str] = []
    for literal in sorted({literal for _, literal in found(properties)}):
        try:
            values[literal] = await value_of(caller, literal)
        except UnresolvedError:
            if strict:
                raise
            continue
        if read(literal).kind != PLAIN:
            secrets.append(values[literal])
    return replaced(properties, values), secrets


async def _parameter(caller: Caller, reference: Reference) -> str:
    name = f"{reference.name}:{reference.version}" if reference.version else reference.name
    answer = await caller("ssm", "get_parameters", Names=[name], WithDecryption=reference.kind == SECURE)
    if not answer["Parameters"]:
        raise UnresolvedError(f"Parameters: [{reference.kind}:{name}] cannot be found.")
    parameter = answer["Parameters"][0]
    if reference.kind == PLAIN and parameter["Type"] == "SecureString":
        raise UnresolvedError(f"Non-secure ssm prefix was used for secure parameter {reference.name}")
    return str(parameter["Value"])


async def _secret(caller: Caller, reference: Reference) -> str:
    which = {"VersionStage": reference.stage, "VersionId": reference.version}
    chosen = {name: value for name, value in which.items() if value}
    answer = await caller("secretsmanager", "get_secret_value", SecretId=reference.name, **chosen)
    text = str(answer.get("SecretString", ""))
    if not reference.key:
        return text
    try:
        document = from_json(text)
    except ValueError:
        raise UnresolvedError("Could not parse SecretString JSON") from None
    if not isinstance(document, dict) or reference.key not in document:
        raise UnresolvedError("Could not find a value associated with JSONKey in SecretString")
    value = document[reference.key]
    return value if isinstance(value, str) else json.dumps(value)
