"""Elastic IP addresses, from a range that is routed nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api.shared import Ec2Api, describe, ec2_operation, new_tags
from tidegate.cloud.services.ec2.filters import Filters, at, nothing
from tidegate.cloud.services.ec2.model import ADDRESS, GATEWAY, INTERFACE, Ec2Model
from tidegate.cloud.services.ec2.ranges import next_in_pool

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

_POOL = "198.18.0.0/16"  # for benchmarks between networks (RFC 2544): not on the internet
_ASSOCIATION = ("AssociationId", "NetworkInterfaceId", "NetworkInterfaceOwnerId", "PrivateIpAddress")
ADDRESS_FILTERS = Filters(
    {
        "allocation-id": at("AllocationId"),
        "association-id": at("AssociationId"),
        "domain": at("Domain"),
        "instance-id": nothing,
        "network-border-group": at("NetworkBorderGroup"),
        "network-interface-id": at("NetworkInterfaceId"),
        "network-interface-owner-id": at("NetworkInterfaceOwnerId"),
        "private-ip-address": at("PrivateIpAddress"),
        "public-ip": at("PublicIp"),
    }
)


class AddressesApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html and its siblings."""

    @ec2_operation("elastic-ip/*", refuse=("Address", "CustomerOwnedIpv4Pool", "IpamPoolId"))
    async def allocate_address(self, context: Context, request: t.AllocateAddressRequestTypeDef) -> Mapping[str, Any]:
        """Allocate an address."""
        region = context.region
        if request.get("PublicIpv4Pool", "amazon") != "amazon":
            raise ServiceError(
                "InvalidPublicIpv4PoolID.NotFound", f"The pool {request['PublicIpv4Pool']} does not exist"
            )
        if request.get("NetworkBorderGroup", region) != region:
            raise ServiceError("InvalidParameterValue", "The network border group must be the region's")
        if request.get("Domain", "vpc") != "vpc":
            raise ServiceError("InvalidParameterValue", "Addresses are for VPCs: domain must be vpc")
        taken = {each["PublicIp"] for each in self.model.addresses.values(region)}
        public = next_in_pool(_POOL, taken)
        if public is None:
            raise ServiceError("AddressLimitExceeded", "The maximum number of addresses has been reached.")
        allocation_id = self.network.new_id(ADDRESS)
        tags: Any = new_tags(self, context, request, ADDRESS, "AllocateAddress")
        address: t.AddressTypeDef = {
            "AllocationId": allocation_id,
            "PublicIp": public,
            "PublicIpv4Pool": "amazon",
            "NetworkBorderGroup": region,
            "Domain": "vpc",
            "Tags": tags,
        }
        self.model.addresses.put((region, allocation_id), address)
        return address

    @ec2_operation()
    async def describe_addresses(
        self, context: Context, request: t.DescribeAddressesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List addresses."""
        chosen = self.model.addresses.values(context.region)
        for wanted in request.get("PublicIps", ()):
            self._find(context.region, None, wanted)
        if request.get("PublicIps"):
            chosen = [each for each in chosen if each["PublicIp"] in request["PublicIps"]]
        return describe(ADDRESS, chosen, request, ADDRESS_FILTERS, ids="AllocationIds", answer="Addresses")

    @ec2_operation("elastic-ip/{AllocationId}", "network-interface/{NetworkInterfaceId}", refuse=("InstanceId",))
    async def associate_address(self, context: Context, request: t.AssociateAddressRequestTypeDef) -> Mapping[str, Any]:
        """Have an address lead to a network interface."""
        region = context.region
        address = self._find(region, request.get("AllocationId"), request.get("PublicIp"))
        if "NetworkInterfaceId" not in request:
            raise ServiceError("MissingParameter", "Either instance ID or network interface id must be specified")
        interface: Any = self.model.find(INTERFACE, region, request["NetworkInterfaceId"])
        private = request.get("PrivateIpAddress", interface["PrivateIpAddress"])
        held = next((each for each in interface["PrivateIpAddresses"] if each["PrivateIpAddress"] == private), None)
        if held is None:
            raise ServiceError("InvalidParameterValue", f"{private} is no address of {interface['NetworkInterfaceId']}")
        if "AssociationId" in address and address.get("NetworkInterfaceId") != interface["NetworkInterfaceId"]:
            if request.get("AllowReassociation") is False:
                raise ServiceError(
                    "Resource.AlreadyAssociated",
                    f"resource {address['AllocationId']} is already associated with associate-id "
                    f"{address['AssociationId']}",
                )
            with self.model.store.transaction():
                unbind(self.model, region, address)
        require_gateway(self.model, region, interface["VpcId"])
        return {"AssociationId": bind(self, region, address, interface, private)}

    @ec2_operation()
    async def disassociate_address(
        self, context: Context, request: t.DisassociateAddressRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have an address lead nowhere again."""
        region, association = context.region, request.get("AssociationId")
        if association is None:
            address = self._find(region, None, request.get("PublicIp"))
        else:
            found = [each for each in self.model.addresses.values(region) if each.get("AssociationId") == association]
            if not found:
                raise ServiceError(
                    "InvalidAssociationID.NotFound", f"The association ID '{association}' does not exist"
                )
            address = found[0]
        if "AssociationId" in address:
            unbind(self.model, region, address)
        return {}

    @ec2_operation("elastic-ip/{AllocationId}")
    async def release_address(self, context: Context, request: t.ReleaseAddressRequestTypeDef) -> Mapping[str, Any]:
        """Give an address back that leads nowhere."""
        region = context.region
        address = self._find(region, request.get("AllocationId"), request.get("PublicIp"))
        if request.get("NetworkBorderGroup", region) != region:
            raise ServiceError("InvalidParameterValue", "The network border group is not the address's")
        if "AssociationId" in address:
            raise ServiceError("InvalidIPAddress.InUse", f"Address {address['PublicIp']} is in use.")
        self.model.addresses.delete(region, address["AllocationId"])
        return {}

    def _find(self, region: str, allocation_id: str | None, public: str | None) -> t.AddressTypeDef:
        if allocation_id is not None:
            found: t.AddressTypeDef = self.model.find(ADDRESS, region, allocation_id)
            return found
        if public is None:
            raise ServiceError("MissingParameter", "Either public IP or allocation id must be specified")
        for address in self.model.addresses.values(region):
            if address["PublicIp"] == public:
                return address
        raise ServiceError("InvalidAddress.NotFound", f"Address '{public}' not found.")


def bind(api: Ec2Api, region: str, address: t.AddressTypeDef, interface: Any, private: str) -> str:
    """Have an address lead to one of an interface's addresses, and return the association's id."""
    model = api.model
    association_id = f"eipassoc-0{api.clock.hex(16)}"
    address["AssociationId"] = association_id
    address["NetworkInterfaceId"] = interface["NetworkInterfaceId"]
    address["NetworkInterfaceOwnerId"] = model.account
    address["PrivateIpAddress"] = private
    association = {
        "AllocationId": address["AllocationId"],
        "AssociationId": association_id,
        "IpOwnerId": model.account,
        "PublicIp": address["PublicIp"],
        "PublicDnsName": "",
    }
    for each in interface["PrivateIpAddresses"]:
        if each["PrivateIpAddress"] == private:
            each["Association"] = association
    if interface["PrivateIpAddress"] == private:
        interface["Association"] = association
    with model.store.transaction():
        model.addresses.put((region, address["AllocationId"]), address)
        model.interfaces.put((region, interface["NetworkInterfaceId"]), interface)
    return association_id


def unbind(model: Ec2Model, region: str, address: t.AddressTypeDef) -> None:
    """Have an address lead nowhere."""
    interface: Any = model.interfaces.get(region, address.get("NetworkInterfaceId", ""))
    with model.store.transaction():
        if interface is not None:
            for each in [interface, *interface["PrivateIpAddresses"]]:
                if each.get("Association", {}).get("AllocationId") == address["AllocationId"]:
                    del each["Association"]
            model.interfaces.put((region, interface["NetworkInterfaceId"]), interface)
        for name in _ASSOCIATION:
            address.pop(name, None)  # type: ignore[misc]
        model.addresses.put((region, address["AllocationId"]), address)


def require_gateway(model: Ec2Model, region: str, vpc_id: str) -> None:
    """Raise Gateway.NotAttached for a VPC that no public address can lead into."""
    attached = {
        each["VpcId"] for _, gateway in model.store.items(GATEWAY.kind, (region,)) for each in gateway["Attachments"]
    }
    if vpc_id not in attached:
        raise ServiceError("Gateway.NotAttached", f"Network {vpc_id} is not attached to any internet gateway")
