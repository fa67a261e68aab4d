"""The variables of a build whose values are elsewhere: parameters of Systems Manager, secrets of Secrets Manager.

They are read as the build's role. No value is written into a record or the text of an error.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec.env.secrets-manager
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tidegate.cloud.call import Caller
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError

if TYPE_CHECKING:
    from types_boto3_codebuild import type_defs as t

_ARN_PARTS = 7
_PARAMETERS, _SECRETS = "Decrypted Variables Error", "Secrets Manager Error"


class SecretError(Exception):
    """A value that cannot be had: the phase context's code and message, as CodeBuild has them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


async def retrieved(
    caller: Caller,
    spec: Mapping[str, Mapping[str, str]],
    own: Sequence[t.EnvironmentVariableTypeDef],
    say: Callable[[str], None],
) -> dict[str, str]:
    """Return the values of the variables that are elsewhere; raise `SecretError`.

    `spec` are the buildspec's, by kind; the build's `own` go over them, and a value that another covers is not asked
    for. `say` writes into the log.
    """
    covered = {each["name"] for each in own}

    def wanted(kind: str) -> dict[str, str]:
        of_spec = {name: where for name, where in spec.get(kind, {}).items() if name not in covered}
        return {**of_spec, **{each["name"]: each["value"] for each in own if each.get("type") == kind}}

    parameters, secrets = wanted("PARAMETER_STORE"), wanted("SECRETS_MANAGER")
    if parameters:
        say("Decrypting parameter store environment variables")
    return {
        **{variable: await _parameter(caller, name) for variable, name in parameters.items()},
        **{variable: await _secret(caller, where) for variable, where in secrets.items()},
    }


async def _parameter(caller: Caller, name: str) -> str:
    try:
        answer = await caller("ssm", "get_parameters", Names=[name], WithDecryption=True)
    except ServiceError as error:
        raise SecretError(_PARAMETERS, _told(error)) from None
    if not answer["Parameters"]:
        raise SecretError(_PARAMETERS, f"parameter does not exist: {name}")
    return str(answer["Parameters"][0]["Value"])


async def _secret(caller: Caller, where: str) -> str:
    """Return what `secret-id:json-key:version-stage:version-id` names; all but the first may be left out."""
    parts = where.split(":")
    if where.startswith("arn:"):
        parts = [":".join(parts[:_ARN_PARTS]), *parts[_ARN_PARTS:]]
    identifier, key, stage, version, *more = [*parts, "", "", ""][: max(len(parts), 4)]
    if more:
        raise SecretError(_SECRETS, f"{where} is not secret-id:json-key:version-stage:version-id")
    which = {"VersionStage": stage, "VersionId": version}
    chosen = {name: value for name, value in which.items() if value}
    try:
        answer = await caller("secretsmanager", "get_secret_value", SecretId=identifier, **chosen)
    except ServiceError as error:
        raise SecretError(_SECRETS, _told(error)) from None
    text = str(answer.get("SecretString", ""))
    if not key:
        return text
    try:
        document = from_json(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or key not in document:
        raise SecretError(_SECRETS, f"the secret {identifier} is no JSON object with the key {key}")
    return document[key] if isinstance(document[key], str) else json.dumps(document[key])


def _told(error: ServiceError) -> str:
    code = "AccessDeniedException" if error.code == "AccessDenied" else error.code
    return f"{code}: {error.message}"
