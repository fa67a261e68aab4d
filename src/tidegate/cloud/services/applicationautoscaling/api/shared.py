"""What the operations have in common: resource ids, records that exist, pages.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_Operations.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.applicationautoscaling.model import (
    DIMENSION,
    NAMESPACE,
    AutoScalingModel,
    TargetRecord,
)

T = TypeVar("T")

PRINCIPAL = "ecs.application-autoscaling.amazonaws.com"
_RESOURCE = re.compile(r"^service/[\w-]{1,255}/[\w-]{1,255}$")
_PAGE = 50


def find_target(model: AutoScalingModel, context: Context, resource: str) -> TargetRecord:
    """Return a target; raise ObjectNotFoundException where there is none."""
    record = model.targets.get(context.region, resource)
    if record is None:
        raise ServiceError(
            "ObjectNotFoundException",
            f"No scalable target found for service namespace: {NAMESPACE}, resource ID: {resource}, "
            f"scalable dimension: {DIMENSION}",
        )
    return record


def resource_of(request: Mapping[str, Any]) -> str:
    """Return the resource id; raise for what is not an ECS service's desired count."""
    if request["ServiceNamespace"] != NAMESPACE:
        raise not_offered(f"application-autoscaling for the service namespace {request['ServiceNamespace']}")
    resource = str(request["ResourceId"])
    if request["ScalableDimension"] != DIMENSION or not _RESOURCE.match(resource):
        raise invalid("Unsupported service namespace, resource type or scalable dimension")
    return resource


def target_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN of the target that a request names, with `*` for the id of one that is not there yet."""
    record = api.model.targets.get(context.region, request["ResourceId"])
    if record is None:
        return context.arn("application-autoscaling", "scalable-target/*")
    return str(record["target"]["ScalableTargetARN"])


def target_conditions(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the condition keys of a request on a target: what is scaled, and the tags given."""
    tags = {f"aws:RequestTag/{key}": value for key, value in request.get("Tags", {}).items()}
    return {
        "application-autoscaling:service-namespace": request["ServiceNamespace"],
        "application-autoscaling:scalable-dimension": request["ScalableDimension"],
        **tags,
    }


def fits(request: Mapping[str, Any]) -> bool:
    """Return whether a description asks for what there is: targets of other services there are none."""
    return request["ServiceNamespace"] == NAMESPACE and request.get("ScalableDimension") in (None, DIMENSION)


def paged(
    request: Mapping[str, Any], items: Sequence[T], key: Callable[[T], str], name: str, *, descending: bool = False
) -> dict[str, Any]:
    chosen, token = page(
        items,
        request.get("NextToken"),
        request.get("MaxResults", _PAGE),
        key=key,
        invalid="InvalidNextTokenException",
        descending=descending,
    )
    return {name: chosen} if token is None else {name: chosen, "NextToken": token}


def invalid(why: str) -> ServiceError:
    return ServiceError("ValidationException", why)
