"""Events that come in: put, matched against the rules, accepted for their targets; and patterns tried out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.events.api.rules import checked_pattern
from tidegate.cloud.services.events.api.shared import check_bus
from tidegate.cloud.services.events.model import EventsModel
from tidegate.cloud.services.events.pattern import parse

if TYPE_CHECKING:
    from types_boto3_events import type_defs as t

_LARGEST = 1 << 20  # bytes of one request's entries
_ENVELOPE = ("id", "account", "source", "time", "region", "resources", "detail-type")


class PublishingApi:
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html and its sibling."""

    def __init__(self, model: EventsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(
        resource=lambda api, context, request: api.model.bus_arn(context.region),
        refuse=("EndpointId", "Entries.TraceHeader"),
    )
    async def put_events(self, context: Context, request: t.PutEventsRequestTypeDef) -> Mapping[str, Any]:
        """Accept events: each is recorded for every target of every rule that it matches before this answers."""
        sizes = sum(len(each.get("Detail", "").encode()) for each in request["Entries"])
        if sizes > _LARGEST:
            raise ServiceError("ValidationException", "Total size of the entries in the request is over the limit.")
        answers: list[dict[str, str]] = []
        with self.model.store.transaction():
            for entry in request["Entries"]:
                check_bus(self.model, context, entry.get("EventBusName"))
                fault = _fault(context, entry)
                answers.append(fault or {"EventId": self._accept(context, entry)})
        failed = sum("ErrorCode" in each for each in answers)
        return {"FailedEntryCount": failed, "Entries": answers}

    @operation()
    async def test_event_pattern(
        self, context: Context, request: t.TestEventPatternRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return whether a pattern matches an event."""
        checked_pattern(request["EventPattern"])
        try:
            event = from_json(request["Event"])
        except ValueError:
            raise ServiceError(
                "InvalidEventPatternException", "Parameter Event is not valid. Reason: Invalid JSON"
            ) from None
        for name in _ENVELOPE:
            if not isinstance(event, dict) or name not in event:
                raise ServiceError(
                    "InvalidEventPatternException", f"Parameter Event is not valid. Reason: Event must contain {name}"
                )
        return {"Result": parse(request["EventPattern"]).matches(event)}

    def _accept(self, context: Context, entry: t.PutEventsRequestEntryTypeDef) -> str:
        identity, now = self._clock.new_id(), self._clock.now()
        time = entry.get("Time", now)
        event = {
            "version": "0",
            "id": identity,
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": self.model.account,
            "time": _stamp(time),
            "region": context.region,
            "resources": list(entry.get("Resources", [])),
            "detail": from_json(entry["Detail"]),
        }
        for record in self.model.rules.values(context.region):
            rule = record["rule"]
            if rule["State"] == "ENABLED" and "EventPattern" in rule and parse(rule["EventPattern"]).matches(event):
                self.model.send(context.region, record, event, now)
        return identity


def _fault(context: Context, entry: t.PutEventsRequestEntryTypeDef) -> dict[str, str] | None:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            why = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": why}
    if entry["Source"].startswith("aws.") and context.principal.service is None:
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
    try:
        detail = from_json(entry["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return None


def _stamp(time: Any) -> str:
    moment = time if isinstance(time, datetime) else datetime.fromisoformat(str(time))
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
