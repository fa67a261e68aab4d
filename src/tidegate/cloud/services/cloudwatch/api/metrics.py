"""Metrics: put and listed. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.paging import page
from tidegate.cloud.services.cloudwatch.model import CloudWatchModel, MetricRecord
from tidegate.cloud.services.cloudwatch.statistics import Sample

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as t

_PAGE = 500
_MOST_DATA = 1000
_MOST_VALUES = 150
_OLDEST = timedelta(days=14)
_NEWEST = timedelta(hours=2)
_RECENT = timedelta(hours=3)
_LARGEST = 2.0**360


class MetricsApi:
    """A metric is there as soon as data for it is put."""

    def __init__(self, model: CloudWatchModel, clock: Clock) -> None:
        self.model = model
        self._clock = clock

    @operation(
        conditions=lambda api, context, request: {"cloudwatch:namespace": request["Namespace"]},
        refuse=("EntityMetricData", "StrictEntityValidation"),
    )
    async def put_metric_data(self, context: Context, request: t.PutMetricDataInputTypeDef) -> Mapping[str, Any]:
        """Put data: all of a request, or none of it."""
        data = request.get("MetricData", [])
        if not data:
            raise ServiceError("MissingParameter", "The parameter MetricData is required.")
        if len(data) > _MOST_DATA:
            raise _bad(f"The collection MetricData must not have a size greater than {_MOST_DATA}.")
        now = self._clock.now()
        read = [_read(f"MetricData.member.{number}", datum, now) for number, datum in enumerate(data, 1)]
        with self.model.transaction():
            for datum, (time, sample) in zip(data, read, strict=True):
                metric: MetricRecord = {
                    "Namespace": request["Namespace"],
                    "MetricName": datum["MetricName"],
                    "Dimensions": [{"Name": d["Name"], "Value": d["Value"]} for d in datum.get("Dimensions", [])],
                }
                self.model.put(context.region, metric, [(time, sample)])
        return {}

    @operation(refuse=("IncludeLinkedAccounts", "OwningAccount"))
    async def list_metrics(self, context: Context, request: t.ListMetricsInputTypeDef) -> Mapping[str, Any]:
        """List metrics by namespace, name and dimensions; with RecentlyActive, those with data of the last 3 hours."""
        wanted = [(each["Name"], each.get("Value")) for each in request.get("Dimensions", [])]
        since = int((self._clock.now() - _RECENT).timestamp() * 1000)
        found = [
            (key, metric)
            for key, metric in self.model.metrics.items(context.region)
            if request.get("Namespace") in (None, metric["Namespace"])
            and request.get("MetricName") in (None, metric["MetricName"])
            and all(_has(metric, name, value) for name, value in wanted)
            and ("RecentlyActive" not in request or (self.model.last(key) or 0) >= since)
        ]
        chosen, token = page(
            found, request.get("NextToken"), _PAGE, key=lambda each: "\x1f".join(each[0]), invalid="InvalidNextToken"
        )
        answer: dict[str, Any] = {"Metrics": [metric for _, metric in chosen]}
        return answer if token is None else {**answer, "NextToken": token}


def _has(metric: MetricRecord, name: str, value: str | None) -> bool:
    return any(each["Name"] == name and value in (None, each["Value"]) for each in metric["Dimensions"])


def _read(place: str, datum: Any, now: datetime) -> tuple[int, Sample]:
    """Return a datum's time in epoch milliseconds, to the second or the minute that it is kept at, and its sample."""
    resolution = datum.get("StorageResolution", 60)
    if resolution not in (1, 60):
        raise _bad(f"The parameter {place}.StorageResolution must be 1 or 60.")
    moment = datum.get("Timestamp", now)
    if moment < now - _OLDEST:
        raise _bad(f"The parameter {place}.Timestamp must specify a time no more than two weeks in the past.")
    if moment > now + _NEWEST:
        raise _bad(f"The parameter {place}.Timestamp must specify a time no more than two hours in the future.")
    time = int(moment.timestamp()) // resolution * resolution * 1000
    return time, _sample(place, datum)


def _sample(place: str, datum: Any) -> Sample:
    unit = datum.get("Unit", "None")
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if len(given) > 1:
        raise ServiceError(
            "InvalidParameterCombination",
            f"The parameters {place}.{given[0]} and {place}.{given[1]} are mutually exclusive and you have specified "
            "both.",
        )
    if not given:
        raise ServiceError("MissingParameter", f"The parameter {place}.Value is required.")
    if given == ["StatisticValues"]:
        set_ = datum["StatisticValues"]
        numbers = [float(set_[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum")]
        for number in numbers:
            _check(f"{place}.StatisticValues", number)
        if numbers[0] <= 0 or numbers[2] > numbers[3]:
            raise _bad(f"The parameter {place}.StatisticValues is not the statistics of any values.")
        return Sample(unit, numbers[0], numbers[1], numbers[2], numbers[3])
    values = [datum["Value"]] if given == ["Value"] else datum["Values"]
    counts = datum.get("Counts", [1.0] * len(values)) if given == ["Values"] else [1.0]
    if len(values) != len(counts):
        raise _bad(f"The parameters {place}.Values and {place}.Counts must be of the same size.")
    if not 1 <= len(values) <= _MOST_VALUES:
        raise _bad(f"The collection {place}.Values must have a size between 1 and {_MOST_VALUES}.")
    for number in values:
        _check(f"{place}.Value", number)
    if any(count < 0 or not math.isfinite(count) for count in counts) or not any(counts):
        raise _bad(f"The parameter {place}.Counts must hold numbers greater than 0.")
    return Sample.of(unit, zip(map(float, values), map(float, counts), strict=True))


def _check(place: str, number: float) -> None:
    if not math.isfinite(number) or abs(number) > _LARGEST:
        raise _bad(f"The value {number} for parameter {place} is invalid.")


def _bad(why: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", why)
