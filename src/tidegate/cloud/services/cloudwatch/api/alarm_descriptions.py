"""Alarms as they are, and what they were.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html and its siblings
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.cloudwatch.alarm_text import queries_of
from tidegate.cloud.services.cloudwatch.alarms import ACTIONS, AlarmRecord, Alarms
from tidegate.cloud.services.cloudwatch.api.tags import alarm_arn

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as t

_PAGE = 50
_HISTORY_PAGE = 100


class AlarmDescriptionsApi:
    """Describes; advances nothing."""

    def __init__(self, alarms: Alarms) -> None:
        self.alarms = alarms

    @operation(
        resource=lambda api, context, request: [
            alarm_arn(context, each)
            for each in request.get("AlarmNames") or (request.get("AlarmNamePrefix", "") + "*",)
        ]
    )
    async def describe_alarms(self, context: Context, request: t.DescribeAlarmsInputTypeDef) -> Mapping[str, Any]:
        """Describe alarms by names, prefix, state, action, or what composite alarms make of them.

        Without AlarmTypes there are metric alarms only.
        """
        if "AlarmNames" in request and "AlarmNamePrefix" in request:
            raise ServiceError(
                "ValidationError", "AlarmNamePrefix and AlarmNames cannot be specified in the same request"
            )
        relatives = [name for name in ("ChildrenOfAlarmName", "ParentsOfAlarmName") if name in request]
        types = request.get("AlarmTypes", ["MetricAlarm"])
        if relatives:
            found = self._relatives(context, relatives[0], str(request[relatives[0]]))
            types = ["MetricAlarm", "CompositeAlarm"]
        else:
            found = [
                record
                for _, record in self.alarms.records.items(context.region, starting=request.get("AlarmNamePrefix", ""))
                if record["kind"] in types and _fits(record, request)
            ]
        chosen, token = page(
            found,
            request.get("NextToken"),
            request.get("MaxRecords", _PAGE),
            key=lambda record: str(record["alarm"]["AlarmName"]),
            invalid="InvalidNextToken",
        )
        answer: dict[str, Any] = {
            f"{kind}s": [_shown(each["alarm"], relatives) for each in chosen if each["kind"] == kind] for kind in types
        }
        return answer if token is None else {**answer, "NextToken": token}

    @operation()
    async def describe_alarms_for_metric(
        self, context: Context, request: t.DescribeAlarmsForMetricInputTypeDef
    ) -> Mapping[str, Any]:
        """Describe the alarms on one metric, those among several metrics of an expression included."""
        found = [
            record["alarm"]
            for record in self.alarms.records.values(context.region)
            if record["kind"] == "MetricAlarm" and any(_is_on(each, request) for each in queries_of(record["alarm"]))
        ]
        return {"MetricAlarms": found}

    @operation(resource=lambda api, context, request: alarm_arn(context, request.get("AlarmName", "*")),
               refuse=("AlarmContributorId",))  # fmt: skip
    async def describe_alarm_history(
        self, context: Context, request: t.DescribeAlarmHistoryInputTypeDef
    ) -> Mapping[str, Any]:
        """Describe what happened to alarms in the last 30 days, of deleted ones too; the latest first by default."""
        newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        types = request.get("AlarmTypes", ["MetricAlarm"] if "AlarmName" not in request else None)
        start = _milliseconds(request["StartDate"]) if "StartDate" in request else 0
        end = _milliseconds(request["EndDate"]) if "EndDate" in request else None
        found = [
            (sequence, time, item)
            for sequence, time, item in self.alarms.history(context.region, start, end, newest_first=newest_first)
            if request.get("AlarmName") in (None, item["AlarmName"])
            and request.get("HistoryItemType") in (None, item["HistoryItemType"])
            and (types is None or item["AlarmType"] in types)
        ]
        limit = request.get("MaxRecords", _HISTORY_PAGE)
        first = 0
        if "NextToken" in request:
            last = _read_token(request["NextToken"])
            first = next((n + 1 for n, each in enumerate(found) if each[0] == last), len(found))
        chosen = found[first : first + limit]
        items = [{**item, "Timestamp": datetime.fromtimestamp(time / 1000, UTC)} for _, time, item in chosen]
        answer: dict[str, Any] = {"AlarmHistoryItems": items}
        if first + limit < len(found):
            answer["NextToken"] = base64.urlsafe_b64encode(str(chosen[-1][0]).encode()).decode()
        return answer

    def _relatives(self, context: Context, relation: str, name: str) -> list[AlarmRecord]:
        record = self.alarms.records.get(context.region, name)
        if record is None:
            return []
        if relation == "ChildrenOfAlarmName":
            children = sorted(self.alarms.children(record))
            found = [self.alarms.records.get(context.region, each) for each in children]
            return [each for each in found if each is not None]
        return [each for each in self.alarms.records.values(context.region) if name in self.alarms.children(each)]


def _fits(record: AlarmRecord, request: Mapping[str, Any]) -> bool:
    alarm = record["alarm"]
    prefix = request.get("ActionPrefix")
    return (
        ("AlarmNames" not in request or alarm["AlarmName"] in request["AlarmNames"])
        and request.get("StateValue") in (None, alarm["StateValue"])
        and (prefix is None or any(arn.startswith(prefix) for each in ACTIONS.values() for arn in alarm[each]))
    )


def _shown(alarm: Mapping[str, Any], relatives: Sequence[str]) -> Mapping[str, Any]:
    if not relatives:
        return alarm
    names = ["AlarmName", "AlarmArn"]
    if "ChildrenOfAlarmName" in relatives:
        names += ["StateValue", "StateUpdatedTimestamp"]
    return {name: alarm[name] for name in names}


def _is_on(query: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    if "MetricStat" not in query:
        return False
    stat = query["MetricStat"]
    metric = stat["Metric"]
    wanted = {each["Name"]: each["Value"] for each in request.get("Dimensions", [])}
    return (
        (metric["Namespace"], metric["MetricName"]) == (request["Namespace"], request["MetricName"])
        and {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])} == wanted
        and request.get("Period") in (None, stat["Period"])
        and request.get("Unit") in (None, stat.get("Unit"))
        and request.get("Statistic", request.get("ExtendedStatistic")) in (None, stat["Stat"])
    )


def _milliseconds(moment: Any) -> int:
    return int(moment.timestamp() * 1000)


def _read_token(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError):
        raise ServiceError("InvalidNextToken", "The next token specified is invalid.") from None
