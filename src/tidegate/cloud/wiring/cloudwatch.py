"""CloudWatch: metrics, kept and forgotten."""

from __future__ import annotations

from tidegate.cloud.services.cloudwatch import api as cloudwatch
from tidegate.cloud.services.cloudwatch.model import CloudWatchModel
from tidegate.cloud.services.cloudwatch.reconciler import Retention as MetricRetention
from tidegate.cloud.wiring.parts import Parts


def add_cloudwatch(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = CloudWatchModel(parts.store)
    parts.dispatcher.register("cloudwatch", cloudwatch.MetricsApi(model, parts.clock), cloudwatch.DataApi(model))
    retention = MetricRetention(model, parts.clock)
    parts.loop.add("cloudwatch.retention", retention.reconcile, keys=retention.keys)
    parts.loop.watch("cloudwatch.metric", "cloudwatch.retention", keys=lambda key: (key[:1],))
