"""Who uses certificates: the listeners of load balancers, asked for as ACM itself.

https://docs.aws.amazon.com/acm/latest/APIReference/API_CertificateDetail.html (InUseBy)
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tidegate.cloud.call import Calls
from tidegate.cloud.services.acm.model import SERVICE


class Users:
    """Asks Elastic Load Balancing."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def of(self, region: str) -> dict[str, list[str]]:
        """Return the ARNs of the load balancers that use certificates, by the certificates' ARNs."""
        elb = self._calls.as_service(SERVICE, region)
        found: defaultdict[str, set[str]] = defaultdict(set)
        marker: dict[str, str] = {}
        while True:
            answer: Any = await elb("elbv2", "describe_load_balancers", **marker)
            for balancer in answer["LoadBalancers"]:
                arn = balancer["LoadBalancerArn"]
                listeners = (await elb("elbv2", "describe_listeners", LoadBalancerArn=arn))["Listeners"]
                for listener in listeners:
                    if not listener.get("Certificates"):
                        continue
                    named = {"ListenerArn": listener["ListenerArn"]}
                    listed = (await elb("elbv2", "describe_listener_certificates", **named))["Certificates"]
                    for each in listed:
                        found[each["CertificateArn"]].add(arn)
            if "NextMarker" not in answer:
                return {arn: sorted(users) for arn, users in found.items()}
            marker = {"Marker": answer["NextMarker"]}
