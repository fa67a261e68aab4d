"""Route 53: hosted zones, record sets, groups of record sets.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Route53.html
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    FailedError,
    Handler,
    Properties,
    Step,
    changed,
    only,
    tag_changes,
    without,
)

_TAGS = "HostedZoneTags"
_OF_ZONE = ("Comment", "HostedZoneId", "HostedZoneName")  # in a record set: not the record's own
_LONGEST_ID = 64


class HostedZone(Handler):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-route53-hostedzone.html."""

    type = "AWS::Route53::HostedZone"
    missing = frozenset({"NoSuchHostedZone"})

    async def create(self, step: Step) -> str:
        """Create the zone, then put its tags and its further VPCs."""
        properties = step.properties
        for name in ("HostedZoneFeatures", "QueryLoggingConfig"):
            if properties.get(name):
                raise not_offered(f"cloudformation {self.type} {name}")
        vpcs = properties.get("VPCs", [])
        request = {
            "Name": properties["Name"],
            "CallerReference": step.token,
            **only(properties, "HostedZoneConfig", "DelegationSetId"),
            **({"VPC": vpcs[0]} if vpcs else {}),
        }
        zone_id = _bare((await step.send("route53", "create_hosted_zone", request))["HostedZone"]["Id"])
        step.made(zone_id)
        await self._complete(step)
        return zone_id

    async def find(self, step: Step) -> str | None:
        """Return the zone with this step's reference, having put what it has not yet."""
        for zone in await _zones(step):
            if zone["CallerReference"] == step.token:
                step.made(_bare(zone["Id"]))
                await self._complete(step)
                return step.physical_id
        return None

    async def read(self, step: Step) -> Attributes:
        """Return `Id` and `NameServers`; a private zone has none."""
        found = await step.call("route53", "get_hosted_zone", Id=step.physical_id)
        return {"Id": step.physical_id, "NameServers": list(found.get("DelegationSet", {}).get("NameServers", ()))}

    async def update(self, step: Step, before: Properties) -> None:
        """Change comment, VPCs and tags."""
        after = step.properties
        if changed(before, after, "HostedZoneConfig"):
            comment = after.get("HostedZoneConfig", {}).get("Comment", "")
            await step.call("route53", "update_hosted_zone_comment", Id=step.physical_id, Comment=comment)
        old, new = before.get("VPCs", []), after.get("VPCs", [])
        if bool(old) is not bool(new):
            raise FailedError("A hosted zone cannot change between public and private.", "NotUpdatable")
        for operation, vpcs in (
            ("associate_vpc_with_hosted_zone", [each for each in new if each not in old]),
            ("disassociate_vpc_from_hosted_zone", [each for each in old if each not in new]),
        ):
            for vpc in vpcs:
                await step.call("route53", operation, HostedZoneId=step.physical_id, VPC=vpc)
        await self._put_tags(step, before)

    async def delete(self, step: Step) -> None:
        """Delete the zone, which has to be empty."""
        await step.call("route53", "delete_hosted_zone", Id=step.physical_id)

    async def _complete(self, step: Step) -> None:
        there = (await step.call("route53", "get_hosted_zone", Id=step.physical_id)).get("VPCs", [])
        for vpc in step.properties.get("VPCs", []):
            if vpc not in there:
                await step.call("route53", "associate_vpc_with_hosted_zone", HostedZoneId=step.physical_id, VPC=vpc)
        await self._put_tags(step, {})

    async def _put_tags(self, step: Step, before: Properties) -> None:
        put, taken = tag_changes(before, step.properties, _TAGS)
        if put or taken:
            await step.call(
                "route53",
                "change_tags_for_resource",
                ResourceType="hostedzone",
                ResourceId=step.physical_id,
                **({"AddTags": put} if put else {}),
                **({"RemoveTagKeys": taken} if taken else {}),
            )


class _Records(Handler):
    """What a record set and a group of them have in common: each change is one batch."""

    missing = frozenset({"NoSuchHostedZone"})

    @abstractmethod
    def records(self, properties: Properties) -> list[dict[str, Any]]:
        """Return the record sets among properties, as Route 53 takes them."""

    @abstractmethod
    def identify(self, step: Step) -> str:
        """Return the physical id."""

    async def create(self, step: Step) -> str:
        """Create the record sets, none of which may be there."""
        await self._change(step, [("CREATE", each) for each in self.records(step.properties)])
        return self.identify(step)

    async def find(self, step: Step) -> str | None:
        """Return the physical id if the record sets are there as they are wanted: a batch is whole or nothing."""
        zone = await _zone_of(step)
        for record in self.records(step.properties):
            start = {"StartRecordName": record["Name"], "StartRecordType": record["Type"]}
            answer = await step.call("route53", "list_resource_record_sets", HostedZoneId=zone, **start)
            if not any(_alike(each, record) for each in answer["ResourceRecordSets"]):
                return None
        return self.identify(step)

    async def update(self, step: Step, before: Properties) -> None:
        """Replace the record sets that differ, and take those away that are wanted no more."""
        old = {_key(each): each for each in self.records(before)}
        new = {_key(each): each for each in self.records(step.properties)}
        gone = [("DELETE", each) for key, each in old.items() if key not in new]
        put = [("UPSERT", each) for key, each in new.items() if old.get(key) != each]
        await self._change(step, gone + put)
        step.made(self.identify(step))

    async def delete(self, step: Step) -> None:
        """Delete the record sets."""
        await self._change(step, [("DELETE", each) for each in self.records(step.properties)])

    def is_missing(self, error: ServiceError) -> bool:
        """Return whether the zone is gone, or what was to be deleted."""
        return super().is_missing(error) or (
            error.code == "InvalidChangeBatch" and "Tried to delete" in error.message and "not found" in error.message
        )

    async def _change(self, step: Step, changes: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        if not changes:
            return
        batch = {
            "Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes],
            **only(step.properties, "Comment"),
        }
        zone = await _zone_of(step)
        await step.send("route53", "change_resource_record_sets", {"HostedZoneId": zone, "ChangeBatch": batch})


class RecordSet(_Records):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-route53-recordset.html."""

    type = "AWS::Route53::RecordSet"

    def records(self, properties: Properties) -> list[dict[str, Any]]:
        """Return the one record set."""
        return [_record(properties)]

    def identify(self, step: Step) -> str:
        """Return the domain name, which is what `Ref` gives."""
        return str(step.properties["Name"])


class RecordSetGroup(_Records):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-route53-recordsetgroup.html."""

    type = "AWS::Route53::RecordSetGroup"

    def records(self, properties: Properties) -> list[dict[str, Any]]:
        """Return the record sets of the group."""
        return [_record(each) for each in properties.get("RecordSets", ())]

    def identify(self, step: Step) -> str:
        """Return a name that the stack's and the resource's are part of."""
        return step.name("Id", _LONGEST_ID)

    async def read(self, step: Step) -> Attributes:
        """Return `Id`."""
        return {"Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Change the record sets; the physical id stays."""
        name = step.physical_id
        await super().update(step, before)
        step.made(name)


def _record(properties: Properties) -> dict[str, Any]:
    record = without(properties, *_OF_ZONE)
    if "ResourceRecords" in record:
        record["ResourceRecords"] = [{"Value": str(each)} for each in record["ResourceRecords"]]
    if "AliasTarget" in record:
        record["AliasTarget"] = {"EvaluateTargetHealth": False, **record["AliasTarget"]}
    return record


def _key(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return _written(record["Name"]), str(record["Type"]), str(record.get("SetIdentifier", ""))


def _alike(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    values = [{each["Value"] for each in record.get("ResourceRecords", ())} for record in (present, wanted)]
    return _key(present) == _key(wanted) and values[0] == values[1]


def _written(name: str) -> str:
    return name.lower().removesuffix(".").replace("\\052", "*")


async def _zone_of(step: Step) -> str:
    """Return the id of the zone that a record is in; a name has to be one zone's."""
    given = step.properties.get("HostedZoneId")
    if given:
        return _bare(given)
    name = str(step.properties.get("HostedZoneName", ""))
    found = [zone for zone in await _zones(step) if _written(zone["Name"]) == _written(name)]
    if len(found) != 1:
        how = "Multiple hosted zones" if found else "No hosted zones"
        raise FailedError(f"{how} named {name} found", "InvalidRequest")
    return _bare(found[0]["Id"])


async def _zones(step: Step) -> list[Any]:
    zones: list[Any] = []
    marker: dict[str, str] = {}
    while True:
        answer = await step.call("route53", "list_hosted_zones", **marker)
        zones += answer["HostedZones"]
        if not answer["IsTruncated"]:
            return zones
        marker = {"Marker": answer["NextMarker"]}


def _bare(zone_id: str) -> str:
    return str(zone_id).removeprefix("/hostedzone/")


HANDLERS: tuple[Handler, ...] = (HostedZone(), RecordSet(), RecordSetGroup())
