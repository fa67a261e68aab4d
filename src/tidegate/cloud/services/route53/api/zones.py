"""Hosted zones: create, list, get, delete, their comments and VPCs.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHostedZone.html and siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls, Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.documents import is_number
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.route53.api.shared import new_change, zone_resource
from tidegate.cloud.services.route53.model import SERVICE, Route53Model, ZoneRecord, bare_id, key_of, shown
from tidegate.cloud.services.route53.names import canonical, reversed_name

if TYPE_CHECKING:
    from types_boto3_route53 import type_defs as t

_PAGE = 100
_NAME_SERVER_TTL, _START_TTL = 172800, 900
_TOPS = ("com", "net", "org", "co.uk")  # of the four name servers
_RESERVED = frozenset({"com.", "net.", "org.", "io."})


class ZonesApi:
    """Zones are kept in no region."""

    def __init__(self, model: Route53Model, calls: Calls, clock: Clock) -> None:
        self.model = model
        self.calls = calls
        self.clock = clock

    @operation(refuse=("DelegationSetId",))
    async def create_hosted_zone(
        self, context: Context, request: t.CreateHostedZoneRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a zone with its NS and SOA records; a caller's reference is good for one zone."""
        name, reference = canonical(request["Name"], invalid="InvalidDomainName"), request["CallerReference"]
        config: Any = request.get("HostedZoneConfig", {})
        vpc: Any = request.get("VPC")
        if name in _RESERVED:
            raise ServiceError("InvalidDomainName", f"{name} is reserved by AWS!")
        if config.get("PrivateZone", False) and vpc is None:
            raise ServiceError("InvalidInput", "When you're creating a private hosted zone, you must specify a VPC.")
        if vpc is not None:
            await self._check_vpc(vpc)
        for each in self.model.zones.values():
            if each["zone"]["CallerReference"] == reference:
                raise ServiceError(
                    "HostedZoneAlreadyExists",
                    "A hosted zone has already been created with the specified caller reference.",
                    409,
                )
            if each["zone"]["Name"] == name and vpc is not None and vpc in each["vpcs"]:
                raise ServiceError("ConflictingDomainExists", f"The VPC is associated with another zone of {name}")
        zone_id = f"Z0{self.clock.token(19)}"
        number = int(self.clock.hex(3), 16)
        servers = [f"ns-{(number + 512 * each) % 2048}.awsdns-{number % 64:02}.{top}" for each, top in enumerate(_TOPS)]
        zone: Any = {
            "Id": f"/hostedzone/{zone_id}",
            "Name": name,
            "CallerReference": reference,
            "Config": {"Comment": config.get("Comment", ""), "PrivateZone": vpc is not None},
        }
        new: ZoneRecord = {"zone": zone, "name_servers": servers, "vpcs": [] if vpc is None else [vpc], "tags": {}}
        start = f"{servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
        records: list[Any] = [
            {
                "Name": name,
                "Type": "NS",
                "TTL": _NAME_SERVER_TTL,
                "ResourceRecords": [{"Value": f"{each}."} for each in servers],
            },
            {"Name": name, "Type": "SOA", "TTL": _START_TTL, "ResourceRecords": [{"Value": start}]},
        ]
        with self.model.store.transaction():
            for record in records:
                self.model.records.put(key_of(zone_id, record), record)
            self.model.zones.put((zone_id,), new)
            change = new_change(self.model, self.clock)
        answer = {
            "HostedZone": shown(new, len(records)),
            "ChangeInfo": change,
            "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone_id}",
        }
        if vpc is not None:
            return {**answer, "VPC": vpc}
        return {**answer, "DelegationSet": {"NameServers": servers}}

    @operation(resource=zone_resource("Id"))
    async def get_hosted_zone(self, context: Context, request: t.GetHostedZoneRequestTypeDef) -> Mapping[str, Any]:
        """Return a zone, with its name servers or its VPCs."""
        record = self.model.zone(request["Id"])
        answer: dict[str, Any] = {"HostedZone": shown(record, self.model.count(bare_id(request["Id"])))}
        if record["zone"]["Config"]["PrivateZone"]:
            return {**answer, "VPCs": record["vpcs"]}
        return {**answer, "DelegationSet": {"NameServers": record["name_servers"]}}

    @operation(refuse=("DelegationSetId",))
    async def list_hosted_zones(self, context: Context, request: t.ListHostedZonesRequestTypeDef) -> Mapping[str, Any]:
        """List zones, in the order of their ids; `Marker` is the first id of the page."""
        most, marker = _most(request), request.get("Marker", "")
        private = request.get("HostedZoneType") == "PrivateHostedZone"
        zones = [
            each
            for (zone_id,), each in self.model.zones.items()
            if zone_id >= marker and (not private or each["zone"]["Config"]["PrivateZone"])
        ]
        answer: dict[str, Any] = {
            "HostedZones": [self._shown(each) for each in zones[:most]],
            "IsTruncated": len(zones) > most,
            "MaxItems": str(most),
        }
        if "Marker" in request:
            answer["Marker"] = marker
        if len(zones) > most:
            answer["NextMarker"] = bare_id(zones[most]["zone"]["Id"])
        return answer

    @operation()
    async def list_hosted_zones_by_name(
        self, context: Context, request: t.ListHostedZonesByNameRequestTypeDef
    ) -> Mapping[str, Any]:
        """List zones in the order of their names, the labels turned round, from a name on."""
        most = _most(request)
        if "HostedZoneId" in request and "DNSName" not in request:
            raise ServiceError("InvalidInput", "HostedZoneId can only be used together with DNSName.")
        start = (
            reversed_name(canonical(request["DNSName"], invalid="InvalidDomainName")) if "DNSName" in request else ""
        )
        first = (start, bare_id(request.get("HostedZoneId", "")))
        ordered = sorted(self.model.zones.values(), key=_by_name)
        zones = [each for each in ordered if _by_name(each) >= first]
        answer: dict[str, Any] = {
            "HostedZones": [self._shown(each) for each in zones[:most]],
            "IsTruncated": len(zones) > most,
            "MaxItems": str(most),
        }
        for name in ("DNSName", "HostedZoneId"):
            if name in request:
                answer[name] = {**request}[name]
        if len(zones) > most:
            answer["NextDNSName"] = zones[most]["zone"]["Name"]
            answer["NextHostedZoneId"] = bare_id(zones[most]["zone"]["Id"])
        return answer

    @operation()
    async def get_hosted_zone_count(self, context: Context, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return how many zones there are."""
        return {"HostedZoneCount": len(self.model.zones.items())}

    @operation(resource=zone_resource("Id"))
    async def update_hosted_zone_comment(
        self, context: Context, request: t.UpdateHostedZoneCommentRequestTypeDef
    ) -> Mapping[str, Any]:
        """Give a zone another comment."""
        record: Any = self.model.zone(request["Id"])
        record["zone"]["Config"]["Comment"] = request.get("Comment", "")
        self.model.zones.put((bare_id(request["Id"]),), record)
        return {"HostedZone": self._shown(record)}

    @operation(resource=zone_resource("Id"))
    async def delete_hosted_zone(
        self, context: Context, request: t.DeleteHostedZoneRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a zone that has no records but its own NS and SOA."""
        zone_id = bare_id(request["Id"])
        name = self.model.zone(zone_id)["zone"]["Name"]
        records = self.model.records.items(zone_id)
        if any(each["Name"] != name or each["Type"] not in ("NS", "SOA") for _, each in records):
            raise ServiceError(
                "HostedZoneNotEmpty",
                "The specified hosted zone contains non-required resource record sets and so cannot be deleted.",
            )
        with self.model.store.transaction():
            for key, _ in records:
                self.model.records.delete(*key)
            self.model.zones.delete(zone_id)
            return {"ChangeInfo": new_change(self.model, self.clock)}

    @operation(resource=zone_resource("HostedZoneId"))
    async def associate_vpc_with_hosted_zone(
        self, context: Context, request: t.AssociateVPCWithHostedZoneRequestTypeDef
    ) -> Mapping[str, Any]:
        """Have a private zone be one of another VPC too."""
        vpc: Any = request["VPC"]
        await self._check_vpc(vpc)
        record = self._private(request["HostedZoneId"])
        if vpc in record["vpcs"]:
            raise ServiceError("ConflictingDomainExists", "The VPC is associated with the hosted zone already.")
        record["vpcs"].append(vpc)
        return self._changed(record, request.get("Comment"))

    @operation(resource=zone_resource("HostedZoneId"))
    async def disassociate_vpc_from_hosted_zone(
        self, context: Context, request: t.DisassociateVPCFromHostedZoneRequestTypeDef
    ) -> Mapping[str, Any]:
        """Take a VPC from a private zone, which has to keep one."""
        record = self._private(request["HostedZoneId"])
        if request["VPC"] not in record["vpcs"]:
            raise ServiceError("VPCAssociationNotFound", "The VPC is not associated with the hosted zone.", 404)
        if len(record["vpcs"]) == 1:
            raise ServiceError("LastVPCAssociation", "The VPC is the last one of the hosted zone.")
        record["vpcs"] = [each for each in record["vpcs"] if each != request["VPC"]]
        return self._changed(record, request.get("Comment"))

    def _private(self, given: str) -> ZoneRecord:
        record = self.model.zone(given)
        if not record["zone"]["Config"]["PrivateZone"]:
            raise ServiceError("PublicZoneVPCAssociation", "A public hosted zone is not associated with VPCs.")
        return record

    def _changed(self, record: ZoneRecord, comment: str | None) -> Mapping[str, Any]:
        with self.model.store.transaction():
            self.model.zones.put((bare_id(record["zone"]["Id"]),), record)
            return {"ChangeInfo": new_change(self.model, self.clock, comment)}

    def _shown(self, record: ZoneRecord) -> dict[str, Any]:
        return shown(record, self.model.count(bare_id(record["zone"]["Id"])))

    async def _check_vpc(self, vpc: Mapping[str, Any]) -> None:
        ec2 = self.calls.as_service(SERVICE, vpc.get("VPCRegion", "us-east-1"))
        try:
            await ec2("ec2", "describe_vpcs", VpcIds=[vpc.get("VPCId", "")])
        except ServiceError as error:
            if error.code != "InvalidVpcID.NotFound":
                raise
            raise ServiceError("InvalidVPCId", f"The VPC: {vpc.get('VPCId')} you provided does not exist.") from None


def _most(request: Mapping[str, Any]) -> int:
    text = str(request.get("MaxItems", _PAGE))
    if not is_number(text) or not int(text):
        raise ServiceError("InvalidInput", f"MaxItems '{text[:20]}' is not a number from 1 on")
    return min(int(text), _PAGE)


def _by_name(record: ZoneRecord) -> tuple[str, str]:
    return reversed_name(record["zone"]["Name"]), bare_id(record["zone"]["Id"])
