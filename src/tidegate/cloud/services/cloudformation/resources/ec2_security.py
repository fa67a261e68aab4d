"""EC2's security groups and their rules."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any, ClassVar

from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.cloudformation.resources.ec2 import Tagged
from tidegate.cloud.services.cloudformation.resources.handler import (
    Attributes,
    Handler,
    Properties,
    Step,
    changed,
    only,
    without,
)

_LONGEST_NAME = 255
# what a group lets out where its template says nothing: EC2 makes this rule itself
_EVERYTHING = ({"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"},)
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}


class SecurityGroup(Tagged):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html."""

    type = "AWS::EC2::SecurityGroup"
    missing = frozenset({"InvalidGroup.NotFound"})
    resource, describe, listed, member = "security-group", "describe_security_groups", "SecurityGroups", "GroupId"
    fixed = (("GroupName", "GroupName"), ("GroupDescription", "Description"), ("VpcId", "VpcId"))

    async def make(self, step: Step) -> str:
        """Create the group, which lets everything out at first."""
        request = {
            "GroupName": step.name("GroupName", _LONGEST_NAME),
            "Description": step.properties["GroupDescription"],
            **only(step.properties, "VpcId"),
            **self.tags(step),
        }
        return str((await step.send("ec2", "create_security_group", request))["GroupId"])

    async def configure(self, step: Step, before: Properties) -> None:
        """Give the group its rules in both directions."""
        ingress, egress = "SecurityGroupIngress", "SecurityGroupEgress"
        await _change_rules(step, "ingress", before.get(ingress) or (), step.properties.get(ingress) or ())
        await _change_rules(
            step, "egress", before.get(egress) or _EVERYTHING, step.properties.get(egress) or _EVERYTHING
        )

    async def read(self, step: Step) -> Attributes:
        """Return the id, by both its names, and the VPC's."""
        group = await self.described(step)
        return {"Id": group["GroupId"], "GroupId": group["GroupId"], "VpcId": group["VpcId"]}

    async def remove(self, step: Step) -> None:
        """Delete the group."""
        await step.call("ec2", "delete_security_group", GroupId=step.physical_id)


class _Rule(Handler):
    """A rule of a group that is elsewhere; its id is the rule's (`sgr-…`)."""

    missing = frozenset({"InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound"})
    direction: ClassVar[str]

    async def create(self, step: Step) -> str:
        """Add the rule to the group."""
        permission = _permission(without(step.properties, "GroupId", "GroupName"))
        answer = await step.send(
            "ec2",
            f"authorize_security_group_{self.direction}",
            {**_group(step.properties), "IpPermissions": [permission]},
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    async def find(self, step: Step) -> str | None:
        """Return the id of the rule if the group has it: a second one would be refused."""
        names = {"GroupIds": [step.properties["GroupId"]]} if "GroupId" in step.properties else {}
        names = names or {"GroupNames": [step.properties["GroupName"]]}
        group = (await step.call("ec2", "describe_security_groups", **names))["SecurityGroups"][0]
        filters = [{"Name": "group-id", "Values": [group["GroupId"]]}]
        rules = (await step.call("ec2", "describe_security_group_rules", Filters=filters))["SecurityGroupRules"]
        wanted = [rule for rule in rules if rule["IsEgress"] is (self.direction == "egress")]
        found = next((rule for rule in wanted if _is_same(rule, step.properties)), None)
        return None if found is None else str(found["SecurityGroupRuleId"])

    async def read(self, step: Step) -> Attributes:
        """Return the id."""
        return {"Id": step.physical_id}

    async def update(self, step: Step, before: Properties) -> None:
        """Change what is written beside the rule."""
        described = {"SecurityGroupRuleId": step.physical_id, **only(step.properties, "Description")}
        await step.send(
            "ec2",
            f"update_security_group_rule_descriptions_{self.direction}",
            {**_group(step.properties), "SecurityGroupRuleDescriptions": [described]},
        )

    async def delete(self, step: Step) -> None:
        """Remove the rule from the group."""
        await step.send(
            "ec2",
            f"revoke_security_group_{self.direction}",
            {**_group(step.properties), "SecurityGroupRuleIds": [step.physical_id]},
        )


class SecurityGroupIngress(_Rule):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroupingress.html."""

    type = "AWS::EC2::SecurityGroupIngress"
    direction = "ingress"


class SecurityGroupEgress(_Rule):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroupegress.html."""

    type = "AWS::EC2::SecurityGroupEgress"
    direction = "egress"


def _group(properties: Properties) -> dict[str, Any]:
    return only(properties, "GroupId") or only(properties, "GroupName")


async def _change_rules(step: Step, direction: str, before: Sequence[Properties], after: Sequence[Properties]) -> None:
    """Give a group the rules `after` where it had those `before`; that some are there or gone already is no error."""
    group = {"GroupId": step.physical_id}
    old, new = ({_identity(rule): rule for rule in rules} for rules in (before, after))
    for identity, rule in old.items():
        if identity not in new:
            request = {**group, "IpPermissions": [_permission(without(rule, "Description"))]}
            await _unless("InvalidPermission.NotFound", step.send("ec2", f"revoke_security_group_{direction}", request))
    for identity, rule in new.items():
        request = {**group, "IpPermissions": [_permission(rule)]}
        if identity not in old:
            await _unless(
                "InvalidPermission.Duplicate", step.send("ec2", f"authorize_security_group_{direction}", request)
            )
        elif changed(old[identity], rule, "Description"):
            await step.send("ec2", f"update_security_group_rule_descriptions_{direction}", request)


async def _unless(code: str, call: Awaitable[Any]) -> None:
    try:
        await call
    except ServiceError as error:
        if error.code != code:
            raise


def _protocol(properties: Properties) -> str:
    protocol = str(properties["IpProtocol"]).lower()
    return _PROTOCOLS.get(protocol, protocol)


def _identity(rule: Properties) -> str:
    """Return what makes two rules the same: all but the description, for the ports only where they count."""
    ports = () if _protocol(rule) in _PROTOCOLS.values() and _protocol(rule) != "-1" else ("FromPort", "ToPort")
    return json.dumps({**without(rule, "Description", *ports), "IpProtocol": _protocol(rule)}, sort_keys=True)


def _permission(rule: Properties) -> dict[str, Any]:
    """Return a rule as EC2's calls take it."""
    described = only(rule, "Description")
    permission: dict[str, Any] = only(rule, "IpProtocol", "FromPort", "ToPort")
    for member, name, peers in (
        ("IpRanges", "CidrIp", ("CidrIp",)),
        ("Ipv6Ranges", "CidrIpv6", ("CidrIpv6",)),
        ("PrefixListIds", "PrefixListId", ("SourcePrefixListId", "DestinationPrefixListId")),
        ("UserIdGroupPairs", "GroupId", ("SourceSecurityGroupId", "DestinationSecurityGroupId")),
        ("UserIdGroupPairs", "GroupName", ("SourceSecurityGroupName",)),
    ):
        for peer in peers:
            if rule.get(peer):
                pair = {name: rule[peer], **described}
                if member == "UserIdGroupPairs" and rule.get("SourceSecurityGroupOwnerId"):
                    pair["UserId"] = rule["SourceSecurityGroupOwnerId"]
                permission.setdefault(member, []).append(pair)
    return permission


def _is_same(rule: Mapping[str, Any], properties: Properties) -> bool:
    """Return whether a rule as EC2 shows it is the one that properties ask for."""
    protocol = _protocol(properties)
    ports = [name for name in ("FromPort", "ToPort") if properties.get(name, -1) != -1] if protocol != "-1" else []
    if rule["IpProtocol"] != protocol or any(rule[name] != properties[name] for name in ports):
        return False
    for name, member in (("CidrIp", "CidrIpv4"), ("CidrIpv6", "CidrIpv6")):
        if properties.get(name):
            return str(ip_network(properties[name], strict=False)) == rule.get(member)
    for name in ("SourcePrefixListId", "DestinationPrefixListId"):
        if properties.get(name):
            return bool(properties[name] == rule.get("PrefixListId"))
    group = properties.get("SourceSecurityGroupId") or properties.get("DestinationSecurityGroupId")
    return bool(group and group == rule.get("ReferencedGroupInfo", {}).get("GroupId"))


HANDLERS: tuple[Handler, ...] = (SecurityGroup(), SecurityGroupIngress(), SecurityGroupEgress())
