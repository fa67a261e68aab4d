"""Internet gateways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api.shared import Ec2Api, describe, ec2_operation, in_use, new_tags
from tidegate.cloud.services.ec2.filters import Filters, at
from tidegate.cloud.services.ec2.model import GATEWAY, INTERFACE, VPC

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

GATEWAY_FILTERS = Filters(
    {
        "attachment.state": at("Attachments", "State"),
        "attachment.vpc-id": at("Attachments", "VpcId"),
        "internet-gateway-id": at("InternetGatewayId"),
        "owner-id": at("OwnerId"),
    }
)


class InternetGatewaysApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html and its siblings."""

    @ec2_operation("internet-gateway/*")
    async def create_internet_gateway(
        self, context: Context, request: t.CreateInternetGatewayRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create an internet gateway."""
        gateway_id = self.network.new_id(GATEWAY)
        tags: Any = new_tags(self, context, request, GATEWAY, "CreateInternetGateway")
        gateway: t.InternetGatewayTypeDef = {
            "InternetGatewayId": gateway_id,
            "OwnerId": self.model.account,
            "Attachments": [],
            "Tags": tags,
        }
        self.model.gateways.put((context.region, gateway_id), gateway)
        return {"InternetGateway": gateway}

    @ec2_operation()
    async def describe_internet_gateways(
        self, context: Context, request: t.DescribeInternetGatewaysRequestTypeDef
    ) -> Mapping[str, Any]:
        """List internet gateways."""
        gateways = self.model.gateways.values(context.region)
        return describe(
            GATEWAY, gateways, request, GATEWAY_FILTERS, ids="InternetGatewayIds", answer="InternetGateways"
        )

    @ec2_operation("internet-gateway/{InternetGatewayId}", "vpc/{VpcId}")
    async def attach_internet_gateway(
        self, context: Context, request: t.AttachInternetGatewayRequestTypeDef
    ) -> Mapping[str, Any]:
        """Attach an internet gateway to a VPC that has none."""
        gateway: t.InternetGatewayTypeDef = self.model.find(GATEWAY, context.region, request["InternetGatewayId"])
        vpc_id = self.model.find(VPC, context.region, request["VpcId"])["VpcId"]
        if gateway["Attachments"]:
            raise ServiceError(
                "Resource.AlreadyAssociated",
                f"resource {gateway['InternetGatewayId']} is already attached to network "
                f"{gateway['Attachments'][0]['VpcId']}",
            )
        if any(each["VpcId"] == vpc_id for other in self._all(context) for each in other["Attachments"]):
            raise ServiceError("InvalidParameterValue", f"Network {vpc_id} already has an internet gateway attached")
        gateway["Attachments"] = [{"State": "available", "VpcId": vpc_id}]  # type: ignore[typeddict-item]
        self.model.gateways.put((context.region, gateway["InternetGatewayId"]), gateway)
        return {}

    @ec2_operation("internet-gateway/{InternetGatewayId}", "vpc/{VpcId}")
    async def detach_internet_gateway(
        self, context: Context, request: t.DetachInternetGatewayRequestTypeDef
    ) -> Mapping[str, Any]:
        """Detach an internet gateway from a VPC that no public address leads into."""
        gateway: t.InternetGatewayTypeDef = self.model.find(GATEWAY, context.region, request["InternetGatewayId"])
        vpc_id, gateway_id = request["VpcId"], gateway["InternetGatewayId"]
        if all(each["VpcId"] != vpc_id for each in gateway["Attachments"]):
            raise ServiceError("Gateway.NotAttached", f"resource {gateway_id} is not attached to network {vpc_id}")
        if any("Association" in each for each in self.model.in_vpc(INTERFACE, context.region, vpc_id)):
            raise ServiceError(
                "DependencyViolation",
                f"Network {vpc_id} has some mapped public address(es). "
                "Please unmap those public address(es) before detaching the gateway.",
            )
        gateway["Attachments"] = []
        self.model.gateways.put((context.region, gateway_id), gateway)
        return {}

    @ec2_operation("internet-gateway/{InternetGatewayId}")
    async def delete_internet_gateway(
        self, context: Context, request: t.DeleteInternetGatewayRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete an internet gateway that is attached to nothing."""
        gateway: t.InternetGatewayTypeDef = self.model.find(GATEWAY, context.region, request["InternetGatewayId"])
        if gateway["Attachments"]:
            raise in_use("internetGateway", gateway["InternetGatewayId"])
        self.model.gateways.delete(context.region, gateway["InternetGatewayId"])
        return {}

    def _all(self, context: Context) -> list[t.InternetGatewayTypeDef]:
        return self.model.gateways.values(context.region)
