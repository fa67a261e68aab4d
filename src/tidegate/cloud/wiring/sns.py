"""SNS: topics, and subscriptions that are recorded."""

from __future__ import annotations

from tidegate.cloud.services.sns import api as sns
from tidegate.cloud.services.sns.coverage import COVERAGE
from tidegate.cloud.services.sns.model import SnsModel
from tidegate.cloud.wiring.parts import Parts


def add_sns(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = SnsModel(parts.store)
    parts.dispatcher.register(
        "sns",
        sns.TopicsApi(model, parts.calls, parts.clock),
        sns.SubscriptionsApi(model, parts.clock),
        coverage=COVERAGE,
    )
    parts.resource_policies["sns"] = model.policy_of
