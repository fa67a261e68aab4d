"""Metric queries: a statistic of a metric read as a time series, and expressions computed from such series.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudwatch.expressions import Series, evaluate, invalid, names_in
from tidegate.cloud.services.cloudwatch.model import CloudWatchModel, MetricRecord
from tidegate.cloud.services.cloudwatch.statistics import PLAIN, Sample, by_period, is_percentile, statistic

_TRIMMED = re.compile(r"^(tm|wm|tc|ts|pr|iqm)", re.IGNORECASE)


def metric_of(given: Mapping[str, Any]) -> MetricRecord:
    """Return the metric that a request or a query names; raise ValidationError where it names none."""
    if not given.get("Namespace") or not given.get("MetricName"):
        raise ServiceError("ValidationError", "A metric has a Namespace and a MetricName.")
    return {
        "Namespace": given["Namespace"],
        "MetricName": given["MetricName"],
        "Dimensions": [{"Name": each["Name"], "Value": each["Value"]} for each in given.get("Dimensions", [])],
    }


def check_statistic(name: str) -> None:
    """Refuse a statistic that there is not, or not here."""
    if name in PLAIN or is_percentile(name):
        return
    if _TRIMMED.match(name):
        raise not_offered(f"the statistic {name}")
    raise ServiceError("InvalidParameterValue", f"The value {name} for parameter Stat is not supported.")


def samples_of(
    model: CloudWatchModel, region: str, wanted: Mapping[str, Any], start: datetime, end: datetime, offset: int = 0
) -> dict[int, Sample]:
    """Return what was measured of a `MetricStat` in each period from `start` to before `end`."""
    unit = wanted.get("Unit")
    samples = model.read(region, metric_of(wanted["Metric"]), start, end)
    found = by_period([each for each in samples if unit in (None, each[1].unit)], wanted["Period"], offset=offset)
    return {time: sample for (time, _), sample in found.items()}


def series_of(
    model: CloudWatchModel, region: str, wanted: Mapping[str, Any], start: datetime, end: datetime, offset: int = 0
) -> Series:
    """Return the time series of a `MetricStat`; periods begin at multiples of its period, or `offset` seconds later."""
    check_statistic(wanted["Stat"])
    samples = samples_of(model, region, wanted, start, end, offset)
    values = {time: statistic(sample, wanted["Stat"]) for time, sample in samples.items()}
    return {time: value for time, value in values.items() if value is not None}


def computed(queries: Iterable[Mapping[str, Any]], read: Mapping[str, Series]) -> dict[str, Series]:
    """Return the series of all queries: those that were read, and those that expressions make of them."""
    series = dict(read)
    for query in in_order([each for each in queries if "Expression" in each], set(series)):
        series[query["Id"]] = evaluate(query["Expression"], series)
    return series


def in_order(queries: Sequence[Mapping[str, Any]], known: set[str]) -> list[Mapping[str, Any]]:
    """Return expressions so that each comes after those that it refers to; raise for what refers to nothing."""
    ordered: list[Mapping[str, Any]] = []
    left = list(queries)
    while left:
        ready = [query for query in left if names_in(query["Expression"]) <= known]
        if not ready:
            query = left[0]
            unknown = ", ".join(sorted(names_in(query["Expression"]) - known))
            raise invalid(query["Expression"], f"unresolvable id: {unknown}")
        ordered += ready
        known = known | {query["Id"] for query in ready}
        left = [query for query in left if query not in ready]
    return ordered
