"""Values: of one parameter, of several, of all below a path.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html and its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.ssm.api.shared import (
    not_found,
    parameter_arn,
    parameter_arns,
    parameter_conditions,
    select,
)
from tidegate.cloud.services.ssm.filters import Entry, check, fits
from tidegate.cloud.services.ssm.model import ParameterRecord, SsmModel, VersionRecord
from tidegate.cloud.services.ssm.names import PUBLIC, arn_of, check_path, is_below, wanted
from tidegate.cloud.services.ssm.public import public_parameters

if TYPE_CHECKING:
    from types_boto3_ssm import type_defs as t

_PAGE = 10
_SECRETS = "/aws/reference/secretsmanager/"


class ValuesApi:
    """Reads values; those of SecureStrings as ciphertext unless `WithDecryption`."""

    def __init__(self, model: SsmModel) -> None:
        self.model = model

    @operation(resource=parameter_arn, conditions=parameter_conditions)
    async def get_parameter(self, context: Context, request: t.GetParameterRequestTypeDef) -> Mapping[str, Any]:
        """Return one parameter; raise ParameterNotFound, ParameterVersionNotFound."""
        found = self._found(context, request["Name"], request.get("WithDecryption", False))
        if found is None:
            raise not_found(request["Name"])
        return {"Parameter": found}

    @operation(resource=parameter_arns)
    async def get_parameters(self, context: Context, request: t.GetParametersRequestTypeDef) -> Mapping[str, Any]:
        """Return parameters, and the names of those that are not there."""
        found, missing = [], []
        for name in dict.fromkeys(request["Names"]):
            try:
                parameter = self._found(context, name, request.get("WithDecryption", False))
            except ServiceError as error:
                if error.code != "ParameterVersionNotFound":
                    raise
                parameter = None
            if parameter is None:
                missing.append(name)
            else:
                found.append(parameter)
        return {"Parameters": found, "InvalidParameters": missing}

    @operation(
        resource=lambda api, context, request: context.arn("ssm", f"parameter/{request['Path'].lstrip('/')}"),
        conditions=lambda api, context, request: {"ssm:Recursive": "true" if request.get("Recursive") else "false"},
    )
    async def get_parameters_by_path(
        self, context: Context, request: t.GetParametersByPathRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the parameters right in a path, or anywhere below it with `Recursive`."""
        path, recursive = request["Path"], request.get("Recursive", False)
        decrypt, filters = request.get("WithDecryption", False), request.get("ParameterFilters", [])
        check_path(path)
        check(filters, by_path=True)
        entries = [
            Entry(record, self.model.latest(context.region, record))
            for record in self.model.parameters.values(context.region)
            if is_below(record["name"], path, recursive=recursive)
        ]
        names = {each.record["name"]: each for each in entries if fits(each, filters)}
        own = [name for name in public_parameters(context.region) if is_below(name, path, recursive=recursive)]
        chosen, token = page(
            sorted([*names, *(own if path.startswith("/aws/") and not filters else ())]),
            request.get("NextToken"),
            request.get("MaxResults", _PAGE),
            key=str,
            invalid="InvalidNextToken",
        )
        shown = [
            self._shown(context, *names[name], decrypt=decrypt) if name in names else self._public(context, name)
            for name in chosen
        ]
        return {"Parameters": shown, **({"NextToken": token} if token else {})}

    def _found(self, context: Context, text: str, decrypt: bool) -> Mapping[str, Any] | None:
        name, selector = wanted(text, context.region, context.account)
        if name.startswith(_SECRETS):
            raise not_offered(f"ssm parameters {_SECRETS}…: ask secretsmanager:GetSecretValue")
        if name.startswith(PUBLIC):
            return self._public(context, name)
        record = self.model.parameters.get(context.region, name)
        if record is None:
            return None
        version = select(self.model, context, record, selector)
        shown = self._shown(context, record, version, decrypt=decrypt)
        return shown if selector is None else {**shown, "Selector": f":{selector}"}

    def _shown(
        self, context: Context, record: ParameterRecord, version: VersionRecord, *, decrypt: bool
    ) -> dict[str, Any]:
        return {
            "Name": record["name"],
            "Type": record["type"],
            "Value": self.model.value(context.region, record, version, decrypt=decrypt),
            "Version": version["version"],
            "LastModifiedDate": version["modified"],
            "ARN": self.model.arn(context.region, record["name"]),
            "DataType": version["data_type"],
        }

    def _public(self, context: Context, name: str) -> dict[str, Any] | None:
        value = public_parameters(context.region).get(name)
        if value is None:
            return None
        arn = arn_of(context.region, context.account, name)
        return {"Name": name, "Type": "String", "Value": value, "Version": 1, "ARN": arn, "DataType": "text"}
