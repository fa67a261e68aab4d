"""What Cloud Map's operations have in common: ARNs for IAM, filters, pages, tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.servicediscovery.model import bare_id

T = TypeVar("T")

_PAGE = 100
_MOST_TAGS = 50


def namespace_arn(context: Context, given: str) -> str:
    """Return the ARN of a namespace."""
    return context.arn("servicediscovery", f"namespace/{bare_id(given)}")


def service_arn(context: Context, given: str) -> str:
    """Return the ARN of a service."""
    return context.arn("servicediscovery", f"service/{bare_id(given)}")


def of_namespace(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the namespace that a request is about."""
    return namespace_arn(context, request["Id"])


def of_service(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the service that a request is about."""
    return service_arn(context, request.get("ServiceId", request.get("Id", "")))


def on_service(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the condition key that narrows an operation to a service."""
    return {"servicediscovery:servicearn": of_service(api, context, request)}


def invalid(why: str) -> ServiceError:
    """Return the error for a request that the model cannot find fault with."""
    return ServiceError("InvalidInput", why)


def paged(items: Iterable[T], request: Mapping[str, Any], key: Callable[[T], str]) -> tuple[list[T], dict[str, str]]:
    """Return a page, ordered by `key`, and the member with the token for the next one."""
    chosen, token = page(
        sorted(items, key=key),
        request.get("NextToken"),
        request.get("MaxResults", _PAGE),
        key=key,
        invalid="InvalidInput",
    )
    return chosen, {} if token is None else {"NextToken": token}


def filtered(
    items: Iterable[T],
    filters: Sequence[Mapping[str, Any]],
    values: Mapping[str, Callable[[T], str]],
    conditions: Mapping[str, tuple[str, ...]],
) -> list[T]:
    """Return the items that fit all filters; raise InvalidInput for a condition that a filter does not have.

    `values` gives what an item has under a filter's name, `conditions` the conditions allowed, the usual one first.
    """
    chosen = list(items)
    for each in filters:
        name, wanted = each["Name"], each["Values"]
        condition = each.get("Condition", conditions[name][0])
        if condition not in conditions[name]:
            raise invalid(f"The filter {name} does not have the condition {condition}")
        if not wanted or (condition == "BETWEEN" and len(wanted) != 2) or (condition == "EQ" and len(wanted) != 1):
            raise invalid(f"The filter {name} with the condition {condition} has the wrong number of values")
        chosen = [item for item in chosen if _fits(condition, values[name](item), wanted)]
    return chosen


def _fits(condition: str, value: str, wanted: Sequence[str]) -> bool:
    match condition:
        case "BEGINS_WITH":
            return any(value.startswith(each) for each in wanted)
        case "BETWEEN":
            try:
                return float(wanted[0]) <= float(value) <= float(wanted[1])
            except ValueError:
                raise invalid(f"A date is given as seconds since 1970, not as {list(wanted)}") from None
        case _:
            return value in wanted


def checked_tags(given: Sequence[Mapping[str, Any]], present: Sequence[Mapping[str, Any]] = ()) -> list[Any]:
    """Return tags with others put over them; raise TooManyTagsException."""
    tags = {each["Key"]: each["Value"] for each in [*present, *given]}
    if len([key for key in tags if not key.startswith("aws:")]) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A resource has at most {_MOST_TAGS} tags.")
    return [{"Key": key, "Value": value} for key, value in tags.items()]
