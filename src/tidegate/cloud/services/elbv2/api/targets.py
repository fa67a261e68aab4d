"""Targets: register, deregister, and their health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Context, operation
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.services.elbv2.api.shared import ElbApi, arn_in, find_group
from tidegate.cloud.services.elbv2.model import SERVICE, GroupRecord, TargetRecord, health_of, name_of, record_of
from tidegate.cloud.services.elbv2.plan import checking, draining, registered

if TYPE_CHECKING:
    from types_boto3_elbv2 import type_defs as t

# addresses that may be registered although they are not the VPC's; loopback is this machine's own addition, so
# that a program that runs here beside the local cloud can be a target
_OUTSIDE = [IPv4Network(each) for each in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")]
_LOOPBACK = IPv4Network("127.0.0.0/8")
_NORMAL = {"Result": "normal", "MitigationInEffect": "no"}
_NO_OVERRIDE = {
    "State": "no_override",
    "Reason": "AdministrativeOverride.NoOverride",
    "Description": "No override is currently active on target",
}


class TargetsApi(ElbApi):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html and siblings."""

    @operation(resource=arn_in("TargetGroupArn"), refuse=("Targets.QuicServerId",))
    async def register_targets(self, context: Context, request: t.RegisterTargetsInputTypeDef) -> Mapping[str, Any]:
        """Register addresses; one that is being deregistered is a target again, one that is one stays as it is."""
        region, arn = context.region, request["TargetGroupArn"]
        group = find_group(self.model, region, arn)
        if not request["Targets"]:
            raise ServiceError("ValidationError", "At least one target must be specified")
        zones = await self._zones(region, group)
        chosen = [self._target(group, each, zones) for each in request["Targets"]]
        group = find_group(self.model, region, arn)
        used = self.model.balancer_of(region, arn) is not None
        now = self.clock.now()
        with self.model.store.transaction():
            for target in chosen:
                key = (region, arn, name_of(target))
                present = self.model.targets.get(*key)
                if present is None or present["state"] == "draining":
                    self.model.targets.put(key, record_of(target, registered(now, used=used)))
        return {}

    @operation(resource=arn_in("TargetGroupArn"), refuse=("Targets.QuicServerId",))
    async def deregister_targets(self, context: Context, request: t.DeregisterTargetsInputTypeDef) -> Mapping[str, Any]:
        """Begin to take targets away: they get no new requests, and go when those that they have are done."""
        region, arn = context.region, request["TargetGroupArn"]
        group = find_group(self.model, region, arn)
        keys = [key for each in request["Targets"] for key in self._keys(region, group, each)]
        now = self.clock.now()
        with self.model.store.transaction():
            for key in keys:
                present = self.model.targets.get(*key)
                if present is None or present["state"] == "draining":
                    continue
                if present["state"] == "unused":
                    self.model.targets.delete(*key)
                else:
                    self.model.targets.put(key, record_of(present["target"], draining(now)))
        return {}

    @operation(refuse=("Targets.QuicServerId",))
    async def describe_target_health(
        self, context: Context, request: t.DescribeTargetHealthInputTypeDef
    ) -> Mapping[str, Any]:
        """Return the health of a target group's targets, or of those asked for."""
        region, arn = context.region, request["TargetGroupArn"]
        group = find_group(self.model, region, arn)
        found = {key[2]: record for key, record in self.model.targets_of(region, arn)}
        wanted = request.get("Targets")
        if wanted:
            keys = [(each, self._keys(region, group, each)) for each in wanted]
            answers = [
                self._answer(group, found[key[2]]) if key[2] in found else self._not_registered(group, each)
                for each, of_target in keys
                for key in of_target
            ]
        else:
            answers = [self._answer(group, each) for each in found.values()]
        if {"AnomalyDetection", "All"} & set(request.get("Include", ())):
            answers = [{**each, "AnomalyDetection": _NORMAL} for each in answers]
        return {"TargetHealthDescriptions": answers}

    def _keys(self, region: str, group: GroupRecord, given: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return the keys of what a request names: an address with its port, or with the group's."""
        arn = group["group"]["TargetGroupArn"]
        port = given.get("Port", group["group"]["Port"])
        return [(region, arn, f"{given['Id']}:{port}")]

    def _target(self, group: GroupRecord, given: Mapping[str, Any], zones: Sequence[Any]) -> dict[str, Any]:
        """Return a target written out, or raise what is wrong with it."""
        try:
            address = IPv4Address(given["Id"])
        except AddressValueError:
            raise ServiceError(
                "ValidationError", f"The IP address '{given['Id']}' is not a valid IPv4 address"
            ) from None
        target = {"Id": str(address), "Port": given.get("Port", group["group"]["Port"])}
        zone = given.get("AvailabilityZone")
        inside = [name for network, name in zones if address in network]
        if inside:
            if zone not in (None, "all", *(name for name in inside if name)):
                raise ServiceError(
                    "ValidationError",
                    f"The Availability Zone '{zone}' is not the one of the IP address '{address}'",
                )
            named = zone if zone == "all" else next((name for name in inside if name), None)
            return target if named is None else {**target, "AvailabilityZone": named}
        if address in _LOOPBACK:
            return {**target, "AvailabilityZone": "all"}
        if not any(address in network for network in _OUTSIDE):
            raise ServiceError("InvalidTarget", f"The IP address '{address}' is not within a private range")
        if zone != "all":
            raise ServiceError(
                "ValidationError",
                f"You must specify the Availability Zone 'all' for the IP address '{address}', "
                "because it is not within the VPC of the target group",
            )
        return {**target, "AvailabilityZone": "all"}

    async def _zones(self, region: str, group: GroupRecord) -> list[tuple[IPv4Network, str | None]]:
        """Return the ranges of the target group's VPC: its subnets' with their zones, then its own."""
        ec2 = self.calls.as_service(SERVICE, region)
        vpc_id = group["group"]["VpcId"]
        filters = [{"Name": "vpc-id", "Values": [vpc_id]}]
        subnets = (await ec2("ec2", "describe_subnets", Filters=filters))["Subnets"]
        vpcs = (await ec2("ec2", "describe_vpcs", Filters=filters))["Vpcs"]
        ranges = [each["CidrBlock"] for vpc in vpcs for each in vpc["CidrBlockAssociationSet"]]
        return [
            *((IPv4Network(each["CidrBlock"]), each["AvailabilityZone"]) for each in subnets),
            *((IPv4Network(each), None) for each in ranges),
        ]

    def _answer(self, group: GroupRecord, record: TargetRecord) -> dict[str, Any]:
        shown = health_of(record)
        if shown.state == "healthy" and not record.get("routed"):
            shown = checking(registered(shown.since, used=True))
        health = {"State": shown.state, "Reason": shown.reason, "Description": shown.description}
        return {
            "Target": record["target"],
            "HealthCheckPort": self._check_port(group, record["target"]),
            "TargetHealth": {name: value for name, value in health.items() if value is not None},
            "AdministrativeOverride": _NO_OVERRIDE,
        }

    def _not_registered(self, group: GroupRecord, given: Mapping[str, Any]) -> dict[str, Any]:
        target = {"Id": given["Id"], "Port": given.get("Port", group["group"]["Port"])}
        return {
            "Target": target,
            "HealthCheckPort": self._check_port(group, target),
            "TargetHealth": {
                "State": "unused",
                "Reason": "Target.NotRegistered",
                "Description": "Target is not registered to the target group",
            },
        }

    def _check_port(self, group: GroupRecord, target: Mapping[str, Any]) -> str:
        port = group["group"]["HealthCheckPort"]
        return str(target["Port"]) if port == "traffic-port" else port
