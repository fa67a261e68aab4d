"""What is told of an alarm, held against AWS's samples."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tidegate.cloud.services.cloudwatch.alarm_text import event, message, reason, reason_data
from tidegate.cloud.services.cloudwatch.plan import Rule, Verdict, evaluate

START = int(datetime(2019, 10, 2, 16, 59, tzinfo=UTC).timestamp())
RULE = Rule("GreaterThanThreshold", 50.0, 1, 1)


def words(values: list[float | None], rule: Rule, *, counted: bool = False) -> str:
    verdict = evaluate(values, rule)
    assert verdict is not None
    return reason([(START + 300 * n, value) for n, value in enumerate(values)], rule, verdict, counted=counted)


# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
def test_the_samples_of_aws() -> None:
    assert words([99.5], RULE, counted=True) == (
        "Threshold Crossed: 1 out of the last 1 datapoints [99.5 (02/10/19 16:59:00)] was greater than the threshold "
        "(50.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert words([0.5], RULE, counted=True) == (
        "Threshold Crossed: 1 out of the last 1 datapoints [0.5 (02/10/19 16:59:00)] was not greater than the "
        "threshold (50.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )
    assert words([99.5], RULE) == (
        "Threshold Crossed: 1 datapoint [99.5 (02/10/19 16:59:00)] was greater than the threshold (50.0)."
    )
    verdict = Verdict("ALARM", (0,))
    now = datetime(2019, 10, 2, 17, 4, 40, 985_000, tzinfo=UTC)
    data = json.loads(reason_data({"Statistic": "Average"}, [(START, 99.5)], RULE, verdict, 300, now))
    assert data.pop("evaluatedDatapoints") == [{"timestamp": "2019-10-02T16:59:00.000+0000", "value": 99.5}]
    assert data == {
        "version": "1.0", "queryDate": "2019-10-02T17:04:40.985+0000", "startDate": "2019-10-02T16:59:00.000+0000",
        "statistic": "Average", "period": 300, "recentDatapoints": [99.5], "threshold": 50.0,
    }  # fmt: skip


def test_datapoints_that_are_missing() -> None:
    three = Rule("LessThanThreshold", 1.0, 3, 3, "breaching")
    assert words([None] * 5, three) == (
        "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as "
        "[Breaching]."
    )
    assert words([None] * 5, Rule("LessThanThreshold", 1.0, 3, 3)) == "Insufficient Data: 3 datapoints were unknown."
    two = words([None, None, None, 0.5, 0.25], Rule("LessThanThreshold", 1.0, 2, 2))
    assert two == (
        "Threshold Crossed: 2 datapoints [0.25 (02/10/19 17:19:00), 0.5 (02/10/19 17:14:00)] were less than the "
        "threshold (1.0)."
    )


def test_the_event_and_the_message() -> None:
    moment = datetime(2019, 10, 2, 17, 4, 40, 989_000, tzinfo=UTC)
    alarm: dict[str, Any] = {
        "AlarmName": "hot", "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:hot", "StateValue": "ALARM",
        "StateReason": "r", "StateUpdatedTimestamp": moment, "AlarmConfigurationUpdatedTimestamp": moment,
        "OKActions": [], "AlarmActions": ["a"], "InsufficientDataActions": [], "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization", "Dimensions": [{"Name": "InstanceId", "Value": "i-1"}], "Statistic": "Average",
        "Period": 300, "EvaluationPeriods": 1, "Threshold": 50.0, "ComparisonOperator": "GreaterThanThreshold",
    }  # fmt: skip
    previous = {"StateValue": "OK", "StateReason": "q", "StateUpdatedTimestamp": moment}
    entry = event("MetricAlarm", alarm, previous)
    assert entry["Resources"] == [alarm["AlarmArn"]]
    detail = json.loads(entry["Detail"])
    assert detail["state"] == {"value": "ALARM", "reason": "r", "timestamp": "2019-10-02T17:04:40.989+0000"}
    assert detail["previousState"]["value"] == "OK"
    assert detail["configuration"]["metrics"] == [
        {
            "id": "m1",
            "metricStat": {
                "metric": {
                    "namespace": "AWS/EC2",
                    "name": "CPUUtilization",
                    "dimensions": {"InstanceId": "i-1"},
                },
                "period": 300,
                "stat": "Average",
            },
            "returnData": True,
        }
    ]
    subject, body = message("MetricAlarm", alarm, previous)
    assert subject == 'ALARM: "hot" in US East (N. Virginia)'
    told = json.loads(body)
    assert (told["NewStateValue"], told["OldStateValue"], told["AWSAccountId"]) == ("ALARM", "OK", "123456789012")
    assert told["Trigger"]["Dimensions"] == [{"value": "i-1", "name": "InstanceId"}]
