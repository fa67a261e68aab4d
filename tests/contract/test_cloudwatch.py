"""Metrics, asked with boto3 and the AWS CLI."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.test_iam import assume, policy
from tests.daemon import Daemon

MINUTE = timedelta(minutes=1)


def begin() -> datetime:
    """The beginning of a minute that is over."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - 5 * MINUTE


@pytest.fixture
def cloudwatch(cloud: Daemon) -> Any:
    return cloud.client("cloudwatch")


def put(cloudwatch: Any, *values: float, at: datetime, step: timedelta = timedelta(0), **more: Any) -> None:
    data = [{"MetricName": "m", "Value": v, "Timestamp": at + n * step, **more} for n, v in enumerate(values)]
    cloudwatch.put_metric_data(Namespace="app", MetricData=data)


def refused(call: Any, match: str, **request: Any) -> str:
    with pytest.raises(ClientError, match=match) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


def query(stat: str = "Average", period: int = 60, **more: Any) -> dict[str, Any]:
    metric = {"Namespace": "app", "MetricName": "m", **more}
    return {"Id": "m1", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}


def test_statistics(cloudwatch: Any) -> None:
    start = begin()
    put(cloudwatch, 1, 2, 3, 6, at=start, Unit="Count")
    put(cloudwatch, 10, at=start + MINUTE, Unit="Count")
    answer = cloudwatch.get_metric_statistics(
        Namespace="app", MetricName="m", StartTime=start, EndTime=start + 5 * MINUTE, Period=60,
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"],
    )  # fmt: skip
    assert answer["Label"] == "m"
    assert answer["Datapoints"] == [
        {"Timestamp": start, "SampleCount": 4, "Sum": 12, "Average": 3, "Minimum": 1, "Maximum": 6, "Unit": "Count"},
        {"Timestamp": start + MINUTE, "SampleCount": 1, "Sum": 10, "Average": 10, "Minimum": 10, "Maximum": 10,
         "Unit": "Count"},
    ]  # fmt: skip
    answer = cloudwatch.get_metric_statistics(
        Namespace="app", MetricName="m", StartTime=start, EndTime=start + MINUTE, Period=300,
        ExtendedStatistics=["p50", "p100"],
    )  # fmt: skip
    assert answer["Datapoints"][0]["ExtendedStatistics"] == {"p50": 2.5, "p100": 6}


def test_values_with_counts_and_statistic_sets(cloudwatch: Any) -> None:
    start = begin()
    data = [
        {"MetricName": "m", "Timestamp": start, "Values": [1, 5], "Counts": [3, 1]},
        {"MetricName": "m", "Timestamp": start + MINUTE,
         "StatisticValues": {"SampleCount": 2, "Sum": 30, "Minimum": 10, "Maximum": 20}},
    ]  # fmt: skip
    cloudwatch.put_metric_data(Namespace="app", MetricData=data)

    def values(stat: str) -> list[float]:
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[query(stat)], StartTime=start, EndTime=start + 3 * MINUTE, ScanBy="TimestampAscending"
        )
        return list(answer["MetricDataResults"][0]["Values"])

    assert values("Average") == [2, 15]
    assert values("SampleCount") == [4, 2]
    assert values("p50") == [1]


def test_dimensions_tell_metrics_apart(cloudwatch: Any) -> None:
    start = begin()
    put(cloudwatch, 1, at=start, Dimensions=[{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}])
    put(cloudwatch, 2, at=start, Dimensions=[{"Name": "a", "Value": "2"}])
    put(cloudwatch, 3, at=start)
    found = cloudwatch.get_metric_data(
        MetricDataQueries=[query(Dimensions=[{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}])],
        StartTime=start,
        EndTime=start + MINUTE,
    )["MetricDataResults"][0]
    assert (found["Values"], found["StatusCode"], found["Label"]) == ([1], "Complete", "m")
    assert len(cloudwatch.list_metrics(Namespace="app")["Metrics"]) == 3
    assert len(cloudwatch.list_metrics(Dimensions=[{"Name": "a"}])["Metrics"]) == 2
    assert len(cloudwatch.list_metrics(MetricName="m", Dimensions=[{"Name": "a", "Value": "2"}])["Metrics"]) == 1
    assert cloudwatch.list_metrics(Namespace="other")["Metrics"] == []
    put(cloudwatch, 1, at=datetime.now(UTC) - timedelta(hours=5), Dimensions=[{"Name": "old", "Value": "1"}])
    assert len(cloudwatch.list_metrics(RecentlyActive="PT3H")["Metrics"]) == 3


def test_high_resolution(cloudwatch: Any) -> None:
    start = begin()
    put(cloudwatch, *range(6), at=start, step=timedelta(seconds=10), StorageResolution=1)
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[query("Sum", 20)], StartTime=start, EndTime=start + MINUTE, ScanBy="TimestampAscending"
    )["MetricDataResults"][0]
    assert answer["Values"] == [1, 5, 9]
    assert answer["Timestamps"] == [start, start + timedelta(seconds=20), start + timedelta(seconds=40)]


def test_expressions_and_pages(cloudwatch: Any) -> None:
    start = begin()
    put(cloudwatch, 1, 2, 3, 4, at=start - MINUTE * 10, step=MINUTE)
    hidden = {**query("Sum"), "ReturnData": False}
    queries = [{"Id": "e2", "Expression": "e1 + 1"}, hidden, {"Id": "e1", "Expression": "m1 / 2 * 10", "Label": "half"}]
    about = {"StartTime": start - MINUTE * 10, "EndTime": start, "ScanBy": "TimestampAscending"}
    answer = cloudwatch.get_metric_data(MetricDataQueries=queries, **about)["MetricDataResults"]
    assert [(each["Label"], each["Values"]) for each in answer] == [("e2", [6, 11, 16, 21]), ("half", [5, 10, 15, 20])]
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, **about, PaginationConfig={"PageSize": 3}
    )
    found: dict[str, list[float]] = {"e1": [], "e2": []}
    for page in pages:
        for each in page["MetricDataResults"]:
            found[each["Id"]] += each["Values"]
    assert found == {"e1": [5, 10, 15, 20], "e2": [6, 11, 16, 21]}
    newest = cloudwatch.get_metric_data(MetricDataQueries=[query()], StartTime=about["StartTime"], EndTime=start)
    assert newest["MetricDataResults"][0]["Values"] == [4, 3, 2, 1]
    circle = [{"Id": "a", "Expression": "b + 1"}, {"Id": "b", "Expression": "a + 1"}]
    assert refused(cloudwatch.get_metric_data, "unresolvable", MetricDataQueries=circle, **about) == "ValidationError"
    rate = [query(), {"Id": "e", "Expression": "RATE(m1)"}]
    assert refused(cloudwatch.get_metric_data, "function RATE", MetricDataQueries=rate, **about) == "NotImplemented"


def test_what_cannot_be_put(cloudwatch: Any) -> None:
    def code(match: str, **datum: Any) -> str:
        return refused(cloudwatch.put_metric_data, match, Namespace="app", MetricData=[{"MetricName": "m", **datum}])

    assert code("is required") == "MissingParameter"
    assert code("mutually exclusive", Value=1, Values=[1]) == "InvalidParameterCombination"
    assert code("two weeks in the past", Value=1, Timestamp=datetime(2020, 1, 1, tzinfo=UTC)) == "InvalidParameterValue"
    assert code("same size", Values=[1, 2], Counts=[1]) == "InvalidParameterValue"
    assert code("StorageResolution", Value=1, StorageResolution=5) == "InvalidParameterValue"
    assert code("invalid", Value=float("inf")) == "InvalidParameterValue"
    assert cloudwatch.list_metrics()["Metrics"] == []


def test_what_cannot_be_asked(cloudwatch: Any) -> None:
    start = begin()
    about = {"Namespace": "app", "MetricName": "m", "StartTime": start, "Statistics": ["Sum"]}
    ask = cloudwatch.get_metric_statistics
    assert refused(ask, "Period", **about, EndTime=start + MINUTE, Period=7) == "InvalidParameterValue"
    assert refused(ask, "StartTime must be less", **about, EndTime=start, Period=60) == "InvalidParameterValue"
    days = start + timedelta(days=2)
    assert refused(ask, "up to 2,880 datapoints", **about, EndTime=days, Period=60) == "InvalidParameterCombination"
    with pytest.raises(ClientError, match="does not offer cloudwatch:PutDashboard"):
        cloudwatch.put_dashboard(DashboardName="d", DashboardBody="{}")


def test_aws_cli(cloud: Daemon) -> None:
    cloud.aws(
        "cloudwatch", "put-metric-data", "--namespace", "app", "--metric-name", "m", "--value", "3", "--unit", "Count"
    )
    assert cloud.aws_json("cloudwatch", "list-metrics")["Metrics"][0]["MetricName"] == "m"


def test_who_may_put_into_which_namespace(cloud: Daemon) -> None:
    keys = assume(cloud, "putter")
    only = {"StringEquals": {"cloudwatch:namespace": "app"}}
    document = policy("Allow", "cloudwatch:PutMetricData", Condition=only)
    cloud.client("iam").put_role_policy(RoleName="putter", PolicyName="p", PolicyDocument=document)
    putter = cloud.client("cloudwatch", keys=keys)
    put(putter, 1, at=begin())
    assert refused(
        putter.put_metric_data, "PutMetricData", Namespace="other", MetricData=[{"MetricName": "m", "Value": 1}]
    ).startswith("AccessDenied")


def test_everything_is_there_after_a_kill(own_cloud: Daemon) -> None:
    cloudwatch, start = own_cloud.client("cloudwatch"), begin()
    put(cloudwatch, 1, at=start)
    own_cloud.kill()
    own_cloud.start()
    answer = cloudwatch.get_metric_data(MetricDataQueries=[query()], StartTime=start, EndTime=start + MINUTE)
    assert answer["MetricDataResults"][0]["Values"] == [1]
    assert time.time() > start.timestamp()
