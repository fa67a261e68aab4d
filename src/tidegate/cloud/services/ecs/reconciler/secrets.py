"""What a task's containers are given at their start beside the definition's own: secrets, environment files.

All of it is got by the execution role. No value is written into a record, a log or the text of an error.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.model import TaskRecord
from tidegate.cloud.services.ecs.reconciler.roles import Roles
from tidegate.cloud.services.ecs.secrets import (
    Parameter,
    Secret,
    SecretError,
    bucket_and_key,
    extracted,
    file_variables,
    reference,
)
from tidegate.cloud.store import Key

_FAILED = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve {}: service call has been retried 1 time(s): {}"
)
_NO_FILES = (
    "ResourceInitializationError: failed to download env files: service call has been retried 1 time(s): operation "
    "error S3: HeadObject, https response error StatusCode: {}, api error {}: {}: {}"
)
_REFUSED = {403: "Forbidden", 404: "NotFound"}


class NotRetrievedError(Exception):
    """What a container needs cannot be had; the message is ECS's stop reason."""


@dataclass(frozen=True, slots=True)
class Given:
    """The variables of one container: those of its files, which its own ones override, and its secrets."""

    files: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


class Secrets:
    """Retrieves secrets and environment files."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles

    async def given(self, key: Key, record: TaskRecord, containers: Sequence[Mapping[str, Any]]) -> Mapping[str, Given]:
        """Return what each container is given, by its name; raise `NotRetrievedError`."""
        return {
            each["name"]: Given(
                await self._files(record, each.get("environmentFiles", [])),
                await self._secrets(key[0], record, each.get("secrets", [])),
            )
            for each in containers
        }

    async def _secrets(self, region: str, record: TaskRecord, wanted: Sequence[Mapping[str, str]]) -> dict[str, str]:
        try:
            references = {each["name"]: reference(each["valueFrom"], region) for each in wanted}
        except SecretError as error:
            raise NotRetrievedError(_FAILED.format("secret from asm", error)) from None
        parameters = {name: each for name, each in references.items() if isinstance(each, Parameter)}
        secrets = {name: each for name, each in references.items() if isinstance(each, Secret)}
        return {
            **await self._parameters(record, parameters),
            **{name: await self._secret(record, each) for name, each in secrets.items()},
        }

    async def _parameters(self, record: TaskRecord, wanted: Mapping[str, Parameter]) -> dict[str, str]:
        found: dict[str, str] = {}
        missing: list[str] = []
        try:
            for name, parameter in wanted.items():
                caller = await self._roles.execution(record, parameter.region)
                answer = await caller("ssm", "get_parameters", Names=[parameter.name], WithDecryption=True)
                missing += answer["InvalidParameters"]
                for each in answer["Parameters"]:
                    found[name] = each["Value"]
        except ServiceError as error:
            raise NotRetrievedError(_FAILED.format("secrets from ssm", _told(error))) from None
        if missing:
            why = f"invalid ssm parameters: {','.join(dict.fromkeys(missing))}"
            raise NotRetrievedError(_FAILED.format("secrets from ssm", why))
        return found

    async def _secret(self, record: TaskRecord, secret: Secret) -> str:
        which = {"VersionStage": secret.stage, "VersionId": secret.version}
        try:
            caller = await self._roles.execution(record, secret.region)
            answer = await caller(
                "secretsmanager",
                "get_secret_value",
                SecretId=secret.arn,
                **{name: value for name, value in which.items() if value},
            )
        except ServiceError as error:
            why = f"failed to fetch secret {secret.arn} from secrets manager: {_told(error)}"
            raise NotRetrievedError(_FAILED.format("secret from asm", why)) from None
        try:
            return extracted(answer.get("SecretString", ""), secret.key)
        except SecretError as error:
            raise NotRetrievedError(_FAILED.format("secret from asm", error)) from None

    async def _files(self, record: TaskRecord, files: Sequence[Mapping[str, str]]) -> dict[str, str]:
        """Return the variables of environment files; of two of a name the first one counts."""
        found: dict[str, str] = {}
        for each in files:
            try:
                text = await _read(await self._roles.execution(record), each["value"])
            except ServiceError as error:
                name = _REFUSED.get(error.status, error.code)
                why = f"{each['value']}: {error.message}"
                raise NotRetrievedError(_NO_FILES.format(error.status, name, name, why)) from None
            except UnicodeDecodeError:
                why = f"ResourceInitializationError: failed to download env files: {each['value']} is not UTF-8"
                raise NotRetrievedError(why) from None
            found = {**file_variables(text), **found}
        return found


async def _read(caller: Caller, arn: str) -> str:
    bucket, key = bucket_and_key(arn)
    answer = await caller("s3", "get_object", Bucket=bucket, Key=key)
    return b"".join([chunk async for chunk in answer["Body"]]).decode()


def _told(error: ServiceError) -> str:
    code = "AccessDeniedException" if error.code == "AccessDenied" else error.code
    return f"{code}: {error.message}"
