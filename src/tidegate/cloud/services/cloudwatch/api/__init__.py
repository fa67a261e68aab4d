"""CloudWatch's operations: metrics, and their data."""

from tidegate.cloud.services.cloudwatch.api.data import DataApi
from tidegate.cloud.services.cloudwatch.api.metrics import MetricsApi

__all__ = ["DataApi", "MetricsApi"]
