"""Record sets: change, list, look up.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html and siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.clock import Clock
from tidegate.cloud.documents import is_number
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.route53.api.shared import new_change, zone_resource
from tidegate.cloud.services.route53.changes import applied, checked, in_order
from tidegate.cloud.services.route53.model import Route53Model, bare_id
from tidegate.cloud.services.route53.names import canonical, reversed_name

if TYPE_CHECKING:
    from types_boto3_route53 import type_defs as t

_PAGE = 300
_MOST_CHANGES = 1000


def _conditions(api: Any, context: Context, request: Any) -> Mapping[str, Any]:
    changes = request["ChangeBatch"]["Changes"]
    records = [each["ResourceRecordSet"] for each in changes]
    names = [str(each["Name"]).lower().removesuffix(".") for each in records]
    return {
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": names,
        "route53:ChangeResourceRecordSetsRecordTypes": [each["Type"] for each in records],
        "route53:ChangeResourceRecordSetsActions": [each["Action"] for each in changes],
    }


class RecordsApi:
    """Zones are kept in no region."""

    def __init__(self, model: Route53Model, clock: Clock) -> None:
        self.model = model
        self.clock = clock

    @operation(resource=zone_resource("HostedZoneId"), conditions=_conditions)
    async def change_resource_record_sets(
        self, context: Context, request: t.ChangeResourceRecordSetsRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create, delete and replace record sets: all of them, or none."""
        zone_id, batch = bare_id(request["HostedZoneId"]), request["ChangeBatch"]
        zone = self.model.zone(zone_id)["zone"]["Name"]
        changes: Any = batch["Changes"]
        if len(changes) > _MOST_CHANGES:
            raise ServiceError("InvalidChangeBatch", f"[Number of records limit of {_MOST_CHANGES} exceeded.]")
        for each in changes:
            record = each["ResourceRecordSet"]
            for name in ("HealthCheckId", "TrafficPolicyInstanceId"):
                if name in record:
                    raise not_offered(f"route53:ChangeResourceRecordSets {name}")
        checked_changes = [(each["Action"], checked(each)) for each in changes]
        present = dict(self.model.records.items(zone_id))
        result = applied(zone, zone_id, present, checked_changes)
        with self.model.store.transaction():
            for key, new in result.items():
                if new is None:
                    self.model.records.delete(*key)
                else:
                    self.model.records.put(key, new)
            return {"ChangeInfo": new_change(self.model, self.clock, batch.get("Comment"))}

    @operation(resource=zone_resource("HostedZoneId"))
    async def list_resource_record_sets(
        self, context: Context, request: t.ListResourceRecordSetsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List record sets in the order of their names, the labels turned round, from a name, type and id on."""
        zone_id = bare_id(request["HostedZoneId"])
        self.model.zone(zone_id)
        text = str(request.get("MaxItems", _PAGE))
        if not is_number(text) or not int(text):
            raise ServiceError("InvalidInput", f"MaxItems '{text}' is not a number from 1 on")
        most = min(int(text), _PAGE)
        if "StartRecordType" in request and "StartRecordName" not in request:
            raise ServiceError("InvalidInput", "StartRecordType can only be used together with StartRecordName.")
        if "StartRecordIdentifier" in request and "StartRecordType" not in request:
            raise ServiceError("InvalidInput", "StartRecordIdentifier needs StartRecordName and StartRecordType.")
        name = request.get("StartRecordName")
        start = (
            reversed_name(canonical(name)) if name else "",
            request.get("StartRecordType", ""),
            request.get("StartRecordIdentifier", ""),
        )
        records = in_order((key, each) for key, each in self.model.records.items(zone_id) if key[1:] >= start)
        answer: dict[str, Any] = {
            "ResourceRecordSets": records[:most],
            "IsTruncated": len(records) > most,
            "MaxItems": str(most),
        }
        if len(records) > most:
            following = records[most]
            answer["NextRecordName"], answer["NextRecordType"] = following["Name"], following["Type"]
            if "SetIdentifier" in following:
                answer["NextRecordIdentifier"] = following["SetIdentifier"]
        return answer

    @operation(resource=lambda api, context, request: f"arn:aws:route53:::change/{bare_id(request['Id'])}")
    async def get_change(self, context: Context, request: t.GetChangeRequestTypeDef) -> Mapping[str, Any]:
        """Return a change: it has arrived everywhere, for there is one place."""
        change = self.model.changes.get(bare_id(request["Id"]))
        if change is None:
            raise ServiceError("NoSuchChange", f"A change with ID {bare_id(request['Id'])} does not exist.", 404)
        return {"ChangeInfo": change}

    @operation(refuse=("ResolverIP", "EDNS0ClientSubnetIP", "EDNS0ClientSubnetMask"))
    async def test_dns_answer(self, context: Context, request: t.TestDNSAnswerRequestTypeDef) -> Mapping[str, Any]:
        """Return what a name server of the zone would answer: the first record set, where there are several."""
        record = self.model.zone(request["HostedZoneId"])
        zone_id, name = bare_id(request["HostedZoneId"]), canonical(request["RecordName"])
        server = record["name_servers"][0]
        answer = {"Nameserver": server, "RecordName": name, "RecordType": request["RecordType"], "Protocol": "UDP"}
        there, data = self._look_up(zone_id, name, request["RecordType"])
        return {**answer, "RecordData": data, "ResponseCode": "NOERROR" if there else "NXDOMAIN"}

    def _look_up(self, zone_id: str, name: str, kind: str) -> tuple[bool, list[str]]:
        """Return whether there is anything of a name, and the values of a type; a wildcard stands for missing names."""
        found = self.model.sets_at(zone_id, name)
        above = name
        while not found and "." in above.removesuffix("."):
            above = above.partition(".")[2]
            found = self.model.sets_at(zone_id, f"\\052.{above}")
        for wanted in (kind, "CNAME"):
            for _, record in found:
                if record["Type"] == wanted:
                    return True, self._values(zone_id, record)
        return bool(found), []

    def _values(self, zone_id: str, record: Mapping[str, Any]) -> list[str]:
        target = record.get("AliasTarget")
        if target is None:
            return [each["Value"] for each in record["ResourceRecords"]]
        if bare_id(target["HostedZoneId"]) == zone_id:
            return self._look_up(zone_id, target["DNSName"], record["Type"])[1]
        name = target["DNSName"].removesuffix(".").removeprefix("dualstack.")
        try:
            return [str(IPv4Address(name))]  # a load balancer's name is its address here
        except AddressValueError:
            return []
