"""Statistics of metrics over time.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudwatch.expressions import Series
from tidegate.cloud.services.cloudwatch.model import CloudWatchModel
from tidegate.cloud.services.cloudwatch.queries import check_statistic, computed, metric_of, series_of
from tidegate.cloud.services.cloudwatch.statistics import by_period, statistic

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as t

_MOST_QUERIES = 500
_MOST_DATAPOINTS = 100_800
_MOST_STATISTICS = 1440  # datapoints of one GetMetricStatistics
_HIGH_RESOLUTION = (1, 5, 10, 20, 30)
_ID = re.compile(r"^[a-z][a-zA-Z0-9_]*$")


class DataApi:
    """Reads what was put, by period."""

    def __init__(self, model: CloudWatchModel) -> None:
        self.model = model

    @operation()
    async def get_metric_statistics(
        self, context: Context, request: t.GetMetricStatisticsInputTypeDef
    ) -> Mapping[str, Any]:
        """Return datapoints of one metric with all statistics that are asked for, by unit."""
        plain, extended = request.get("Statistics", []), request.get("ExtendedStatistics", [])
        if not plain and not extended:
            raise ServiceError("MissingParameter", "The parameter Statistics or ExtendedStatistics is required.")
        for name in extended:
            check_statistic(name)
        period = request["Period"]
        start, end = _window(request, period)
        datapoints = int((end - start).total_seconds()) // period
        if datapoints > _MOST_STATISTICS:
            raise ServiceError(
                "InvalidParameterCombination",
                f"You have requested up to {datapoints:,} datapoints, which exceeds the limit of {_MOST_STATISTICS:,}. "
                "You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
            )
        metric = metric_of(request)
        samples = self.model.read(context.region, metric, start, end)
        unit = request.get("Unit")
        found = by_period(
            [each for each in samples if unit in (None, each[1].unit)], period, key=lambda sample: sample.unit
        )
        points = []
        for (time, of_unit), sample in sorted(found.items()):
            point: dict[str, Any] = {"Timestamp": _moment(time), "Unit": of_unit}
            point |= {name: statistic(sample, name) for name in plain}
            values = {name: statistic(sample, name) for name in extended}
            known = {name: value for name, value in values.items() if value is not None}
            points.append({**point, "ExtendedStatistics": known} if known else point)
        return {"Label": request["MetricName"], "Datapoints": points}

    @operation(refuse=("LabelOptions", "MetricDataQueries.AccountId", "MetricDataQueries.Period"))
    async def get_metric_data(self, context: Context, request: t.GetMetricDataInputTypeDef) -> Mapping[str, Any]:
        """Return a time series a query: a statistic of a metric, or arithmetic on other queries' series."""
        queries = request["MetricDataQueries"]
        _check_queries(queries)
        read: dict[str, Series] = {}
        for query in queries:
            if "MetricStat" in query:
                start, end = _window(request, query["MetricStat"]["Period"])
                read[query["Id"]] = series_of(self.model, context.region, query["MetricStat"], start, end)
        series = computed(queries, read)
        newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = [
            (query, sorted(series[query["Id"]].items(), reverse=newest_first))
            for query in queries
            if query.get("ReturnData", True)
        ]
        return _paged(results, request.get("NextToken"), request.get("MaxDatapoints", _MOST_DATAPOINTS))


def _check_queries(queries: Sequence[Any]) -> None:
    if not 1 <= len(queries) <= _MOST_QUERIES:
        raise _invalid(f"The collection MetricDataQueries must have a size between 1 and {_MOST_QUERIES}.")
    for query in queries:
        if not _ID.match(query["Id"]):
            raise _invalid(
                f"The value for field 'Id' is invalid: {query['Id']}. It must begin with a lowercase letter."
            )
        if ("MetricStat" in query) is ("Expression" in query):
            raise _invalid(f"The query {query['Id']} must have either a MetricStat or an Expression.")
        if "${" in query.get("Label", ""):
            raise not_offered("dynamic labels")
    ids = [query["Id"] for query in queries]
    if len(set(ids)) < len(ids):
        raise _invalid("The values for parameter Id in MetricDataQueries are not unique.")


def _paged(results: list[tuple[Any, list[tuple[int, float]]]], token: str | None, limit: int) -> dict[str, Any]:
    """Return the results with at most `limit` datapoints, after those that the token says were seen."""
    seen = 0 if token is None else _read_token(token)
    total = sum(len(points) for _, points in results)
    answers, position = [], 0
    for query, points in results:
        first, last = max(seen - position, 0), min(max(seen + limit - position, 0), len(points))
        chosen = points[first:last]
        position += len(points)
        metric = query.get("MetricStat", {}).get("Metric", {}).get("MetricName")
        answers.append(
            {
                "Id": query["Id"],
                "Label": query.get("Label") or metric or query["Id"],
                "Timestamps": [_moment(time) for time, _ in chosen],
                "Values": [value for _, value in chosen],
                "StatusCode": "Complete" if last == len(points) else "PartialData",
            }
        )
    answer: dict[str, Any] = {"MetricDataResults": answers, "Messages": []}
    if seen + limit < total:
        answer["NextToken"] = base64.urlsafe_b64encode(str(seen + limit).encode()).decode()
    return answer


def _read_token(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError):
        raise ServiceError("InvalidNextToken", "The next token specified is invalid.") from None


def _window(request: Mapping[str, Any], period: int) -> tuple[datetime, datetime]:
    """Return the time asked for, its start rounded down to the period's, or a minute's, beginning."""
    if period not in _HIGH_RESOLUTION and period % 60:
        raise ServiceError(
            "InvalidParameterValue", f"The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60: {period}"
        )
    start, end = request["StartTime"], request["EndTime"]
    if start >= end:
        code = "InvalidParameterValue" if "Statistics" in request else "ValidationError"
        raise ServiceError(code, "The parameter StartTime must be less than the parameter EndTime.")
    step = min(period, 60)
    return _moment(int(start.timestamp()) // step * step), end


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _invalid(why: str) -> ServiceError:
    return ServiceError("ValidationError", why)
