"""SNS: topics, their policies, subscriptions."""

from __future__ import annotations

import json
from typing import Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
)
from tidegate.cloud.services.cloudformation.resources.tags import carries

_LONGEST_NAME = 256
_TOPIC = ("DisplayName", "KmsMasterKeyId", "SignatureVersion", "TracingConfig")
_UNKNOWN = ("ArchivePolicy", "ContentBasedDeduplication", "DeliveryStatusLogging", "FifoThroughputScope",
            "MaximumMessageSize")  # fmt: skip
_SUBSCRIPTION = ("DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy",
                 "ReplayPolicy", "SubscriptionRoleArn")  # fmt: skip


class Topic(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topic.html."""

    type = "AWS::SNS::Topic"
    missing = frozenset({"NotFound"})

    async def create(self, step: Step) -> str:
        """Create the topic, then its subscriptions; `Ref` is its ARN."""
        arn = self._arn(step)
        if await self._exists(step, arn):
            raise FailedError(
                f"Resource of type '{self.type}' with identifier '{arn}' already exists.", "AlreadyExists"
            )
        for each in _UNKNOWN:
            if step.properties.get(each):
                raise not_offered(f"cloudformation {self.type} {each}")
        request: dict[str, Any] = {
            "Name": arn.rpartition(":")[2],
            **only(step.properties, "Tags", "DataProtectionPolicy"),
        }
        request["Attributes"] = {each: _text(step.properties[each]) for each in (*_TOPIC, "FifoTopic")
                                 if each in step.properties}  # fmt: skip
        await step.call("sns", "create_topic", **request)
        step.made(arn)
        await self._subscribe(step, arn, {})
        return arn

    async def find(self, step: Step) -> str | None:
        """Return the topic of that name if it is this resource's, with its subscriptions."""
        arn = self._arn(step)
        if not await self._exists(step, arn):
            return None
        there = await step.call("sns", "list_tags_for_resource", ResourceArn=arn)
        if not carries(step, there["Tags"]):
            return None
        await self._subscribe(step, arn, {})
        return arn

    async def read(self, step: Step) -> Attributes:
        """Return `TopicArn` and `TopicName`."""
        return {"TopicArn": step.physical_id, "TopicName": step.physical_id.rpartition(":")[2]}

    async def update(self, step: Step, before: Properties) -> None:
        """Change attributes, subscriptions and tags."""
        arn = step.physical_id
        for each in _TOPIC:
            if changed(before, step.properties, each):
                value = _text(step.properties.get(each, ""))
                await step.call("sns", "set_topic_attributes", TopicArn=arn, AttributeName=each, AttributeValue=value)
        await self._subscribe(step, arn, before)
        put, taken = tag_changes(before, step.properties)
        if put:
            await step.call("sns", "tag_resource", ResourceArn=arn, Tags=put)
        if taken:
            await step.call("sns", "untag_resource", ResourceArn=arn, TagKeys=taken)

    async def delete(self, step: Step) -> None:
        """Delete the topic with its subscriptions."""
        await step.call("sns", "delete_topic", TopicArn=step.physical_id)

    async def _subscribe(self, step: Step, arn: str, before: Properties) -> None:
        old, new = before.get("Subscription", []), step.properties.get("Subscription", [])
        for each in new:
            if each not in old:
                await step.call("sns", "subscribe", TopicArn=arn, Protocol=each["Protocol"], Endpoint=each["Endpoint"])
        gone = [(each["Protocol"], each["Endpoint"]) for each in old if each not in new]
        if not gone:
            return
        for protocol, endpoint in gone:
            request = {"TopicArn": arn, "Protocol": protocol, "Endpoint": endpoint, "ReturnSubscriptionArn": True}
            known = (await step.call("sns", "subscribe", **request))["SubscriptionArn"]  # the same one, by its ARN
            await step.call("sns", "unsubscribe", SubscriptionArn=known)

    async def _exists(self, step: Step, arn: str) -> bool:
        try:
            await step.call("sns", "get_topic_attributes", TopicArn=arn)
        except ServiceError as error:
            if self.is_missing(error):
                return False
            raise
        return True

    def _arn(self, step: Step) -> str:
        return f"arn:aws:sns:{step.region}:{step.account}:{step.name('TopicName', _LONGEST_NAME)}"


class TopicPolicy(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topicpolicy.html."""

    type = "AWS::SNS::TopicPolicy"
    missing = frozenset({"NotFound"})

    async def create(self, step: Step) -> str:
        """Put the policy on all its topics."""
        await self._put(step, step.properties["Topics"])
        return step.name("Id", _LONGEST_NAME)

    async def read(self, step: Step) -> Attributes:
        """Return `Id`."""
        return {"Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Put the policy on all topics that there are now, and take it off the others."""
        gone = [arn for arn in before["Topics"] if arn not in step.properties["Topics"]]
        await self._take(step, gone)
        await self._put(step, step.properties["Topics"])

    async def delete(self, step: Step) -> None:
        """Take the policy off its topics."""
        await self._take(step, step.properties["Topics"])

    async def _put(self, step: Step, topics: list[str]) -> None:
        policy = _text(step.properties["PolicyDocument"])
        for arn in topics:
            await step.call("sns", "set_topic_attributes", TopicArn=arn, AttributeName="Policy", AttributeValue=policy)

    async def _take(self, step: Step, topics: list[str]) -> None:
        for arn in topics:
            try:
                await step.call("sns", "set_topic_attributes", TopicArn=arn, AttributeName="Policy", AttributeValue="")
            except ServiceError as error:
                if not self.is_missing(error):
                    raise


class Subscription(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-subscription.html."""

    type = "AWS::SNS::Subscription"
    missing = frozenset({"NotFound"})

    async def create(self, step: Step) -> str:
        """Subscribe; the same subscription again is the same one."""
        region = step.properties.get("Region", step.region)
        if region != step.region:
            raise not_offered(f"cloudformation {self.type} Region {region}")
        request = {**only(step.properties, "TopicArn", "Protocol", "Endpoint"), "ReturnSubscriptionArn": True}
        request["Attributes"] = {
            each: _text(step.properties[each]) for each in _SUBSCRIPTION if each in step.properties
        }
        return str((await step.call("sns", "subscribe", **request))["SubscriptionArn"])

    async def read(self, step: Step) -> Attributes:
        """Return `Arn`."""
        return {"Arn": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Change attributes."""
        for each in _SUBSCRIPTION:
            if changed(before, step.properties, each):
                about = {"SubscriptionArn": step.physical_id, "AttributeName": each}
                value = _text(step.properties.get(each, ""))
                await step.call("sns", "set_subscription_attributes", **about, AttributeValue=value)

    async def delete(self, step: Step) -> None:
        """Unsubscribe."""
        await step.call("sns", "unsubscribe", SubscriptionArn=step.physical_id)


def _text(value: Any) -> str:
    """Return a property as SNS has its attributes: text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


HANDLERS: tuple[Handler, ...] = (Topic(), TopicPolicy(), Subscription())
