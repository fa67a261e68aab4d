"""What is told of an alarm: the reason of its state, the event, the message to a topic, its history. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tidegate.cloud.services.cloudwatch.plan import Rule, Verdict

INITIAL = "Unchecked: Initial alarm creation"
_WORDS = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
_TREATED = {"breaching": "Breaching", "notBreaching": "NonBreaching"}
_REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "eu-central-1": "EU (Frankfurt)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
}

Point = tuple[int, float | None]  # when its period begins in epoch seconds, and its value


def reason(points: Sequence[Point], rule: Rule, verdict: Verdict, *, counted: bool) -> str:
    """Return why an alarm is in a state; `counted` says that it has a number of datapoints to alarm of its own."""
    if verdict.state == "INSUFFICIENT_DATA":
        unknown = f"{verdict.filled} datapoints were" if verdict.filled != 1 else "1 datapoint was"
        return f"Insufficient Data: {unknown} unknown."
    if not verdict.used:
        periods = f"{rule.periods} period{'s' if rule.periods > 1 else ''}"
        treated = _TREATED.get(rule.missing, "Missing")
        which = f"{verdict.filled} missing datapoint{'s were' if verdict.filled != 1 else ' was'}"
        return f"Threshold Crossed: no datapoints were received for {periods} and {which} treated as [{treated}]."
    shown = [points[number] for number in verdict.used]
    decisive = [each for each in shown if rule.breached(each[1] or 0.0) is (verdict.state == "ALARM")] or shown
    values = ", ".join(f"{value} ({_slashed(time)})" for time, value in reversed(decisive))
    word = f"{'' if verdict.state == 'ALARM' else 'not '}{_WORDS[rule.comparison]} the threshold ({rule.threshold})"
    many = len(decisive) > 1
    if not counted and len(decisive) == len(shown):
        count = f"{len(decisive)} datapoint{'s' if many else ''}"
        return f"Threshold Crossed: {count} [{values}] {'were' if many else 'was'} {word}."
    least = rule.datapoints if verdict.state == "ALARM" else rule.periods - rule.datapoints + 1
    return (
        f"Threshold Crossed: {len(decisive)} out of the last {rule.periods} datapoints [{values}] "
        f"{'were' if many else 'was'} {word} (minimum {least} datapoint{'s' if least > 1 else ''} for "
        f"{'ALARM' if verdict.state == 'OK' else 'OK'} -> {verdict.state} transition)."
    )


def reason_data(
    alarm: Mapping[str, Any], points: Sequence[Point], rule: Rule, verdict: Verdict, period: int, now: datetime
) -> str:
    """Return the same for programs: the datapoints, oldest first."""
    used = [points[number] for number in verdict.used]
    data: dict[str, Any] = {"version": "1.0", "queryDate": stamp(now)}
    if used:
        data["startDate"] = stamp(datetime.fromtimestamp(used[0][0], UTC))
    for name, member in (("Statistic", "statistic"), ("ExtendedStatistic", "statistic"), ("Unit", "unit")):
        if name in alarm:
            data[member] = alarm[name]
    data |= {"period": period, "recentDatapoints": [value for _, value in used], "threshold": rule.threshold}
    data["evaluatedDatapoints"] = [
        {"timestamp": stamp(datetime.fromtimestamp(time, UTC)), "value": value} for time, value in reversed(used)
    ]
    return json.dumps(data, separators=(",", ":"))


def event(kind: str, alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a change of state for EventBridge."""
    if kind == "CompositeAlarm":
        configuration: dict[str, Any] = {"alarmRule": alarm["AlarmRule"]}
    else:
        configuration = {"metrics": [_lowered(each) for each in queries_of(alarm)]}
    if alarm.get("AlarmDescription"):
        configuration["description"] = alarm["AlarmDescription"]
    detail = {
        "alarmName": alarm["AlarmName"],
        "state": _state(alarm),
        "previousState": _state(previous),
        "configuration": configuration,
    }
    return {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Resources": [alarm["AlarmArn"]],
        "Time": alarm["StateUpdatedTimestamp"],
        "Detail": json.dumps(detail),
    }


def message(kind: str, alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> tuple[str, str]:
    """Return the subject and the body of what a topic is told."""
    _, _, _, region, account, _ = alarm["AlarmArn"].split(":", 5)
    where = _REGIONS.get(region, region)
    body: dict[str, Any] = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription"),
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": alarm["StateValue"],
        "NewStateReason": alarm["StateReason"],
        "StateChangeTime": stamp(alarm["StateUpdatedTimestamp"]),
        "Region": where,
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": previous["StateValue"],
        "OKActions": alarm["OKActions"],
        "AlarmActions": alarm["AlarmActions"],
        "InsufficientDataActions": alarm["InsufficientDataActions"],
    }
    body |= {"AlarmRule": alarm["AlarmRule"]} if kind == "CompositeAlarm" else {"Trigger": _trigger(alarm)}
    return f'{alarm["StateValue"]}: "{alarm["AlarmName"]}" in {where}', json.dumps(body)


def updated(alarm: Mapping[str, Any], previous: Mapping[str, Any]) -> tuple[str, str]:
    """Return the summary and the data of a change of state in an alarm's history."""
    data = {"version": "1.0", "oldState": _history_state(previous), "newState": _history_state(alarm)}
    return f"Alarm updated from {previous['StateValue']} to {alarm['StateValue']}", json.dumps(data)


def stamp(moment: datetime) -> str:
    """Return a moment as CloudWatch writes it: `2019-10-02T17:04:40.985+0000`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def queries_of(alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an alarm's metric queries; one of a single metric has one."""
    if "Metrics" in alarm:
        return list(alarm["Metrics"])
    metric = {name: alarm[name] for name in ("Namespace", "MetricName")}
    stat = {
        "Metric": {**metric, "Dimensions": alarm.get("Dimensions", [])},
        "Period": alarm["Period"],
        "Stat": alarm.get("Statistic") or alarm["ExtendedStatistic"],
        **({"Unit": alarm["Unit"]} if "Unit" in alarm else {}),
    }
    return [{"Id": "m1", "MetricStat": stat, "ReturnData": True}]


def period_of(alarm: Mapping[str, Any]) -> int:
    """Return the period of an alarm, in seconds."""
    return int(next(each["MetricStat"]["Period"] for each in queries_of(alarm) if "MetricStat" in each))


def _state(alarm: Mapping[str, Any]) -> dict[str, Any]:
    state = {
        "value": alarm["StateValue"],
        "reason": alarm["StateReason"],
        "timestamp": stamp(alarm["StateUpdatedTimestamp"]),
    }
    return {**state, "reasonData": alarm["StateReasonData"]} if "StateReasonData" in alarm else state


def _history_state(alarm: Mapping[str, Any]) -> dict[str, Any]:
    state = {"stateValue": alarm["StateValue"], "stateReason": alarm["StateReason"]}
    if "StateReasonData" not in alarm:
        return state
    try:
        return {**state, "stateReasonData": json.loads(alarm["StateReasonData"])}
    except ValueError:  # it may be anything that somebody set
        return {**state, "stateReasonData": alarm["StateReasonData"]}


def _lowered(query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a query as the event has it."""
    known = {"Id": "id", "Expression": "expression", "Label": "label"}
    result: dict[str, Any] = {known[name]: query[name] for name in known if name in query}
    result["returnData"] = query.get("ReturnData", True)
    if "MetricStat" in query:
        stat = query["MetricStat"]
        metric = stat["Metric"]
        result["metricStat"] = {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])},
            },
            "period": stat["Period"],
            "stat": stat["Stat"],
        }
    return result


def _trigger(alarm: Mapping[str, Any]) -> dict[str, Any]:
    trigger: dict[str, Any] = {
        "Period": alarm.get("Period"),
        "EvaluationPeriods": alarm["EvaluationPeriods"],
        "ComparisonOperator": alarm["ComparisonOperator"],
        "Threshold": alarm["Threshold"],
        "TreatMissingData": alarm.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": alarm.get("EvaluateLowSampleCountPercentile", ""),
    }
    if "DatapointsToAlarm" in alarm:
        trigger["DatapointsToAlarm"] = alarm["DatapointsToAlarm"]
    if "Metrics" in alarm:
        return {**trigger, "Metrics": alarm["Metrics"]}
    extended = "ExtendedStatistic" in alarm
    return {
        "MetricName": alarm["MetricName"],
        "Namespace": alarm["Namespace"],
        "StatisticType": "ExtendedStatistic" if extended else "Statistic",
        **(
            {"ExtendedStatistic": alarm["ExtendedStatistic"]}
            if extended
            else {"Statistic": str(alarm["Statistic"]).upper()}
        ),
        "Unit": alarm.get("Unit"),
        "Dimensions": [{"value": each["Value"], "name": each["Name"]} for each in alarm.get("Dimensions", [])],
        **trigger,
    }


def _slashed(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%d/%m/%y %H:%M:%S}"
