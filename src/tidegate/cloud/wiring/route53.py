"""Route 53: its operations. Nothing is made real: no name server runs."""

from __future__ import annotations

from tidegate.cloud.services.route53.api import RecordsApi, TagsApi, ZonesApi
from tidegate.cloud.services.route53.coverage import COVERAGE
from tidegate.cloud.services.route53.model import Route53Model
from tidegate.cloud.wiring.parts import Parts


def add_route53(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = Route53Model(parts.store)
    parts.dispatcher.register(
        "route53",
        ZonesApi(model, parts.calls, parts.clock),
        RecordsApi(model, parts.clock),
        TagsApi(model),
        coverage=COVERAGE,
    )
