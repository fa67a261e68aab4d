"""Alarms, asked with boto3: what they are like, what state they are in, what they do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builds import finished, project, service_role
from tests.daemon import Daemon
from tests.stacks import Stacks
from tests.waiting import wait_for

TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
ALARM: dict[str, Any] = {
    "AlarmName": "a",
    "Namespace": "app",
    "MetricName": "m",
    "Statistic": "Sum",
    "Period": 10,
    "EvaluationPeriods": 2,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
SOON = {"Delay": 1, "MaxAttempts": 20}


@pytest.fixture
def cloudwatch(cloud: Daemon) -> Any:
    return cloud.client("cloudwatch")


def put(cloudwatch: Any, *values: float, name: str = "m") -> None:
    """Put values 10 seconds apart, the last one in the latest 10 seconds that are over."""
    end = int(datetime.now(UTC).timestamp()) // 10 * 10
    data = [
        {
            "MetricName": name,
            "Value": value,
            "Timestamp": datetime.fromtimestamp(end - 10 * (len(values) - number), UTC),
            "StorageResolution": 1,
        }
        for number, value in enumerate(values)
    ]
    cloudwatch.put_metric_data(Namespace="app", MetricData=data)


def described(cloudwatch: Any, name: str = "a", kind: str = "MetricAlarm") -> Any:
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=[kind])[f"{kind}s"]
    return alarm


def in_state(cloudwatch: Any, state: str, name: str = "a", kind: str = "MetricAlarm") -> Any:
    return wait_for(lambda: described(cloudwatch, name, kind), lambda alarm: alarm["StateValue"] == state)


def history(cloudwatch: Any, what: str, name: str = "a") -> list[str]:
    items = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType=what, ScanBy="TimestampAscending")
    return [item["HistorySummary"] for item in items["AlarmHistoryItems"]]


def refused(call: Any, match: str, **request: Any) -> str:
    with pytest.raises(ClientError, match=match) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


def test_alarms_read_as_written(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(
        **ALARM, AlarmDescription="d", AlarmActions=[TOPIC], Dimensions=[{"Name": "x", "Value": "1"}],
        TreatMissingData="ignore", Unit="Count", DatapointsToAlarm=1, Tags=[{"Key": "k", "Value": "v"}],
    )  # fmt: skip
    cloudwatch.get_waiter("alarm_exists").wait(AlarmNames=["a"], WaiterConfig=SOON)
    alarm = described(cloudwatch)
    arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a"
    assert (alarm["AlarmArn"], alarm["StateValue"]) == (arn, "INSUFFICIENT_DATA")
    assert alarm["StateReason"] == "Unchecked: Initial alarm creation"
    assert (alarm["ActionsEnabled"], alarm["AlarmActions"], alarm["OKActions"]) == (True, [TOPIC], [])
    assert (alarm["DatapointsToAlarm"], alarm["TreatMissingData"], alarm["Period"]) == (1, "ignore", 10)
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "l", "Value": "w"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["k"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
    cloudwatch.disable_alarm_actions(AlarmNames=["a"])
    assert described(cloudwatch)["ActionsEnabled"] is False
    cloudwatch.enable_alarm_actions(AlarmNames=["a"])
    assert described(cloudwatch)["ActionsEnabled"] is True

    for name in ("b", "c"):
        cloudwatch.put_metric_alarm(**{**ALARM, "AlarmName": name, "TreatMissingData": "ignore"})
    assert len(cloudwatch.describe_alarms(AlarmNamePrefix="b")["MetricAlarms"]) == 1
    assert len(cloudwatch.describe_alarms(ActionPrefix="arn:aws:sns")["MetricAlarms"]) == 1
    assert len(cloudwatch.describe_alarms(StateValue="INSUFFICIENT_DATA")["MetricAlarms"]) == 3
    pages = cloudwatch.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["MetricAlarms"]) for page in pages] == [2, 1]
    on_metric = cloudwatch.describe_alarms_for_metric(Namespace="app", MetricName="m")["MetricAlarms"]
    assert [each["AlarmName"] for each in on_metric] == ["b", "c"], "the dimensions must be the same"
    cloudwatch.delete_alarms(AlarmNames=["a", "b"])
    assert [each["AlarmName"] for each in cloudwatch.describe_alarms()["MetricAlarms"]] == ["c"]
    assert refused(cloudwatch.delete_alarms, "Unknown alarm: b", AlarmNames=["c", "b"]) == "ResourceNotFound"
    assert history(cloudwatch, "ConfigurationUpdate") == ['Alarm "a" created', 'Alarm "a" deleted']


def test_what_cannot_be_an_alarm(cloudwatch: Any) -> None:
    def code(match: str, **change: Any) -> str:
        wanted = {name: value for name, value in {**ALARM, **change}.items() if value is not None}
        return refused(cloudwatch.put_metric_alarm, match, **wanted)

    assert code("Period must be", Period=15) == "ValidationError"
    assert code("more than a day", Period=60, EvaluationPeriods=1441) == "ValidationError"
    assert code("mutually exclusive", ExtendedStatistic="p90") == "InvalidParameterCombination"
    assert code("Statistic or ExtendedStatistic", Statistic=None) == "MissingParameter"
    assert code("DatapointsToAlarm", DatapointsToAlarm=3) == "ValidationError"
    assert code("TreatMissingData", TreatMissingData="x") == "ValidationError"
    assert code("Invalid arn", AlarmActions=["x"]) == "ValidationError"
    assert code("Invalid region", AlarmActions=[TOPIC.replace("us-east-1", "eu-west-1")]) == "ValidationError"
    assert code("action arn:aws:lambda", AlarmActions=["arn:aws:lambda:us-east-1:000000000000:function:f"]) == (
        "NotImplemented"
    )
    assert code("LessThanLowerThreshold", ComparisonOperator="LessThanLowerThreshold") == "NotImplemented"
    assert code("statistic tm90", Statistic=None, ExtendedStatistic="tm90") == "NotImplemented"
    setting = {"StateValue": "OK", "StateReason": "r"}
    assert refused(cloudwatch.set_alarm_state, "Unknown alarm", AlarmName="a", **setting) == "ResourceNotFound"
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_an_alarm_goes_where_its_metric_puts_it(cloudwatch: Any) -> None:
    put(cloudwatch, 9, 9, 9, 9)
    cloudwatch.put_metric_alarm(**ALARM)
    alarm = in_state(cloudwatch, "ALARM")
    assert alarm["StateReason"].startswith("Threshold Crossed: 2 datapoints [9.0 (")
    assert alarm["StateReason"].endswith("were greater than the threshold (5.0).")
    data = json.loads(alarm["StateReasonData"])
    assert (data["recentDatapoints"], data["period"], data["threshold"]) == ([9, 9], 10, 5)
    cloudwatch.put_metric_alarm(**{**ALARM, "Threshold": 20.0})
    assert "not greater than the threshold (20.0)" in in_state(cloudwatch, "OK")["StateReason"]
    cloudwatch.put_metric_alarm(**{**ALARM, "MetricName": "none"})
    assert in_state(cloudwatch, "INSUFFICIENT_DATA")["StateReason"] == "Insufficient Data: 2 datapoints were unknown."
    cloudwatch.put_metric_alarm(**{**ALARM, "MetricName": "none", "TreatMissingData": "breaching"})
    assert "treated as [Breaching]" in in_state(cloudwatch, "ALARM")["StateReason"]
    assert history(cloudwatch, "StateUpdate") == [
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to INSUFFICIENT_DATA",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
    ]


def test_the_next_period_is_evaluated_when_it_is_over(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**{**ALARM, "EvaluationPeriods": 1, "TreatMissingData": "notBreaching"})
    in_state(cloudwatch, "OK")
    datum = {"MetricName": "m", "Value": 9.0, "StorageResolution": 1}
    cloudwatch.put_metric_data(Namespace="app", MetricData=[datum])
    in_state(cloudwatch, "ALARM")


def test_expressions_and_percentiles(cloudwatch: Any) -> None:
    put(cloudwatch, 6, 6, 6, 6, name="errors")
    put(cloudwatch, 10, 10, 10, 10, name="requests")
    read = [
        {"Id": name[0], "ReturnData": False,
         "MetricStat": {"Metric": {"Namespace": "app", "MetricName": name}, "Period": 10, "Stat": "Sum"}}
        for name in ("errors", "requests")
    ]  # fmt: skip
    settings = {name: ALARM[name] for name in ("AlarmName", "EvaluationPeriods", "ComparisonOperator")}
    share = {"Id": "share", "Expression": "100 * e / r", "Label": "share"}
    cloudwatch.put_metric_alarm(**settings, Threshold=50, Metrics=[*read, share])
    assert json.loads(in_state(cloudwatch, "ALARM")["StateReasonData"])["recentDatapoints"] == [60, 60]
    named = cloudwatch.describe_alarms_for_metric(Namespace="app", MetricName="errors")["MetricAlarms"]
    assert [each["AlarmName"] for each in named] == ["a"]
    wrong = [*read, {**share, "Expression": "x + 1"}]
    assert refused(cloudwatch.put_metric_alarm, "unresolvable", **settings, Threshold=1, Metrics=wrong)
    assert refused(cloudwatch.put_metric_alarm, "Exactly one", **settings, Threshold=1, Metrics=read)
    percentile = {**ALARM, "MetricName": "errors", "AlarmName": "p", "ExtendedStatistic": "p90"}
    del percentile["Statistic"]
    cloudwatch.put_metric_alarm(**percentile)
    in_state(cloudwatch, "ALARM", "p")
    cloudwatch.put_metric_alarm(**{**percentile, "AlarmName": "q", "EvaluateLowSampleCountPercentile": "ignore"})
    assert described(cloudwatch, "q")["StateValue"] == "INSUFFICIENT_DATA", "two samples are too few"


def test_a_topic_is_told_and_the_history_says_so(cloud: Daemon, cloudwatch: Any) -> None:
    topic = cloud.client("sns").create_topic(Name="t")["TopicArn"]
    gone = topic + "-gone"
    cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[topic, gone], TreatMissingData="ignore")
    change = {"StateReason": "tried", "StateReasonData": '{"why": 1}'}
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", **change)
    alarm = described(cloudwatch)
    assert (alarm["StateValue"], alarm["StateReason"], alarm["StateReasonData"]) == ("ALARM", "tried", '{"why": 1}')
    told = wait_for(lambda: history(cloudwatch, "Action"), lambda found: len(found) == 2)
    assert told[0] == f"Successfully executed action {topic}"
    assert told[1] == f'Failed to execute action {gone}. Received error: "Topic does not exist"'
    dimensions = [{"Name": "TopicName", "Value": "t"}]
    now = datetime.now(UTC)
    published = cloudwatch.get_metric_statistics(
        Namespace="AWS/SNS", MetricName="NumberOfMessagesPublished", Dimensions=dimensions, Statistics=["Sum"],
        Period=300, StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1),
    )["Datapoints"]  # fmt: skip
    assert sum(point["Sum"] for point in published) == 1
    items = cloudwatch.get_paginator("describe_alarm_history").paginate(AlarmName="a", PaginationConfig={"PageSize": 1})
    kinds = [item["HistoryItemType"] for page in items for item in page["AlarmHistoryItems"]]
    assert kinds == ["Action", "Action", "StateUpdate", "ConfigurationUpdate"]
    wrong = {"StateValue": "OK", "StateReason": "r", "StateReasonData": "{"}
    assert refused(cloudwatch.set_alarm_state, "JSON", AlarmName="a", **wrong) == "InvalidFormat"


def test_composite_alarms_follow_others(cloudwatch: Any) -> None:
    for name in ("a", "b"):
        cloudwatch.put_metric_alarm(**{**ALARM, "AlarmName": name, "TreatMissingData": "ignore"})
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule='ALARM("a") AND NOT OK(b)')
    cloudwatch.get_waiter("composite_alarm_exists").wait(
        AlarmNames=["both"], AlarmTypes=["CompositeAlarm"], WaiterConfig=SOON
    )
    in_state(cloudwatch, "OK", "both", "CompositeAlarm")
    cloudwatch.put_composite_alarm(AlarmName="top", AlarmRule="ALARM(both)")
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="r")
    in_state(cloudwatch, "ALARM", "both", "CompositeAlarm")
    in_state(cloudwatch, "ALARM", "top", "CompositeAlarm")
    cloudwatch.set_alarm_state(AlarmName="b", StateValue="OK", StateReason="r")
    in_state(cloudwatch, "OK", "top", "CompositeAlarm")
    children = cloudwatch.describe_alarms(ChildrenOfAlarmName="both")["MetricAlarms"]
    assert [each["AlarmName"] for each in children] == ["a", "b"]
    assert cloudwatch.describe_alarms(ParentsOfAlarmName="both")["CompositeAlarms"][0]["AlarmName"] == "top"
    put_composite = cloudwatch.put_composite_alarm
    assert refused(put_composite, "do not exist", AlarmName="x", AlarmRule="OK(none)") == "ValidationError"
    assert refused(put_composite, "itself", AlarmName="both", AlarmRule="OK(top)") == "ValidationError"
    assert refused(put_composite, "is invalid", AlarmName="x", AlarmRule="OK") == "ValidationError"


def test_a_rule_hears_of_a_change(cloud: Daemon, cloudwatch: Any) -> None:
    made = project(cloud, "version: 0.2\nphases: {build: {commands: [echo]}}")
    events = cloud.client("events")
    detail = {"alarmName": ["a"], "state": {"value": ["ALARM"]}, "previousState": {"value": ["OK"]}}
    detail |= {"configuration": {"metrics": {"metricStat": {"metric": {"namespace": ["app"]}}}}}
    pattern = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"], "detail": detail}
    events.put_rule(Name="r", EventPattern=json.dumps(pattern))
    target = {"Id": "p", "Arn": made["arn"], "RoleArn": service_role(cloud, "events", name="events")}
    events.put_targets(Rule="r", Targets=[target])
    cloudwatch.put_metric_alarm(**ALARM, AlarmDescription="d", TreatMissingData="ignore")
    for state in ("OK", "ALARM"):
        cloudwatch.set_alarm_state(AlarmName="a", StateValue=state, StateReason="r")
    builds = wait_for(lambda: cloud.client("codebuild").list_builds_for_project(projectName="hello")["ids"], bool)
    assert finished(cloud, builds[0])["initiator"] == "rule/r"


def test_alarms_of_a_stack(cloud: Daemon, cloudwatch: Any) -> None:
    alarm = {name: value for name, value in ALARM.items() if name != "AlarmName"}
    resources: dict[str, Any] = {
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {**alarm, "AlarmActions": [{"Ref": "Topic"}], "Tags": [{"Key": "k", "Value": "v"}]},
        },
        "Above": {
            "Type": "AWS::CloudWatch::CompositeAlarm",
            "Properties": {"AlarmName": "above", "AlarmRule": {"Fn::Sub": "ALARM(${Alarm})"}},
        },
    }
    outputs = {"Arn": {"Value": {"Fn::GetAtt": "Alarm.Arn"}}, "Name": {"Value": {"Ref": "Alarm"}}}
    stacks = Stacks(cloud)
    stacks.create("s", {"Resources": resources, "Outputs": outputs})
    name = stacks.outputs("s")["Name"]
    assert stacks.outputs("s")["Arn"].endswith(f":alarm:{name}")
    assert name.startswith("s-Alarm-")
    assert described(cloudwatch, name)["AlarmActions"] == [stacks.physical("s")["Topic"]]
    assert {"Key": "k", "Value": "v"} in cloudwatch.list_tags_for_resource(ResourceARN=stacks.outputs("s")["Arn"])[
        "Tags"
    ]
    resources["Alarm"]["Properties"] |= {"Threshold": 7.5, "Tags": [{"Key": "k", "Value": "w"}]}
    resources["Above"]["Properties"]["AlarmDescription"] = "new"
    stacks.update("s", {"Resources": resources, "Outputs": outputs})
    assert described(cloudwatch, name)["Threshold"] == 7.5
    assert {"Key": "k", "Value": "w"} in cloudwatch.list_tags_for_resource(ResourceARN=stacks.outputs("s")["Arn"])[
        "Tags"
    ]
    assert described(cloudwatch, "above", "CompositeAlarm")["AlarmDescription"] == "new"
    stacks.delete("s")
    assert cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])["MetricAlarms"] == []


@pytest.mark.slow
def test_alarms_survive_a_kill(own_cloud: Daemon) -> None:
    cloudwatch = own_cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(**{**ALARM, "TreatMissingData": "ignore"})
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="r")
    own_cloud.kill()
    own_cloud.start()
    assert described(cloudwatch)["StateValue"] == "ALARM"
    put(cloudwatch, 1, 1, 1, 1)
    in_state(cloudwatch, "OK")


def test_aws_cli(cloud: Daemon) -> None:
    cloud.aws(
        "cloudwatch", "put-metric-alarm", "--alarm-name", "a", "--namespace", "n", "--metric-name", "m",
        "--statistic", "Average", "--period", "60", "--evaluation-periods", "1", "--threshold", "1",
        "--comparison-operator", "LessThanThreshold",
    )  # fmt: skip
    assert cloud.aws_json("cloudwatch", "describe-alarms")["MetricAlarms"][0]["Threshold"] == 1
