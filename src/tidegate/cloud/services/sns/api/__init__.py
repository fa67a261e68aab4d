"""SNS's operations: topics and publishing, subscriptions."""

from tidegate.cloud.services.sns.api.subscriptions import SubscriptionsApi
from tidegate.cloud.services.sns.api.topics import TopicsApi

__all__ = ["SubscriptionsApi", "TopicsApi"]
