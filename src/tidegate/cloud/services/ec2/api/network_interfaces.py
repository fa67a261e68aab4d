"""Network interfaces: each has an address of a subnet, and security groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api.shared import (
    Ec2Api,
    client_token,
    describe,
    ec2_operation,
    groups_in,
    made_before,
    new_tags,
)
from tidegate.cloud.services.ec2.filters import Filters, at, nothing
from tidegate.cloud.services.ec2.model import INTERFACE, SUBNET
from tidegate.cloud.services.ec2.ranges import assignable

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

INTERFACE_FILTERS = Filters(
    {
        "addresses.association.owner-id": at("PrivateIpAddresses", "Association", "IpOwnerId"),
        "addresses.association.public-ip": at("PrivateIpAddresses", "Association", "PublicIp"),
        "addresses.primary": at("PrivateIpAddresses", "Primary"),
        "addresses.private-ip-address": at("PrivateIpAddresses", "PrivateIpAddress"),
        "association.allocation-id": at("Association", "AllocationId"),
        "association.association-id": at("Association", "AssociationId"),
        "association.ip-owner-id": at("Association", "IpOwnerId"),
        "association.public-dns-name": at("Association", "PublicDnsName"),
        "association.public-ip": at("Association", "PublicIp"),
        "attachment.attach-time": at("Attachment", "AttachTime"),
        "attachment.attachment-id": at("Attachment", "AttachmentId"),
        "attachment.delete-on-termination": at("Attachment", "DeleteOnTermination"),
        "attachment.device-index": at("Attachment", "DeviceIndex"),
        "attachment.instance-id": nothing,
        "attachment.instance-owner-id": at("Attachment", "InstanceOwnerId"),
        "attachment.nat-gateway-id": nothing,
        "attachment.status": at("Attachment", "Status"),
        "availability-zone": at("AvailabilityZone"),
        "availability-zone-id": at("AvailabilityZoneId"),
        "description": at("Description"),
        "group-id": at("Groups", "GroupId"),
        "group-name": at("Groups", "GroupName"),
        "interface-type": at("InterfaceType"),
        "ipv6-addresses.ipv6-address": nothing,
        "mac-address": at("MacAddress"),
        "network-interface-id": at("NetworkInterfaceId"),
        "operator.managed": nothing,
        "operator.principal": nothing,
        "owner-id": at("OwnerId"),
        "private-dns-name": at("PrivateDnsName"),
        "private-ip-address": at("PrivateIpAddress"),
        "requester-id": at("RequesterId"),
        "requester-managed": at("RequesterManaged"),
        "source-dest-check": at("SourceDestCheck"),
        "status": at("Status"),
        "subnet-id": at("SubnetId"),
        "vpc-id": at("VpcId"),
    },
    tags="TagSet",
)
_INDEXED = {"description": "description", "addresses.private-ip-address": "address"}  # filters that find few at once
_ATTRIBUTES = {
    "description": "Description",
    "groupSet": "Groups",
    "sourceDestCheck": "SourceDestCheck",
    "attachment": "Attachment",
}


class NetworkInterfacesApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkInterface.html and its siblings.

    An interface that a service makes for itself (a task's, a load balancer's) is the service's: it is in use
    from the start, and only the service deletes it.
    """

    @ec2_operation(
        "network-interface/*",
        "subnet/{SubnetId}",
        refuse=(
            "ConnectionTrackingSpecification",
            "EnablePrimaryIpv6",
            "InterfaceType",
            "Ipv4PrefixCount",
            "Ipv4Prefixes",
            "Ipv6AddressCount",
            "Ipv6Addresses",
            "Ipv6PrefixCount",
            "Ipv6Prefixes",
            "Operator",
        ),
    )
    async def create_network_interface(
        self, context: Context, request: t.CreateNetworkInterfaceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a network interface with an address of its subnet, or with the addresses asked for.

        A `ClientToken` makes the request one that can be repeated: the same interface is the answer.
        """
        region = context.region
        subnet: t.SubnetTypeDef = self.model.find(SUBNET, region, request["SubnetId"])
        made = made_before(self.model.interfaces.values(region), request) if "ClientToken" in request else None
        if made is not None:
            return {"NetworkInterface": made, **client_token(request)}
        groups: Any = groups_in(self.model, region, subnet["VpcId"], request.get("Groups", ()))
        addresses = self._addresses(region, subnet, request)
        more: dict[str, Any] = {
            "Description": request.get("Description", ""),
            "TagSet": new_tags(self, context, request, INTERFACE, "CreateNetworkInterface"),
        }
        more |= client_token(request)
        if context.principal.service is not None:
            more |= {
                "Status": "in-use",
                "RequesterManaged": True,
                "RequesterId": context.principal.service,
                "Attachment": {
                    "AttachmentId": f"ela-attach-0{self.clock.hex(16)}",
                    "AttachTime": self.clock.now(),
                    "DeleteOnTermination": False,
                    "DeviceIndex": 1,
                    "InstanceOwnerId": context.principal.service,
                    "Status": "attached",
                },
            }
        interface = self.network.create_interface(region, subnet, addresses, groups, **more)
        return {"NetworkInterface": interface, **client_token(request)}

    @ec2_operation()
    async def describe_network_interfaces(
        self, context: Context, request: t.DescribeNetworkInterfacesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List network interfaces; `IncludeManagedResources` adds nothing, for no operator manages any here."""
        interfaces = self._candidates(context.region, request)
        return describe(
            INTERFACE, interfaces, request, INTERFACE_FILTERS, ids="NetworkInterfaceIds", answer="NetworkInterfaces"
        )

    def _candidates(
        self, region: str, request: t.DescribeNetworkInterfacesRequestTypeDef
    ) -> list[t.NetworkInterfaceTypeDef]:
        """Return the network interfaces among which those are that a request asks for: few where it names them."""
        if request.get("NetworkInterfaceIds"):
            found = (self.model.interfaces.get(region, each) for each in dict.fromkeys(request["NetworkInterfaceIds"]))
            return [each for each in found if each is not None]
        for each in request.get("Filters", ()):
            values, what = each.get("Values", ()), _INDEXED.get(each.get("Name", ""))
            if what is not None and not any(set(text) & set("*?\\") for text in values):
                return self.model.interfaces_known_by(region, what, values)
        return self.model.interfaces.values(region)

    @ec2_operation("network-interface/{NetworkInterfaceId}")
    async def describe_network_interface_attribute(
        self, context: Context, request: t.DescribeNetworkInterfaceAttributeRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return one attribute of a network interface."""
        interface: Any = self.model.find(INTERFACE, context.region, request["NetworkInterfaceId"])
        answer: dict[str, Any] = {"NetworkInterfaceId": interface["NetworkInterfaceId"]}
        wanted = request.get("Attribute", "")
        if wanted == "associatePublicIpAddress":
            return {**answer, "AssociatePublicIpAddress": "Association" in interface}
        if wanted not in _ATTRIBUTES:
            raise ServiceError("InvalidParameterCombination", "No attributes specified.")
        name = _ATTRIBUTES[wanted]
        if name in interface:
            plain = name in ("Groups", "Attachment")
            answer[name] = interface[name] if plain else {"Value": interface[name]}
        return answer

    @ec2_operation(
        "network-interface/{NetworkInterfaceId}",
        refuse=(
            "AssociatePublicIpAddress",
            "AssociatedSubnetIds",
            "Attachment",
            "ConnectionTrackingSpecification",
            "EnaSrdSpecification",
            "EnablePrimaryIpv6",
        ),
    )
    async def modify_network_interface_attribute(
        self, context: Context, request: t.ModifyNetworkInterfaceAttributeRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change a network interface's description, groups or source/destination check."""
        interface: Any = self.model.find(INTERFACE, context.region, request["NetworkInterfaceId"])
        if "Description" in request:
            interface["Description"] = request["Description"].get("Value", "")
        if "SourceDestCheck" in request:
            interface["SourceDestCheck"] = request["SourceDestCheck"].get("Value", False)
        if request.get("Groups"):
            interface["Groups"] = groups_in(self.model, context.region, interface["VpcId"], request["Groups"])
        self.model.interfaces.put((context.region, interface["NetworkInterfaceId"]), interface)
        return {}

    @ec2_operation(
        "network-interface/{NetworkInterfaceId}", refuse=("AllowReassignment", "Ipv4PrefixCount", "Ipv4Prefixes")
    )
    async def assign_private_ip_addresses(
        self, context: Context, request: t.AssignPrivateIpAddressesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Give a network interface more addresses."""
        region = context.region
        interface: Any = self.model.find(INTERFACE, region, request["NetworkInterfaceId"])
        subnet: t.SubnetTypeDef = self.model.find(SUBNET, region, interface["SubnetId"])
        wanted = request.get("PrivateIpAddresses", ())
        count = request.get("SecondaryPrivateIpAddressCount", 0)
        if bool(wanted) is bool(count):
            raise ServiceError(
                "InvalidParameterCombination",
                "Exactly one of privateIpAddresses and secondaryPrivateIpAddressCount must be specified.",
            )
        addresses = self._checked(region, subnet, wanted) if wanted else self._free(region, subnet, count)
        interface["PrivateIpAddresses"] += [
            {
                "PrivateIpAddress": address,
                "PrivateDnsName": self.network.private_name(region, address),
                "Primary": False,
            }
            for address in addresses
        ]
        self.model.interfaces.put((region, interface["NetworkInterfaceId"]), interface)
        return {
            "NetworkInterfaceId": interface["NetworkInterfaceId"],
            "AssignedPrivateIpAddresses": [{"PrivateIpAddress": address} for address in addresses],
            "AssignedIpv4Prefixes": [],
        }

    @ec2_operation("network-interface/{NetworkInterfaceId}", refuse=("Ipv4Prefixes",))
    async def unassign_private_ip_addresses(
        self, context: Context, request: t.UnassignPrivateIpAddressesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Take secondary addresses away from a network interface."""
        interface: Any = self.model.find(INTERFACE, context.region, request["NetworkInterfaceId"])
        secondary = {each["PrivateIpAddress"] for each in interface["PrivateIpAddresses"] if not each["Primary"]}
        wanted = set(request.get("PrivateIpAddresses", ()))
        if not wanted or not wanted <= secondary:
            raise ServiceError(
                "InvalidParameterValue",
                "Some of the specified addresses are not assigned to interface " + interface["NetworkInterfaceId"],
            )
        interface["PrivateIpAddresses"] = [
            each for each in interface["PrivateIpAddresses"] if each["PrivateIpAddress"] not in wanted
        ]
        self.model.interfaces.put((context.region, interface["NetworkInterfaceId"]), interface)
        return {}

    @ec2_operation("network-interface/{NetworkInterfaceId}")
    async def delete_network_interface(
        self, context: Context, request: t.DeleteNetworkInterfaceRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a network interface that nobody uses, or, as the service whose it is, one that it used."""
        interface: Any = self.model.find(INTERFACE, context.region, request["NetworkInterfaceId"])
        interface_id, service = interface["NetworkInterfaceId"], context.principal.service
        if interface["Status"] == "in-use" and (service is None or interface.get("RequesterId") != service):
            raise ServiceError("InvalidParameterValue", f"Network interface '{interface_id}' is currently in use.")
        with self.model.store.transaction():
            for address in self.model.addresses.values(context.region):
                if address.get("NetworkInterfaceId") == interface_id:
                    for name in ("NetworkInterfaceId", "NetworkInterfaceOwnerId", "PrivateIpAddress", "AssociationId"):
                        address.pop(name, None)  # type: ignore[misc]
                    self.model.addresses.put((context.region, address["AllocationId"]), address)
            self.model.interfaces.delete(context.region, interface_id)
        return {}

    def _addresses(self, region: str, subnet: t.SubnetTypeDef, request: Mapping[str, Any]) -> list[str]:
        """Return the addresses of a new interface, its primary one first."""
        specified = request.get("PrivateIpAddresses", ())
        if any("PrivateIpAddress" not in each for each in specified):
            raise ServiceError("MissingParameter", "Each of PrivateIpAddresses must contain PrivateIpAddress")
        primary = [each["PrivateIpAddress"] for each in specified if each.get("Primary")]
        primary += [request["PrivateIpAddress"]] if "PrivateIpAddress" in request else []
        if len(primary) > 1:
            raise ServiceError("InvalidParameterValue", "Only one primary private IP address can be specified.")
        chosen = self._checked(region, subnet, primary) if primary else self._free(region, subnet, 1)
        others = [each["PrivateIpAddress"] for each in specified if not each.get("Primary")]
        chosen += self._checked(region, subnet, others)
        more = request.get("SecondaryPrivateIpAddressCount", 0)
        if more:
            free = self._free(region, subnet, more + len(chosen))
            chosen += [each for each in free if each not in chosen][:more]
        return chosen

    def _checked(self, region: str, subnet: t.SubnetTypeDef, wanted: Sequence[str]) -> list[str]:
        for address in wanted:
            if not assignable(subnet["CidrBlock"], address):
                raise ServiceError(
                    "InvalidParameterValue", f"Address {address} does not fall within the subnet's address range"
                )
            if self.model.is_taken(region, subnet["SubnetId"], address):
                raise ServiceError("InvalidIPAddress.InUse", f"The specified address is already in use: {address}")
        return list(wanted)

    def _free(self, region: str, subnet: t.SubnetTypeDef, count: int) -> list[str]:
        addresses = self.network.free_addresses(region, subnet, count)
        if addresses is None:
            raise ServiceError(
                "InsufficientFreeAddressesInSubnet",
                f"The subnet {subnet['SubnetId']} does not have enough free addresses to satisfy the request.",
            )
        return addresses
