"""EventBridge's rules and events, asked with boto3."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import trust
from tests.daemon import Daemon

ACCOUNT = "000000000000"
PATTERN = json.dumps({"source": ["aws.codecommit"], "detail": {"referenceName": ["main"]}})
PIPELINE = f"arn:aws:codepipeline:us-east-1:{ACCOUNT}:hello"


def role(cloud: Daemon) -> str:
    document = trust(Service="events.amazonaws.com")
    return str(cloud.client("iam").create_role(RoleName="events", AssumeRolePolicyDocument=document)["Role"]["Arn"])


def test_a_rule_lives(cloud: Daemon) -> None:
    events = cloud.client("events")
    arn = events.put_rule(Name="r", EventPattern=PATTERN, Description="d", Tags=[{"Key": "a", "Value": "b"}])["RuleArn"]
    assert arn == f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r"
    rule = events.describe_rule(Name="r")
    assert (rule["State"], rule["EventPattern"], rule["EventBusName"]) == ("ENABLED", PATTERN, "default")
    events.disable_rule(Name="r")
    assert [(each["Name"], each["State"]) for each in events.list_rules(NamePrefix="r")["Rules"]] == [("r", "DISABLED")]
    events.enable_rule(Name="r")
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "c", "Value": "d"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    target = {"Id": "p", "Arn": PIPELINE, "RoleArn": role(cloud)}
    assert events.put_targets(Rule="r", Targets=[target])["FailedEntryCount"] == 0
    assert events.list_targets_by_rule(Rule="r")["Targets"] == [target]
    assert events.list_rule_names_by_target(TargetArn=PIPELINE)["RuleNames"] == ["r"]
    with pytest.raises(ClientError, match="since it has targets"):
        events.delete_rule(Name="r")
    removed = events.remove_targets(Rule="r", Ids=["p", "x"])
    assert [each["TargetId"] for each in removed["FailedEntries"]] == ["x"]
    events.delete_rule(Name="r")
    events.delete_rule(Name="r")
    with pytest.raises(ClientError) as caught:
        events.describe_rule(Name="r")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_what_is_refused(cloud: Daemon) -> None:
    events = cloud.client("events")
    with pytest.raises(ClientError, match="Event pattern is not valid"):
        events.put_rule(Name="r", EventPattern='{"source": "x"}')
    for wrong in ("rate(1 hours)", "at(2030-01-01T00:00:00)", "cron(0 0 * * * *)", "hourly"):
        with pytest.raises(ClientError, match="Parameter ScheduleExpression is not valid"):
            events.put_rule(Name="r", ScheduleExpression=wrong)
    with pytest.raises(ClientError, match="EventPattern or ScheduleExpression must be specified"):
        events.put_rule(Name="r")
    with pytest.raises(ClientError, match="does not offer events custom event buses"):
        events.put_rule(Name="r", EventPattern=PATTERN, EventBusName="mine")
    with pytest.raises(ClientError, match="does not offer events:CreateEventBus"):
        events.create_event_bus(Name="mine")
    events.put_rule(Name="r", EventPattern=PATTERN)
    with pytest.raises(ClientError, match="RoleArn is required for target"):
        events.put_targets(Rule="r", Targets=[{"Id": "p", "Arn": PIPELINE}])
    with pytest.raises(ClientError, match="does not offer events:PutTargets target arn:aws:sqs"):
        events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"}])
    with pytest.raises(ClientError, match="EcsParameters is required"):
        events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/c"}])


def test_put_events_answers_entry_by_entry(cloud: Daemon) -> None:
    events = cloud.client("events")
    answer = events.put_events(
        Entries=[
            {"Source": "mine", "DetailType": "t", "Detail": "{}"},
            {"Source": "aws.ecs", "DetailType": "t", "Detail": "{}"},
            {"Source": "mine", "DetailType": "t", "Detail": "["},
            {"Source": "mine", "DetailType": "t"},
        ]
    )
    assert answer["FailedEntryCount"] == 3
    assert "EventId" in answer["Entries"][0]
    codes = [each.get("ErrorCode") for each in answer["Entries"]]
    assert codes == [None, "NotAuthorizedForSourceException", "MalformedDetail", "InvalidArgument"]


def test_a_pattern_tried_out(cloud: Daemon) -> None:
    events = cloud.client("events")
    event = {"id": "1", "account": ACCOUNT, "source": "aws.codecommit", "time": "2026-11-23T17:38:00Z"}
    event |= {"region": "us-east-1", "resources": [], "detail-type": "t", "detail": {"referenceName": "main"}}  # type: ignore[dict-item]
    assert events.test_event_pattern(EventPattern=PATTERN, Event=json.dumps(event))["Result"] is True
    other = json.dumps({**event, "source": "x"})
    assert events.test_event_pattern(EventPattern=PATTERN, Event=other)["Result"] is False


def test_the_one_bus(cloud: Daemon) -> None:
    events = cloud.client("events")
    arn = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    for named in ({}, {"Name": "default"}, {"Name": arn}):
        bus = events.describe_event_bus(**named)
        assert (bus["Name"], bus["Arn"]) == ("default", arn)
    with pytest.raises(ClientError, match=r"does not offer events custom event buses \(own\)"):
        events.describe_event_bus(Name="own")
    assert [each["Arn"] for each in events.list_event_buses(NamePrefix="def")["EventBuses"]] == [arn]
    assert events.list_event_buses(NamePrefix="x")["EventBuses"] == []
