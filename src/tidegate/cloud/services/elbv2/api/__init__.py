"""The operations of Elastic Load Balancing, one file a noun."""

from tidegate.cloud.services.elbv2.api.capacity import CapacityApi
from tidegate.cloud.services.elbv2.api.certificates import CertificatesApi
from tidegate.cloud.services.elbv2.api.limits import LimitsApi
from tidegate.cloud.services.elbv2.api.listeners import ListenersApi
from tidegate.cloud.services.elbv2.api.load_balancers import LoadBalancersApi
from tidegate.cloud.services.elbv2.api.revocations import RevocationsApi
from tidegate.cloud.services.elbv2.api.rules import RulesApi
from tidegate.cloud.services.elbv2.api.tags import TagsApi
from tidegate.cloud.services.elbv2.api.target_groups import TargetGroupsApi
from tidegate.cloud.services.elbv2.api.targets import TargetsApi
from tidegate.cloud.services.elbv2.api.trust_stores import TrustStoresApi

__all__ = [
    "CapacityApi",
    "CertificatesApi",
    "LimitsApi",
    "ListenersApi",
    "LoadBalancersApi",
    "RevocationsApi",
    "RulesApi",
    "TagsApi",
    "TargetGroupsApi",
    "TargetsApi",
    "TrustStoresApi",
]
