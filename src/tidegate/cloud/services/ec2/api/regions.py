"""What the account and its regions are like: zones, regions, account attributes, AWS's prefix lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api.shared import Ec2Api, ec2_operation, paged
from tidegate.cloud.services.ec2.filters import Filters, at, nothing
from tidegate.cloud.services.ec2.services import prefix_lists
from tidegate.cloud.services.ec2.zones import DEFAULT_REGIONS, OPT_IN_REGIONS, describe_zone, zones

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

ZONE_FILTERS = Filters(
    {
        "group-long-name": nothing,
        "group-name": at("GroupName"),
        "message": at("Messages", "Message"),
        "opt-in-status": at("OptInStatus"),
        "parent-zone-id": nothing,
        "parent-zone-name": nothing,
        "region-name": at("RegionName"),
        "state": at("State"),
        "zone-id": at("ZoneId"),
        "zone-name": at("ZoneName"),
        "zone-type": at("ZoneType"),
    },
    tags=None,
)
REGION_FILTERS = Filters(
    {"endpoint": at("Endpoint"), "opt-in-status": at("OptInStatus"), "region-name": at("RegionName")}, tags=None
)
PREFIX_LIST_FILTERS = Filters(
    {"owner-id": at("OwnerId"), "prefix-list-id": at("PrefixListId"), "prefix-list-name": at("PrefixListName")}
)
VPN_GATEWAY_FILTERS = Filters(
    {
        "amazon-side-asn": nothing,
        "attachment.state": nothing,
        "attachment.vpc-id": nothing,
        "availability-zone": nothing,
        "state": nothing,
        "type": nothing,
        "vpn-gateway-id": nothing,
    }
)


class RegionsApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html and others."""

    @ec2_operation()
    async def describe_availability_zones(
        self, context: Context, request: t.DescribeAvailabilityZonesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the region's zones; `AllAvailabilityZones` adds none, for all are opted in to."""
        found: list[Any] = [describe_zone(name) for name in zones(context.region)]
        for member, parameter in (("ZoneName", "ZoneNames"), ("ZoneId", "ZoneIds")):
            wanted: Any = request.get(parameter, ())
            unknown = [each for each in wanted if each not in {zone[member] for zone in found}]
            if unknown:
                raise ServiceError("InvalidParameterValue", f"Invalid availability zone: [{', '.join(unknown)}]")
            found = [zone for zone in found if not wanted or zone[member] in wanted]
        return {"AvailabilityZones": ZONE_FILTERS(found, request.get("Filters", ()))}

    @ec2_operation()
    async def describe_regions(self, context: Context, request: t.DescribeRegionsRequestTypeDef) -> Mapping[str, Any]:
        """List the regions of AWS that are enabled, or with `AllRegions` every one."""
        regions: list[Any] = [_region(name, "opt-in-not-required") for name in DEFAULT_REGIONS]
        if request.get("AllRegions"):
            regions += [_region(name, "not-opted-in") for name in OPT_IN_REGIONS]
        wanted = request.get("RegionNames", ())
        unknown = [name for name in wanted if name not in {*DEFAULT_REGIONS, *OPT_IN_REGIONS}]
        if unknown:
            raise ServiceError("InvalidParameterValue", f"Invalid region name: [{', '.join(unknown)}]")
        regions = [each for each in regions if not wanted or each["RegionName"] in wanted]
        return {"Regions": REGION_FILTERS(regions, request.get("Filters", ()))}

    @ec2_operation()
    async def describe_account_attributes(
        self, context: Context, request: t.DescribeAccountAttributesRequestTypeDef
    ) -> Mapping[str, Any]:
        """Return what the account may have and which VPC is its default one."""
        vpc = self.model.default_vpc(context.region)
        attributes = {
            "supported-platforms": "VPC",
            "default-vpc": "none" if vpc is None else vpc["VpcId"],
            "max-instances": "0",
            "vpc-max-security-groups-per-interface": "5",
            "max-elastic-ips": "65534",
            "vpc-max-elastic-ips": "65534",
        }
        wanted: Any = request.get("AttributeNames") or list(attributes)
        return {
            "AccountAttributes": [
                {"AttributeName": name, "AttributeValues": [{"AttributeValue": value}]}
                for name, value in attributes.items()
                if name in wanted
            ]
        }

    @ec2_operation()
    async def describe_prefix_lists(
        self, context: Context, request: t.DescribePrefixListsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the ranges of the AWS services that a gateway endpoint leads to."""
        regional = f"com.amazonaws.{context.region}."
        lists = [each for each in prefix_lists(context.region) if each["PrefixListName"].startswith(regional)]
        return self._lists(request, lists, "PrefixLists")

    @ec2_operation()
    async def describe_managed_prefix_lists(
        self, context: Context, request: t.DescribeManagedPrefixListsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the prefix lists that AWS keeps; the account has none of its own."""
        return self._lists(request, prefix_lists(context.region), "PrefixLists")

    @ec2_operation("prefix-list/{PrefixListId}")
    async def get_managed_prefix_list_entries(
        self, context: Context, request: t.GetManagedPrefixListEntriesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the ranges of one prefix list."""
        for each in prefix_lists(context.region):
            if each["PrefixListId"] == request["PrefixListId"]:
                if request.get("TargetVersion", each["Version"]) != each["Version"]:
                    raise ServiceError("InvalidPrefixListVersion", "The prefix list has no such version")
                entries = [{"Cidr": cidr} for cidr in each["Cidrs"]]
                return paged(request, entries, lambda entry: str(entry["Cidr"]), "Entries")
        raise _no_list(request["PrefixListId"])

    @ec2_operation()
    async def describe_vpn_gateways(
        self, context: Context, request: t.DescribeVpnGatewaysRequestTypeDef
    ) -> Mapping[str, Any]:
        """List virtual private gateways: there are none, for none can be created."""
        for each in request.get("VpnGatewayIds", ()):
            raise ServiceError("InvalidVpnGatewayID.NotFound", f"The vpnGateway ID '{each}' does not exist")
        return {"VpnGateways": VPN_GATEWAY_FILTERS([], request.get("Filters", ()))}

    def _lists(self, request: Mapping[str, Any], lists: list[Any], answer: str) -> Mapping[str, Any]:
        wanted = request.get("PrefixListIds", ())
        for each in wanted:
            if each not in {found["PrefixListId"] for found in lists}:
                raise _no_list(each)
        chosen = [each for each in lists if not wanted or each["PrefixListId"] in wanted]
        chosen = PREFIX_LIST_FILTERS(chosen, request.get("Filters", ()))
        return paged(request, chosen, lambda each: str(each["PrefixListId"]), answer)


def _region(name: str, status: str) -> dict[str, str]:
    return {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": status}


def _no_list(list_id: str) -> ServiceError:
    return ServiceError("InvalidPrefixListID.NotFound", f"The prefix list ID '{list_id}' does not exist")
