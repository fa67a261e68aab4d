"""CloudWatch's operations: metrics, their data, and alarms on them."""

from tidegate.cloud.services.cloudwatch.api.alarm_descriptions import AlarmDescriptionsApi
from tidegate.cloud.services.cloudwatch.api.alarms import AlarmsApi
from tidegate.cloud.services.cloudwatch.api.data import DataApi
from tidegate.cloud.services.cloudwatch.api.metrics import MetricsApi
from tidegate.cloud.services.cloudwatch.api.tags import TagsApi

__all__ = ["AlarmDescriptionsApi", "AlarmsApi", "DataApi", "MetricsApi", "TagsApi"]
