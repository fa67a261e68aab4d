"""The way from what happens in a service to the event bus of its region."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tidegate.cloud.call import Calls
from tidegate.cloud.errors import ServiceError

log = logging.getLogger(__name__)


async def hand_on(
    calls: Calls,
    service: str,
    region: str,
    *,
    at: datetime,
    detail_type: str,
    detail: Mapping[str, Any],
    resources: Sequence[str],
) -> None:
    """Put one event of `service` (`ecs`) on the default bus, as the service itself.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
    """
    entry = {
        "Time": at,
        "Source": f"aws.{service}",
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": list(resources),
    }
    try:
        answer = await calls.as_service(f"{service}.amazonaws.com", region)("events", "put_events", Entries=[entry])
    except ServiceError as error:
        if error.code != "NotImplemented":  # without an event bus nobody waits for events
            raise
        return
    if answer.get("FailedEntryCount"):
        log.warning("%s in %s: refused by the event bus: %s", detail_type, region, answer["Entries"])
