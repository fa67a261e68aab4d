"""NAT gateways."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ec2.api.addresses import bind, require_gateway, unbind
from tidegate.cloud.services.ec2.api.shared import (
    Ec2Api,
    client_token,
    describe,
    ec2_operation,
    made_before,
    new_tags,
)
from tidegate.cloud.services.ec2.filters import Filters, at
from tidegate.cloud.services.ec2.model import ADDRESS, NAT_GATEWAY, SUBNET
from tidegate.cloud.services.ec2.ranges import assignable

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

_REMEMBERED = timedelta(hours=1)  # how long a deleted gateway is still described
NAT_GATEWAY_FILTERS = Filters(
    {
        "nat-gateway-id": at("NatGatewayId"),
        "state": at("State"),
        "subnet-id": at("SubnetId"),
        "vpc-id": at("VpcId"),
    }
)


class NatGatewaysApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html and its siblings."""

    @ec2_operation(
        "natgateway/*",
        "subnet/{SubnetId}",
        refuse=(
            "AvailabilityZoneAddresses",
            "SecondaryAllocationIds",
            "SecondaryPrivateIpAddressCount",
            "SecondaryPrivateIpAddresses",
            "VpcId",
        ),
    )
    async def create_nat_gateway(
        self, context: Context, request: t.CreateNatGatewayRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a NAT gateway, public with an Elastic IP address or private; a `ClientToken` repeats a request."""
        region = context.region
        if request.get("AvailabilityMode", "zonal") != "zonal":
            raise not_offered(f"ec2:CreateNatGateway AvailabilityMode {request['AvailabilityMode']}")
        if "SubnetId" not in request:
            raise ServiceError("MissingParameter", "The request must contain the parameter subnetId")
        made = made_before(self.model.nat_gateways.values(region), request)
        if made is not None:
            return {"NatGateway": made, **client_token(request)}
        subnet: t.SubnetTypeDef = self.model.find(SUBNET, region, request["SubnetId"])
        public = request.get("ConnectivityType", "public") == "public"
        address = self._address(region, request) if public else None
        if public:
            require_gateway(self.model, region, subnet["VpcId"])
        private = self._private(region, subnet, request.get("PrivateIpAddress"))
        gateway_id = self.network.new_id(NAT_GATEWAY)
        tags: Any = new_tags(self, context, request, NAT_GATEWAY, "CreateNatGateway")
        with self.model.store.transaction():
            interface: Any = self.network.create_interface(
                region,
                subnet,
                [private],
                [],
                Description=f"Interface for NAT Gateway {gateway_id}",
                InterfaceType="nat_gateway",
                RequesterManaged=True,
                RequesterId="natgateway.amazonaws.com",
                SourceDestCheck=False,
                Status="in-use",
            )
            shown: Any = {
                "NetworkInterfaceId": interface["NetworkInterfaceId"],
                "PrivateIp": private,
                "IsPrimary": True,
                "Status": "succeeded",
                "AvailabilityZone": subnet["AvailabilityZone"],
                "AvailabilityZoneId": subnet["AvailabilityZoneId"],
            }
            if address is not None:
                association = bind(self, region, address, interface, private)
                shown |= {
                    "AllocationId": address["AllocationId"],
                    "PublicIp": address["PublicIp"],
                    "AssociationId": association,
                }
            gateway: Any = {
                "NatGatewayId": gateway_id,
                "SubnetId": subnet["SubnetId"],
                "VpcId": subnet["VpcId"],
                "ConnectivityType": "public" if public else "private",
                "AvailabilityMode": "zonal",
                "NatGatewayAddresses": [shown],
                "CreateTime": self.clock.now(),
                "State": "available",
                "Tags": tags,
                **client_token(request),
            }
            self.model.nat_gateways.put((region, gateway_id), gateway)
        return {"NatGateway": gateway, **client_token(request)}

    @ec2_operation()
    async def describe_nat_gateways(
        self, context: Context, request: t.DescribeNatGatewaysRequestTypeDef
    ) -> Mapping[str, Any]:
        """List NAT gateways, those too that were deleted within the hour."""
        now = self.clock.now()
        gateways = [
            each
            for each in self.model.nat_gateways.values(context.region)
            if each["State"] != "deleted" or each["DeleteTime"] + _REMEMBERED > now
        ]
        return describe(NAT_GATEWAY, gateways, request, NAT_GATEWAY_FILTERS, ids="NatGatewayIds", answer="NatGateways")

    @ec2_operation("natgateway/{NatGatewayId}")
    async def delete_nat_gateway(
        self, context: Context, request: t.DeleteNatGatewayRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a NAT gateway; its Elastic IP address stays allocated."""
        region, now = context.region, self.clock.now()
        gateway: t.NatGatewayTypeDef = self.model.find(NAT_GATEWAY, region, request["NatGatewayId"])
        if gateway["State"] == "deleted":
            return {"NatGatewayId": gateway["NatGatewayId"]}
        with self.model.store.transaction():
            for shown in gateway["NatGatewayAddresses"]:
                address = self.model.addresses.get(region, shown.get("AllocationId", ""))
                if address is not None and address.get("NetworkInterfaceId") == shown["NetworkInterfaceId"]:
                    unbind(self.model, region, address)
                self.model.interfaces.delete(region, shown["NetworkInterfaceId"])
            gateway["State"], gateway["DeleteTime"] = "deleted", now
            self.model.nat_gateways.put((region, gateway["NatGatewayId"]), gateway)
            for each in self.model.nat_gateways.values(region):
                if each["State"] == "deleted" and each["DeleteTime"] + _REMEMBERED <= now:
                    self.model.nat_gateways.delete(region, each["NatGatewayId"])
        return {"NatGatewayId": gateway["NatGatewayId"]}

    def _address(self, region: str, request: Mapping[str, Any]) -> t.AddressTypeDef:
        if "AllocationId" not in request:
            raise ServiceError("MissingParameter", "The request must contain the parameter AllocationId")
        address: t.AddressTypeDef = self.model.find(ADDRESS, region, request["AllocationId"])
        if "AssociationId" in address:
            raise ServiceError(
                "Resource.AlreadyAssociated",
                f"Elastic IP address [{address['AllocationId']}] is already associated",
            )
        return address

    def _private(self, region: str, subnet: t.SubnetTypeDef, wanted: str | None) -> str:
        if wanted is None:
            free = self.network.free_addresses(region, subnet, 1)
            if free is None:
                raise ServiceError(
                    "InsufficientFreeAddressesInSubnet",
                    f"The specified subnet does not have enough free addresses: {subnet['SubnetId']}",
                )
            return free[0]
        if not assignable(subnet["CidrBlock"], wanted) or self.model.is_taken(region, subnet["SubnetId"], wanted):
            raise ServiceError("InvalidParameterValue", f"The address {wanted} is not available in the subnet")
        return wanted
