"""Target groups: create, describe, change, delete; their attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError, not_offered
from tidegate.cloud.services.elbv2.api.shared import (
    ElbApi,
    arn_in,
    check_name,
    find_balancer,
    find_group,
    new_tags,
    paged,
    request_tags,
)
from tidegate.cloud.services.elbv2.attributes import GROUP, NETWORK_GROUP, Attribute, changed, defaults, listed
from tidegate.cloud.services.elbv2.model import SERVICE, GroupRecord
from tidegate.cloud.services.elbv2.protocols import check_settings, group_settings, of_network

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t


class TargetGroupsApi(ElbApi):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html and siblings."""

    @operation(
        resource=lambda api, context, request: context.arn("elasticloadbalancing", f"targetgroup/{request['Name']}/*"),
        conditions=request_tags,
        refuse=("TargetControlPort",),
    )
    async def create_target_group(
        self, context: Context, request: t.CreateTargetGroupInputTypeDef
    ) -> Mapping[str, Any]:
        """Create a target group for addresses, or return the one of that name with the same settings."""
        region, name = context.region, request["Name"]
        check_name("target group", name)
        self._check_kind(request)
        base = context.arn("elasticloadbalancing", f"targetgroup/{name}")
        tags = new_tags(self, context, request, f"{base}/*", "CreateTargetGroup")
        if "VpcId" not in request:
            raise ServiceError("ValidationError", "A VPC ID must be specified")
        await self._check_vpc(region, request["VpcId"])
        settings: dict[str, Any] = {
            "Port": request.get("Port"),
            "VpcId": request["VpcId"],
            "TargetType": "ip",
            "IpAddressType": "ipv4",
            **group_settings(request),
        }
        if settings["Port"] is None:
            raise ServiceError("ValidationError", "A port must be specified")
        for record in self.model.groups.values(region):
            if record["group"]["TargetGroupName"] == name:
                if all({**record["group"]}.get(key) == value for key, value in settings.items()):
                    return {"TargetGroups": [self._answer(region, record)]}
                raise ServiceError(
                    "DuplicateTargetGroupName",
                    f"A target group with the same name '{name}' exists, but with different settings",
                )
        group: Any = {
            "TargetGroupArn": f"{base}/{self.clock.hex(16)}",
            "TargetGroupName": name,
            **settings,
        }
        new: GroupRecord = {"group": group, "attributes": defaults(_table(group)), "tags": tags}
        self.model.groups.put((region, group["TargetGroupArn"]), new)
        return {"TargetGroups": [self._answer(region, new)]}

    @operation()
    async def describe_target_groups(
        self, context: Context, request: t.DescribeTargetGroupsInputTypeDef
    ) -> Mapping[str, Any]:
        """List target groups: by ARNs, by names, those of a load balancer, or all."""
        region = context.region
        records = self.model.groups.values(region)
        for parameter, member in (("TargetGroupArns", "TargetGroupArn"), ("Names", "TargetGroupName")):
            wanted: Sequence[str] = request.get(parameter, ())  # type: ignore[assignment]
            have = {str({**each["group"]}[member]) for each in records}
            if any(each not in have for each in wanted):
                raise ServiceError("TargetGroupNotFound", "One or more target groups not found")
            records = [each for each in records if not wanted or {**each["group"]}[member] in wanted]
        answers = [self._answer(region, each) for each in records]
        if "LoadBalancerArn" in request:
            arn = request["LoadBalancerArn"]
            find_balancer(self.model, region, arn)
            answers = [each for each in answers if arn in each["LoadBalancerArns"]]
        return paged(request, answers, lambda each: str(each["TargetGroupArn"]), "TargetGroups")

    @operation(resource=arn_in("TargetGroupArn"))
    async def modify_target_group(
        self, context: Context, request: t.ModifyTargetGroupInputTypeDef
    ) -> Mapping[str, Any]:
        """Change how a target group's targets are checked."""
        record = find_group(self.model, context.region, request["TargetGroupArn"])
        group: Any = record["group"]
        settings = check_settings(group, request)
        for name in ("HealthCheckPath", "Matcher"):
            group.pop(name, None)
        group.update(settings)
        self._put(context.region, record)
        return {"TargetGroups": [self._answer(context.region, record)]}

    @operation()
    async def describe_target_group_attributes(
        self, context: Context, request: t.DescribeTargetGroupAttributesInputTypeDef
    ) -> Mapping[str, Any]:
        """List a target group's attributes."""
        record = find_group(self.model, context.region, request["TargetGroupArn"])
        return {"Attributes": listed(record["attributes"])}

    @operation(resource=arn_in("TargetGroupArn"))
    async def modify_target_group_attributes(
        self, context: Context, request: t.ModifyTargetGroupAttributesInputTypeDef
    ) -> Mapping[str, Any]:
        """Change attributes."""
        record = find_group(self.model, context.region, request["TargetGroupArn"])
        given: Any = request["Attributes"]
        attributes = changed("Target group", _table({**record["group"]}), record["attributes"], given)
        slow = attributes.get("slow_start.duration_seconds", "0") != "0"
        if slow and attributes["load_balancing.algorithm.type"] != "round_robin":
            raise ServiceError(
                "InvalidConfigurationRequest",
                "You cannot enable slow start with a load balancing algorithm other than round robin",
            )
        by_app = attributes["stickiness.enabled"] == "true" and attributes["stickiness.type"] == "app_cookie"
        if by_app and not attributes["stickiness.app_cookie.cookie_name"]:
            raise ServiceError(
                "InvalidConfigurationRequest",
                "You must specify 'stickiness.app_cookie.cookie_name' for stickiness of the type 'app_cookie'",
            )
        record["attributes"] = attributes
        self._put(context.region, record)
        return {"Attributes": listed(attributes)}

    @operation(resource=arn_in("TargetGroupArn"))
    async def delete_target_group(
        self, context: Context, request: t.DeleteTargetGroupInputTypeDef
    ) -> Mapping[str, Any]:
        """Delete a target group that no listener and no rule forwards to; its targets go with it."""
        region, arn = context.region, request["TargetGroupArn"]
        if self.model.balancer_of(region, arn) is not None:
            raise ServiceError("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
        with self.model.store.transaction():
            for key, _ in self.model.targets_of(region, arn):
                self.model.targets.delete(*key)
            self.model.groups.delete(region, arn)
        return {}

    def _put(self, region: str, record: GroupRecord) -> None:
        self.model.groups.put((region, record["group"]["TargetGroupArn"]), record)

    def _answer(self, region: str, record: GroupRecord) -> dict[str, Any]:
        balancer = self.model.balancer_of(region, record["group"]["TargetGroupArn"])
        return {**record["group"], "LoadBalancerArns": [] if balancer is None else [balancer]}

    def _check_kind(self, request: Mapping[str, Any]) -> None:
        kind = request.get("TargetType", "instance")
        if kind != "ip":
            raise not_offered(f"elbv2:CreateTargetGroup TargetType {kind}")
        if request.get("IpAddressType", "ipv4") != "ipv4":
            raise not_offered(f"elbv2:CreateTargetGroup IpAddressType {request['IpAddressType']}")

    async def _check_vpc(self, region: str, vpc_id: str) -> None:
        try:
            await self.calls.as_service(SERVICE, region)("ec2", "describe_vpcs", VpcIds=[vpc_id])
        except ServiceError as error:
            if error.code != "InvalidVpcID.NotFound":
                raise
            raise ServiceError("ValidationError", f"The VPC ID '{vpc_id}' is not found") from None


def _table(group: Mapping[str, Any]) -> Mapping[str, Attribute]:
    """Return the attributes that a target group has."""
    return NETWORK_GROUP if of_network(group) else GROUP
