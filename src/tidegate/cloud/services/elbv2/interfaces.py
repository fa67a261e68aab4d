"""The network interfaces of load balancers: one in each subnet, with the balancer's security groups.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.cloud.call import Caller, Calls
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2.model import SERVICE, InterfaceRecord


class Interfaces:
    """Asks EC2, as Elastic Load Balancing itself, for what load balancers have in their VPCs."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def ensure(self, region: str, balancer: Mapping[str, Any]) -> list[InterfaceRecord]:
        """Have exactly one interface in each of a load balancer's subnets, with its groups, and return them."""
        ec2 = self._ec2(region)
        present = await self._of(ec2, balancer["LoadBalancerArn"])
        subnets = {each["SubnetId"] for each in balancer["AvailabilityZones"]}
        kept: dict[str, Any] = {}
        for interface in present:
            if interface["SubnetId"] in subnets and interface["SubnetId"] not in kept:
                kept[interface["SubnetId"]] = interface
            else:
                await self._delete(ec2, interface["NetworkInterfaceId"])
        groups = balancer.get("SecurityGroups") or []
        for subnet in sorted(subnets):
            interface = kept.get(subnet)
            if interface is None:
                answer = await ec2(
                    "ec2",
                    "create_network_interface",
                    SubnetId=subnet,
                    **({"Groups": groups} if groups else {}),
                    Description=_description(balancer["LoadBalancerArn"]),
                )
                kept[subnet] = answer["NetworkInterface"]
            elif groups and {each["GroupId"] for each in interface["Groups"]} != set(groups):
                await ec2(
                    "ec2",
                    "modify_network_interface_attribute",
                    NetworkInterfaceId=interface["NetworkInterfaceId"],
                    Groups=groups,
                )
        return [
            {"id": each["NetworkInterfaceId"], "subnet": subnet, "address": each["PrivateIpAddress"]}
            for subnet, each in sorted(kept.items())
        ]

    async def release(self, region: str, balancer_arn: str) -> None:
        """Delete the interfaces of a load balancer that is gone."""
        ec2 = self._ec2(region)
        for interface in await self._of(ec2, balancer_arn):
            await self._delete(ec2, interface["NetworkInterfaceId"])

    def _ec2(self, region: str) -> Caller:
        return self._calls.as_service(SERVICE, region)

    async def _of(self, ec2: Caller, balancer_arn: str) -> list[Any]:
        filters = [
            {"Name": "description", "Values": [_description(balancer_arn)]},
            {"Name": "requester-id", "Values": [SERVICE]},
        ]
        found: list[Any] = (await ec2("ec2", "describe_network_interfaces", Filters=filters))["NetworkInterfaces"]
        return found

    async def _delete(self, ec2: Caller, interface_id: str) -> None:
        try:
            await ec2("ec2", "delete_network_interface", NetworkInterfaceId=interface_id)
        except ServiceError as error:
            if error.code != "InvalidNetworkInterfaceID.NotFound":
                raise


def _description(balancer_arn: str) -> str:
    """Return how an interface names its load balancer: `ELB app/web/50dc6c495c0c9188`."""
    return f"ELB {balancer_arn.partition('loadbalancer/')[2]}"
