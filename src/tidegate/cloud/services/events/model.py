"""EventBridge's records: rules with their targets, and events that a target has still to be told of."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_events import type_defs as t


class RuleRecord(TypedDict):
    """A rule as AWS shows it, with its tags and its targets by their ids."""

    rule: t.RuleTypeDef
    tags: dict[str, str]
    targets: dict[str, t.TargetTypeDef]
    since: NotRequired[datetime]  # of one with a schedule: when it began to count
    told: NotRequired[datetime]  # for when it was last due


class DeliveryRecord(TypedDict):
    """An event on its way to one target of one rule, as both were when it came in."""

    event: dict[str, Any]
    rule: str  # ARN
    target: t.TargetTypeDef
    accepted: datetime
    attempts: int
    due: datetime  # of the next attempt


class EventsModel:
    """Rules by region and name; deliveries by region, event, rule and target."""

    def __init__(self, store: Store, account: str) -> None:
        self.account = account
        self.store = store
        self.rules = Collection[RuleRecord](store, "events.rule")
        self.deliveries = Collection[DeliveryRecord](store, "events.delivery")

    def rule_arn(self, region: str, name: str) -> str:
        """Return the ARN of a rule on the default bus."""
        return f"arn:aws:events:{region}:{self.account}:rule/{name}"

    def bus_arn(self, region: str) -> str:
        """Return the ARN of the default bus."""
        return f"arn:aws:events:{region}:{self.account}:event-bus/default"

    def delivery_keys(self) -> list[Key]:
        """Return all that is on its way."""
        return [key for key, _ in self.deliveries.items()]

    def rule_keys(self) -> list[Key]:
        """Return the keys of all rules."""
        return [key for key, _ in self.rules.items()]

    def send(self, region: str, record: RuleRecord, event: dict[str, Any], now: datetime) -> None:
        """Have an event delivered to all targets of a rule."""
        rule = record["rule"]
        for target in record["targets"].values():
            key = (region, event["id"], rule["Name"], target["Id"])
            delivery: DeliveryRecord = {
                "event": event,
                "rule": rule["Arn"],
                "target": target,
                "accepted": now,
                "attempts": 0,
                "due": now,
            }
            self.deliveries.put(key, delivery)
