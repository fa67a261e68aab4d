"""Application Auto Scaling: its operations, and services that follow their load."""

from __future__ import annotations

from tidegate.cloud.services.applicationautoscaling.api import PoliciesApi, SchedulesApi, TargetsApi
from tidegate.cloud.services.applicationautoscaling.model import AutoScalingModel
from tidegate.cloud.services.applicationautoscaling.reconciler import Scaling
from tidegate.cloud.wiring.parts import Parts


def add_application_autoscaling(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = AutoScalingModel(parts.store)
    parts.dispatcher.register(
        "application-autoscaling",
        TargetsApi(model, parts.calls, parts.clock),
        PoliciesApi(model, parts.calls, parts.clock),
        SchedulesApi(model, parts.clock),
    )
    parts.resource_tags["application-autoscaling"] = model.tags_of
    scaling = Scaling(model, parts.calls, parts.clock)
    parts.loop.add("autoscaling", scaling.reconcile, keys=scaling.keys)
    parts.loop.watch("autoscaling.target", "autoscaling")
    for kind in ("autoscaling.policy", "autoscaling.scheduled-action"):
        parts.loop.watch(kind, "autoscaling", keys=lambda key: (key[:2],))
    # an alarm that is raised, and one that goes on, calls for those that follow it
    parts.loop.watch("cloudwatch.alarm", "autoscaling", keys=lambda key: model.following(key[0]))
