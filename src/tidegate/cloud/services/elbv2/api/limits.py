"""What an account may have, and the security policies that TLS listeners know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2.api.shared import ElbApi, paged

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
_LIMITS = {
    "application-load-balancers": 50,
    "certificates-per-application-load-balancer": 25,
    "condition-values-per-alb-rule": 5,
    "condition-wildcards-per-alb-rule": 6,
    "listeners-per-application-load-balancer": 50,
    "rules-per-application-load-balancer": 100,
    "target-groups": 3000,
    "target-groups-per-action-on-application-load-balancer": 5,
    "target-groups-per-application-load-balancer": 100,
    "targets-per-application-load-balancer": 1000,
}

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_GCM = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
_CBC = (
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
)
_OLD = (
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES256-SHA",
)
_RSA = ("AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "AES256-GCM-SHA384", "AES256-SHA256", "AES256-SHA")
_RSA_SHA2 = ("AES128-GCM-SHA256", "AES128-SHA256", "AES256-GCM-SHA384", "AES256-SHA256")
_POLICIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ELBSecurityPolicy-2016-08": (("TLSv1", "TLSv1.1", "TLSv1.2"), (*_GCM, *_CBC, *_OLD, *_RSA)),
    "ELBSecurityPolicy-TLS13-1-2-2021-06": (("TLSv1.2", "TLSv1.3"), (*_TLS13, *_GCM, *_CBC)),
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06": (("TLSv1.2", "TLSv1.3"), (*_TLS13, *_GCM)),
    "ELBSecurityPolicy-TLS13-1-3-2021-06": (("TLSv1.3",), _TLS13),
    "ELBSecurityPolicy-TLS-1-2-2017-01": (("TLSv1.2",), (*_GCM, *_CBC, *_RSA_SHA2)),
    "ELBSecurityPolicy-FS-1-2-Res-2020-10": (("TLSv1.2",), _GCM),
}


class LimitsApi(ElbApi):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeAccountLimits.html."""

    @operation()
    async def describe_account_limits(
        self, context: Context, request: t.DescribeAccountLimitsInputTypeDef
    ) -> Mapping[str, Any]:
        """List what an account may have of each thing."""
        limits = [{"Name": name, "Max": str(most)} for name, most in _LIMITS.items()]
        return paged(request, limits, lambda limit: limit["Name"], "Limits")

    @operation()
    async def describe_ssl_policies(
        self, context: Context, request: t.DescribeSSLPoliciesInputTypeDef
    ) -> Mapping[str, Any]:
        """List security policies: their protocols and ciphers, the most wanted cipher first."""
        wanted = request.get("Names", ())
        unknown = [name for name in wanted if name not in _POLICIES]
        if unknown:
            raise ServiceError("SSLPolicyNotFound", f"SSL policies '[{', '.join(unknown)}]' not found")
        kind = request.get("LoadBalancerType")
        policies = [
            {
                "Name": name,
                "SslProtocols": list(protocols),
                "Ciphers": [{"Name": cipher, "Priority": rank} for rank, cipher in enumerate(ciphers, 1)],
                "SupportedLoadBalancerTypes": ["application", "network"],
            }
            for name, (protocols, ciphers) in _POLICIES.items()
            if (not wanted or name in wanted) and kind != "gateway"
        ]
        return paged(request, policies, lambda policy: str(policy["Name"]), "SslPolicies")
