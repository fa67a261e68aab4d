"""Descriptions: what there is, without its value; and how a parameter came to its value.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeParameters.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameterHistory.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.ssm.api.shared import all_parameters, find, parameter_arn, parameter_conditions
from tidegate.cloud.services.ssm.filters import Entry, check, fits, fits_old
from tidegate.cloud.services.ssm.model import ParameterRecord, SsmModel, VersionRecord

if TYPE_CHECKING:
    from types_boto3_ssm import type_defs as t

_PAGE = 50


class DescriptionsApi:
    """Describes parameters."""

    def __init__(self, model: SsmModel) -> None:
        self.model = model

    @operation(resource=all_parameters, refuse=("Shared",))
    async def describe_parameters(
        self, context: Context, request: t.DescribeParametersRequestTypeDef
    ) -> Mapping[str, Any]:
        """Describe parameters: all, or those that filters of either kind let through."""
        old, filters = request.get("Filters", []), request.get("ParameterFilters", [])
        if old and filters:
            raise ServiceError(
                "ValidationException", "You can use either Filters or ParameterFilters in a single request."
            )
        check(filters, by_path=False)
        entries = [
            Entry(record, self.model.latest(context.region, record))
            for record in self.model.parameters.values(context.region)
        ]
        chosen, token = page(
            [each for each in entries if fits(each, filters) and fits_old(each, old)],
            request.get("NextToken"),
            request.get("MaxResults", _PAGE),
            key=lambda each: each.record["name"],
            invalid="InvalidNextToken",
        )
        described = [
            {**_described(each.record, each.version), "ARN": self.model.arn(context.region, each.record["name"])}
            for each in chosen
        ]
        return {"Parameters": described, **({"NextToken": token} if token else {})}

    @operation(resource=parameter_arn, conditions=parameter_conditions)
    async def get_parameter_history(
        self, context: Context, request: t.GetParameterHistoryRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return the versions of a parameter that are kept, oldest first, with their values."""
        record = find(self.model, context, request["Name"])
        chosen, token = page(
            self.model.history(context.region, record["name"]),
            request.get("NextToken"),
            request.get("MaxResults", _PAGE),
            key=lambda version: f"{version['version']:010d}",
            invalid="InvalidNextToken",
        )
        decrypt = request.get("WithDecryption", False)
        versions = [
            {
                **_described(record, version),
                "Value": self.model.value(context.region, record, version, decrypt=decrypt),
                "Labels": version["labels"],
            }
            for version in chosen
        ]
        return {"Parameters": versions, **({"NextToken": token} if token else {})}


def _described(record: ParameterRecord, version: VersionRecord) -> dict[str, Any]:
    return {
        "Name": record["name"],
        "Type": record["type"],
        "KeyId": version.get("key"),
        "LastModifiedDate": version["modified"],
        "LastModifiedUser": version["user"],
        "Description": version.get("description"),
        "AllowedPattern": version.get("pattern"),
        "Version": version["version"],
        "Tier": version["tier"],
        "Policies": [],
        "DataType": version["data_type"],
    }
