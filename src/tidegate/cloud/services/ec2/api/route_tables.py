"""Route tables: their routes, and which subnets they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ec2.api.shared import (
    Ec2Api,
    client_token,
    describe,
    ec2_operation,
    in_use,
    made_before,
    new_tags,
)
from tidegate.cloud.services.ec2.filters import Filters, at, nothing
from tidegate.cloud.services.ec2.model import ENDPOINT, GATEWAY, INTERFACE, NAT_GATEWAY, ROUTE_TABLE, SUBNET, VPC
from tidegate.cloud.services.ec2.ranges import parse, parse_v6
from tidegate.cloud.services.ec2.services import prefix_list_of, prefix_lists

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

_OTHER_TARGETS = (
    "CarrierGatewayId",
    "CoreNetworkArn",
    "EgressOnlyInternetGatewayId",
    "InstanceId",
    "LocalGatewayId",
    "OdbNetworkArn",
    "TransitGatewayId",
    "VpcEndpointId",
    "VpcPeeringConnectionId",
)
_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
_TARGETS = {"GatewayId": GATEWAY, "NatGatewayId": NAT_GATEWAY, "NetworkInterfaceId": INTERFACE}
ROUTE_TABLE_FILTERS = Filters(
    {
        "association.gateway-id": at("Associations", "GatewayId"),
        "association.main": at("Associations", "Main"),
        "association.route-table-association-id": at("Associations", "RouteTableAssociationId"),
        "association.route-table-id": at("Associations", "RouteTableId"),
        "association.subnet-id": at("Associations", "SubnetId"),
        "owner-id": at("OwnerId"),
        "route-table-id": at("RouteTableId"),
        "route.destination-cidr-block": at("Routes", "DestinationCidrBlock"),
        "route.destination-ipv6-cidr-block": at("Routes", "DestinationIpv6CidrBlock"),
        "route.destination-prefix-list-id": at("Routes", "DestinationPrefixListId"),
        "route.egress-only-internet-gateway-id": nothing,
        "route.gateway-id": at("Routes", "GatewayId"),
        "route.instance-id": nothing,
        "route.nat-gateway-id": at("Routes", "NatGatewayId"),
        "route.origin": at("Routes", "Origin"),
        "route.state": at("Routes", "State"),
        "route.transit-gateway-id": nothing,
        "route.vpc-peering-connection-id": nothing,
        "vpc-id": at("VpcId"),
    }
)


class RouteTablesApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html and its siblings."""

    @ec2_operation("route-table/*", "vpc/{VpcId}")
    async def create_route_table(
        self, context: Context, request: t.CreateRouteTableRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a route table with the VPC's local route; a `ClientToken` makes the request repeatable."""
        table = made_before(self.model.route_tables.values(context.region), request)
        if table is None:
            vpc: t.VpcTypeDef = self.model.find(VPC, context.region, request["VpcId"])
            tags: Any = new_tags(self, context, request, ROUTE_TABLE, "CreateRouteTable")
            table = self.network.create_route_table(context.region, vpc, tags, **client_token(request))
        return {"RouteTable": table, **client_token(request)}

    @ec2_operation()
    async def describe_route_tables(
        self, context: Context, request: t.DescribeRouteTablesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List route tables, their routes as they stand."""
        tables = [self._answer(context.region, each) for each in self.model.route_tables.values(context.region)]
        return describe(ROUTE_TABLE, tables, request, ROUTE_TABLE_FILTERS, ids="RouteTableIds", answer="RouteTables")

    @ec2_operation("route-table/{RouteTableId}")
    async def delete_route_table(
        self, context: Context, request: t.DeleteRouteTableRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a route table that is for no subnet, and not the main one."""
        table: t.RouteTableTypeDef = self.model.find(ROUTE_TABLE, context.region, request["RouteTableId"])
        endpoints: list[t.VpcEndpointTypeDef] = self.model.in_vpc(ENDPOINT, context.region, table["VpcId"])
        if table["Associations"] or any(table["RouteTableId"] in each["RouteTableIds"] for each in endpoints):
            raise in_use("routeTable", table["RouteTableId"])
        self.model.route_tables.delete(context.region, table["RouteTableId"])
        return {}

    @ec2_operation("route-table/{RouteTableId}", "subnet/{SubnetId}", refuse=("GatewayId", "PublicIpv4Pool"))
    async def associate_route_table(
        self, context: Context, request: t.AssociateRouteTableRequestTypeDef
    ) -> Mapping[str, Any]:
        """Make a route table the one of a subnet."""
        region = context.region
        table: t.RouteTableTypeDef = self.model.find(ROUTE_TABLE, region, request["RouteTableId"])
        if "SubnetId" not in request:
            raise ServiceError("MissingParameter", "The request must contain the parameter subnetId or gatewayId")
        subnet: t.SubnetTypeDef = self.model.find(SUBNET, region, request["SubnetId"])
        if subnet["VpcId"] != table["VpcId"]:
            raise ServiceError(
                "InvalidParameterValue",
                f"Route table {table['RouteTableId']} and subnet {subnet['SubnetId']} belong to different networks",
            )
        for other in self.model.route_tables.values(region):
            for each in other["Associations"]:
                if each.get("SubnetId") != subnet["SubnetId"]:
                    continue
                if other["RouteTableId"] == table["RouteTableId"]:
                    return _associated(each)
                raise ServiceError(
                    "Resource.AlreadyAssociated",
                    f"the specified association for route table {table['RouteTableId']} conflicts with an existing "
                    "association",
                )
        association = self.network.table_association(table["RouteTableId"], subnet["SubnetId"])
        table["Associations"].append(association)
        self.model.route_tables.put((region, table["RouteTableId"]), table)
        return _associated(association)

    @ec2_operation()
    async def disassociate_route_table(
        self, context: Context, request: t.DisassociateRouteTableRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have a subnet follow the main route table again."""
        table, association = self._association(context.region, request["AssociationId"])
        if association["Main"]:
            raise ServiceError(
                "InvalidParameterValue",
                f"cannot disassociate the main route table association {request['AssociationId']}",
            )
        table["Associations"].remove(association)
        self.model.route_tables.put((context.region, table["RouteTableId"]), table)
        return {}

    @ec2_operation("route-table/{RouteTableId}")
    async def replace_route_table_association(
        self, context: Context, request: t.ReplaceRouteTableAssociationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Give a subnet, or the VPC as its main one, another route table."""
        region = context.region
        old, association = self._association(region, request["AssociationId"])
        table: t.RouteTableTypeDef = self.model.find(ROUTE_TABLE, region, request["RouteTableId"])
        if table["VpcId"] != old["VpcId"]:
            raise ServiceError(
                "InvalidParameterValue",
                f"Route table {table['RouteTableId']} and network {old['VpcId']} belong to different networks",
            )
        if table["RouteTableId"] == old["RouteTableId"]:
            table = old
        new = self.network.table_association(table["RouteTableId"], association.get("SubnetId"))
        old["Associations"].remove(association)
        table["Associations"].append(new)
        with self.model.store.transaction():
            self.model.route_tables.put((region, old["RouteTableId"]), old)
            self.model.route_tables.put((region, table["RouteTableId"]), table)
        return {"NewAssociationId": new["RouteTableAssociationId"], "AssociationState": new["AssociationState"]}

    @ec2_operation("route-table/{RouteTableId}", refuse=_OTHER_TARGETS)
    async def create_route(self, context: Context, request: t.CreateRouteRequestTypeDef) -> Mapping[str, Any]:
        """Add a route for a destination that has none."""
        table: t.RouteTableTypeDef = self.model.find(ROUTE_TABLE, context.region, request["RouteTableId"])
        route = self._route(context.region, table, request)
        if _find(table, route) is not None:
            destination = next(route[name] for name in _DESTINATIONS if name in route)
            raise ServiceError("RouteAlreadyExists", f"The route identified by {destination} already exists.")
        table["Routes"].append(route)  # type: ignore[arg-type]
        self.model.route_tables.put((context.region, table["RouteTableId"]), table)
        return {"Return": True}

    @ec2_operation("route-table/{RouteTableId}", refuse=(*_OTHER_TARGETS, "LocalTarget"))
    async def replace_route(self, context: Context, request: t.ReplaceRouteRequestTypeDef) -> Mapping[str, Any]:
        """Lead a destination's route elsewhere."""
        table: t.RouteTableTypeDef = self.model.find(ROUTE_TABLE, context.region, request["RouteTableId"])
        route = self._route(context.region, table, request)
        number = _find(table, route)
        if number is None:
            destination = next(route[name] for name in _DESTINATIONS if name in route)
            raise ServiceError(
                "InvalidParameterValue",
                f"There is no route defined for '{destination}' in the route table. Use CreateRoute instead.",
            )
        table["Routes"][number] = route  # type: ignore[call-overload]
        self.model.route_tables.put((context.region, table["RouteTableId"]), table)
        return {}

    @ec2_operation("route-table/{RouteTableId}")
    async def delete_route(self, context: Context, request: t.DeleteRouteRequestTypeDef) -> Mapping[str, Any]:
        """Remove a route."""
        table: t.RouteTableTypeDef = self.model.find(ROUTE_TABLE, context.region, request["RouteTableId"])
        destination = self._destination(context.region, request)
        number = _find(table, destination)
        ((name, value),) = destination.items()
        if number is None:
            kind = {"DestinationCidrBlock": "cidr-block", "DestinationIpv6CidrBlock": "ipv6-cidr-block"}
            raise ServiceError(
                "InvalidRoute.NotFound",
                f"no route with destination-{kind.get(name, 'prefix-list-id')} {value} in route table "
                f"{table['RouteTableId']}",
            )
        if table["Routes"][number]["Origin"] == "CreateRouteTable":
            raise ServiceError(
                "InvalidParameterValue",
                f"cannot remove local route {value} in route table {table['RouteTableId']}",
            )
        del table["Routes"][number]
        self.model.route_tables.put((context.region, table["RouteTableId"]), table)
        return {}

    def _association(
        self, region: str, association_id: str
    ) -> tuple[t.RouteTableTypeDef, t.RouteTableAssociationTypeDef]:
        for table in self.model.route_tables.values(region):
            for association in table["Associations"]:
                if association["RouteTableAssociationId"] == association_id:
                    return table, association
        raise ServiceError("InvalidAssociationID.NotFound", f"The association ID '{association_id}' does not exist")

    def _destination(self, region: str, request: Mapping[str, Any]) -> dict[str, str]:
        given = [name for name in _DESTINATIONS if request.get(name)]
        if len(given) != 1:
            raise ServiceError(
                "MissingParameter" if not given else "InvalidParameterCombination",
                "The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock, "
                "destinationPrefixListId",
            )
        name, value = given[0], request[given[0]]
        if name == "DestinationPrefixListId":
            if value not in {each["PrefixListId"] for each in prefix_lists(region)}:
                raise ServiceError("InvalidPrefixListID.NotFound", f"The prefix list ID '{value}' does not exist")
            return {name: value}
        network = parse(value) if name == "DestinationCidrBlock" else parse_v6(value)
        if network is None:
            raise ServiceError(
                "InvalidParameterValue",
                f"Value ({value}) for parameter {name[0].lower() + name[1:]} is invalid. "
                "This is not a valid CIDR block.",
            )
        return {name: str(network)}

    def _route(self, region: str, table: t.RouteTableTypeDef, request: Mapping[str, Any]) -> dict[str, Any]:
        destination = self._destination(region, request)
        given = [name for name in _TARGETS if request.get(name)]
        if len(given) != 1:
            raise ServiceError(
                "MissingParameter" if not given else "InvalidParameterCombination",
                "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, "
                "vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, instanceId",
            )
        name, target_id = given[0], request[given[0]]
        if name == "GatewayId" and not target_id.startswith(("igw-", "local")):
            raise not_offered(f"ec2:CreateRoute GatewayId {target_id.partition('-')[0]}-…")
        if target_id != "local":
            target = self.model.find(_TARGETS[name], region, target_id)
            vpc_ids = {each["VpcId"] for each in target["Attachments"]} if name == "GatewayId" else {target["VpcId"]}
            if table["VpcId"] not in vpc_ids:
                raise ServiceError(
                    "InvalidParameterValue",
                    f"route table {table['RouteTableId']} and network gateway {target_id} belong to different networks",
                )
        return {**destination, name: target_id, "Origin": "CreateRoute", "State": "active"}

    def _answer(self, region: str, table: t.RouteTableTypeDef) -> dict[str, Any]:
        """Return a table with the state of its routes, and with those that lead to gateway endpoints."""
        routes = [{**route, "State": self._state(region, table, route)} for route in table["Routes"]]
        endpoints: list[t.VpcEndpointTypeDef] = self.model.in_vpc(ENDPOINT, region, table["VpcId"])
        routes += [
            {
                "DestinationPrefixListId": prefix_list_of(region, endpoint["ServiceName"]) or "",
                "GatewayId": endpoint["VpcEndpointId"],
                "Origin": "CreateRoute",
                "State": "active",
            }
            for endpoint in endpoints
            if table["RouteTableId"] in endpoint["RouteTableIds"]
        ]
        return {**table, "Routes": routes}

    def _state(self, region: str, table: t.RouteTableTypeDef, route: Mapping[str, Any]) -> str:
        """Return `active`, or `blackhole` where what the route leads to is gone."""
        if route.get("GatewayId") == "local":
            return "active"
        for name, noun in _TARGETS.items():
            if name in route:
                target: Any = self.model.store.get(noun.kind, (region, route[name]))
                if target is None or target.get("State") == "deleted":
                    return "blackhole"
                if name == "GatewayId" and table["VpcId"] not in {each["VpcId"] for each in target["Attachments"]}:
                    return "blackhole"
        return "active"


def _associated(association: t.RouteTableAssociationTypeDef) -> Mapping[str, Any]:
    return {
        "AssociationId": association["RouteTableAssociationId"],
        "AssociationState": association["AssociationState"],
    }


def _find(table: t.RouteTableTypeDef, wanted: Mapping[str, Any]) -> int | None:
    """Return the number of the route with the same destination, or None."""
    for number, route in enumerate(table["Routes"]):
        if any(name in wanted and route.get(name) == wanted[name] for name in _DESTINATIONS):
            return number
    return None
