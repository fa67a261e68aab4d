"""The operations of Application Auto Scaling: targets, policies, scheduled actions."""

from tidegate.cloud.services.applicationautoscaling.api.policies import PoliciesApi
from tidegate.cloud.services.applicationautoscaling.api.schedules import SchedulesApi
from tidegate.cloud.services.applicationautoscaling.api.targets import TargetsApi

__all__ = ["PoliciesApi", "SchedulesApi", "TargetsApi"]
