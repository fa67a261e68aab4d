"""What the operations have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.cloud.call import Context
from tidegate.cloud.clock import Clock
from tidegate.cloud.services.route53.model import Route53Model, zone_arn


def zone_resource(member: str) -> Callable[[Any, Context, Any], str]:
    """Return what gives the ARN of the zone that a member of the request names."""

    def arn(api: Any, context: Context, request: Any) -> str:
        return zone_arn(request[member])

    return arn


def new_change(model: Route53Model, clock: Clock, comment: str | None = None) -> dict[str, Any]:
    """Note a change and return it as its answer shows it: on its way. It has arrived once it is committed."""
    change_id = f"C{clock.token(20)}"
    change: dict[str, Any] = {"Id": f"/change/{change_id}", "Status": "INSYNC", "SubmittedAt": clock.now()}
    if comment:
        change["Comment"] = comment
    model.changes.put((change_id,), change)
    return {**change, "Status": "PENDING"}
