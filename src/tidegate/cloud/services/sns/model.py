"""SNS's records: topics and subscriptions.

A message reaches nobody from here. Mail addresses are recorded, and pending as they are on AWS until somebody has
confirmed; no mail is sent, so nobody does. What would have to be delivered to by another protocol is refused by name.
"""

from __future__ import annotations

from typing import TypedDict

from tidegate.cloud.store import Collection, Store


class TopicRecord(TypedDict):
    """A topic: its attributes that somebody set, and its tags."""

    arn: str
    attributes: dict[str, str]
    tags: dict[str, str]
    deleted: int  # subscriptions that were taken away


class SubscriptionRecord(TypedDict):
    """A subscription that waits to be confirmed."""

    arn: str
    topic: str  # ARN
    protocol: str
    endpoint: str
    attributes: dict[str, str]


class SnsModel:
    """Topics by region and name; subscriptions by region, topic's name and id."""

    def __init__(self, store: Store) -> None:
        self.transaction = store.transaction
        self.topics = Collection[TopicRecord](store, "sns.topic")
        self.subscriptions = Collection[SubscriptionRecord](store, "sns.subscription")

    def policy_of(self, arn: str) -> str | None:
        """Return the policy that somebody gave a topic, by its ARN."""
        parts = arn.split(":")
        record = self.topics.get(parts[3], parts[5]) if len(parts) == 6 else None
        return None if record is None else record["attributes"].get("Policy")


def topic_key(arn: str) -> tuple[str, str]:
    """Return the key of a topic: region and name."""
    parts = arn.split(":")
    return (parts[3], parts[5]) if len(parts) >= 6 else ("", arn)
