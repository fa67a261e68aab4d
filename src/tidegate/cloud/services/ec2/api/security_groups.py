"""Security groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ec2.api.shared import (
    Ec2Api,
    default_vpc_id,
    describe,
    ec2_operation,
    find_group,
    new_tags,
    paged,
)
from tidegate.cloud.services.ec2.filters import Filters, Values, at
from tidegate.cloud.services.ec2.model import ENDPOINT, GROUP, VPC
from tidegate.cloud.services.ec2.rules import to_permissions

if TYPE_CHECKING:
    from types_boto3_ec2 import type_defs as t

_NAME = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
_CHARACTERS = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"


def _permission_filters(prefix: str, member: str) -> dict[str, Values]:
    return {
        f"{prefix}.cidr": at(member, "IpRanges", "CidrIp"),
        f"{prefix}.from-port": at(member, "FromPort"),
        f"{prefix}.group-id": at(member, "UserIdGroupPairs", "GroupId"),
        f"{prefix}.group-name": at(member, "UserIdGroupPairs", "GroupName"),
        f"{prefix}.ipv6-cidr": at(member, "Ipv6Ranges", "CidrIpv6"),
        f"{prefix}.prefix-list-id": at(member, "PrefixListIds", "PrefixListId"),
        f"{prefix}.protocol": at(member, "IpProtocol"),
        f"{prefix}.to-port": at(member, "ToPort"),
        f"{prefix}.user-id": at(member, "UserIdGroupPairs", "UserId"),
    }


GROUP_FILTERS = Filters(
    {
        "description": at("Description"),
        "group-id": at("GroupId"),
        "group-name": at("GroupName"),
        "owner-id": at("OwnerId"),
        "vpc-id": at("VpcId"),
        **_permission_filters("ip-permission", "IpPermissions"),
        **_permission_filters("egress.ip-permission", "IpPermissionsEgress"),
    }
)
GROUPS_FOR_VPC_FILTERS = Filters(
    {
        "group-id": at("GroupId"),
        "description": at("Description"),
        "group-name": at("GroupName"),
        "owner-id": at("OwnerId"),
        "primary-vpc-id": at("PrimaryVpcId"),
    }
)


class SecurityGroupsApi(Ec2Api):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html and its siblings."""

    @ec2_operation("security-group/*", "vpc/{VpcId}")
    async def create_security_group(
        self, context: Context, request: t.CreateSecurityGroupRequestTypeDef
    ) -> Mapping[str, Any]:
        """Create a security group from which everything may go out and into which nothing may come."""
        region, name, description = context.region, request["GroupName"], request["Description"]
        vpc_id = request.get("VpcId") or default_vpc_id(self.model, region)
        self.model.find(VPC, region, vpc_id)
        _check_texts(name, description)
        if any(each["GroupName"] == name for each in self.model.in_vpc(GROUP, region, vpc_id)):
            raise ServiceError(
                "InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc_id}'"
            )
        tags: Any = new_tags(self, context, request, GROUP, "CreateSecurityGroup")
        group = self.network.create_group(region, vpc_id, name, description, tags)
        return {"GroupId": group["GroupId"], "SecurityGroupArn": group["SecurityGroupArn"], "Tags": tags}

    @ec2_operation()
    async def describe_security_groups(
        self, context: Context, request: t.DescribeSecurityGroupsRequestTypeDef
    ) -> Mapping[str, Any]:
        """List security groups with what they let through."""
        region = context.region
        chosen = self.model.groups.values(region)
        if request.get("GroupIds"):  # the usual question; the rules of the others are not put together for it
            chosen = [each for each in chosen if each["GroupId"] in request["GroupIds"]]
        if request.get("GroupNames"):
            chosen = [find_group(self.model, context, {"GroupName": each}) for each in request["GroupNames"]]
        groups = [self._answer(region, each) for each in chosen]
        return describe(GROUP, groups, request, GROUP_FILTERS, ids="GroupIds", answer="SecurityGroups")

    @ec2_operation()
    async def get_security_groups_for_vpc(
        self, context: Context, request: t.GetSecurityGroupsForVpcRequestTypeDef
    ) -> Mapping[str, Any]:
        """List the security groups that what is in a VPC can have."""
        self.model.find(VPC, context.region, request["VpcId"])
        groups = [
            {**each, "PrimaryVpcId": each["VpcId"]}
            for each in self.model.in_vpc(GROUP, context.region, request["VpcId"])
        ]
        chosen = GROUPS_FOR_VPC_FILTERS(groups, request.get("Filters", ()))
        return paged(request, chosen, lambda group: str(group["GroupId"]), "SecurityGroupForVpcs")

    @ec2_operation("security-group/{GroupId}")
    async def delete_security_group(
        self, context: Context, request: t.DeleteSecurityGroupRequestTypeDef
    ) -> Mapping[str, Any]:
        """Delete a security group that nothing has and no other group's rule names."""
        region = context.region
        group: t.SecurityGroupTypeDef = find_group(self.model, context, request)
        group_id = group["GroupId"]
        if group["GroupName"] == "default":
            raise ServiceError(
                "CannotDelete", f'the specified group: "{group_id}" name: "default" cannot be deleted by a user'
            )
        if self._is_used(region, group_id):
            raise ServiceError("DependencyViolation", f"resource {group_id} has a dependent object")
        with self.model.store.transaction():
            for rule in self.model.rules_of(region, group_id):
                self.model.rules.delete(region, group_id, rule["SecurityGroupRuleId"])
            self.model.groups.delete(region, group_id)
        return {"Return": True, "GroupId": group_id}

    def _is_used(self, region: str, group_id: str) -> bool:
        return (
            any(group_id in _ids(each) for each in self.model.interfaces.values(region))
            or any(group_id in _ids(each) for _, each in self.model.store.items(ENDPOINT.kind, (region,)))
            or any(
                rule.get("ReferencedGroupInfo", {}).get("GroupId") == group_id and rule["GroupId"] != group_id
                for rule in self.model.rules.values(region)
            )
        )

    def _answer(self, region: str, group: t.SecurityGroupTypeDef) -> dict[str, Any]:
        rules = self.model.rules_of(region, group["GroupId"])
        return {
            **group,
            "IpPermissions": to_permissions(rules, egress=False),
            "IpPermissionsEgress": to_permissions(rules, egress=True),
        }


def _ids(record: Any) -> set[str]:
    return {group["GroupId"] for group in record.get("Groups", ())}


def _check_texts(name: str, description: str) -> None:
    if name.startswith("sg-"):
        raise ServiceError(
            "InvalidParameterValue", f"Invalid value '{name}' for groupName. Group names may not be in the format sg-*"
        )
    if name == "default":
        raise ServiceError("InvalidParameterValue", "Cannot use reserved security group name: default")
    for what, text in (("name", name), ("description", description)):
        if _NAME.fullmatch(text) is None:
            raise ServiceError(
                "InvalidParameterValue",
                f"Invalid security group {what}. Valid {what}s are strings less than 256 characters from the "
                f"following set:  {_CHARACTERS}",
            )
