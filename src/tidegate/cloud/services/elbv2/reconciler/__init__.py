"""What makes load balancers real: interfaces in EC2, Envoy's configuration, health checks, draining."""

from tidegate.cloud.services.elbv2.reconciler.balancers import BalancersReconciler, InterfacesReconciler
from tidegate.cloud.services.elbv2.reconciler.config import Find, Reach
from tidegate.cloud.services.elbv2.reconciler.logs import Logs
from tidegate.cloud.services.elbv2.reconciler.metrics import Metrics
from tidegate.cloud.services.elbv2.reconciler.network_metrics import NetworkMetrics
from tidegate.cloud.services.elbv2.reconciler.targets import TargetsReconciler

__all__ = [
    "BalancersReconciler",
    "Find",
    "InterfacesReconciler",
    "Logs",
    "Metrics",
    "NetworkMetrics",
    "Reach",
    "TargetsReconciler",
]
