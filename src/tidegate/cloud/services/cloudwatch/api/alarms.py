"""Alarms: put, set, switched on and off, deleted.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html and its siblings
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudwatch.alarm_rule import names_in, parse
from tidegate.cloud.services.cloudwatch.alarm_text import INITIAL, period_of
from tidegate.cloud.services.cloudwatch.alarms import ACTIONS, AlarmRecord, Alarms, Kind
from tidegate.cloud.services.cloudwatch.api.tags import alarm_arn, checked_tags
from tidegate.cloud.services.cloudwatch.plan import COMPARISONS, HIGH_RESOLUTION
from tidegate.cloud.services.cloudwatch.queries import check_statistic, in_order, metric_of
from tidegate.cloud.services.cloudwatch.statistics import PLAIN, is_percentile

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as t

_MOST_ACTIONS = 5  # of one state
_DAY, _WEEK, _HOUR = 86_400, 604_800, 3600  # seconds
_MOST_METRICS = 10
_MISSING = ("missing", "ignore", "breaching", "notBreaching")
_SETTINGS = (
    "AlarmName", "AlarmDescription", "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions",
    "Period", "Unit", "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData",
    "EvaluateLowSampleCountPercentile", "Metrics", "AlarmRule",
)  # fmt: skip
_STATE = ("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp")
_OF_ONE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit")


def _request_tags(api: Any, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in request.get("Tags", ())}


class AlarmsApi:
    """What is wanted of alarms; whether they are in ALARM is found out by the reconciler."""

    def __init__(self, alarms: Alarms, clock: Clock) -> None:
        self.alarms = alarms
        self._clock = clock

    @operation(
        resource=lambda api, context, request: alarm_arn(context, request["AlarmName"]),
        conditions=_request_tags,
        refuse=(
            "ThresholdMetricId",
            "EvaluationWindow",
            "WarmUpConfiguration",
            "EvaluationCriteria",
            "EvaluationInterval",
            "ActionConfiguration",
            "Metrics.AccountId",
            "Metrics.Period",
        ),
    )
    async def put_metric_alarm(self, context: Context, request: t.PutMetricAlarmInputTypeDef) -> None:
        """Create an alarm, or give an existing one other settings: its state stays as it is until it is evaluated."""
        _check_metric_alarm(request)
        self._put(context, "MetricAlarm", request)

    @operation(
        resource=lambda api, context, request: alarm_arn(context, request["AlarmName"]),
        refuse=(
            "ActionsSuppressor",
            "ActionsSuppressorWaitPeriod",
            "ActionsSuppressorExtensionPeriod",
            "ActionConfiguration",
        ),
    )
    async def put_composite_alarm(self, context: Context, request: t.PutCompositeAlarmInputTypeDef) -> None:
        """Create an alarm whose state follows from that of others, or change it."""
        rule = parse(request["AlarmRule"])
        unknown = sorted(name for name in names_in(rule) if self.alarms.records.get(context.region, name) is None)
        if unknown:
            raise _invalid(f"Could not save the composite alarm as alarms [{', '.join(unknown)}] in the alarm rule do "
                           "not exist")  # fmt: skip
        if self._leads_to(context, names_in(rule), request["AlarmName"]):
            raise _invalid("A composite alarm cannot depend on itself.")
        self._put(context, "CompositeAlarm", request)

    @operation(
        resource=lambda api, context, request: alarm_arn(context, request["AlarmName"]),
    )
    async def set_alarm_state(self, context: Context, request: t.SetAlarmStateInputTypeDef) -> None:
        """Put an alarm into a state until it is evaluated the next time."""
        key = (context.region, request["AlarmName"])
        self._record(*key)
        data = request.get("StateReasonData")
        if data is not None and not _is_json(data):
            raise ServiceError("InvalidFormat", "TemplateBody parameter stateReasonData is not valid JSON")
        now = self._clock.now()
        self.alarms.move(key, request["StateValue"], request["StateReason"], data, now, self._clock.new_id())

    @operation(resource=lambda api, context, request: [alarm_arn(context, each) for each in request["AlarmNames"]])
    async def enable_alarm_actions(self, context: Context, request: t.EnableAlarmActionsInputTypeDef) -> None:
        """Have alarms do what they are to do."""
        self._switch(context, request["AlarmNames"], enabled=True)

    @operation(resource=lambda api, context, request: [alarm_arn(context, each) for each in request["AlarmNames"]])
    async def disable_alarm_actions(self, context: Context, request: t.DisableAlarmActionsInputTypeDef) -> None:
        """Have alarms change their state and do nothing."""
        self._switch(context, request["AlarmNames"], enabled=False)

    @operation(resource=lambda api, context, request: [alarm_arn(context, each) for each in request["AlarmNames"]])
    async def delete_alarms(self, context: Context, request: t.DeleteAlarmsInputTypeDef) -> None:
        """Delete alarms: all of a request, or none of it. Their history stays."""
        names = list(dict.fromkeys(request["AlarmNames"]))
        records = {name: self._record(context.region, name) for name in names}
        now = self._clock.now()
        with self.alarms.transaction():
            for name, record in records.items():
                self.alarms.records.delete(context.region, name)
                self._note(context, name, record["kind"], "deleted", "Delete", record["alarm"])
                for key, _ in self.alarms.changes.items(context.region, name):
                    self.alarms.changes.delete(*key)
            self.alarms.expire(context.region, now)

    def _put(self, context: Context, kind: Kind, request: Mapping[str, Any]) -> None:
        name, now = request["AlarmName"], self._clock.now()
        if not name.isprintable() or not name.strip():
            raise _invalid("AlarmName must contain only printable characters")
        existing = self.alarms.records.get(context.region, name)
        if existing is not None and existing["kind"] != kind:
            raise _invalid(f"An alarm of another type with the name {name} exists")
        actions = {member: list(dict.fromkeys(request.get(member, []))) for member in ACTIONS.values()}
        for member, arns in actions.items():
            _check_actions(context, kind, member, arns)
        alarm: dict[str, Any] = {each: request[each] for each in _SETTINGS if each in request}
        alarm |= {
            "AlarmArn": alarm_arn(context, name),
            "AlarmConfigurationUpdatedTimestamp": now,
            "ActionsEnabled": request.get("ActionsEnabled", True),
            **actions,
        }
        if kind == "MetricAlarm" and "Metrics" not in alarm:
            alarm.setdefault("Dimensions", [])
        if existing is None:
            tags = checked_tags({}, request.get("Tags", []))
            alarm |= {
                "StateValue": "INSUFFICIENT_DATA",
                "StateReason": INITIAL,
                "StateUpdatedTimestamp": now,
                "StateTransitionedTimestamp": now,
            }
        else:  # tags of an alarm that exists are not touched, as on AWS
            tags = existing["tags"]
            alarm |= {each: existing["alarm"][each] for each in _STATE if each in existing["alarm"]}
        with self.alarms.transaction():
            self.alarms.records.put((context.region, name), {"kind": kind, "alarm": alarm, "tags": tags})
            if existing is None:
                self._note(context, name, kind, "created", "Create", alarm)
            else:
                self._note(context, name, kind, "updated", "Update", alarm)

    def _note(self, context: Context, name: str, kind: Kind, done: str, what: str, alarm: Mapping[str, Any]) -> None:
        shown = (each for each in (*_SETTINGS, *ACTIONS.values()) if each in alarm)
        settings = {each[:1].lower() + each[1:]: alarm[each] for each in shown}
        data = json.dumps({"version": "1.0", "type": what, f"{done}Alarm": settings})
        key = (context.region, name)
        self.alarms.note(key, kind, "ConfigurationUpdate", f'Alarm "{name}" {done}', data, self._clock.now())

    def _switch(self, context: Context, names: Sequence[str], *, enabled: bool) -> None:
        """Switch actions; an alarm that there is not is no error, as on AWS."""

        def change(record: AlarmRecord) -> None:
            record["alarm"]["ActionsEnabled"] = enabled

        with self.alarms.transaction():
            for name in names:
                self.alarms.records.update((context.region, name), change)

    def _record(self, region: str, name: str) -> AlarmRecord:
        record = self.alarms.records.get(region, name)
        if record is None:
            raise ServiceError("ResourceNotFound", f"Unknown alarm: {name}", 404)
        return record

    def _leads_to(self, context: Context, names: set[str], wanted: str) -> bool:
        """Return whether alarms depend, over however many others, on the one of a name."""
        seen: set[str] = set()
        while names:
            seen |= names
            records = [self.alarms.records.get(context.region, name) for name in names]
            names = {child for each in records if each is not None for child in self.alarms.children(each)} - seen
        return wanted in seen


def _check_metric_alarm(request: Mapping[str, Any]) -> None:
    if request.get("ComparisonOperator") not in COMPARISONS:
        raise not_offered(f"cloudwatch:PutMetricAlarm ComparisonOperator {request.get('ComparisonOperator')}")
    for name in ("Threshold", "EvaluationPeriods"):
        if name not in request:
            raise ServiceError("MissingParameter", f"The parameter {name} is required.")
    periods = request["EvaluationPeriods"]
    if not 1 <= request.get("DatapointsToAlarm", periods) <= periods:
        raise _invalid("DatapointsToAlarm must be at least 1 and at most EvaluationPeriods.")
    if request.get("TreatMissingData", "missing") not in _MISSING:
        raise _invalid(f"TreatMissingData must be one of {', '.join(_MISSING)}: {request['TreatMissingData']}")
    low = request.get("EvaluateLowSampleCountPercentile")
    if low not in (None, "evaluate", "ignore"):
        raise _invalid(f"EvaluateLowSampleCountPercentile must be evaluate or ignore: {low}")
    if "Metrics" in request:
        _check_metrics(request)
    else:
        _check_one_metric(request)
        if low is not None and "ExtendedStatistic" not in request:
            raise _invalid("EvaluateLowSampleCountPercentile is for alarms on a percentile.")
    _check_period(period_of(request), periods)


def _check_one_metric(request: Mapping[str, Any]) -> None:
    metric_of(request)
    given = [name for name in ("Statistic", "ExtendedStatistic") if name in request]
    if len(given) != 1:
        raise ServiceError(
            "InvalidParameterCombination" if given else "MissingParameter",
            "The parameters Statistic and ExtendedStatistic are mutually exclusive and you have specified both."
            if given
            else "The parameter Statistic or ExtendedStatistic is required.",
        )
    if "Period" not in request:
        raise ServiceError("MissingParameter", "The parameter Period is required.")
    statistic = request[given[0]]
    check_statistic(statistic)
    if (statistic in PLAIN) is not (given == ["Statistic"]) or (given == ["ExtendedStatistic"]) is not is_percentile(
        statistic
    ):
        raise _invalid(f"{given[0]} cannot be {statistic}")


def _check_metrics(request: Mapping[str, Any]) -> None:
    queries = request["Metrics"]
    both = [name for name in _OF_ONE_METRIC if name in request]
    if both:
        raise ServiceError(
            "InvalidParameterCombination",
            f"The parameters Metrics and {both[0]} are mutually exclusive and you have specified both.",
        )
    read = [each for each in queries if "MetricStat" in each]
    if any(("MetricStat" in each) is ("Expression" in each) for each in queries):
        raise _invalid("Each of Metrics must have either a MetricStat or an Expression.")
    if sum(each.get("ReturnData", True) for each in queries) != 1:
        raise _invalid("Exactly one element of the metrics list should return data.")
    if len({each["Id"] for each in queries}) < len(queries):
        raise _invalid("The values for parameter Id in Metrics are not unique.")
    if not 1 <= len(read) <= _MOST_METRICS:
        raise _invalid(f"An alarm has between 1 and {_MOST_METRICS} metrics.")
    if len({each["MetricStat"]["Period"] for each in read}) > 1:
        raise _invalid("Period must not be different for the metrics of an alarm.")
    for each in read:
        check_statistic(each["MetricStat"]["Stat"])
        metric_of(each["MetricStat"]["Metric"])
    in_order([each for each in queries if "Expression" in each], {each["Id"] for each in read})


def _check_period(period: int, periods: int) -> None:
    if period not in HIGH_RESOLUTION and (period <= 0 or period % 60):
        raise _invalid("Invalid period: Period must be 10, 20, 30 or a multiple of 60")
    if period * periods > (_DAY if period < _HOUR else _WEEK):
        raise _invalid(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)"
            if period < _HOUR
            else "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= 604800)"
        )


def _check_actions(context: Context, kind: Kind, member: str, arns: Sequence[str]) -> None:
    if len(arns) > _MOST_ACTIONS:
        raise _invalid(f"{member} must have at most {_MOST_ACTIONS} elements")
    for arn in arns:
        parts = arn.split(":", 5)
        if len(parts) < 6 or parts[0] != "arn":
            raise _invalid(f"Invalid arn syntax: {arn}")
        scaling = parts[2] == "autoscaling" and parts[5].startswith("scalingPolicy:") and ":resource/ecs/" in parts[5]
        if scaling and kind == "CompositeAlarm":
            raise _invalid(f"A composite alarm cannot have the action {arn}")
        if not scaling and parts[2] != "sns":
            raise not_offered(f"cloudwatch alarm action {arn}")
        if parts[3:5] != [context.region, context.account]:
            raise _invalid(f"Invalid region {parts[3]} or account {parts[4]} specified in the action {arn}")


def _is_json(text: str) -> bool:
    try:
        from_json(text)
    except ValueError:
        return False
    return True


def _invalid(why: str) -> ServiceError:
    return ServiceError("ValidationError", why)
