"""What EventBridge's operations have in common: the bus, a rule that exists, pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.events.model import EventsModel, RuleRecord

T = TypeVar("T")

BUS = "default"
_PAGE = 100


def check_bus(model: EventsModel, context: Context, name: str | None) -> None:
    """Refuse any event bus but the default one."""
    if name not in (None, BUS, model.bus_arn(context.region)):
        raise not_offered(f"events custom event buses ({name})")


def find_rule(model: EventsModel, context: Context, name: str) -> RuleRecord:
    """Return a rule or raise ResourceNotFoundException."""
    record = model.rules.get(context.region, name)
    if record is None:
        raise ServiceError("ResourceNotFoundException", f"Rule {name} does not exist on EventBus {BUS}.")
    return record


def rule_arn(api: Any, context: Context, request: Mapping[str, Any]) -> str:
    """Return the ARN that an operation on a rule is authorized on."""
    return str(api.model.rule_arn(context.region, request.get("Rule") or request["Name"]))


def paged(request: Mapping[str, Any], items: Sequence[T], key: Callable[[T], str], name: str) -> dict[str, Any]:
    """Return one page as EventBridge's lists answer it: `name`, NextToken."""
    chosen, token = page(
        items, request.get("NextToken"), request.get("Limit", _PAGE), key=key, invalid="ValidationException"
    )
    return {name: chosen, **({"NextToken": token} if token else {})}
