"""CloudWatch: metrics, kept and forgotten; alarms, evaluated and acted on."""

from __future__ import annotations

from tidegate.cloud.services.cloudwatch import api as cloudwatch
from tidegate.cloud.services.cloudwatch.alarms import Alarms
from tidegate.cloud.services.cloudwatch.model import CloudWatchModel
from tidegate.cloud.services.cloudwatch.reconciler import Actions, Evaluation, Retention
from tidegate.cloud.wiring.parts import Parts


def add_cloudwatch(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model, alarms = CloudWatchModel(parts.store), Alarms(parts.store)
    parts.dispatcher.register(
        "cloudwatch",
        cloudwatch.MetricsApi(model, parts.clock),
        cloudwatch.DataApi(model),
        cloudwatch.AlarmsApi(alarms, parts.clock),
        cloudwatch.AlarmDescriptionsApi(alarms),
        cloudwatch.TagsApi(alarms),
    )
    parts.resource_tags["cloudwatch"] = alarms.tags_of
    retention = Retention(model, alarms, parts.clock)
    parts.loop.add("cloudwatch.retention", retention.reconcile, keys=retention.keys)
    parts.loop.watch("cloudwatch.metric", "cloudwatch.retention", keys=lambda key: (key[:1],))
    evaluation = Evaluation(model, alarms, parts.clock)
    parts.loop.add("cloudwatch.alarm", evaluation.reconcile, keys=evaluation.keys)
    parts.loop.watch("cloudwatch.alarm", "cloudwatch.alarm", keys=lambda key: [key, *alarms.composites(key[0])])
    parts.resets.append(evaluation.forget_all)
    actions = Actions(alarms, parts.calls, parts.clock)
    parts.loop.add("cloudwatch.actions", actions.reconcile, keys=actions.keys)
    parts.loop.watch("cloudwatch.alarm-change", "cloudwatch.actions")
