"""What ECR's operations have in common: what they are authorized on, pages, wrong parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.ecr.model import resource_conditions

T = TypeVar("T")

PAGE = 100


def repository_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a repository is authorized on."""
    return str(api.model.arn(context.region, request["repositoryName"]))


def repository_tags(api: Any, context: Context, request: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of the repository that an operation is on, as condition keys."""
    record = api.model.repositories.get(context.region, request["repositoryName"])
    return resource_conditions([] if record is None else record["tags"])


def invalid(parameter: str, why: str) -> ServiceError:
    """Refuse a parameter's value, as ECR words it."""
    return ServiceError(
        "InvalidParameterException", f"Invalid parameter at '{parameter}' failed to satisfy constraint: '{why}'"
    )


def paged(
    request: Mapping[str, Any], items: Sequence[T], key: Callable[[T], str], name: str, *, most: int = PAGE
) -> dict[str, Any]:
    """Return one page as ECR's lists answer it: `name`, and nextToken where there is more."""
    chosen, token = page(items, request.get("nextToken"), request.get("maxResults", most), key=key)
    return {name: chosen, **({"nextToken": token} if token else {})}


def no_pages(request: Mapping[str, Any], names: str) -> None:
    """Refuse to page through things that were asked for by name."""
    if "nextToken" in request or "maxResults" in request:
        raise invalid("maxResults", f"nextToken and maxResults cannot be used together with {names}")
