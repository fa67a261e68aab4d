"""EC2's ways out of a network: Elastic IP addresses, NAT gateways and VPC endpoints."""

from __future__ import annotations

import json
from typing import Any

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.ec2 import Tagged, refuse, refuse_change, retag
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    without,
)


class Eip(Tagged):
    """Its id is the address.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-eip.html
    """

    type = "AWS::EC2::EIP"
    missing = frozenset({"InvalidAddress.NotFound", "InvalidAllocationID.NotFound"})
    resource, describe, listed, member = "elastic-ip", "describe_addresses", "Addresses", "PublicIp"

    async def make(self, step: Step) -> str:
        """Allocate an address."""
        request = {**without(step.properties, "Tags", "InstanceId", "TransferAddress"), **self.tags(step)}
        refuse(self, step.properties, "InstanceId", "TransferAddress")
        return str((await step.send("ec2", "allocate_address", request))["PublicIp"])

    async def read(self, step: Step) -> Attributes:
        """Return the address and the id of its allocation."""
        return only(await self.described(step), "PublicIp", "AllocationId")

    async def update(self, step: Step, before: Properties) -> None:
        """Change the tags."""
        refuse(self, step.properties, "InstanceId")
        if (step.properties.get("Domain", "vpc"), step.properties.get("PublicIpv4Pool", "amazon")) != ("vpc", "amazon"):
            refuse_change(self, before, step.properties, "Domain", "PublicIpv4Pool")
        await retag(step, before, (await self.described(step))["AllocationId"])

    async def remove(self, step: Step) -> None:
        """Give the address back."""
        allocation = (await self.described(step))["AllocationId"]
        await step.call("ec2", "release_address", AllocationId=allocation)


class NatGateway(Tagged):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-natgateway.html."""

    type = "AWS::EC2::NatGateway"
    missing = frozenset({"NatGatewayNotFound"})
    resource, describe, listed, member = "natgateway", "describe_nat_gateways", "NatGateways", "NatGatewayId"

    async def make(self, step: Step) -> str:
        """Create the gateway."""
        refuse(self, step.properties, "MaxDrainDurationSeconds")
        request = {**without(step.properties, "Tags", "MaxDrainDurationSeconds"), "ClientToken": step.token}
        return str(
            (await step.send("ec2", "create_nat_gateway", {**request, **self.tags(step)}))["NatGateway"][self.member]
        )

    async def find(self, step: Step) -> str | None:
        """Return nothing: `create` with the same token answers with the same gateway."""
        return None

    async def settled(self, step: Step) -> bool:
        """Return whether the gateway is available."""
        gateway = await self.described(step)
        if gateway["State"] == "failed":
            raise FailedError(gateway.get("FailureMessage", "The NAT gateway failed"), "NotStabilized")
        return bool(gateway["State"] == "available")

    async def read(self, step: Step) -> Attributes:
        """Return the id, and the interface that holds its first address."""
        gateway = await self.described(step)
        first = gateway["NatGatewayAddresses"][0]
        return {"NatGatewayId": gateway["NatGatewayId"], "EniId": first["NetworkInterfaceId"]}

    async def configure(self, step: Step, before: Properties) -> None:
        """Refuse what only the call that makes the gateway could be given."""
        refuse(self, step.properties, "MaxDrainDurationSeconds")
        names = ("SecondaryAllocationIds", "SecondaryPrivateIpAddresses", "SecondaryPrivateIpAddressCount")
        refuse_change(self, before, step.properties, *names, "AvailabilityZoneAddresses")

    async def remove(self, step: Step) -> None:
        """Delete the gateway."""
        await step.call("ec2", "delete_nat_gateway", NatGatewayId=step.physical_id)

    async def gone(self, step: Step) -> bool:
        """Return whether the gateway is deleted; it is described for an hour still."""
        try:
            return bool((await self.described(step))["State"] == "deleted")
        except ServiceError as error:
            if not self.is_missing(error):
                raise
            return True


class VpcEndpoint(Tagged):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-vpcendpoint.html."""

    type = "AWS::EC2::VPCEndpoint"
    missing = frozenset({"InvalidVpcEndpointId.NotFound"})
    resource, describe, listed, member = "vpc-endpoint", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"

    async def make(self, step: Step) -> str:
        """Create the endpoint."""
        request = {**without(step.properties, "Tags"), "ClientToken": step.token, **_policy(step.properties)}
        answer = await step.send("ec2", "create_vpc_endpoint", {**request, **self.tags(step)})
        return str(answer["VpcEndpoint"]["VpcEndpointId"])

    async def find(self, step: Step) -> str | None:
        """Return nothing: `create` with the same token answers with the same endpoint."""
        return None

    async def settled(self, step: Step) -> bool:
        """Return whether the endpoint is available."""
        endpoint = await self.described(step)
        if endpoint["State"].lower() in ("failed", "rejected", "expired"):
            raise FailedError(f"The endpoint is {endpoint['State']}", "NotStabilized")
        return bool(endpoint["State"].lower() == "available")

    async def read(self, step: Step) -> Attributes:
        """Return the id, when it was made, its interfaces and its names (`zone:name`)."""
        endpoint = await self.described(step)
        names = [f"{each.get('HostedZoneId', '')}:{each['DnsName']}" for each in endpoint["DnsEntries"]]
        return {
            "Id": endpoint["VpcEndpointId"],
            "CreationTimestamp": endpoint["CreationTimestamp"].isoformat(),
            "NetworkInterfaceIds": endpoint["NetworkInterfaceIds"],
            "DnsEntries": names,
        }

    async def configure(self, step: Step, before: Properties) -> None:
        """Change what an endpoint lets be changed, by one call."""
        after = step.properties
        if not before:
            return
        request: dict[str, Any] = {}
        for name in ("RouteTableIds", "SubnetIds", "SecurityGroupIds"):
            old, new = before.get(name) or [], after.get(name) or []
            added, removed = [each for each in new if each not in old], [each for each in old if each not in new]
            request |= {**({f"Add{name}": added} if added else {}), **({f"Remove{name}": removed} if removed else {})}
        if changed(before, after, "PolicyDocument"):
            request.update(_policy(after) or {"ResetPolicy": True})
        for name, default in (("PrivateDnsEnabled", True), ("IpAddressType", "ipv4"), ("DnsOptions", {})):
            if changed(before, after, name):
                request[name] = after.get(name, default)
        if request:
            await step.send("ec2", "modify_vpc_endpoint", {"VpcEndpointId": step.physical_id, **request})

    async def remove(self, step: Step) -> None:
        """Delete the endpoint."""
        answer = await step.call("ec2", "delete_vpc_endpoints", VpcEndpointIds=[step.physical_id])
        for each in answer["Unsuccessful"]:
            raise ServiceError(each["Error"]["Code"], each["Error"]["Message"])


def _policy(properties: Properties) -> dict[str, Any]:
    document = properties.get("PolicyDocument")
    if document is None:
        return {}
    return {"PolicyDocument": document if isinstance(document, str) else json.dumps(document)}


HANDLERS: tuple[Handler, ...] = (Eip(), NatGateway(), VpcEndpoint())
