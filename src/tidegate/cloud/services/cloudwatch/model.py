"""CloudWatch's records: which metrics there are, and the data of each in a journal of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from tidegate.cloud.services.cloudwatch.statistics import Sample
from tidegate.cloud.store import Collection, Key, Store

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as t

_MOST = 1_000_000  # samples of one metric that are read at once


class MetricRecord(TypedDict):
    """A metric, as AWS shows it."""

    Namespace: str
    MetricName: str
    Dimensions: list[t.DimensionTypeDef]


class CloudWatchModel:
    """Metrics by region, namespace, name and dimensions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.transaction = store.transaction
        self.metrics = Collection[MetricRecord](store, "cloudwatch.metric")

    def put(self, region: str, metric: MetricRecord, samples: Iterable[tuple[int, Sample]]) -> None:
        """Append samples, each with its time in epoch milliseconds."""
        key = metric_key(region, metric)
        with self.transaction():
            if self.metrics.get(*key) is None:
                self.metrics.put(key, metric)
            self._store.append(_journal(key), [(time, json.dumps(sample.encoded())) for time, sample in samples])

    def read(self, region: str, metric: MetricRecord, start: datetime, end: datetime) -> list[tuple[int, Sample]]:
        """Return the samples from `start` to before `end`, in order of time."""
        entries = self._store.entries_by_time(
            _journal(metric_key(region, metric)),
            after=(_milliseconds(start), 0),
            before=(_milliseconds(end), 0),
            limit=_MOST,
        )
        return [(entry.time, Sample.decoded(json.loads(entry.body))) for entry in entries]

    def last(self, key: Key) -> int | None:
        """Return the time of a metric's latest sample in epoch milliseconds, or None."""
        latest = self._store.entries_by_time(_journal(key), limit=1, newest_first=True)
        return latest[0].time if latest else None

    def expire(self, key: Key, before: int) -> None:
        """Remove samples of a metric older than `before` (epoch milliseconds), and the metric where none is left.

        One call removes a limited number, which is more than an hour's.
        """
        with self.transaction():
            self._store.expire(_journal(key), before)
            if self.last(key) is None:
                self.metrics.delete(*key)


def metric_key(region: str, metric: MetricRecord) -> Key:
    """Return the key of a metric; the order of its dimensions makes no difference."""
    dimensions = sorted((each["Name"], each["Value"]) for each in metric["Dimensions"])
    return (region, metric["Namespace"], metric["MetricName"], json.dumps(dimensions))


def _journal(key: Key) -> str:
    return f"metric:{key[0]}:{hashlib.sha256(json.dumps(key[1:]).encode()).hexdigest()}"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
