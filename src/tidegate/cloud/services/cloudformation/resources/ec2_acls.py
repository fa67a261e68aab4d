"""EC2's network ACLs, their entries, and the subnets that they are for."""

from __future__ import annotations

from typing import Any

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.ec2 import Tagged
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    only,
    without,
)

_LONGEST_NAME = 64


class NetworkAcl(Tagged):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-networkacl.html."""

    type = "AWS::EC2::NetworkAcl"
    missing = frozenset({"InvalidNetworkAclID.NotFound"})
    resource, describe, listed, member = "network-acl", "describe_network_acls", "NetworkAcls", "NetworkAclId"
    fixed = (("VpcId", "VpcId"),)

    async def make(self, step: Step) -> str:
        """Create the ACL, which lets nothing through."""
        request = {"VpcId": step.properties["VpcId"], "ClientToken": step.token, **self.tags(step)}
        return str((await step.call("ec2", "create_network_acl", **request))["NetworkAcl"]["NetworkAclId"])

    async def read(self, step: Step) -> Attributes:
        """Return the id."""
        return {"Id": step.physical_id}

    async def remove(self, step: Step) -> None:
        """Delete the ACL."""
        await step.call("ec2", "delete_network_acl", NetworkAclId=step.physical_id)


class NetworkAclEntry(Handler):
    """EC2 has no id for an entry, so CloudFormation makes one up.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-networkaclentry.html
    """

    type = "AWS::EC2::NetworkAclEntry"
    missing = frozenset({"InvalidNetworkAclEntry.NotFound", "InvalidNetworkAclID.NotFound"})

    async def create(self, step: Step) -> str:
        """Add the entry to its ACL."""
        await step.send("ec2", "create_network_acl_entry", _entry(step.properties))
        return step.name("Id", _LONGEST_NAME)

    async def find(self, step: Step) -> str | None:
        """Return the entry's id if its ACL has it: a second one would be refused."""
        wanted = _entry(step.properties)
        answer = await step.call("ec2", "describe_network_acls", NetworkAclIds=[wanted["NetworkAclId"]])
        for entry in answer["NetworkAcls"][0]["Entries"]:
            if (entry["RuleNumber"], entry["Egress"]) == (wanted["RuleNumber"], wanted["Egress"]):
                return step.name("Id", _LONGEST_NAME)
        return None

    async def read(self, step: Step) -> Attributes:
        """Return the id."""
        return {"Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Replace what stands under the number."""
        await step.send("ec2", "replace_network_acl_entry", _entry(step.properties))

    async def delete(self, step: Step) -> None:
        """Remove the entry."""
        await step.send(
            "ec2", "delete_network_acl_entry", only(_entry(step.properties), "NetworkAclId", "RuleNumber", "Egress")
        )


def _entry(properties: Properties) -> dict[str, Any]:
    entry = {"Egress": False, **without(properties, "Icmp")}
    return {**entry, "IcmpTypeCode": properties["Icmp"]} if "Icmp" in properties else entry


class SubnetNetworkAclAssociation(Handler):
    """A subnet is always in one ACL: making an association takes it from another, deleting gives it to the default.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-subnetnetworkaclassociation.html
    """

    type = "AWS::EC2::SubnetNetworkAclAssociation"
    missing = frozenset({"InvalidAssociationID.NotFound", "InvalidNetworkAclID.NotFound"})

    async def create(self, step: Step) -> str:
        """Put the subnet into the ACL; answer with the association that there is if it is in it."""
        wanted = step.properties
        acl, association = await self._current(step, "association.subnet-id", wanted["SubnetId"])
        if acl["NetworkAclId"] == wanted["NetworkAclId"]:
            return str(association["NetworkAclAssociationId"])
        return await self._put(step, association["NetworkAclAssociationId"], wanted["NetworkAclId"])

    async def read(self, step: Step) -> Attributes:
        """Return the id."""
        return {"AssociationId": step.physical_id}

    async def delete(self, step: Step) -> None:
        """Put the subnet into the default ACL of its VPC."""
        acl, _ = await self._current(step, "association.association-id", step.physical_id)
        filters = [{"Name": "vpc-id", "Values": [acl["VpcId"]]}, {"Name": "default", "Values": ["true"]}]
        default = (await step.call("ec2", "describe_network_acls", Filters=filters))["NetworkAcls"][0]
        await self._put(step, step.physical_id, default["NetworkAclId"])

    async def _current(self, step: Step, name: str, value: str) -> tuple[Any, Any]:
        """Return the ACL and the association in it that a filter of one value finds."""
        answer = await step.call("ec2", "describe_network_acls", Filters=[{"Name": name, "Values": [value]}])
        for acl in answer["NetworkAcls"]:
            for each in acl["Associations"]:
                if value in (each["SubnetId"], each["NetworkAclAssociationId"]):
                    return acl, each
        raise ServiceError("InvalidAssociationID.NotFound", f"There is no association of '{value}'")

    async def _put(self, step: Step, association_id: str, acl_id: str) -> str:
        request = {"AssociationId": association_id, "NetworkAclId": acl_id}
        return str((await step.call("ec2", "replace_network_acl_association", **request))["NewAssociationId"])


HANDLERS: tuple[Handler, ...] = (NetworkAcl(), NetworkAclEntry(), SubnetNetworkAclAssociation())
