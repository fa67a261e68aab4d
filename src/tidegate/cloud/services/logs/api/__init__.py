"""The operations of CloudWatch Logs, one file a noun."""

from tidegate.cloud.services.logs.api.events import EventsApi
from tidegate.cloud.services.logs.api.groups import GroupsApi
from tidegate.cloud.services.logs.api.search import SearchApi
from tidegate.cloud.services.logs.api.streams import StreamsApi

__all__ = ["EventsApi", "GroupsApi", "SearchApi", "StreamsApi"]
