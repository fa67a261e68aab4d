"""Parameters: put and deleted.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html and its siblings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ssm.api.shared import (
    check_tags,
    new_parameter_arn,
    new_parameter_conditions,
    not_found,
    parameter_arn,
    parameter_arns,
    parameter_conditions,
)
from tidegate.cloud.services.ssm.model import DEFAULT_KEY, SECURE, ParameterRecord, SsmModel, VersionRecord
from tidegate.cloud.services.ssm.names import canonical, check_new, wanted

if TYPE_CHECKING:
    from types_boto3_ssm import type_defs as t

_STANDARD, _ADVANCED, _CHOSEN = "Standard", "Advanced", "Intelligent-Tiering"
_LARGEST = {_STANDARD: 4096, _ADVANCED: 8192}  # bytes
_MOST_VERSIONS = 100
_TIERS = "https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"


class ParametersApi:
    """Writes parameters."""

    def __init__(self, model: SsmModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(resource=new_parameter_arn, conditions=new_parameter_conditions, refuse=("Policies",))
    async def put_parameter(self, context: Context, request: t.PutParameterRequestTypeDef) -> Mapping[str, Any]:
        """Create a parameter, or a new version of one with `Overwrite`."""
        if request["Name"].startswith("arn:"):
            raise _invalid("You can't enter the Amazon Resource Name (ARN) for a parameter, only the name itself.")
        name = canonical(request["Name"])
        check_new(request["Name"], self.model.arn(context.region, name))
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        self._check_request(context, request, tags)
        if tags:
            arn = self.model.arn(context.region, name)
            keys = new_parameter_conditions(self, context, request)
            self._calls.authorize(context, "ssm:AddTagsToResource", arn, keys)
        record = self.model.parameters.get(context.region, name)
        if record is not None and not request.get("Overwrite"):
            raise ServiceError(
                "ParameterAlreadyExists",
                "The parameter already exists. To overwrite this value, set the overwrite option in the request to "
                "true.",
            )
        before = None if record is None else self.model.latest(context.region, record)
        if record is None:
            record = {"name": name, "type": _type(request, None), "version": 0, "tags": tags}
        _type(request, record)
        version = self._version(context, request, record, before)
        record["version"] = version["version"]
        with self.model.transaction():
            if version["version"] > _MOST_VERSIONS:
                self._make_room(context.region, name)
            self.model.put_version(context.region, name, version)
            self.model.parameters.put((context.region, name), record)
        return {"Version": version["version"], "Tier": version["tier"]}

    @operation(resource=parameter_arn, conditions=parameter_conditions)
    async def delete_parameter(self, context: Context, request: t.DeleteParameterRequestTypeDef) -> Mapping[str, Any]:
        """Delete a parameter with its history."""
        if not self._delete(context, request["Name"]):
            raise not_found(request["Name"])
        return {}

    @operation(resource=parameter_arns)
    async def delete_parameters(self, context: Context, request: t.DeleteParametersRequestTypeDef) -> Mapping[str, Any]:
        """Delete parameters; those that are not there are told, and are no error."""
        deleted = [name for name in request["Names"] if self._delete(context, name)]
        return {
            "DeletedParameters": deleted,
            "InvalidParameters": [name for name in request["Names"] if name not in deleted],
        }

    def _delete(self, context: Context, text: str) -> bool:
        name = wanted(text, context.region, context.account).name
        if self.model.parameters.get(context.region, name) is None:
            return False
        self.model.delete(context.region, name)
        return True

    def _check_request(self, context: Context, request: Any, tags: Mapping[str, str]) -> None:
        if not request["Value"]:
            raise _invalid(
                "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have "
                "length greater than or equal to 1."
            )
        if "{{" in request["Value"]:  # the value itself is not told: it may be a secret
            raise _invalid('Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.')
        if tags and request.get("Overwrite"):
            raise _invalid(
                "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please "
                "remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or "
                "RemoveTagsFromResource."
            )
        check_tags(context, tags, tags)
        kind = request.get("DataType", "text")
        if kind in ("aws:ec2:image", "aws:ssm:integration"):
            raise not_offered(f"ssm:PutParameter DataType {kind}")
        if kind != "text":
            raise _invalid(f"The following data type is not supported: {kind} (Data type names are all lowercase.)")
        key = request.get("KeyId", DEFAULT_KEY)
        if key not in (DEFAULT_KEY, context.arn("kms", DEFAULT_KEY)):
            raise not_offered(f"ssm:PutParameter KeyId other than {DEFAULT_KEY}")

    def _version(
        self, context: Context, request: Any, record: ParameterRecord, before: VersionRecord | None
    ) -> VersionRecord:
        """Return the next version: what the request does not say is as it was; raise where it cannot be."""
        secure = record["type"] == SECURE
        if "KeyId" in request and not secure:
            raise _invalid("KeyId is required for SecureString type parameter only.")
        pattern = request.get("AllowedPattern", "" if before is None else before.get("pattern", ""))
        _check_pattern(request["Value"], pattern, record["type"])
        description = request.get("Description", "" if before is None else before.get("description", ""))
        value = request["Value"]
        version: VersionRecord = {
            "version": record["version"] + 1,
            "value": self.model.encrypted(context.region, record["name"], value) if secure else value,
            "tier": _tier(request, len(value.encode()), before),
            "data_type": "text",
            "labels": [],
            "modified": self._clock.now(),
            "user": context.principal.arn,
        }
        if secure:
            version["key"] = DEFAULT_KEY
        if description:
            version["description"] = description
        if pattern:
            version["pattern"] = pattern
        return version

    def _make_room(self, region: str, name: str) -> None:
        """Forget the oldest version where there are as many as AWS keeps, unless it has a label."""
        versions = self.model.history(region, name)
        if len(versions) < _MOST_VERSIONS:
            return
        oldest = versions[0]
        if oldest["labels"]:
            raise ServiceError(
                "ParameterMaxVersionLimitExceeded",
                f"You attempted to create a new version of {name} by calling the PutParameter API with the overwrite "
                f"flag. Version {oldest['version']}, the oldest version, can't be deleted because it has a label "
                "associated with it. Move the label to another version of the parameter, and try again.",
            )
        self.model.delete_version(region, name, oldest["version"])


def _type(request: Any, record: ParameterRecord | None) -> str:
    given = request.get("Type")
    if record is None:
        if given is None:
            raise _invalid("A parameter type is required when you create a parameter.")
        return str(given)
    if given not in (None, record["type"]):
        raise ServiceError(
            "HierarchyTypeMismatchException",
            "Parameter Store doesn't support changing a parameter type in a hierarchy. For example, you can't change a "
            "parameter from a String type to a SecureString type. You must create a new, unique parameter.",
        )
    return record["type"]


def _tier(request: Any, size: int, before: VersionRecord | None) -> str:
    """Return the tier of a value of so many bytes; a parameter that is advanced stays so."""
    was = _STANDARD if before is None else before["tier"]
    asked = request.get("Tier", was)
    if asked == _CHOSEN:
        asked = _ADVANCED if size > _LARGEST[_STANDARD] or was == _ADVANCED else _STANDARD
    if asked == _STANDARD and was == _ADVANCED:
        raise _invalid(
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the "
            "advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced "
            "parameter and recreate it as a standard parameter."
        )
    if size > _LARGEST[asked]:
        more = (
            " To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more "
            f"information, see {_TIERS}"
            if asked == _STANDARD
            else ""
        )
        raise _invalid(
            f"{asked} tier parameters support a maximum parameter value of {_LARGEST[asked]} characters.{more}"
        )
    return str(asked)


def _check_pattern(value: str, pattern: str, kind: str) -> None:
    if not pattern:
        return
    try:
        allowed = re.compile(pattern)
    except re.error:
        raise ServiceError(
            "InvalidAllowedPatternException", "The request does not meet the regular expression requirement."
        ) from None
    if not all(allowed.fullmatch(each) for each in (value.split(",") if kind == "StringList" else [value])):
        raise ServiceError(
            "ParameterPatternMismatchException",
            f"Parameter value, cannot be validated against allowedPattern: {pattern}",
        )


def _invalid(why: str) -> ServiceError:
    return ServiceError("ValidationException", why)
