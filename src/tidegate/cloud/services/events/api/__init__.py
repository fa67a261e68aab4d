"""EventBridge's operations, by noun. https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Operations.html"""

from tidegate.cloud.services.events.api.publishing import PublishingApi
from tidegate.cloud.services.events.api.rules import RulesApi
from tidegate.cloud.services.events.api.targets import TargetsApi

__all__ = ["PublishingApi", "RulesApi", "TargetsApi"]
