"""Alarms are evaluated: at the end of every step of their period, and composite ones when another has changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tidegate.cloud.clock import Clock
from tidegate.cloud.services.cloudwatch.alarm_rule import holds, names_in, parse
from tidegate.cloud.services.cloudwatch.alarm_text import Point, period_of, queries_of, reason, reason_data
from tidegate.cloud.services.cloudwatch.alarms import ACTIONS, AlarmRecord, Alarms
from tidegate.cloud.services.cloudwatch.model import CloudWatchModel
from tidegate.cloud.services.cloudwatch.plan import Rule, evaluate, starts, step_of, too_few
from tidegate.cloud.services.cloudwatch.queries import computed, samples_of, series_of
from tidegate.cloud.store import Key

_GRACE = 0.2  # seconds after a period's end, for what is measured in it and just being put
_CONTINUING = "arn:aws:autoscaling:"  # these actions are invoked for every period that the state goes on


class Evaluation:
    """The controller of `cloudwatch.alarm`: keys are (region, name)."""

    def __init__(self, model: CloudWatchModel, alarms: Alarms, clock: Clock) -> None:
        self._model = model
        self._alarms = alarms
        self._clock = clock
        # until when an alarm of which settings was looked at: what somebody sets it to lasts until the next time
        self._done: dict[Key, tuple[int, datetime]] = {}

    def keys(self) -> list[Key]:
        """Return all alarms."""
        return [key for key, _ in self._alarms.records.items()]

    def forget_all(self) -> None:
        """Forget what was looked at: the alarms are gone."""
        self._done.clear()

    async def reconcile(self, key: Key) -> float | None:
        """Evaluate an alarm whose time has come."""
        record = self._alarms.records.get(*key)
        if record is None:
            self._done.pop(key, None)
            return None
        if record["kind"] == "CompositeAlarm":
            self._follow(key, record)
            return None
        now = self._clock.now()
        period = period_of(record["alarm"])
        step = step_of(period)
        end = int(now.timestamp()) // step * step
        mark = (end, record["alarm"]["AlarmConfigurationUpdatedTimestamp"])
        if self._done.get(key) != mark:
            self._done[key] = mark
            self._look(key, record["alarm"], period, end, now)
        return end + step + _GRACE - now.timestamp()

    def _look(self, key: Key, alarm: Mapping[str, Any], period: int, end: int, now: datetime) -> None:
        rule = rule_of(alarm)
        points = self._points(key[0], alarm, period, end, rule.periods)
        if self._is_insignificant(key[0], alarm, points, period):
            return
        verdict = evaluate([value for _, value in points], rule)
        if verdict is None:
            return
        why = reason(points, rule, verdict, counted="DatapointsToAlarm" in alarm)
        data = reason_data(alarm, points, rule, verdict, period, now)
        if verdict.state != alarm["StateValue"]:
            self._alarms.move(key, verdict.state, why, data, now, self._clock.new_id())
        elif alarm["ActionsEnabled"] and any(each.startswith(_CONTINUING) for each in alarm[ACTIONS[verdict.state]]):
            self._alarms.say_again(key, why, data)

    def _points(self, region: str, alarm: Mapping[str, Any], period: int, end: int, periods: int) -> list[Point]:
        times = starts(end, period, periods)
        first, last = datetime.fromtimestamp(times[0], UTC), datetime.fromtimestamp(end, UTC)
        queries = queries_of(alarm)
        read = {
            each["Id"]: series_of(self._model, region, each["MetricStat"], first, last, offset=end % period)
            for each in queries
            if "MetricStat" in each
        }
        series = computed(queries, read)
        shown = next(each["Id"] for each in queries if each.get("ReturnData", True))
        return [(time, series[shown].get(time)) for time in times]

    def _is_insignificant(self, region: str, alarm: Mapping[str, Any], points: list[Point], period: int) -> bool:
        """Return whether a percentile is of so few samples that the alarm is told to leave it alone."""
        if alarm.get("EvaluateLowSampleCountPercentile") != "ignore" or "ExtendedStatistic" not in alarm:
            return False
        first, end = points[0][0], points[-1][0] + period
        (query,) = queries_of(alarm)
        moments = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(end, UTC)
        samples = samples_of(self._model, region, query["MetricStat"], *moments, offset=end % period)
        decided = [time for time, value in points if value is not None][-alarm["EvaluationPeriods"] :]
        count = sum(samples[time].count for time in decided)
        return bool(decided) and too_few(float(alarm["ExtendedStatistic"][1:]), count)

    def _follow(self, key: Key, record: AlarmRecord) -> None:
        """Have a composite alarm be in the state that follows from those of the others."""
        alarm = record["alarm"]
        rule, states, now = parse(alarm["AlarmRule"]), self._alarms.states(key[0]), self._clock.now()
        state = "ALARM" if holds(rule, states) else "OK"
        if state == alarm["StateValue"]:
            return
        arn = alarm["AlarmArn"].removesuffix(key[1])
        named = {name: states.get(name, "INSUFFICIENT_DATA") for name in sorted(names_in(rule))}
        shown = ", ".join(f"{arn}{name} is in {each}" for name, each in named.items())
        why = f"{alarm['AlarmArn']} transitioned to {state} at {now:%A %d %B, %Y %H:%M:%S} UTC: {shown or 'a constant'}"
        self._alarms.move(key, state, why, None, now, self._clock.new_id())


def rule_of(alarm: Mapping[str, Any]) -> Rule:
    """Return when a metric alarm is in ALARM."""
    periods = alarm["EvaluationPeriods"]
    return Rule(
        alarm["ComparisonOperator"],
        alarm["Threshold"],
        periods,
        alarm.get("DatapointsToAlarm", periods),
        alarm.get("TreatMissingData", "missing"),
    )
