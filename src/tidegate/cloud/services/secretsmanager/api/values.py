"""Values: put and got, of one secret or of many.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.secretsmanager.api.shared import (
    find,
    given_value,
    invalid,
    is_known,
    named,
    secret_arn,
    secret_conditions,
)
from tidegate.cloud.services.secretsmanager.filters import fits
from tidegate.cloud.services.secretsmanager.model import CURRENT, SecretRecord, SecretsModel
from tidegate.cloud.services.secretsmanager.stages import added, holder_of

if TYPE_CHECKING:
    from types_boto3_secretsmanager import type_defs as t

_PAGE = 20


class ValuesApi:
    """The values of secrets' versions."""

    def __init__(self, model: SecretsModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=secret_arn, conditions=secret_conditions, refuse=("RotationToken",))
    async def put_secret_value(self, context: Context, request: t.PutSecretValueRequestTypeDef) -> Mapping[str, Any]:
        """Add a version; it is the current one unless `VersionStages` says otherwise."""
        record, value = find(self.model, context, request["SecretId"]), given_value(request)
        if value is None:
            raise invalid("You must provide either SecretString or SecretBinary.")
        token = request["ClientRequestToken"]
        if not is_known(self.model, context.region, record, token, value):
            stages = request.get("VersionStages", [CURRENT])
            now = self._clock.now()
            record["versions"] = added(record["versions"], token, stages, now)
            record["changed"] = now
            with self.model.transaction():
                self.model.put_value(context.region, record, token, value)
                self.model.put(context.region, record)
        return {**named(record), "VersionId": token, "VersionStages": record["versions"][token]["stages"]}

    @operation(resource=secret_arn, conditions=secret_conditions)
    async def get_secret_value(self, context: Context, request: t.GetSecretValueRequestTypeDef) -> Mapping[str, Any]:
        """Return the value of a version: the current one, or that of a label or an id."""
        record = find(self.model, context, request["SecretId"])
        stage, version = request.get("VersionStage"), request.get("VersionId")
        if version is None:
            stage = stage or CURRENT
            version = holder_of(record["versions"], stage)
            if version is None:
                raise _no_value(f"staging label: {stage}")
        if version not in record["versions"]:
            raise _no_value(f"VersionId: {version}")
        if stage is not None and stage not in record["versions"][version]["stages"]:
            raise ServiceError(
                "InvalidRequestException",
                "You provided a VersionStage that is not associated to the provided VersionId.",
            )
        return self._value(context, record, version)

    @operation()
    async def batch_get_secret_value(
        self, context: Context, request: t.BatchGetSecretValueRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the current values of several secrets; what is wrong with one is told of it alone."""
        listed, filters = request.get("SecretIdList"), request.get("Filters")
        if (listed is None) is (filters is None):
            raise invalid("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
        if listed is not None:
            if "MaxResults" in request:
                raise invalid(
                    "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided."
                )
            identifiers, token = list(dict.fromkeys(listed)), None
        else:
            names = [
                record["name"]
                for record in self.model.secrets.values(context.region)
                if "deletion" not in record and fits(context.region, record, filters or [])
            ]
            identifiers, token = page(
                names,
                request.get("NextToken"),
                request.get("MaxResults", _PAGE),
                key=str,
                invalid="InvalidNextTokenException",
            )
        values, errors = [], []
        for identifier in identifiers:
            own = {"SecretId": identifier}
            try:
                resource, keys = secret_arn(self, context, own), secret_conditions(self, context, own)
                self._calls.authorize(context, "secretsmanager:GetSecretValue", resource, keys)
                record = find(self.model, context, identifier)
                current = holder_of(record["versions"], CURRENT)
                if current is None:
                    raise _no_value(f"staging label: {CURRENT}")
                values.append(self._value(context, record, current))
            except ServiceError as error:
                code = "AccessDeniedException" if error.code == "AccessDenied" else error.code
                errors.append({**own, "ErrorCode": code, "Message": error.message})
        return {"SecretValues": values, "Errors": errors, **({"NextToken": token} if token else {})}

    def _value(self, context: Context, record: SecretRecord, version: str) -> dict[str, Any]:
        """Return a version's value, and note on which day it was asked for."""
        value = self.model.value(context.region, record, version)
        today = self._clock.now().replace(hour=0, minute=0, second=0, microsecond=0)

        def accessed(each: SecretRecord) -> None:
            each["accessed"] = today
            each["versions"][version]["accessed"] = today

        self.model.secrets.update((context.region, record["name"]), accessed)
        noted = record["versions"][version]
        return {
            **named(record),
            "VersionId": version,
            **value.shown(),
            "VersionStages": noted["stages"] or None,
            "CreatedDate": noted["created"],
        }


def _no_value(of: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", f"Secrets Manager can't find the specified secret value for {of}")
