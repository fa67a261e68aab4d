"""The load balancers of a service, checked against what is there.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html has the words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Caller
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.ecs.model import target_groups
from tidegate.cloud.services.ecs.traffic import advanced, forwarded, is_rule

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t


async def check_balancers(
    caller: Caller, definition: t.TaskDefinitionTypeDef, balancers: Sequence[Mapping[str, Any]], *, shifts: bool
) -> None:
    """Raise InvalidParameterException for the first thing that is wrong; `shifts`: requests are to be shifted."""
    for each in balancers:
        if "targetGroupArn" not in each:
            raise _invalid(
                "A Classic Load Balancer cannot serve tasks of network mode awsvpc: use a target group of an "
                "Application Load Balancer."
            )
        if "loadBalancerName" in each:
            raise _invalid("loadBalancerName and targetGroupArn cannot both be specified for a load balancer.")
        _check_container(definition, each)
    named = [arn for each in balancers for arn in target_groups(each)]
    for arn in named:
        if named.count(arn) > 1:
            raise _invalid(f"Duplicate targetGroupArn found: {arn}")
    if advanced(balancers) and len(advanced(balancers)) < len(balancers):
        raise _invalid("Either all or none of the provided loadBalancers must have advancedConfiguration defined")
    if shifts and len(advanced(balancers)) < len(balancers):
        raise _invalid(
            "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy"
        )
    for each in advanced(balancers):
        _check_advanced(each["advancedConfiguration"])
    for arn in named:
        await _check_group(caller, arn)
    for each in advanced(balancers):
        await _check_rules(caller, each)


def _check_container(definition: t.TaskDefinitionTypeDef, balancer: Mapping[str, Any]) -> None:
    name, port = balancer.get("containerName"), balancer.get("containerPort")
    container = next((each for each in definition["containerDefinitions"] if each["name"] == name), None)
    family = definition["taskDefinitionArn"].rpartition("/")[2]
    if container is None:
        raise _invalid(f"The container {name} does not exist in the task definition {family}.")
    if port not in {each["containerPort"] for each in container["portMappings"]}:
        raise _invalid(f"The container {name} did not have a container port {port} defined.")


def _check_advanced(settings: Mapping[str, Any]) -> None:
    if "alternateTargetGroupArn" not in settings:
        raise _invalid("alternateTargetGroupArn is required in advancedConfiguration")
    production, test = settings.get("productionListenerRule"), settings.get("testListenerRule")
    for name, arn in (("productionListenerRule", production), ("testListenerRule", test)):
        if arn is not None and not (":listener-rule/app/" in arn or ":listener/net/" in arn):
            raise _invalid(
                f"{name} has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: {arn}"
            )
    if production is None:
        raise _invalid("productionListenerRule is required in advancedConfiguration")
    if production == test:
        raise _invalid(f"The following rules cannot be used as both production and test listener rules: {test}")
    if "roleArn" not in settings:
        raise _invalid("roleArn is required in advancedConfiguration")


async def _check_group(caller: Caller, arn: str) -> None:
    try:
        groups = await caller("elbv2", "describe_target_groups", TargetGroupArns=[arn])
    except ServiceError as error:
        raise _invalid(error.message) from error
    group = groups["TargetGroups"][0]
    if group.get("TargetType") != "ip":
        raise _invalid(
            f"The provided target group {group['TargetGroupArn']} has target type {group.get('TargetType')}, "
            "which is incompatible with the awsvpc network mode specified in the task definition."
        )
    if not group.get("LoadBalancerArns"):
        raise _invalid(
            f"The target group with targetGroupArn {group['TargetGroupArn']} does not have an associated load balancer."
        )


async def _check_rules(caller: Caller, balancer: Mapping[str, Any]) -> None:
    settings = balancer["advancedConfiguration"]
    rule = settings["productionListenerRule"]
    if not is_rule(rule):
        return
    try:
        (found,) = (await caller("elbv2", "describe_rules", RuleArns=[rule]))["Rules"]
    except ServiceError as error:
        raise _invalid(error.message) from error
    known = {group["TargetGroupArn"] for group in forwarded(found["Actions"])}
    if not known.issuperset(target_groups(balancer)) and "testListenerRule" not in settings:
        raise _invalid(
            "For Application LoadBalancer, testListenerRule is required when productionListenerRule is not associated "
            "with both targetGroup and alternateTargetGroup"
        )


def _invalid(why: str) -> ServiceError:
    return ServiceError("InvalidParameterException", why)
