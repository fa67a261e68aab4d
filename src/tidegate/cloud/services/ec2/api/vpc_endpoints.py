"""VPC endpoints: gateway endpoints are routes, interface endpoints are network interfaces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.ec2.api.shared import (
    Ec2Api,
    client_token,
    describe,
    ec2_operation,
    groups_in,
    made_before,
    new_tags,
    paged,
)
from tidegate.cloud.services.ec2.filters import Filters, at
from tidegate.cloud.services.ec2.model import ENDPOINT, ROUTE_TABLE, SUBNET, VPC, not_found
from tidegate.cloud.services.ec2.services import details, kinds

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

_OPEN_POLICY = json.dumps(
    {"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
)
ENDPOINT_FILTERS = Filters(
    {
        "ip-address-type": at("IpAddressType"),
        "service-name": at("ServiceName"),
        "service-region": at("ServiceRegion"),
        "vpc-endpoint-id": at("VpcEndpointId"),
        "vpc-endpoint-state": at("State"),
        "vpc-endpoint-type": at("VpcEndpointType"),
        "vpc-id": at("VpcId"),
    }
)
SERVICE_FILTERS = Filters(
    {
        "owner": at("Owner"),
        "service-name": at("ServiceName"),
        "service-region": at("ServiceRegion"),
        "service-type": at("ServiceType", "ServiceType"),
        "supported-ip-address-types": at("SupportedIpAddressTypes"),
    }
)


class VpcEndpointsApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html and its siblings."""

    @ec2_operation(
        "vpc-endpoint/*",
        "vpc/{VpcId}",
        refuse=("ResourceConfigurationArn", "ServiceNetworkArn", "SubnetConfigurations"),
    )
    async def create_vpc_endpoint(
        self, context: Context, request: t.CreateVpcEndpointRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a gateway or an interface endpoint; a `ClientToken` makes the request one that can be repeated."""
        region = context.region
        made = made_before(self.model.endpoints.values(region), request)
        if made is not None:
            return {"VpcEndpoint": made, **client_token(request)}
        vpc_id = self.model.find(VPC, region, request["VpcId"])["VpcId"]
        kind = request.get("VpcEndpointType", "Gateway")
        service = request.get("ServiceName", "")
        self._check(region, kind, service, request)
        endpoint_id = self.network.new_id(ENDPOINT)
        tags: Any = new_tags(self, context, request, ENDPOINT, "CreateVpcEndpoint")
        endpoint: Any = {
            "VpcEndpointId": endpoint_id,
            "VpcEndpointType": kind,
            "VpcId": vpc_id,
            "ServiceName": service,
            "ServiceRegion": region,
            "State": "available",
            "PolicyDocument": _policy(request.get("PolicyDocument")),
            "RouteTableIds": [],
            "SubnetIds": [],
            "Groups": [],
            "IpAddressType": "ipv4",
            "DnsOptions": {"DnsRecordIpType": "ipv4" if kind == "Interface" else "service-defined"},
            "PrivateDnsEnabled": False,
            "RequesterManaged": False,
            "NetworkInterfaceIds": [],
            "DnsEntries": [],
            "CreationTimestamp": self.clock.now(),
            "OwnerId": self.model.account,
            "Tags": tags,
            **client_token(request),
        }
        with self.model.store.transaction():
            if kind == "Gateway":
                self._add_tables(region, endpoint, request.get("RouteTableIds", ()))
            else:
                endpoint["PrivateDnsEnabled"] = request.get("PrivateDnsEnabled", True)
                groups = groups_in(self.model, region, vpc_id, request.get("SecurityGroupIds", ()))
                endpoint["Groups"] = groups
                self._add_subnets(region, endpoint, request.get("SubnetIds", ()))
            self.model.endpoints.put((region, endpoint_id), endpoint)
        return {"VpcEndpoint": endpoint, **client_token(request)}

    @ec2_operation()
    async def describe_vpc_endpoints(
        self, context: Context, request: t.DescribeVpcEndpointsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List endpoints."""
        endpoints = self.model.endpoints.values(context.region)
        return describe(ENDPOINT, endpoints, request, ENDPOINT_FILTERS, ids="VpcEndpointIds", answer="VpcEndpoints")

    @ec2_operation()
    async def describe_vpc_endpoint_services(
        self, context: Context, request: t.DescribeVpcEndpointServicesRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the services that an endpoint can be created for."""
        services = details(context.region)
        names = request.get("ServiceNames", ())
        known = {each["ServiceName"] for each in services}
        missing = [name for name in names if name not in known]
        if missing:
            raise _no_service(missing[0])
        if any(region != context.region for region in request.get("ServiceRegions", ())):
            raise not_offered("ec2:DescribeVpcEndpointServices ServiceRegions other than the request's own")
        chosen = [each for each in services if not names or each["ServiceName"] in names]
        answer = paged(
            request,
            SERVICE_FILTERS(chosen, request.get("Filters", ())),
            lambda each: f"{each['ServiceName']} {each['ServiceType'][0]['ServiceType']}",
            "ServiceDetails",
        )
        return {**answer, "ServiceNames": sorted({each["ServiceName"] for each in answer["ServiceDetails"]})}

    @ec2_operation("vpc-endpoint/{VpcEndpointId}", refuse=("SubnetConfigurations",))
    async def modify_vpc_endpoint(
        self, context: Context, request: t.ModifyVpcEndpointRequestTypeDef
    ) -> Mapping[str, Any]:
        """Change an endpoint's policy, route tables, subnets, groups or private DNS."""
        region = context.region
        endpoint: Any = self.model.find(ENDPOINT, region, request["VpcEndpointId"])
        self._check_options(request)
        if request.get("ResetPolicy"):
            endpoint["PolicyDocument"] = _OPEN_POLICY
        elif "PolicyDocument" in request:
            endpoint["PolicyDocument"] = _policy(request["PolicyDocument"])
        if "PrivateDnsEnabled" in request:
            endpoint["PrivateDnsEnabled"] = request["PrivateDnsEnabled"]
        removed = set(request.get("RemoveSecurityGroupIds", ()))
        if removed or request.get("AddSecurityGroupIds"):
            kept = [each["GroupId"] for each in endpoint["Groups"] if each["GroupId"] not in removed]
            group_ids = [*kept, *request.get("AddSecurityGroupIds", ())]
            endpoint["Groups"] = groups_in(self.model, region, endpoint["VpcId"], group_ids)
        gone = set(request.get("RemoveRouteTableIds", ()))
        endpoint["RouteTableIds"] = [each for each in endpoint["RouteTableIds"] if each not in gone]
        with self.model.store.transaction():
            self._add_tables(region, endpoint, request.get("AddRouteTableIds", ()))
            self._remove_subnets(region, endpoint, set(request.get("RemoveSubnetIds", ())))
            self._add_subnets(region, endpoint, request.get("AddSubnetIds", ()))
            for interface_id in endpoint["NetworkInterfaceIds"]:
                self.model.interfaces.update((region, interface_id), _with_groups(endpoint["Groups"]))
            self.model.endpoints.put((region, endpoint["VpcEndpointId"]), endpoint)
        return {"Return": True}

    @ec2_operation("vpc-endpoint/{VpcEndpointIds}")
    async def delete_vpc_endpoints(
        self, context: Context, request: t.DeleteVpcEndpointsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete endpoints; those that do not exist are named in the answer."""
        region, unsuccessful = context.region, []
        for endpoint_id in request["VpcEndpointIds"]:
            endpoint: Any = self.model.endpoints.get(region, endpoint_id)
            if endpoint is None:
                error = not_found(ENDPOINT, [endpoint_id])
                failure = {"Code": error.code, "Message": error.message}
                unsuccessful.append({"ResourceId": endpoint_id, "Error": failure})
                continue
            with self.model.store.transaction():
                for interface_id in endpoint["NetworkInterfaceIds"]:
                    self.model.interfaces.delete(region, interface_id)
                self.model.endpoints.delete(region, endpoint_id)
        return {"Unsuccessful": unsuccessful}

    def _check(self, region: str, kind: str, service: str, request: Mapping[str, Any]) -> None:
        if kind not in ("Gateway", "Interface"):
            raise not_offered(f"ec2:CreateVpcEndpoint VpcEndpointType {kind}")
        if request.get("ServiceRegion", region) != region:
            raise not_offered("ec2:CreateVpcEndpoint ServiceRegion other than the request's own")
        offered = kinds(region, service)
        if not offered:
            raise _no_service(service)
        if kind not in offered:
            raise ServiceError(
                "InvalidParameter", f"Endpoint type ({kind}) does not match available service types ({offered})."
            )
        if kind == "Gateway" and (request.get("SubnetIds") or request.get("SecurityGroupIds")):
            raise ServiceError("InvalidParameter", "Gateway endpoints have neither subnets nor security groups")
        if kind == "Interface" and request.get("RouteTableIds"):
            raise ServiceError("InvalidParameter", "Route table IDs are only supported for Gateway type VPC Endpoint.")
        self._check_options(request)

    def _check_options(self, request: Mapping[str, Any]) -> None:
        if request.get("IpAddressType", "ipv4") != "ipv4":
            raise not_offered(f"ec2:CreateVpcEndpoint IpAddressType {request['IpAddressType']}")
        if request.get("DnsOptions", {}).get("DnsRecordIpType", "ipv4") not in ("ipv4", "service-defined"):
            raise not_offered("ec2:CreateVpcEndpoint DnsOptions other than ipv4")

    def _add_tables(self, region: str, endpoint: Any, table_ids: Iterable[str]) -> None:
        for table_id in table_ids:
            table = self.model.find(ROUTE_TABLE, region, table_id)
            if table["VpcId"] != endpoint["VpcId"]:
                raise ServiceError("InvalidParameter", f"Route table {table_id} is not in VPC {endpoint['VpcId']}")
            if table_id not in endpoint["RouteTableIds"]:
                endpoint["RouteTableIds"].append(table_id)

    def _add_subnets(self, region: str, endpoint: Any, subnet_ids: Iterable[str]) -> None:
        for subnet_id in subnet_ids:
            subnet: t.SubnetTypeDef = self.model.find(SUBNET, region, subnet_id)
            if subnet["VpcId"] != endpoint["VpcId"]:
                raise ServiceError("InvalidSubnetId.NotFound", f"The subnet {subnet_id} is not in the endpoint's VPC")
            if subnet_id in endpoint["SubnetIds"]:
                continue
            addresses = self.network.free_addresses(region, subnet, 1)
            if addresses is None:
                raise ServiceError("InsufficientFreeAddressesInSubnet", f"{subnet_id} has no free address")
            interface = self.network.create_interface(
                region,
                subnet,
                addresses,
                endpoint["Groups"],
                Description=f"VPC Endpoint Interface {endpoint['VpcEndpointId']}",
                InterfaceType="vpc_endpoint",
                RequesterManaged=True,
                RequesterId="vpce.amazonaws.com",
                Status="in-use",
            )
            endpoint["SubnetIds"].append(subnet_id)
            endpoint["NetworkInterfaceIds"].append(interface["NetworkInterfaceId"])

    def _remove_subnets(self, region: str, endpoint: Any, subnet_ids: set[str]) -> None:
        endpoint["SubnetIds"] = [each for each in endpoint["SubnetIds"] if each not in subnet_ids]
        for interface_id in list(endpoint["NetworkInterfaceIds"]):
            interface = self.model.interfaces.get(region, interface_id)
            if interface is not None and interface["SubnetId"] in subnet_ids:
                self.model.interfaces.delete(region, interface_id)
                endpoint["NetworkInterfaceIds"].remove(interface_id)


def _with_groups(groups: Any) -> Any:
    def change(interface: Any) -> None:
        interface["Groups"] = groups

    return change


def _no_service(name: str) -> ServiceError:
    return ServiceError("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")


def _policy(text: str | None) -> str:
    """Return an endpoint's policy, the open one where none is given."""
    if not text:
        return _OPEN_POLICY
    try:
        document = from_json(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "Statement" not in document:
        raise ServiceError("InvalidPolicyDocument", "The policy document is not valid")
    return text
