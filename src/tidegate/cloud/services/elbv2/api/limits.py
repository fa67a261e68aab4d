"""What an account may have, and the security policies that TLS listeners know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.services.elbv2.api.shared import ElbApi, paged
from tidegate.cloud.services.elbv2.policies import POLICIES, check

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
_LIMITS = {
    "application-load-balancers": 50,
    "certificates-per-application-load-balancer": 25,
    "condition-values-per-alb-rule": 5,
    "condition-wildcards-per-alb-rule": 6,
    "certificates-per-network-load-balancer": 25,
    "listeners-per-application-load-balancer": 50,
    "listeners-per-network-load-balancer": 50,
    "network-load-balancers": 50,
    "rules-per-application-load-balancer": 100,
    "target-groups": 3000,
    "target-groups-per-action-on-application-load-balancer": 5,
    "target-groups-per-application-load-balancer": 100,
    "targets-per-application-load-balancer": 1000,
    "targets-per-network-load-balancer": 3000,
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
        for name in wanted:
            check(name)
        kind = request.get("LoadBalancerType")
        policies = [
            {
                "Name": name,
                "SslProtocols": list(policy.versions),
                "Ciphers": [{"Name": cipher, "Priority": rank} for rank, cipher in enumerate(policy.ciphers, 1)],
                "SupportedLoadBalancerTypes": ["application", "network"],
            }
            for name, policy in POLICIES.items()
            if (not wanted or name in wanted) and kind != "gateway"
        ]
        return paged(request, policies, lambda policy: str(policy["Name"]), "SslPolicies")
