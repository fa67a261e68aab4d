"""Topics and subscriptions, asked with boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon
from tests.stacks import Stacks

ARN = "arn:aws:sns:us-east-1:000000000000:t"


@pytest.fixture
def sns(cloud: Daemon) -> Any:
    return cloud.client("sns")


def refused(call: Any, match: str, **request: Any) -> str:
    with pytest.raises(ClientError, match=match) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


def test_topics(sns: Any) -> None:
    assert sns.create_topic(Name="t", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"] == ARN
    assert sns.create_topic(Name="t")["TopicArn"] == ARN, "the same one"
    attributes = sns.get_topic_attributes(TopicArn=ARN)["Attributes"]
    assert (attributes["Owner"], attributes["SubscriptionsPending"], attributes["DisplayName"]) == (
        "000000000000", "0", "",
    )  # fmt: skip
    assert json.loads(attributes["Policy"])["Statement"][0]["Resource"] == ARN
    sns.set_topic_attributes(TopicArn=ARN, AttributeName="DisplayName", AttributeValue="d")
    assert sns.get_topic_attributes(TopicArn=ARN)["Attributes"]["DisplayName"] == "d"
    sns.tag_resource(ResourceArn=ARN, Tags=[{"Key": "c", "Value": "d"}])
    sns.untag_resource(ResourceArn=ARN, TagKeys=["a"])
    assert sns.list_tags_for_resource(ResourceArn=ARN)["Tags"] == [{"Key": "c", "Value": "d"}]
    for number in range(101):
        sns.create_topic(Name=f"n{number:03d}")
    pages = sns.get_paginator("list_topics").paginate()
    assert [len(page["Topics"]) for page in pages] == [100, 2]
    sns.delete_topic(TopicArn=ARN)
    sns.delete_topic(TopicArn=ARN)
    assert refused(sns.get_topic_attributes, "Topic does not exist", TopicArn=ARN) == "NotFound"
    assert refused(sns.create_topic, "Topic Name", Name="a b") == "InvalidParameter"
    assert refused(sns.create_topic, "FIFO", Name="a.fifo", Attributes={"FifoTopic": "true"}) == "NotImplemented"
    key = {"KmsMasterKeyId": "alias/aws/sns"}
    assert refused(sns.create_topic, "KmsMasterKeyId", Name="k", Attributes=key) == "NotImplemented"


def test_publishing(cloud: Daemon, sns: Any) -> None:
    sns.create_topic(Name="t")
    assert len(sns.publish(TopicArn=ARN, Subject="s", Message="m")["MessageId"]) == 36
    entries = [{"Id": "1", "Message": "m"}, {"Id": "2", "Message": "x" * 262_145}]
    answer = sns.publish_batch(TopicArn=ARN, PublishBatchRequestEntries=entries)
    assert [each["Id"] for each in answer["Successful"]] == ["1"]
    assert answer["Failed"][0]["Code"] == "InvalidParameter"
    assert refused(sns.publish, "does not exist", TopicArn=ARN + "x", Message="m") == "NotFound"
    assert refused(sns.publish, "default", TopicArn=ARN, Message="{}", MessageStructure="json") == "InvalidParameter"
    assert refused(sns.publish, "PhoneNumber", PhoneNumber="+431234567", Message="m") == "NotImplemented"
    metrics = cloud.client("cloudwatch").list_metrics(Namespace="AWS/SNS")["Metrics"]
    assert {each["MetricName"] for each in metrics} == {"NumberOfMessagesPublished", "PublishSize"}


def test_subscriptions_are_pending(sns: Any) -> None:
    sns.create_topic(Name="t")
    mail = {"TopicArn": ARN, "Protocol": "email", "Endpoint": "a@example.com"}
    assert sns.subscribe(**mail)["SubscriptionArn"] == "pending confirmation"
    arn = sns.subscribe(**mail, ReturnSubscriptionArn=True)["SubscriptionArn"]
    listed = sns.list_subscriptions_by_topic(TopicArn=ARN)["Subscriptions"]
    assert [each["SubscriptionArn"] for each in listed] == ["PendingConfirmation"]
    assert sns.list_subscriptions()["Subscriptions"] == listed
    assert sns.get_topic_attributes(TopicArn=ARN)["Attributes"]["SubscriptionsPending"] == "1"
    about = {"SubscriptionArn": arn, "AttributeName": "FilterPolicy"}
    sns.set_subscription_attributes(**about, AttributeValue='{"a": ["b"]}')
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (attributes["PendingConfirmation"], attributes["FilterPolicy"]) == ("true", '{"a": ["b"]}')
    assert refused(sns.confirm_subscription, "Token", TopicArn=ARN, Token="x") == "InvalidParameter"
    sns.unsubscribe(SubscriptionArn=arn)
    assert refused(sns.get_subscription_attributes, "does not exist", SubscriptionArn=arn) == "NotFound"
    assert refused(sns.subscribe, "Email", **{**mail, "Endpoint": "x"}) == "InvalidParameter"
    for protocol in ("sqs", "lambda", "https", "sms"):
        assert refused(sns.subscribe, f"Protocol {protocol}", **{**mail, "Protocol": protocol}) == "NotImplemented"


def test_a_topics_policy_counts(cloud: Daemon, sns: Any) -> None:
    sns.create_topic(Name="t")
    keys = assume(cloud, "publisher")
    publisher = cloud.client("sns", keys=keys)
    assert refused(publisher.publish, "sns:Publish", TopicArn=ARN, Message="m") == "AccessDenied"
    statement = json.loads(policy("Allow", "sns:Publish"))["Statement"]
    (statement,) = statement if isinstance(statement, list) else [statement]
    statement |= {"Principal": {"AWS": "*"}, "Resource": ARN}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=ARN, AttributeName="Policy", AttributeValue=document)
    publisher.publish(TopicArn=ARN, Message="m")


def test_topics_of_a_stack(cloud: Daemon, sns: Any) -> None:
    document = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": {"Ref": "Topic"},
            }
        ]
    }
    resources: dict[str, Any] = {
        "Topic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {
                "DisplayName": "d",
                "Subscription": [{"Protocol": "email", "Endpoint": "a@example.com"}],
                "Tags": [{"Key": "k", "Value": "v"}],
            },
        },
        "Policy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {"Topics": [{"Ref": "Topic"}], "PolicyDocument": document},
        },
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "email-json",
                "Endpoint": "b@example.com",
                "FilterPolicy": {"a": ["b"]},
            },
        },
    }
    outputs = {"Name": {"Value": {"Fn::GetAtt": "Topic.TopicName"}}}
    stacks = Stacks(cloud)
    stacks.create("s", {"Resources": resources, "Outputs": outputs})
    arn = stacks.physical("s")["Topic"]
    assert arn.endswith(":" + stacks.outputs("s")["Name"])
    assert "events.amazonaws.com" in sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
    endpoints = [each["Endpoint"] for each in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]]
    assert sorted(endpoints) == ["a@example.com", "b@example.com"]
    resources["Topic"]["Properties"] |= {"Subscription": [], "DisplayName": "e"}
    del resources["Policy"]
    stacks.update("s", {"Resources": resources, "Outputs": outputs})
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["DisplayName"] == "e"
    assert "events.amazonaws.com" not in attributes["Policy"]
    assert len(sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]) == 1
    stacks.delete("s")
    assert sns.list_topics()["Topics"] == []
