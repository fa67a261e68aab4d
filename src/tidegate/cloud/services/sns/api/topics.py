"""Topics: made, described, published to, tagged, deleted.

https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html and its siblings
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.paging import page
from tidegate.cloud.services.sns.model import SnsModel, TopicRecord, topic_key

_PRINCIPAL = "sns.amazonaws.com"
_NAME = re.compile(r"^[A-Za-z0-9_-]{1,256}$")
_LARGEST = 262_144  # bytes of a message
_PAGE = 100
_MOST_TAGS = 50
# what can be set; everything else is not there, or would need a key or a role that nothing here uses
_SETTABLE = frozenset({"DisplayName", "Policy", "DeliveryPolicy", "SignatureVersion", "TracingConfig"})


class TopicsApi:
    """What is published is measured as on AWS, and goes to those who confirmed: nobody."""

    def __init__(self, model: SnsModel, calls: Calls, clock: Clock) -> None:
        self.model = model
        self._calls = calls
        self._clock = clock

    @operation(
        resource=lambda api, context, request: context.arn("sns", request["Name"]), refuse=("DataProtectionPolicy",)
    )
    async def create_topic(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a topic; one of that name with the same attributes and tags is returned."""
        name = request["Name"]
        if name.endswith(".fifo") or request.get("Attributes", {}).get("FifoTopic") == "true":
            raise not_offered("sns FIFO topics")
        if not _NAME.match(name):
            raise invalid("Topic Name")
        attributes = {key: value for key, value in request.get("Attributes", {}).items() if key != "FifoTopic"}
        for key, value in attributes.items():
            _check_attribute(key, value)
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        arn = context.arn("sns", name)
        existing = self.model.topics.get(context.region, name)
        if existing is None:
            self.model.topics.put(
                (context.region, name), {"arn": arn, "attributes": attributes, "tags": tags, "deleted": 0}
            )
            return {"TopicArn": arn}
        if any(existing["attributes"].get(key) != value for key, value in attributes.items()):
            raise invalid("Attributes", "Topic already exists with different attributes")
        if tags and tags != existing["tags"]:
            raise invalid("Tags", "Topic already exists with different tags")
        return {"TopicArn": arn}

    @operation(resource=lambda api, context, request: request["TopicArn"])
    async def delete_topic(self, context: Context, request: Mapping[str, Any]) -> None:
        """Delete a topic with its subscriptions; one that is not there is no error."""
        key = topic_key(request["TopicArn"])
        with self.model.transaction():
            for each, _ in self.model.subscriptions.items(*key):
                self.model.subscriptions.delete(*each)
            self.model.topics.delete(*key)

    @operation(resource=lambda api, context, request: request["TopicArn"])
    async def get_topic_attributes(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a topic's attributes, and how many wait to be confirmed (all)."""
        key, record = find_topic(self.model, request["TopicArn"])
        pending = len(self.model.subscriptions.items(*key))
        attributes = {
            "TopicArn": record["arn"],
            "Owner": context.account,
            "DisplayName": "",
            "Policy": default_policy(record["arn"], context.account),
            "SubscriptionsPending": str(pending),
            "SubscriptionsConfirmed": "0",
            "SubscriptionsDeleted": str(record["deleted"]),
            "EffectiveDeliveryPolicy": record["attributes"].get("DeliveryPolicy", "{}"),
            **record["attributes"],
        }
        return {"Attributes": attributes}

    @operation(resource=lambda api, context, request: request["TopicArn"])
    async def set_topic_attributes(self, context: Context, request: Mapping[str, Any]) -> None:
        """Set one attribute; without a value it goes back to what it was at first."""
        key, record = find_topic(self.model, request["TopicArn"])
        name, value = request["AttributeName"], request.get("AttributeValue", "")
        _check_attribute(name, value)
        record["attributes"] = {each: old for each, old in record["attributes"].items() if each != name}
        if value:
            record["attributes"][name] = value
        self.model.topics.put(key, record)

    @operation()
    async def list_topics(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """List the topics of a region."""
        arns = [record["arn"] for record in self.model.topics.values(context.region)]
        chosen, token = page(arns, request.get("NextToken"), _PAGE, key=str, invalid="InvalidParameter")
        answer: dict[str, Any] = {"Topics": [{"TopicArn": arn} for arn in chosen]}
        return answer if token is None else {**answer, "NextToken": token}

    @operation(
        resource=lambda api, context, request: request.get("TopicArn") or request.get("TargetArn") or "*",
        refuse=("PhoneNumber", "MessageDeduplicationId", "MessageGroupId"),
    )
    async def publish(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Publish a message: it is counted in the topic's metrics."""
        arn = request.get("TopicArn") or request.get("TargetArn")
        if arn is None:
            raise invalid("TopicArn or TargetArn", "no value for required parameter")
        _, record = find_topic(self.model, arn)
        identity = await self._accept(context, record, request)
        return {"MessageId": identity}

    @operation(
        resource=lambda api, context, request: request["TopicArn"],
        action="sns:Publish",
        refuse=("PublishBatchRequestEntries.MessageDeduplicationId", "PublishBatchRequestEntries.MessageGroupId"),
    )
    async def publish_batch(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Publish up to ten messages."""
        entries = request["PublishBatchRequestEntries"]
        if not entries:
            raise ServiceError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
        if len(entries) > 10:
            raise ServiceError(
                "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible."
            )
        if len({each["Id"] for each in entries}) < len(entries):
            raise ServiceError("BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id.")
        _, record = find_topic(self.model, request["TopicArn"])
        done, failed = [], []
        for each in entries:
            try:
                done.append({"Id": each["Id"], "MessageId": await self._accept(context, record, each)})
            except ServiceError as error:
                failed.append({"Id": each["Id"], "Code": error.code, "Message": error.message, "SenderFault": True})
        return {"Successful": done, "Failed": failed}

    @operation(resource=lambda api, context, request: request["ResourceArn"])
    async def tag_resource(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put tags on a topic."""
        key, record = self._tagged(request["ResourceArn"])
        record["tags"] |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        if len(record["tags"]) > _MOST_TAGS:
            raise ServiceError("TagLimitExceeded", f"A topic can have at most {_MOST_TAGS} tags.")
        self.model.topics.put(key, record)
        return {}

    @operation(resource=lambda api, context, request: request["ResourceArn"])
    async def untag_resource(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take tags off a topic."""
        key, record = self._tagged(request["ResourceArn"])
        record["tags"] = {name: value for name, value in record["tags"].items() if name not in request["TagKeys"]}
        self.model.topics.put(key, record)
        return {}

    @operation(resource=lambda api, context, request: request["ResourceArn"])
    async def list_tags_for_resource(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """List a topic's tags."""
        _, record = self._tagged(request["ResourceArn"])
        return {"Tags": [{"Key": name, "Value": value} for name, value in record["tags"].items()]}

    def _tagged(self, arn: str) -> tuple[tuple[str, str], TopicRecord]:
        record = self.model.topics.get(*topic_key(arn))
        if record is None:
            raise ServiceError("ResourceNotFound", "Resource does not exist", 404)
        return topic_key(arn), record

    async def _accept(self, context: Context, record: TopicRecord, message: Mapping[str, Any]) -> str:
        text = message["Message"]
        size = len(text.encode())
        if not text:
            raise invalid("Empty message", "")
        if size > _LARGEST:
            raise invalid("Message too long", "")
        if message.get("MessageStructure") not in (None, "json"):
            raise invalid("MessageStructure", "Invalid message structure")
        if message.get("MessageStructure") == "json" and "default" not in _object(text):
            raise invalid("Message Structure", "No default entry in JSON message body")
        if len(message.get("Subject", "")) > 100:
            raise invalid("Subject")
        for name, attribute in message.get("MessageAttributes", {}).items():
            if "StringValue" not in attribute and "BinaryValue" not in attribute:
                raise invalid(f"The message attribute '{name}' must contain non-empty message attribute value", "")
        dimensions = [{"Name": "TopicName", "Value": topic_key(record["arn"])[1]}]
        about = {"Dimensions": dimensions, "Timestamp": self._clock.now()}
        data = [
            {**about, "MetricName": "NumberOfMessagesPublished", "Value": 1.0, "Unit": "Count"},
            {**about, "MetricName": "PublishSize", "Value": float(size), "Unit": "Bytes"},
        ]
        call = self._calls.as_service(_PRINCIPAL, topic_key(record["arn"])[0])
        await call("cloudwatch", "put_metric_data", Namespace="AWS/SNS", MetricData=data)
        return self._clock.new_id()


def find_topic(model: SnsModel, arn: str) -> tuple[tuple[str, str], TopicRecord]:
    """Return a topic; raise NotFound where there is none."""
    key = topic_key(arn)
    record = model.topics.get(*key)
    if record is None or record["arn"] != arn:
        raise ServiceError("NotFound", "Topic does not exist", 404)
    return key, record


def default_policy(arn: str, account: str) -> str:
    """Return the policy that a topic has where nobody gave it one: its account may do everything with it."""
    names = (
        "GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe",
        "ListSubscriptionsByTopic", "Publish",
    )  # fmt: skip
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{name}" for name in names],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


def invalid(what: str, why: str | None = None) -> ServiceError:
    """Refuse a parameter in SNS's words."""
    return ServiceError("InvalidParameter", f"Invalid parameter: {what}" + (f" Reason: {why}" if why else ""))


def _check_attribute(name: str, value: str) -> None:
    if name not in _SETTABLE:
        raise not_offered(f"sns topic attribute {name}")
    if value and name in ("Policy", "DeliveryPolicy"):
        _object(value, name)


def _object(text: str, what: str = "Message Structure") -> Mapping[str, Any]:
    try:
        found = from_json(text)
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise invalid(what, "JSON message body failed to parse")
    return found
