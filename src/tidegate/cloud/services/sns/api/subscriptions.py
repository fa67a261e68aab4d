"""Subscriptions: recorded, and pending for ever, for nobody is asked to confirm them.

https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html and its siblings
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.sns.api.topics import find_topic, invalid
from tidegate.cloud.services.sns.model import SnsModel, SubscriptionRecord, topic_key

_PENDING = ("email", "email-json")  # AWS delivers to these only once they are confirmed
_REFUSED = ("application", "firehose", "http", "https", "lambda", "sms", "sqs")
_SETTABLE = frozenset({"DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery"})
_PAGE = 100


class SubscriptionsApi:
    """Who would like to be told."""

    def __init__(self, model: SnsModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(resource=lambda api, context, request: request["TopicArn"])
    async def subscribe(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Record a subscription; the same one again is the same record."""
        key, topic = find_topic(self.model, request["TopicArn"])
        protocol, endpoint = request["Protocol"], request.get("Endpoint", "")
        if protocol in _REFUSED:
            raise not_offered(f"sns:Subscribe Protocol {protocol}")
        if protocol not in _PENDING:
            raise invalid("Amazon SNS does not support this protocol string", protocol)
        if "@" not in endpoint:
            raise invalid("Email address")
        attributes = dict(request.get("Attributes", {}))
        for name, value in attributes.items():
            _check_attribute(name, value)
        known = next(
            (
                each
                for each in self.model.subscriptions.values(*key)
                if (each["protocol"], each["endpoint"]) == (protocol, endpoint)
            ),
            None,
        )
        if known is None:
            identity = self._clock.new_id()
            known = {
                "arn": f"{topic['arn']}:{identity}",
                "topic": topic["arn"],
                "protocol": protocol,
                "endpoint": endpoint,
                "attributes": attributes,
            }
            self.model.subscriptions.put((*key, identity), known)
        shown = known["arn"] if request.get("ReturnSubscriptionArn") else "pending confirmation"
        return {"SubscriptionArn": shown}

    @operation(resource=lambda api, context, request: request["TopicArn"])
    async def confirm_subscription(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse every token: none was ever sent."""
        find_topic(self.model, request["TopicArn"])
        given = (request["Token"], request.get("AuthenticateOnUnsubscribe"))
        raise invalid("Token", f"none was sent that reads {given[0]}")

    @operation(resource=lambda api, context, request: _topic_of(request["SubscriptionArn"]))
    async def unsubscribe(self, context: Context, request: Mapping[str, Any]) -> None:
        """Forget a subscription; one that is not there is no error."""
        key = _key(request["SubscriptionArn"])
        with self.model.transaction():
            if self.model.subscriptions.get(*key) is None:
                return
            self.model.subscriptions.delete(*key)
            topic = self.model.topics.get(*key[:2])
            if topic is not None:
                topic["deleted"] += 1
                self.model.topics.put(key[:2], topic)

    @operation(resource=lambda api, context, request: _topic_of(request["SubscriptionArn"]))
    async def get_subscription_attributes(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a subscription's attributes."""
        _, record = self._find(request["SubscriptionArn"])
        attributes = {
            "SubscriptionArn": record["arn"],
            "TopicArn": record["topic"],
            "Protocol": record["protocol"],
            "Endpoint": record["endpoint"],
            "Owner": context.account,
            "PendingConfirmation": "true",
            "ConfirmationWasAuthenticated": "false",
            "RawMessageDelivery": "false",
            **record["attributes"],
        }
        return {"Attributes": attributes}

    @operation(resource=lambda api, context, request: _topic_of(request["SubscriptionArn"]))
    async def set_subscription_attributes(self, context: Context, request: Mapping[str, Any]) -> None:
        """Set one attribute; without a value it is taken away."""
        key, record = self._find(request["SubscriptionArn"])
        name, value = request["AttributeName"], request.get("AttributeValue", "")
        _check_attribute(name, value)
        record["attributes"] = {each: old for each, old in record["attributes"].items() if each != name}
        if value:
            record["attributes"][name] = value
        self.model.subscriptions.put(key, record)

    @operation()
    async def list_subscriptions(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """List a region's subscriptions."""
        return _listed(context, request, self.model.subscriptions.values(context.region))

    @operation(resource=lambda api, context, request: request["TopicArn"])
    async def list_subscriptions_by_topic(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """List a topic's subscriptions."""
        key, _ = find_topic(self.model, request["TopicArn"])
        return _listed(context, request, self.model.subscriptions.values(*key))

    def _find(self, arn: str) -> tuple[tuple[str, ...], SubscriptionRecord]:
        record = self.model.subscriptions.get(*_key(arn))
        if record is None:
            raise ServiceError("NotFound", "Subscription does not exist", 404)
        return _key(arn), record


def _key(arn: str) -> tuple[str, ...]:
    topic, _, identity = arn.rpartition(":")
    return (*topic_key(topic), identity)


def _topic_of(arn: str) -> str:
    return arn.rpartition(":")[0]


def _check_attribute(name: str, value: str) -> None:
    if name not in _SETTABLE:
        raise not_offered(f"sns subscription attribute {name}")
    if name in ("DeliveryPolicy", "FilterPolicy") and value:
        try:
            from_json(value)
        except ValueError:
            raise invalid(name, "failed to parse JSON.") from None
    if name == "RawMessageDelivery" and value not in ("true", "false", ""):
        raise invalid(name, f"Invalid value [{value}]. Must be true or false.")


def _listed(context: Context, request: Mapping[str, Any], found: Sequence[SubscriptionRecord]) -> Mapping[str, Any]:
    chosen, token = page(
        found, request.get("NextToken"), _PAGE, key=lambda each: each["arn"], invalid="InvalidParameter"
    )
    shown = [
        {
            "SubscriptionArn": "PendingConfirmation",
            "Owner": context.account,
            "Protocol": each["protocol"],
            "Endpoint": each["endpoint"],
            "TopicArn": each["topic"],
        }
        for each in chosen
    ]
    return {"Subscriptions": shown} if token is None else {"Subscriptions": shown, "NextToken": token}
