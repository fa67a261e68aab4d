"""Alarms that end a deployment and take it back: those that are there, and those that are made for a service.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
"""

from __future__ import annotations

from typing import Any

from troposphere import GetAtt, Ref, Template, cloudwatch

from tidegate.manifest import Manifest
from tidegate.manifest.deployment import Alarm
from tidegate.template import names
from tidegate.template.balancer import balancer_full_name
from tidegate.template.target import ALTERNATE, target_groups

_PERIOD = 60  # seconds


def add_alarms(template: Template, manifest: Manifest, environment: str, name: str) -> list[Any]:
    """Add the alarms that are to be made for a service, and return the names of all that watch its deployments."""
    service = manifest.services_in(environment)[name]
    watching: list[Any] = []
    for alarm in service.deployment.alarms:
        if alarm.name is not None:
            watching.append(alarm.name)
            continue
        kind = "latency" if alarm.errors is None else "errors"
        # what requests are shifted between is watched on both sides: either may be the one that is new
        for group in target_groups(service):
            suffix = ("alternate",) if group == ALTERNATE else ()
            title = names.logical(kind, *suffix, "alarm")
            template.add_resource(
                cloudwatch.Alarm(
                    title,
                    AlarmName=names.alarm(manifest.app, environment, name, "-".join((kind, *suffix))),
                    AlarmDescription=_description(alarm, manifest.app, name, environment),
                    Namespace="AWS/ApplicationELB",
                    Dimensions=[
                        cloudwatch.MetricDimension(
                            Name="LoadBalancer", Value=balancer_full_name(manifest, environment)
                        ),
                        cloudwatch.MetricDimension(Name="TargetGroup", Value=GetAtt(group, "TargetGroupFullName")),
                    ],
                    Period=_PERIOD,
                    EvaluationPeriods=1,
                    TreatMissingData="notBreaching",  # no request, no error
                    ComparisonOperator="GreaterThanOrEqualToThreshold",
                    **_measured(alarm),
                )
            )
            watching.append(Ref(title))
    return watching


def _measured(alarm: Alarm) -> dict[str, Any]:
    if alarm.errors is not None:
        return {"MetricName": "HTTPCode_Target_5XX_Count", "Statistic": "Sum", "Threshold": float(alarm.errors)}
    return {"MetricName": "TargetResponseTime", "ExtendedStatistic": "p95", "Threshold": alarm.latency}


def _description(alarm: Alarm, app: str, name: str, environment: str) -> str:
    where = f"{app}'s service {name} in {environment}"
    if alarm.errors is not None:
        return f"{where} answers with a 5xx code {alarm.errors} times a minute: its deployment is taken back"
    return f"{where} takes {alarm.latency:g} s or more for one answer in twenty: its deployment is taken back"
