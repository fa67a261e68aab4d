"""Autoscaling: how many tasks a service has, by the use of CPU and memory and by its requests."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Sub, Template
from troposphere import applicationautoscaling as scaling

from tidegate.manifest import Manifest
from tidegate.template import names
from tidegate.template.balancer import balancer_full_name
from tidegate.template.target import PRIMARY, ways_in

_SCALE_OUT_COOLDOWN, _SCALE_IN_COOLDOWN = 60, 300
_CPU = 70  # where nothing is said
_PREDEFINED = {
    "cpu": "ECSServiceAverageCPUUtilization",
    "memory": "ECSServiceAverageMemoryUtilization",
    "requests": "ALBRequestCountPerTarget",
}


def add_scaling(template: Template, manifest: Manifest, environment: str, name: str) -> None:
    """Add the bounds of a service's count, and a policy for each metric; nothing where there is nothing to scale."""
    service = manifest.services_in(environment)[name]
    if not service.scales:
        return
    template.add_resource(
        scaling.ScalableTarget(
            "ScalableTarget",
            ServiceNamespace="ecs",
            ScalableDimension="ecs:service:DesiredCount",
            ResourceId=Sub(f"service/{names.cluster(manifest.app, environment)}/${{Service.Name}}"),
            MinCapacity=service.count.min,
            MaxCapacity=service.count.max,
        )
    )
    targets = service.scaling.model_dump(exclude_none=True) or {"cpu": _CPU}
    for metric, value in targets.items():
        more: dict[str, Any] = {}
        metric_of: dict[str, Any] = {"PredefinedMetricType": _PREDEFINED[metric]}
        if metric == "requests":
            metric_of["ResourceLabel"] = Sub(
                f"${{Balancer}}/${{{PRIMARY}.TargetGroupFullName}}", Balancer=balancer_full_name(manifest, environment)
            )
            more["DependsOn"] = ways_in(service)  # only what is behind a balancer has requests to count
        template.add_resource(
            scaling.ScalingPolicy(
                names.logical(metric, "scaling"),
                PolicyName=f"{names.service_stack(manifest.app, environment, name)}-{metric}",
                PolicyType="TargetTrackingScaling",
                ScalingTargetId=Ref("ScalableTarget"),
                TargetTrackingScalingPolicyConfiguration=scaling.TargetTrackingScalingPolicyConfiguration(
                    TargetValue=float(value),
                    ScaleOutCooldown=_SCALE_OUT_COOLDOWN,
                    ScaleInCooldown=_SCALE_IN_COOLDOWN,
                    PredefinedMetricSpecification=scaling.PredefinedMetricSpecification(**metric_of),
                ),
                **more,
            )
        )
