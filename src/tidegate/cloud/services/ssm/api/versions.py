"""Labels of a parameter's versions.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ssm.api.shared import find, no_version, parameter_arn, parameter_conditions
from tidegate.cloud.services.ssm.model import SsmModel
from tidegate.cloud.services.ssm.names import is_label

if TYPE_CHECKING:
    from types_boto3_ssm import type_defs as t

_MOST_LABELS = 10


class VersionsApi:
    """Gives labels to versions: a label is on one version of a parameter at a time."""

    def __init__(self, model: SsmModel) -> None:
        self.model = model

    @operation(resource=parameter_arn, conditions=parameter_conditions)
    async def label_parameter_version(
        self, context: Context, request: t.LabelParameterVersionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Put labels on a version, the newest unless named, taking them from any other; wrong ones are told."""
        record = find(self.model, context, request["Name"])
        number = request.get("ParameterVersion", record["version"])
        versions = {each["version"]: each for each in self.model.history(context.region, record["name"])}
        if number not in versions:
            raise no_version(record["name"], number)
        labels = [label for label in dict.fromkeys(request["Labels"]) if is_label(label)]
        own = versions[number]
        if len({*own["labels"], *labels}) > _MOST_LABELS:
            raise ServiceError(
                "ParameterVersionLabelLimitExceeded",
                f"A parameter version can have maximum {_MOST_LABELS} labels."
                "Move one or more labels to another version and try again.",
            )
        with self.model.transaction():
            for each in versions.values():
                if each is own:
                    each["labels"] = sorted({*each["labels"], *labels})
                else:
                    each["labels"] = [label for label in each["labels"] if label not in labels]
                self.model.put_version(context.region, record["name"], each)
        return {
            "InvalidLabels": [label for label in request["Labels"] if not is_label(label)],
            "ParameterVersion": number,
        }

    @operation(resource=parameter_arn, conditions=parameter_conditions)
    async def unlabel_parameter_version(
        self, context: Context, request: t.UnlabelParameterVersionRequestTypeDef
    ) -> Mapping[str, Any]:
        """Take labels from a version; those that it does not have are told."""
        record, number = find(self.model, context, request["Name"]), request["ParameterVersion"]
        version = self.model.version(context.region, record["name"], number)
        if version is None:
            raise no_version(record["name"], number)
        removed = [label for label in request["Labels"] if label in version["labels"]]
        version["labels"] = [label for label in version["labels"] if label not in removed]
        self.model.put_version(context.region, record["name"], version)
        return {
            "RemovedLabels": removed,
            "InvalidLabels": [label for label in request["Labels"] if label not in removed],
        }
