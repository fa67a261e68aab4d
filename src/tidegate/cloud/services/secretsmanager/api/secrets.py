"""Secrets: created, described, listed, updated, deleted, restored.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html and its siblings.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.secretsmanager.api.shared import (
    check_name,
    check_tags,
    find,
    given_value,
    invalid,
    is_known,
    named,
    request_tags,
    secret_arn,
    secret_conditions,
)
from tidegate.cloud.services.secretsmanager.filters import fits
from tidegate.cloud.services.secretsmanager.model import CURRENT, SecretRecord, SecretsModel, Value
from tidegate.cloud.services.secretsmanager.stages import added

if TYPE_CHECKING:
    from types_boto3_secretsmanager import type_defs as t

DEFAULT_KEY = "alias/aws/secretsmanager"
_PAGE = 100
_SUFFIX = 6
_WINDOW = range(7, 31)  # days
_USUAL_WINDOW = 30
_ORDER = {
    "name": "name",
    "created-date": "created",
    "last-changed-date": "changed",
    "last-accessed-date": "accessed",
}


class SecretsApi:
    """Secrets by their names."""

    def __init__(self, model: SecretsModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(
        resource=lambda api, context, request: context.arn("secretsmanager", f"secret:{request['Name']}"),
        conditions=lambda api, context, request: {"secretsmanager:Name": request["Name"], **request_tags(request)},
        refuse=("AddReplicaRegions", "ForceOverwriteReplicaSecret", "Type", "CrossAccountPrimaryARN"),
    )
    async def create_secret(self, context: Context, request: t.CreateSecretRequestTypeDef) -> Mapping[str, Any]:
        """Create a secret, with a first version if a value is given."""
        name, tags = request["Name"], list(request.get("Tags", []))
        check_name(name)
        _check_key(context, request)
        check_tags(context, tags, tags)
        value = given_value(request)
        if tags:
            arn = context.arn("secretsmanager", f"secret:{name}")
            self._calls.authorize(context, "secretsmanager:TagResource", arn, request_tags(request))
        known = self.model.secrets.get(context.region, name)
        if known is not None:
            return self._again(context, known, request, value)
        now = self._clock.now()
        record: SecretRecord = {
            "name": name,
            "arn": self.model.arn(
                context.region, name, self._clock.text(string.ascii_letters + string.digits, _SUFFIX)
            ),
            "created": now,
            "changed": now,
            "tags": tags,
            "versions": {},
        }
        if request.get("Description"):
            record["description"] = request["Description"]
        return self._write(context, record, request, value)

    @operation(resource=secret_arn, conditions=secret_conditions, refuse=("Type",))
    async def update_secret(self, context: Context, request: t.UpdateSecretRequestTypeDef) -> Mapping[str, Any]:
        """Change the description, or the value: that makes a new version, the current one."""
        record, value = find(self.model, context, request["SecretId"]), given_value(request)
        _check_key(context, request)
        if "Description" in request:
            record["description"] = request["Description"]
        record["changed"] = self._clock.now()
        if value is not None and is_known(self.model, context.region, record, request["ClientRequestToken"], value):
            self.model.put(context.region, record)
            return {**named(record), "VersionId": request["ClientRequestToken"]}
        return self._write(context, record, request, value)

    @operation(resource=secret_arn, conditions=secret_conditions)
    async def describe_secret(self, context: Context, request: t.DescribeSecretRequestTypeDef) -> Mapping[str, Any]:
        """Describe a secret, its value excepted, deleted or not."""
        record = find(self.model, context, request["SecretId"], deleted=True)
        answer = _described(record)
        stages = _stages(record)
        return {**answer, "VersionIdsToStages": stages} if stages else answer

    @operation()
    async def list_secrets(self, context: Context, request: t.ListSecretsRequestTypeDef) -> Mapping[str, Any]:
        """List secrets, the newest first unless asked otherwise; deleted ones with `IncludePlannedDeletion`."""
        by = _ORDER[request.get("SortBy", "created-date")]
        filters = request.get("Filters", [])
        records = [
            record
            for record in self.model.secrets.values(context.region)
            if ("deletion" not in record or request.get("IncludePlannedDeletion"))
            and fits(context.region, record, filters)
        ]

        def place(record: SecretRecord) -> str:
            return f"{record.get(by, '')} {record['name']}"

        usual = "asc" if by == "name" else "desc"
        descending = request.get("SortOrder", usual) == "desc"
        records.sort(key=place, reverse=descending)
        chosen, token = page(
            records,
            request.get("NextToken"),
            request.get("MaxResults", _PAGE),
            key=place,
            invalid="InvalidNextTokenException",
            descending=descending,
        )
        secrets = [{**_described(each), "SecretVersionsToStages": _stages(each)} for each in chosen]
        return {"SecretList": secrets, **({"NextToken": token} if token else {})}

    @operation(resource=secret_arn, conditions=secret_conditions)
    async def delete_secret(self, context: Context, request: t.DeleteSecretRequestTypeDef) -> Mapping[str, Any]:
        """Schedule a secret for deletion, or delete it at once with `ForceDeleteWithoutRecovery`."""
        now, force = self._clock.now(), request.get("ForceDeleteWithoutRecovery", False)
        if force and "RecoveryWindowInDays" in request:
            raise invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
        days = request.get("RecoveryWindowInDays", _USUAL_WINDOW)
        if days not in _WINDOW:
            raise invalid("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
        if force:
            return self._forced(context, request["SecretId"])
        record = find(self.model, context, request["SecretId"])
        record["deletion"] = now + timedelta(days=days)
        self.model.put(context.region, record)
        return {**named(record), "DeletionDate": record["deletion"]}

    @operation(resource=secret_arn, conditions=secret_conditions)
    async def restore_secret(self, context: Context, request: t.RestoreSecretRequestTypeDef) -> Mapping[str, Any]:
        """Take a deletion back."""
        record = find(self.model, context, request["SecretId"], deleted=True)
        record.pop("deletion", None)
        self.model.put(context.region, record)
        return named(record)

    def _again(self, context: Context, known: SecretRecord, request: Any, value: Value | None) -> Mapping[str, Any]:
        """Answer a request for a secret whose name is taken: the same request twice is no error."""
        if "deletion" in known:
            raise ServiceError(
                "InvalidRequestException",
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            )
        token = request.get("ClientRequestToken", "")
        if value is not None and is_known(self.model, context.region, known, token, value):
            return {**named(known), "VersionId": token}
        raise ServiceError(
            "ResourceExistsException", f"The operation failed because the secret {known['name']} already exists."
        )

    def _write(self, context: Context, record: SecretRecord, request: Any, value: Value | None) -> Mapping[str, Any]:
        answer = named(record)
        with self.model.transaction():
            if value is not None:
                token = request["ClientRequestToken"]
                record["versions"] = added(record["versions"], token, [CURRENT], self._clock.now())
                self.model.put_value(context.region, record, token, value)
                answer["VersionId"] = token
            self.model.put(context.region, record)
        return answer

    def _forced(self, context: Context, identifier: str) -> Mapping[str, Any]:
        """Delete at once; a secret that is not there is no error."""
        record = self.model.named(context.region, identifier)
        if record is None:
            if not identifier.startswith("arn:"):
                check_name(identifier)
            arn = identifier if identifier.startswith("arn:") else context.arn("secretsmanager", f"secret:{identifier}")
            name = arn.split(":", 6)[-1]
            return {"ARN": arn, "Name": name, "DeletionDate": self._clock.now()}
        self.model.delete(context.region, record["name"])
        return {**named(record), "DeletionDate": self._clock.now()}


def _check_key(context: Context, request: Mapping[str, Any]) -> None:
    if request.get("KmsKeyId", DEFAULT_KEY) not in ("", DEFAULT_KEY, context.arn("kms", DEFAULT_KEY)):
        raise not_offered(f"secretsmanager KmsKeyId other than {DEFAULT_KEY}")


def _described(record: SecretRecord) -> dict[str, Any]:
    return {
        **named(record),
        "Description": record.get("description") or None,
        "CreatedDate": record["created"],
        "LastChangedDate": record["changed"],
        "LastAccessedDate": record.get("accessed"),
        "DeletedDate": record.get("deletion"),
        "Tags": record["tags"] or None,
    }


def _stages(record: SecretRecord) -> dict[str, list[str]]:
    return {version: each["stages"] for version, each in record["versions"].items() if each["stages"]}
