"""What Secrets Manager's operations have in common: finding secrets, what IAM evaluates, values as they are given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.secretsmanager.model import SecretRecord, SecretsModel, Value

_NAME = re.compile(r"^[A-Za-z0-9/_+=.@!-]+$")
_MOST_TAGS = 50


def secret_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return what an operation on a secret is authorized on: its ARN, or the bare name of one that is not there.

    So it is on AWS, where a role that may read `arn:…:secret:app-*` is denied a secret that does not exist.
    """
    record = api.model.named(context.region, request["SecretId"])
    return str(request["SecretId"] if record is None else record["arn"])


def secret_conditions(api: Any, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operation's condition keys: the secret's tags, and what the request names.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
    """
    record = api.model.named(context.region, request["SecretId"])
    keys: dict[str, Any] = {"secretsmanager:SecretId": request["SecretId"], **request_tags(request)}
    for member in ("VersionId", "VersionStage", "RecoveryWindowInDays", "ForceDeleteWithoutRecovery"):
        if member in request:
            value = request[member]
            keys[f"secretsmanager:{member}"] = str(value).lower() if isinstance(value, bool) else str(value)
    if record is not None:
        for tag in record["tags"]:
            for prefix in ("aws", "secretsmanager"):
                keys[f"{prefix}:ResourceTag/{tag.get('Key', '')}"] = tag.get("Value", "")
    return keys


def request_tags(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tags that a request gives, as condition keys."""
    return {f"aws:RequestTag/{tag.get('Key', '')}": tag.get("Value", "") for tag in request.get("Tags", [])}


def find(model: SecretsModel, context: Context, identifier: str, *, deleted: bool = False) -> SecretRecord:
    """Return a secret; raise ResourceNotFoundException, and InvalidRequestException unless it may be `deleted`."""
    if not identifier.startswith("arn:"):
        check_name(identifier)
    record = model.named(context.region, identifier)
    if record is None:
        raise ServiceError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    if "deletion" in record and not deleted:
        raise ServiceError(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        )
    return record


def check_name(name: str) -> None:
    """Raise ValidationException for what no secret can be called."""
    if not _NAME.match(name):
        raise ServiceError(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        )


def given_value(request: Mapping[str, Any]) -> Value | None:
    """Return the value that a request gives, if any; raise for two of them, or for one without its token."""
    if "SecretString" in request and "SecretBinary" in request:
        raise invalid("You can't specify both a binary secret value and a string secret value in the same secret.")
    value = None
    if "SecretString" in request:
        value = Value("SecretString", request["SecretString"].encode())
    elif "SecretBinary" in request:
        value = Value("SecretBinary", bytes(request["SecretBinary"]))
    if value is not None and "ClientRequestToken" not in request:
        raise ServiceError(
            "InvalidRequestException", "You must provide a ClientRequestToken value. We recommend a UUID-type value."
        )
    return value


def is_known(model: SecretsModel, region: str, record: SecretRecord, token: str, value: Value) -> bool:
    """Return whether a version of this token is there with this very value; raise where it has another."""
    if token not in record["versions"]:
        return False
    if model.value(region, record, token) != value:
        raise ServiceError(
            "ResourceExistsException",
            f"You can't use ClientRequestToken {token} because that value is already in use for a version of secret "
            f"{record['arn']}.",
        )
    return True


def check_tags(context: Context, given: Iterable[Mapping[str, Any]], merged: Iterable[Mapping[str, Any]]) -> None:
    """Raise for keys that are AWS's own or missing, and for too many tags."""
    if any("Key" not in tag for tag in given):
        raise invalid("You must provide a key for each tag.")
    if any(tag["Key"].lower().startswith("aws:") for tag in given) and not context.for_cloudformation:
        raise invalid("Tag keys can't begin with the reserved prefix aws:.")
    if sum(not tag["Key"].startswith("aws:") for tag in merged) > _MOST_TAGS:
        raise invalid(f"A secret can have at most {_MOST_TAGS} tags.")


def named(record: SecretRecord) -> dict[str, Any]:
    """Return what nearly every answer begins with."""
    return {"ARN": record["arn"], "Name": record["name"]}


def invalid(why: str) -> ServiceError:
    """Refuse a parameter."""
    return ServiceError("InvalidParameterException", why)
