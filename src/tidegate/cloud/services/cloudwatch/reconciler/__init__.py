"""CloudWatch's controllers: metrics forgotten, alarms evaluated, changes of their state told and acted on."""

from tidegate.cloud.services.cloudwatch.reconciler.actions import Actions
from tidegate.cloud.services.cloudwatch.reconciler.evaluation import Evaluation
from tidegate.cloud.services.cloudwatch.reconciler.retention import Retention

__all__ = ["Actions", "Evaluation", "Retention"]
