"""The network configuration of tasks, checked against what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_MOST_SUBNETS, _MOST_GROUPS = 16, 5


async def checked_network(
    caller: Caller, configuration: Mapping[str, Any] | None
) -> t.AwsVpcConfigurationOutputTypeDef:
    """Return subnets, security groups and public address of one VPC; raise InvalidParameterException."""
    if configuration is None or "awsvpcConfiguration" not in configuration:
        raise _invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    given = configuration["awsvpcConfiguration"]
    subnets, groups = list(given["subnets"]), list(given.get("securityGroups", []))
    if not subnets:
        raise _invalid("subnets can not be empty.")
    if len(subnets) > _MOST_SUBNETS or len(groups) > _MOST_GROUPS:
        raise _invalid(f"At most {_MOST_SUBNETS} subnets and {_MOST_GROUPS} security groups can be given.")
    try:
        found = (await caller("ec2", "describe_subnets", SubnetIds=subnets))["Subnets"]
        vpcs = {subnet["VpcId"] for subnet in found}
        if groups:
            described = (await caller("ec2", "describe_security_groups", GroupIds=groups))["SecurityGroups"]
            vpcs |= {group["VpcId"] for group in described}
    except ServiceError as error:
        raise _invalid(f"Error retrieving the network configuration: {error.message}") from error
    if len(vpcs) > 1:
        raise _invalid("Security Groups and Subnets must all belong to the same VPC.")
    return {
        "subnets": subnets,
        "securityGroups": groups,
        "assignPublicIp": given.get("assignPublicIp", "DISABLED"),
    }


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
