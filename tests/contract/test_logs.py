"""Log groups, streams and events, asked with boto3 and the AWS CLI."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon

DAY = 86_400_000
GROUP = "/ecs/web"


def now() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def logs(cloud: Daemon) -> Any:
    client = cloud.client("logs")
    client.create_log_group(logGroupName=GROUP)
    client.create_log_stream(logGroupName=GROUP, logStreamName="one")
    return client


def put(logs: Any, *messages: str, stream: str = "one", at: int | None = None) -> Any:
    start = now() if at is None else at
    events = [{"timestamp": start + number, "message": message} for number, message in enumerate(messages)]
    return logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def read(logs: Any, **request: Any) -> list[str]:
    answer = logs.get_log_events(logGroupName=GROUP, logStreamName="one", **request)
    return [event["message"] for event in answer["events"]]


def refused(call: Any, match: str, **request: Any) -> None:
    with pytest.raises(ClientError, match=match):
        call(**request)


def test_a_group_reads_as_written(cloud: Daemon) -> None:
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="g", tags={"a": "b"})
    refused(logs.create_log_group, "ResourceAlreadyExistsException", logGroupName="g")
    group = logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"][0]
    assert group["arn"] == "arn:aws:logs:us-east-1:000000000000:log-group:g:*"
    assert group["logGroupArn"] == "arn:aws:logs:us-east-1:000000000000:log-group:g"
    assert (group["storedBytes"], group["logGroupClass"], "retentionInDays" in group) == (0, "STANDARD", False)
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"a": "b"}
    logs.tag_resource(resourceArn=group["logGroupArn"], tags={"c": "d"})
    logs.untag_resource(resourceArn=group["logGroupArn"], tagKeys=["a"])
    assert logs.list_tags_log_group(logGroupName="g")["tags"] == {"c": "d"}
    logs.put_retention_policy(logGroupName="g", retentionInDays=7)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
    refused(logs.put_retention_policy, "Member must satisfy enum", logGroupName="g", retentionInDays=8)
    logs.delete_retention_policy(logGroupName="g")
    logs.delete_log_group(logGroupName="g")
    refused(logs.delete_log_group, "The specified log group does not exist", logGroupName="g")
    assert cloud.client("logs", region="eu-west-1").describe_log_groups()["logGroups"] == []


def test_groups_and_streams_are_listed_in_pages(logs: Any) -> None:
    for number in range(7):
        logs.create_log_group(logGroupName=f"many/{number}")
        logs.create_log_stream(logGroupName=GROUP, logStreamName=f"s{number}")
    pages = logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix="many/", PaginationConfig={"PageSize": 3}
    )
    assert [[g["logGroupName"][-1] for g in page["logGroups"]] for page in pages] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6"],
    ]
    assert len(logs.describe_log_groups(logGroupNamePattern="any/3")["logGroups"]) == 1
    start = now()
    for number in (3, 1, 5):
        put(logs, "x", stream=f"s{number}", at=start + number)
    latest = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=3)
    assert [each["logStreamName"] for each in latest["logStreams"]] == ["s5", "s3", "s1"]
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=GROUP, logStreamNamePrefix="s", descending=True, PaginationConfig={"PageSize": 2}
    )
    names = [each["logStreamName"] for page in pages for each in page["logStreams"]]
    assert names == [f"s{number}" for number in range(6, -1, -1)]
    refused(
        logs.describe_log_streams, "LastEventTime", logGroupName=GROUP, orderBy="LastEventTime", logStreamNamePrefix="s"
    )


def test_events_are_put_and_read(logs: Any) -> None:
    start = now()
    answer = put(logs, "a", "b", "c", at=start)
    assert ("nextSequenceToken" in answer, "rejectedLogEventsInfo" in answer) == (True, False)
    put(logs, "earlier", at=start - 10)
    put(logs, "same time as b", at=start + 1)
    assert read(logs, startFromHead=True) == ["earlier", "a", "b", "same time as b", "c"]
    assert read(logs, limit=2) == ["same time as b", "c"]
    assert read(logs, startTime=start, endTime=start + 2, startFromHead=True) == ["a", "b", "same time as b"]
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/ecs/web"
    for identifier in (arn, GROUP):
        found = logs.get_log_events(logGroupIdentifier=identifier, logStreamName="one")["events"]
        assert len(found) == 5
    stream = logs.describe_log_streams(logGroupName=GROUP)["logStreams"][0]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (start - 10, start + 2)
    assert stream["arn"] == f"{arn}:log-stream:one"
    size = sum(26 + len(each) for each in ("a", "b", "c", "earlier", "same time as b"))
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == size


def test_tokens_go_both_ways_and_stay_at_the_end(logs: Any) -> None:
    put(logs, *(str(number) for number in range(10)))
    about = {"logGroupName": GROUP, "logStreamName": "one", "limit": 4}

    def messages(answer: Any) -> str:
        return "".join(event["message"] for event in answer["events"])

    first = logs.get_log_events(**about, startFromHead=True)
    second = logs.get_log_events(**about, startFromHead=True, nextToken=first["nextForwardToken"])
    third = logs.get_log_events(**about, startFromHead=True, nextToken=second["nextForwardToken"])
    assert [messages(each) for each in (first, second, third)] == ["0123", "4567", "89"]
    end = logs.get_log_events(**about, startFromHead=True, nextToken=third["nextForwardToken"])
    assert (messages(end), end["nextForwardToken"]) == ("", third["nextForwardToken"])
    back = logs.get_log_events(**about, nextToken=end["nextBackwardToken"])
    assert messages(back) == "6789"
    back = logs.get_log_events(**about, nextToken=second["nextBackwardToken"])
    assert messages(back) == "0123"
    begin = logs.get_log_events(**about, nextToken=back["nextBackwardToken"])
    assert (messages(begin), begin["nextBackwardToken"]) == ("", back["nextBackwardToken"])
    assert messages(logs.get_log_events(**about, startFromHead=True, nextToken=begin["nextForwardToken"])) == "0123"
    put(logs, "new")
    assert messages(logs.get_log_events(**about, startFromHead=True, nextToken=end["nextForwardToken"])) == "new"
    refused(logs.get_log_events, "nextToken is invalid", **about, nextToken="x")


def test_following_an_empty_stream(logs: Any) -> None:
    about = {"logGroupName": GROUP, "logStreamName": "one", "startFromHead": True}
    token = logs.get_log_events(**about)["nextForwardToken"]
    assert logs.get_log_events(**about, nextToken=token)["nextForwardToken"] == token
    put(logs, "first")
    assert [e["message"] for e in logs.get_log_events(**about, nextToken=token)["events"]] == ["first"]


def test_what_a_batch_may_not_be(logs: Any) -> None:
    about = {"logGroupName": GROUP, "logStreamName": "one"}
    start = now()
    backwards = [{"timestamp": start, "message": "a"}, {"timestamp": start - 1, "message": "b"}]
    refused(logs.put_log_events, "chronological order", **about, logEvents=backwards)
    long = [{"timestamp": start - DAY - 1, "message": "a"}, {"timestamp": start, "message": "b"}]
    refused(logs.put_log_events, "span more than 24 hours", **about, logEvents=long)
    large = [{"timestamp": start, "message": "x" * 600_000}] * 2
    refused(logs.put_log_events, "Upload too large: 1200052 bytes", **about, logEvents=large)
    event = [{"timestamp": start, "message": "x"}]
    refused(logs.put_log_events, "log stream does not exist", **{**about, "logStreamName": "no"}, logEvents=event)
    refused(logs.put_log_events, "log group does not exist", **{**about, "logGroupName": "no"}, logEvents=event)
    with pytest.raises(ClientError) as caught:
        logs.create_log_stream(logGroupName=GROUP, logStreamName="a:b")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


def test_events_too_old_and_too_new_are_left_out(logs: Any) -> None:
    info = put(logs, "old", at=now() - 15 * DAY)["rejectedLogEventsInfo"]
    assert info == {"tooOldLogEventEndIndex": 1}
    start = now()
    events = [{"timestamp": start, "message": "fine"}, {"timestamp": start + 3 * 3_600_000, "message": "new"}]
    answer = logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=events)
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    info = put(logs, "expired", at=now() - 2 * DAY)["rejectedLogEventsInfo"]
    assert info == {"expiredLogEventEndIndex": 1}
    assert read(logs) == ["fine"]


def test_retention_removes_what_is_too_old(logs: Any) -> None:
    put(logs, "old", at=now() - 3 * DAY)
    put(logs, "new")
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=1)
    deadline = time.monotonic() + 10
    while read(logs, startFromHead=True) != ["new"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 29
    stream = logs.describe_log_streams(logGroupName=GROUP)["logStreams"][0]
    assert now() - stream["firstEventTimestamp"] < DAY


def test_a_stream_made_anew_is_empty(logs: Any) -> None:
    put(logs, "gone")
    logs.delete_log_stream(logGroupName=GROUP, logStreamName="one")
    refused(logs.get_log_events, "log stream does not exist", logGroupName=GROUP, logStreamName="one")
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    assert read(logs) == []


def test_finding_events_in_all_streams(logs: Any) -> None:
    logs.create_log_stream(logGroupName=GROUP, logStreamName="two")
    start = now()
    for number in range(6):
        put(
            logs,
            f"{'ERROR' if number % 3 == 0 else 'INFO'} {number}",
            stream=["one", "two"][number % 2],
            at=start + number,
        )

    def find(**request: Any) -> list[str]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, **request)
        return [event["message"][-1] for page in pages for event in page["events"]]

    assert find() == list("012345")
    assert find(filterPattern="ERROR") == list("03")
    assert find(logStreamNames=["two"]) == list("135")
    assert find(logStreamNamePrefix="o") == list("024")
    assert find(startTime=start + 1, endTime=start + 3) == list("123")
    assert find(startFromHead=False) == list("543210")
    for size in (1, 2, 4):
        assert find(PaginationConfig={"PageSize": size}) == list("012345")
        assert find(startFromHead=False, PaginationConfig={"PageSize": size}) == list("543210")
    answer = logs.filter_log_events(logGroupName=GROUP)
    assert len({event["eventId"] for event in answer["events"]}) == 6
    assert "nextToken" not in answer
    refused(logs.filter_log_events, "Invalid filter pattern", logGroupName=GROUP, filterPattern='"')
    refused(
        logs.filter_log_events,
        "mutually exclusive",
        logGroupName=GROUP,
        logStreamNames=["one"],
        logStreamNamePrefix="o",
    )


def test_many_events_come_in_pages(logs: Any) -> None:
    start = now()
    for batch in range(3):
        put(logs, *(f"{batch}-{number}" for number in range(10_000)), at=start + batch * 10_000)
    pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, filterPattern='"2-9999"'))
    assert [event["message"] for page in pages for event in page["events"]] == ["2-9999"]
    assert len(pages) == 2  # a page looks at no more events than it can quickly
    assert len(logs.get_log_events(logGroupName=GROUP, logStreamName="one")["events"]) == 10_000


def test_aws_cli(cloud: Daemon, logs: Any) -> None:
    put(logs, "hello")
    events = cloud.aws_json("logs", "get-log-events", "--log-group-name", GROUP, "--log-stream-name", "one")["events"]
    assert events[0]["message"] == "hello"
    found = cloud.aws_json("logs", "filter-log-events", "--log-group-name", GROUP, "--filter-pattern", "hello")
    assert len(found["events"]) == 1


def test_who_may_what(cloud: Daemon, logs: Any) -> None:
    keys = assume(cloud, "writer")
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}:*"
    document = policy("Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], arn)
    cloud.client("iam").put_role_policy(RoleName="writer", PolicyName="p", PolicyDocument=document)
    writer = cloud.client("logs", keys=keys)
    writer.create_log_stream(logGroupName=GROUP, logStreamName="mine")
    put(writer, "x", stream="mine")
    refused(writer.get_log_events, "logs:GetLogEvents", logGroupName=GROUP, logStreamName="mine")
    refused(writer.create_log_group, "log-group:other:log-stream:", logGroupName="other")


def test_what_is_not_offered_is_refused_by_name(logs: Any) -> None:
    refused(
        logs.start_query, "does not offer logs:StartQuery", logGroupName=GROUP, startTime=0, endTime=1, queryString="x"
    )
    refused(
        logs.put_subscription_filter, "does not offer logs:PutSubscriptionFilter",
        logGroupName=GROUP, filterName="f", filterPattern="", destinationArn="a",
    )  # fmt: skip
    refused(logs.create_log_group, "kmsKeyId", logGroupName="k", kmsKeyId="x")


def test_everything_is_there_after_a_kill(own_cloud: Daemon) -> None:
    logs = own_cloud.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    put(logs, "kept")
    own_cloud.kill()
    own_cloud.start()
    assert read(logs) == ["kept"]


def test_tags_in_the_older_way(logs: Any) -> None:
    logs.tag_log_group(logGroupName=GROUP, tags={"a": "1", "b": "2"})
    logs.tag_log_group(logGroupName=GROUP, tags={"a": "3"})
    logs.untag_log_group(logGroupName=GROUP, tags=["b", "none"])
    assert logs.list_tags_log_group(logGroupName=GROUP)["tags"] == {"a": "3"}
    arn = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]["logGroupArn"]
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "3"}
    refused(logs.tag_log_group, "ResourceNotFoundException", logGroupName="none", tags={"a": "1"})
    refused(logs.untag_log_group, "ResourceNotFoundException", logGroupName="none", tags=["a"])
