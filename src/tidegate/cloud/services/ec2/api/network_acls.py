"""Network ACLs and their entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.documents import is_number
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api.shared import (
    Ec2Api,
    client_token,
    describe,
    ec2_operation,
    in_use,
    made_before,
    new_tags,
)
from tidegate.cloud.services.ec2.filters import Filters, at
from tidegate.cloud.services.ec2.model import NETWORK_ACL, VPC
from tidegate.cloud.services.ec2.ranges import parse, parse_v6

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

_LAST_NUMBER = 32766  # the entry after it denies the rest, and is AWS's own
_NUMBERS = {"icmp": "1", "tcp": "6", "udp": "17", "icmpv6": "58", "all": "-1"}
_PORTED, _MESSAGED = ("6", "17"), ("1", "58")
NETWORK_ACL_FILTERS = Filters(
    {
        "association.association-id": at("Associations", "NetworkAclAssociationId"),
        "association.network-acl-id": at("Associations", "NetworkAclId"),
        "association.subnet-id": at("Associations", "SubnetId"),
        "default": at("IsDefault"),
        "entry.cidr": at("Entries", "CidrBlock"),
        "entry.egress": at("Entries", "Egress"),
        "entry.icmp.code": at("Entries", "IcmpTypeCode", "Code"),
        "entry.icmp.type": at("Entries", "IcmpTypeCode", "Type"),
        "entry.ipv6-cidr": at("Entries", "Ipv6CidrBlock"),
        "entry.port-range.from": at("Entries", "PortRange", "From"),
        "entry.port-range.to": at("Entries", "PortRange", "To"),
        "entry.protocol": at("Entries", "Protocol"),
        "entry.rule-action": at("Entries", "RuleAction"),
        "entry.rule-number": at("Entries", "RuleNumber"),
        "network-acl-id": at("NetworkAclId"),
        "owner-id": at("OwnerId"),
        "vpc-id": at("VpcId"),
    }
)


class NetworkAclsApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAcl.html and its siblings."""

    @ec2_operation("network-acl/*", "vpc/{VpcId}")
    async def create_network_acl(
        self, context: Context, request: t.CreateNetworkAclRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a network ACL that lets nothing through; a `ClientToken` makes the request repeatable."""
        acl = made_before(self.model.network_acls.values(context.region), request)
        if acl is None:
            vpc_id = self.model.find(VPC, context.region, request["VpcId"])["VpcId"]
            tags: Any = new_tags(self, context, request, NETWORK_ACL, "CreateNetworkAcl")
            acl = self.network.create_network_acl(context.region, vpc_id, tags, **client_token(request))
        return {"NetworkAcl": acl, **client_token(request)}

    @ec2_operation()
    async def describe_network_acls(
        self, context: Context, request: t.DescribeNetworkAclsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List network ACLs."""
        acls = self.model.network_acls.values(context.region)
        return describe(NETWORK_ACL, acls, request, NETWORK_ACL_FILTERS, ids="NetworkAclIds", answer="NetworkAcls")

    @ec2_operation("network-acl/{NetworkAclId}")
    async def delete_network_acl(
        self, context: Context, request: t.DeleteNetworkAclRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a network ACL that is for no subnet, and not the default one."""
        acl = self._find(context, request["NetworkAclId"])
        if acl["IsDefault"]:
            raise ServiceError("InvalidParameterValue", f"cannot delete default network ACL {acl['NetworkAclId']}")
        if acl["Associations"]:
            raise in_use("networkAcl", acl["NetworkAclId"])
        self.model.network_acls.delete(context.region, acl["NetworkAclId"])
        return {}

    @ec2_operation("network-acl/{NetworkAclId}")
    async def create_network_acl_entry(
        self, context: Context, request: t.CreateNetworkAclEntryRequestTypeDef
    ) -> Mapping[str, Any]:
        """Add an entry under a number that is free in its direction."""
        acl = self._find(context, request["NetworkAclId"])
        entry = _entry(request)
        if _number(acl, entry) is not None:
            raise ServiceError(
                "NetworkAclEntryAlreadyExists",
                f"The network acl entry identified by {entry['RuleNumber']} already exists.",
            )
        acl["Entries"].append(entry)
        self._put(context, acl)
        return {}

    @ec2_operation("network-acl/{NetworkAclId}")
    async def replace_network_acl_entry(
        self, context: Context, request: t.ReplaceNetworkAclEntryRequestTypeDef
    ) -> Mapping[str, Any]:
        """Replace the entry of a number."""
        acl = self._find(context, request["NetworkAclId"])
        entry = _entry(request)
        acl["Entries"][_existing(acl, entry)] = entry
        self._put(context, acl)
        return {}

    @ec2_operation("network-acl/{NetworkAclId}")
    async def delete_network_acl_entry(
        self, context: Context, request: t.DeleteNetworkAclEntryRequestTypeDef
    ) -> Mapping[str, Any]:
        """Remove the entry of a number."""
        acl = self._find(context, request["NetworkAclId"])
        del acl["Entries"][_existing(acl, request)]
        self._put(context, acl)
        return {}

    @ec2_operation("network-acl/{NetworkAclId}")
    async def replace_network_acl_association(
        self, context: Context, request: t.ReplaceNetworkAclAssociationRequestTypeDef
    ) -> Mapping[str, Any]:
        """Give a subnet another network ACL."""
        wanted, region = request["AssociationId"], context.region
        acl = self._find(context, request["NetworkAclId"])
        for old in self.model.network_acls.values(region):
            for association in old["Associations"]:
                if association["NetworkAclAssociationId"] != wanted:
                    continue
                if old["VpcId"] != acl["VpcId"]:
                    raise ServiceError(
                        "InvalidParameterValue",
                        f"network ACL {acl['NetworkAclId']} and subnet {association['SubnetId']} belong to "
                        "different networks",
                    )
                new = self.network.acl_association(acl["NetworkAclId"], association["SubnetId"])
                target: Any = old if old["NetworkAclId"] == acl["NetworkAclId"] else acl
                old["Associations"].remove(association)
                target["Associations"].append(new)
                with self.model.store.transaction():
                    self._put(context, old)
                    self._put(context, target)
                return {"NewAssociationId": new["NetworkAclAssociationId"]}
        raise ServiceError("InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist")

    def _find(self, context: Context, acl_id: str) -> Any:
        return self.model.find(NETWORK_ACL, context.region, acl_id)

    def _put(self, context: Context, acl: Any) -> None:
        self.model.network_acls.put((context.region, acl["NetworkAclId"]), acl)


def _entry(request: Mapping[str, Any]) -> Any:
    number = request["RuleNumber"]
    if not 1 <= number <= _LAST_NUMBER:
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ({number}) for parameter ruleNumber is invalid. Valid values are 1 to {_LAST_NUMBER}.",
        )
    protocol = _NUMBERS.get(request["Protocol"].lower(), request["Protocol"])
    if protocol != "-1" and not (is_number(protocol) and int(protocol) <= 255):
        raise ServiceError("InvalidParameterValue", f"Invalid value '{protocol}' for IP protocol. Unknown protocol.")
    entry: dict[str, Any] = {
        "RuleNumber": number,
        "Protocol": protocol,
        "RuleAction": request["RuleAction"],
        "Egress": request["Egress"],
        **_peer(request),
    }
    if protocol in _PORTED:
        if "PortRange" not in request:
            raise ServiceError("MissingParameter", "The request must contain the parameter portRange")
        entry["PortRange"] = request["PortRange"]
    if protocol in _MESSAGED:
        if "IcmpTypeCode" not in request:
            raise ServiceError("MissingParameter", "The request must contain the parameter icmpTypeCode")
        entry["IcmpTypeCode"] = request["IcmpTypeCode"]
    return entry


def _peer(request: Mapping[str, Any]) -> dict[str, str]:
    if ("CidrBlock" in request) is ("Ipv6CidrBlock" in request):
        raise ServiceError("MissingParameter", "The request must contain either cidrBlock or ipv6CidrBlock")
    name = "CidrBlock" if "CidrBlock" in request else "Ipv6CidrBlock"
    network = parse(request[name]) if name == "CidrBlock" else parse_v6(request[name])
    if network is None:
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ({request[name]}) for parameter {name[0].lower() + name[1:]} is invalid. "
            "This is not a valid CIDR block.",
        )
    return {name: str(network)}


def _number(acl: Any, wanted: Mapping[str, Any]) -> int | None:
    for place, entry in enumerate(acl["Entries"]):
        if (entry["RuleNumber"], entry["Egress"]) == (wanted["RuleNumber"], wanted["Egress"]):
            return place
    return None


def _existing(acl: Any, wanted: Mapping[str, Any]) -> int:
    place = _number(acl, wanted)
    if place is None or wanted["RuleNumber"] > _LAST_NUMBER:
        raise ServiceError(
            "InvalidNetworkAclEntry.NotFound",
            f"The network acl entry identified by {wanted['RuleNumber']} does not exist.",
        )
    return place
