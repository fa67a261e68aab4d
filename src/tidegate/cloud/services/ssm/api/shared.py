"""What the operations of the Parameter Store have in common: finding parameters, what IAM evaluates, tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.cloud.call import Context
from tidegate.cloud.documents import is_number
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ssm.model import ParameterRecord, SsmModel, VersionRecord, resource_conditions
from tidegate.cloud.services.ssm.names import arn_of, canonical, wanted

_MOST_TAGS = 50


def parameter_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on one parameter is authorized on."""
    return _arn(context, request["Name"])


def parameter_arns(api: Any, context: Context, request: Mapping[str, Any]) -> list[str]:
    """Return the ARNs that an operation on several parameters is authorized on, all of them."""
    return sorted({_arn(context, name) for name in request["Names"]})


def all_parameters(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on no parameter in particular is authorized on."""
    return context.arn("ssm", "*")


def parameter_conditions(api: Any, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tags of the parameter that an operation is on, as condition keys."""
    record = api.model.parameters.get(context.region, wanted(request["Name"], context.region, context.account).name)
    return {} if record is None else resource_conditions(record["tags"])


def new_parameter_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that PutParameter is authorized on, whatever is wrong with the name."""
    return arn_of(context.region, context.account, canonical(request["Name"]))


def new_parameter_conditions(api: Any, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the condition keys of PutParameter: the parameter's tags, those that it is given, `ssm:Overwrite`."""
    record = api.model.parameters.get(context.region, canonical(request["Name"]))
    return {
        **({} if record is None else resource_conditions(record["tags"])),
        **{f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in request.get("Tags", [])},
        "ssm:Overwrite": "true" if request.get("Overwrite") else "false",
    }


def find(model: SsmModel, context: Context, name: str) -> ParameterRecord:
    """Return a parameter by its name or ARN; raise ParameterNotFound."""
    record = model.parameters.get(context.region, wanted(name, context.region, context.account).name)
    if record is None:
        raise not_found(name)
    return record


def select(model: SsmModel, context: Context, record: ParameterRecord, selector: str | None) -> VersionRecord:
    """Return the version of a parameter that a selector names, the newest without; raise ParameterVersionNotFound."""
    name, region = record["name"], context.region
    if selector is None:
        return model.latest(region, record)
    if is_number(selector):
        version = model.version(region, name, int(selector))
        if version is None:
            raise no_version(name, selector)
        return version
    labelled = next((each for each in model.history(region, name) if selector in each["labels"]), None)
    if labelled is None:
        raise ServiceError(
            "ParameterVersionNotFound",
            f"Systems Manager could not find label {selector} for parameter {name}. Verify the label and try again.",
        )
    return labelled


def not_found(name: str) -> ServiceError:
    """Return the error for a parameter that is not there."""
    return ServiceError("ParameterNotFound", f"Parameter {name} not found.")


def no_version(name: str, version: Any) -> ServiceError:
    """Return the error for a version that a parameter does not have (any more)."""
    return ServiceError(
        "ParameterVersionNotFound",
        f"Systems Manager could not find version {version} of {name}. Verify the version and try again.",
    )


def check_tags(context: Context, given: Iterable[str], merged: Mapping[str, str]) -> None:
    """Raise for keys that are AWS's own, and for too many tags."""
    reserved = [key for key in given if key.lower().startswith("aws:")]
    if reserved and not context.for_cloudformation:
        raise ServiceError("ValidationException", "aws: prefixed tag key names are not allowed for external use.")
    if sum(not key.startswith("aws:") for key in merged) > _MOST_TAGS:
        raise ServiceError("TooManyTagsError", f"A resource can have at most {_MOST_TAGS} tags.")


def _arn(context: Context, name: str) -> str:
    return arn_of(context.region, context.account, wanted(name, context.region, context.account).name)
