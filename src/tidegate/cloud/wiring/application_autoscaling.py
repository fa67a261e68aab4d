"""Application Auto Scaling: its operations, and services that follow their load."""

from __future__ import annotations

from tidegate.cloud.services.applicationautoscaling.api import AutoScalingApi
from tidegate.cloud.services.applicationautoscaling.model import AutoScalingModel
from tidegate.cloud.services.applicationautoscaling.reconciler import Scaling
from tidegate.cloud.wiring.parts import Parts


def add_application_autoscaling(parts: Parts) -> None:
    """Add the service to the local cloud."""
    model = AutoScalingModel(parts.store)
    parts.dispatcher.register("application-autoscaling", AutoScalingApi(model, parts.calls, parts.clock))
    scaling = Scaling(model, parts.calls, parts.clock)
    parts.loop.add("autoscaling", scaling.reconcile, keys=scaling.keys)
    parts.loop.watch("autoscaling.target", "autoscaling")
    parts.loop.watch("autoscaling.policy", "autoscaling", keys=lambda key: (key[:2],))
