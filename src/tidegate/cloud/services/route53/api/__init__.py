"""The operations of Route 53, one file a noun."""

from tidegate.cloud.services.route53.api.records import RecordsApi
from tidegate.cloud.services.route53.api.tags import TagsApi
from tidegate.cloud.services.route53.api.zones import ZonesApi

__all__ = ["RecordsApi", "TagsApi", "ZonesApi"]
